package metrics

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bosgc/gc"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// rowsOf returns the conditions that have held, and for how many sweeps.
func rowsOf(t *testing.T, from prometheus.Gatherer) string {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == rowsName && m.GetGauge().GetValue() != 0 {
				rows[m.GetLabel()[0].GetValue()] = fmt.Sprint(m.GetGauge().GetValue())
			}
		}
	}
	var all []string
	for _, condition := range slices.Sorted(maps.Keys(rows)) {
		all = append(all, condition+" "+rows[condition])
	}
	return strings.Join(all, ", ")
}

func swept(d gc.Document) *Metrics {
	m := New("1.0", "abc")
	d.CreatedAt = time.Now()
	m.RecordSweep(d, time.Now())
	return m
}

func TestSweepsInARow(t *testing.T) {
	store, _ := newStore(t)
	l, err := NewLedger("1.0", "abc")
	if err != nil {
		t.Fatal(err)
	}
	list := func(listed bool, bytes int64) gc.Document {
		return gc.Document{
			Sources: []inventory.Source{{Name: inventory.SourceSessions, Listed: listed}, {Name: inventory.SourcePods, Complete: true, Listed: true}},
			List:    &collect.SessionList{Bytes: bytes, Limit: 4 << 20},
		}
	}
	good := list(true, 0)
	good.Sources[0].Complete = true
	unread := good
	unread.Sources = []inventory.Source{{Name: inventory.SourcePods}, good.Sources[0]}
	object := func(o gc.Object) gc.Document {
		d := good
		d.Objects, d.ExitCode = []gc.Object{{Kind: policy.Job}, o}, gc.ExitPartial
		return d
	}
	many := func(n int, some gc.Object, m int, others gc.Object) gc.Document {
		d := good
		d.Objects = append(slices.Repeat([]gc.Object{some}, n), slices.Repeat([]gc.Object{others}, m)...)
		return d
	}
	dryRun := func(d gc.Document) gc.Document { d.Kind = "Plan"; return d }
	doubted := gc.Object{Kind: policy.Session, Verdict: policy.Unknown, Reason: policy.ClockSkew}
	ours := gc.Object{Kind: policy.Session, Verdict: policy.Keep, Reason: policy.Running}
	left := gc.Object{Kind: policy.CFSSession, Verdict: policy.Delete, Reason: policy.CFSExpired}
	deleted := gc.Object{Kind: policy.Job, Verdict: policy.Delete, Reason: policy.OwnerCollected, Outcome: gc.Deleted}
	for i, step := range []struct {
		run  *Metrics
		want string
	}{
		{swept(good), ""},
		{swept(list(false, 100)), "list-failed 1"},
		{swept(list(false, 100)), "list-failed 2"},
		{swept(list(false, 3<<20)), "list-large 1"},
		{swept(unread), "incomplete 1"},
		{swept(object(gc.Object{Kind: policy.Job, Outcome: gc.Failed})), "deletes-failed 1"},
		{swept(object(gc.Object{Kind: policy.Job, Outcome: gc.Failed})), "deletes-failed 2"},
		{failedSweep(gc.ExitFailed), "deletes-failed 2, failed 1"},
		{failedSweep(gc.ExitLocked), "deletes-failed 2, failed 2"},
		{swept(object(gc.Object{Kind: policy.Job, Outcome: gc.Failed})), "deletes-failed 3"},
		{swept(object(gc.Object{Kind: policy.Job, Reason: policy.OrphanGuard})), "guarded 1, orphans 1"},
		{swept(object(gc.Object{Kind: policy.Job, Reason: policy.AwaitingConfirmation})), "orphans 2"},
		{cleanedUp(), "orphans 2"},
		{swept(good), ""},
		{swept(many(11, doubted, 10, ours)), "clock-doubted 1"},
		{swept(many(12, doubted, 0, ours)), "clock-doubted 2"},
		{failedSweep(gc.ExitFailed), "clock-doubted 2, failed 1"},
		{swept(many(12, doubted, 12, ours)), ""},
		{swept(many(10, doubted, 0, ours)), ""},
		{swept(many(300, left, 1, deleted)), "backlog 1"},
		{swept(many(400, left, 1, deleted)), "backlog 2"},
		{cleanedUp(), "backlog 2"},
		{swept(many(300, left, 1, deleted)), "backlog 3"},
		{failedSweep(gc.ExitFailed), "backlog 3, failed 1"},
		{swept(many(299, left, 1, deleted)), "backlog 1"}, // fewer: what comes is compared with these
		{swept(many(299, left, 1, deleted)), "backlog 2"},
		{swept(many(298, left, 1, deleted)), "backlog 1"},
		{swept(many(900, left, 0, deleted)), ""}, // what deletes nothing has other rows
		{swept(many(900, left, 1, deleted)), "backlog 1"},
		{swept(many(900, left, 1, deleted)), "backlog 2"},
		{swept(dryRun(many(900, left, 1, deleted))), ""},
		{swept(many(20, left, 1, deleted)), ""},
	} {
		if err := recordRun(t, l, store, fmt.Sprint("run-", i), step.run); err != nil {
			t.Fatal(err)
		}
		if got := rowsOf(t, l); got != step.want {
			t.Errorf("after sweep %d: %q, want %q", i, got, step.want)
		}
		next, err := NewExporter(store, "1.0", "abc", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := rowsOf(t, next); got != step.want {
			t.Errorf("after sweep %d the state has %q, want %q", i, got, step.want)
		}
	}
}

func failedSweep(code int) *Metrics {
	m := New("1.0", "abc")
	m.RecordFailure(code, time.Now(), time.Now())
	return m
}

func cleanedUp() *Metrics {
	m := New("1.0", "abc")
	m.RecordCleanup(gc.Document{})
	return m
}

// A row goes on where the state could not be written.
func TestSweepsInARowWithoutTheState(t *testing.T) {
	store, server := newStore(t)
	l, err := NewLedger("1.0", "abc")
	if err != nil {
		t.Fatal(err)
	}
	failed := gc.Document{Objects: []gc.Object{{Kind: policy.Job, Outcome: gc.Failed}}}
	if err := recordRun(t, l, store, "run-0", swept(failed)); err != nil {
		t.Fatal(err)
	}
	if err := server.AddFault(lab.Fault{Name: "kube-down"}); err != nil {
		t.Fatal(err)
	}
	err = recordRun(t, l, store, "run-1", swept(failed))
	if got := rowsOf(t, l); err == nil || got != "deletes-failed 2" {
		t.Errorf("%v, %q", err, got)
	}
	if err := errors.Join(l.RecordFailure(gc.ExitFailed, time.Now())); err != nil {
		t.Fatal(err)
	}
	if got := rowsOf(t, l); got != "deletes-failed 2, failed 1" {
		t.Errorf("a sweep that could not start: %q", got)
	}
}

func TestLabelled(t *testing.T) {
	registry := prometheus.NewRegistry()
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "g"}, []string{"kind", "a"})
	gauge.WithLabelValues("Job", "b").Set(3)
	registry.MustRegister(gauge)
	for range 2 { // the source is not changed
		families, err := Labelled(registry, "services.bosgc").Gather()
		if err != nil || len(families) != 1 {
			t.Fatal(err, families)
		}
		var got []string
		for _, l := range families[0].GetMetric()[0].GetLabel() {
			got = append(got, l.GetName()+"="+l.GetValue())
		}
		if want := "a=b installation=services.bosgc kind=Job"; strings.Join(got, " ") != want {
			t.Errorf("labels %v, want %s", got, want)
		}
	}
}
