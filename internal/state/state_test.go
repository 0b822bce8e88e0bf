package state

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/lab"
	"bosgc/internal/lab/labtest"
	"bosgc/internal/memory"
)

// newStore returns a store in a simulated cluster, what it is based on, and the cluster.
func newStore(t *testing.T) (*Store, *kube.Store, *lab.Server) {
	t.Helper()
	server, client := labtest.Start(t, lab.ServerOptions{}, 5*time.Second)
	own := client.Store(lab.Namespace)
	return NewStore(own, "bosgc"), own, server
}

// deleted returns the metrics of a run with n deletes.
func deleted(n float64) []*dto.MetricFamily {
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "deleted_total", Help: "h"}, []string{"kind"})
	counter.WithLabelValues("Job").Add(n)
	took := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "took_seconds", Help: "h", Buckets: []float64{1, 2}})
	for range int(n) {
		took.Observe(1.5)
	}
	last := prometheus.NewGauge(prometheus.GaugeOpts{Name: "last", Help: "h"})
	last.Set(n)
	registry.MustRegister(counter, took, last)
	families, err := registry.Gather()
	if err != nil {
		panic(err)
	}
	return families
}

func all(string) bool  { return true }
func none(string) bool { return false }

// addDeleted returns a change that adds a run with n deletes.
func addDeleted(n float64) func(*State) error {
	return func(s *State) (err error) {
		s.Totals, err = s.Totals.Add(deleted(n), all)
		return err
	}
}

func total(t *testing.T, s State) float64 {
	t.Helper()
	if s.Totals["deleted_total"] == nil {
		return 0
	}
	h := s.Totals["took_seconds"].GetMetric()[0].GetHistogram()
	n := s.Totals["deleted_total"].GetMetric()[0].GetCounter().GetValue()
	if float64(h.GetSampleCount()) != n || float64(h.GetBucket()[1].GetCumulativeCount()) != n ||
		h.GetBucket()[0].GetCumulativeCount() != 0 || h.GetSampleSum() != 1.5*n {
		t.Errorf("the histogram is %v, want %v observations", h, n)
	}
	return n
}

func TestReadReturnsWhatWasWritten(t *testing.T) {
	store, _, _ := newStore(t)
	first := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	_, err := store.Update(t.Context(), "run-1", func(s *State) error {
		s.List = SessionList{Sessions: 3, Unseen: 1, Hang: &Hang{At: first, Bytes: 7}}
		s.Last = &Run{ID: "run-1", ExitCode: 3, Outcomes: map[string]int{"deleted": 5}}
		s.Sightings = map[string]memory.Sighting{"uid": {Times: 2, First: first, Last: first}}
		s.Guards = map[string]memory.Guard{"Job": {Since: first, Why: "many", Orphans: 30}}
		s.Procedures = Procedures{{Run: "run-0", At: first, Cancel: true, Sessions: []string{"id"}}}
		return addDeleted(5)(s)
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if total(t, s) != 5 || s.Last.ID != "run-1" || s.Last.Outcomes["deleted"] != 5 ||
		s.Sightings["uid"] != (memory.Sighting{Times: 2, First: first, Last: first}) || !s.Counted("run-1") || !s.SetAside.IsZero() {
		t.Errorf("%+v", s)
	}
	if !s.Guards["Job"].Since.Equal(first) || s.Guards["Job"].Orphans != 30 {
		t.Errorf("%+v", s.Guards)
	}
	if len(s.Procedures) != 1 || !s.Procedures[0].At.Equal(first) || !s.Procedures.Know("run-0", "id", true, true) {
		t.Errorf("%+v", s.Procedures)
	}
	if s.List.Sessions != 3 || s.List.Unseen != 1 || *s.List.Hang != (Hang{At: first, Bytes: 7}) {
		t.Errorf("%+v", s.List)
	}
}

func TestConcurrentWritersLoseNothing(t *testing.T) {
	store, _, _ := newStore(t)
	var writers sync.WaitGroup
	for n := range 6 {
		writers.Go(func() {
			for i := range 4 {
				for { // five other writers can use up all tries
					if _, err := store.Update(t.Context(), fmt.Sprintf("%d-%d", n, i), addDeleted(1)); err == nil {
						break
					} else if !errors.Is(err, kube.ErrChanged) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	writers.Wait()
	s, err := store.Read(t.Context())
	if got := total(t, s); err != nil || got != 24 {
		t.Errorf("counted %v, want 24; %v", got, err)
	}
}

// A write whose answer was lost was carried out: it counts once.
func TestLostAnswerCountsOnce(t *testing.T) {
	store, _, server := newStore(t)
	for n, method := range []string{"POST", "PUT"} {
		fault := lab.Fault{Kind: lab.FaultLoseAnswer, System: "kube", Method: method, Count: 1}
		if err := server.AddFault(fault); err != nil {
			t.Fatal(err)
		}
		s, err := store.Update(t.Context(), method, addDeleted(1))
		if got := total(t, s); err != nil || got != float64(n+1) {
			t.Errorf("%s: counted %v, want %d; %v", method, got, n+1, err)
		}
	}
}

func TestUnreadableStateIsSetAside(t *testing.T) {
	good := func() map[string]string {
		s := State{Totals: Totals{}}
		s.MarkCounted("r")
		if err := addDeleted(1)(&s); err != nil {
			t.Fatal(err)
		}
		data, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for name, harm := range map[string]func(map[string]string){
		"a newer format":             func(d map[string]string) { d[keyFormat] = "2" },
		"no format":                  func(d map[string]string) { delete(d, keyFormat) },
		"empty":                      func(d map[string]string) { clear(d) },
		"metrics that are none":      func(d map[string]string) { d[keyMetrics] = "deleted_total{" },
		"a negative counter":         func(d map[string]string) { d[keyMetrics] = strings.Replace(d[keyMetrics], "} 1", "} -1", 1) },
		"not a number":               func(d map[string]string) { d[keyMetrics] = strings.Replace(d[keyMetrics], "} 1", "} NaN", 1) },
		"sightings that are none":    func(d map[string]string) { d[keySightings] = `{"uid":7}` },
		"sightings cut off":          func(d map[string]string) { d[keySightings] = `{"uid":{"n":1,` },
		"seen without a time":        func(d map[string]string) { d[keySightings] = `{"uid":{"n":9}}` },
		"seen less than never":       func(d map[string]string) { d[keySightings] = `{"uid":{"n":-1,"first":"2026-01-01T00:00:00Z"}}` },
		"sightings missing":          func(d map[string]string) { delete(d, keySightings) },
		"runs that are none":         func(d map[string]string) { d[keyRuns] = `{}` },
		"a time that is none":        func(d map[string]string) { d[keySetAside] = `yesterday` },
		"a last run that is no run":  func(d map[string]string) { d[keyLast] = `[]` },
		"a list that is none":        func(d map[string]string) { d[keyList] = `[]` },
		"fewer sessions than none":   func(d map[string]string) { d[keyList] = `{"sessions":-1}` },
		"a hang at no time":          func(d map[string]string) { d[keyList] = `{"hang":{"bytes":1}}` },
		"JSON with something behind": func(d map[string]string) { d[keyRuns] = `[]]` },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, own, _ := newStore(t)
			bad := good()
			harm(bad)
			if _, err := own.Put(t.Context(), kube.StoredConfigMap{Name: "bosgc-state", Data: bad}); err != nil {
				t.Fatal(err)
			}
			if s, err := store.Read(t.Context()); !errors.Is(err, ErrUnreadable) || len(s.Sightings) > 0 ||
				!strings.Contains(err.Error(), "bosgc-state") {
				t.Errorf("read: %+v, error %v", s, err)
			}
			s, err := store.Update(t.Context(), "next", addDeleted(3))
			if err != nil || total(t, s) != 3 || len(s.Sightings) != 0 || s.SetAside.IsZero() {
				t.Errorf("began anew with %+v, error %v", s, err)
			}
			aside, presence, err := own.Get(t.Context(), "bosgc-state-unreadable")
			if err != nil || presence != inventory.Present || !maps.Equal(aside.Data, bad) {
				t.Errorf("set aside: %v, %v, error %v", presence, aside.Data, err)
			}
			if s, err = store.Read(t.Context()); err != nil || s.SetAside.IsZero() {
				t.Errorf("afterwards: %+v, error %v", s, err)
			}
		})
	}
}

// A state that cannot be set aside is not overwritten.
func TestStateThatCannotBeSetAsideStays(t *testing.T) {
	store, own, server := newStore(t)
	precious := kube.StoredConfigMap{Name: "bosgc-state", Data: map[string]string{"precious": "yes"}}
	if _, err := own.Put(t.Context(), precious); err != nil {
		t.Fatal(err)
	}
	forbid := lab.Fault{Kind: lab.FaultStatus, Status: 403, System: "kube", Method: "POST"}
	if err := server.AddFault(forbid); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Update(t.Context(), "next", addDeleted(3)); err == nil {
		t.Error("no error")
	}
	if kept, _, err := own.Get(t.Context(), "bosgc-state"); err != nil || kept.Data["precious"] != "yes" {
		t.Errorf("%v, error %v", kept.Data, err)
	}
}

func TestStateIsBounded(t *testing.T) {
	s := State{Totals: Totals{}, Memory: memory.Memory{Sightings: map[string]memory.Sighting{}}}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 3 * maxSightings {
		uid := fmt.Sprintf("%08d-2c3b-4f5e-8a9b-0123456789ab", i)
		s.Sightings[uid] = memory.Sighting{
			Times: 1_000_000, First: begin.Add(time.Duration(i) * time.Second), Last: begin.Add(time.Duration(i) * time.Hour),
		}
	}
	for i := range 1000 {
		s.MarkCounted(fmt.Sprintf("20260102t150405z-%08d", i))
	}
	data, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, text := range data {
		size += len(text)
	}
	if size > 600<<10 || len(s.Sightings) != maxSightings || len(s.Runs) != maxRuns {
		t.Errorf("%d bytes, %d sightings, %d runs", size, len(s.Sightings), len(s.Runs))
	}
	if _, oldest := s.Sightings["00000000-2c3b-4f5e-8a9b-0123456789ab"]; !oldest {
		t.Error("the oldest orphan was forgotten: it would never be confirmed")
	}
	if !s.Counted("20260102t150405z-00000999") {
		t.Error("the newest run was forgotten")
	}
}

func TestTotals(t *testing.T) {
	sum, err := Totals{}.Add(deleted(2), all)
	if err != nil {
		t.Fatal(err)
	}
	if sum, err = sum.Add(deleted(3), none); err != nil {
		t.Fatal(err)
	}
	if got := total(t, State{Totals: sum}); got != 5 {
		t.Errorf("counted %v, want 5", got)
	}
	if got := sum["last"].GetMetric()[0].GetGauge().GetValue(); got != 2 {
		t.Errorf("a gauge with nothing new to say is %v, want 2", got)
	}
	text, err := sum.text()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parseTotals(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := parsed.text()
	if err != nil || again != text {
		t.Errorf("read and written again:\n%s\nwas\n%s%v", again, text, err)
	}
	// From another version: a metric that no longer exists, one that was a gauge, other buckets.
	if parsed, err = parseTotals(`# TYPE old_total counter
old_total 5
# TYPE deleted_total gauge
deleted_total{kind="Job"} 7
# TYPE took_seconds histogram
took_seconds_bucket{le="9"} 1
took_seconds_bucket{le="+Inf"} 1
took_seconds_sum 3
took_seconds_count 1
`); err != nil {
		t.Fatal(err)
	}
	if sum, err = parsed.Add(deleted(4), all); err != nil || sum["old_total"] != nil ||
		total(t, State{Totals: sum}) != 4 {
		t.Errorf("%v, error %v", sum, err)
	}
}

func FuzzDecode(f *testing.F) {
	s := State{Totals: Totals{}, Memory: memory.Memory{Sightings: map[string]memory.Sighting{"u": {Times: 1, First: time.Unix(1, 0), Last: time.Unix(1, 0)}}}}
	_ = addDeleted(1)(&s)
	data, err := s.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[keyMetrics], data[keySightings], data[keyRuns], data[keyLast])
	f.Add("a{b=\"\xff\"} 1e999", "null", "null", "null")
	f.Fuzz(func(t *testing.T, metrics, sightings, runs, last string) {
		s, err := decode(map[string]string{
			keyFormat: format, keyMetrics: metrics, keySightings: sightings, keyRuns: runs, keyLast: last,
		})
		if err != nil {
			if !errors.Is(err, ErrUnreadable) || s.Sightings != nil {
				t.Errorf("%v, %+v", err, s)
			}
			return
		}
		next, err := s.Totals.Add(deleted(1), none)
		if err != nil {
			t.Fatal(err)
		}
		s.Totals = next
		again, err := s.encode()
		if err != nil {
			return // malformed metrics are not written
		}
		if _, err := decode(again); err != nil {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}
