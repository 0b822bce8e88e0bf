package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// names are the metrics that monitoring relies on.
var names = []string{
	"bosgc_backlog_start",
	"bosgc_objects", "bosgc_orphans", "bosgc_oldest_orphan_age_seconds", "bosgc_oldest_eligible_age_seconds",
	"bosgc_backlog", "bosgc_deleted_total", "bosgc_delete_failures_total", "bosgc_bos_sessions",
	"bosgc_bos_list_ok", "bosgc_bos_list_bytes", "bosgc_bos_list_limit_bytes", "bosgc_source_complete",
	"bosgc_sweep_duration_seconds", "bosgc_last_sweep_timestamp_seconds",
	"bosgc_last_success_timestamp_seconds", "bosgc_last_exit_code", "bosgc_state_ok",
	"bosgc_state_set_aside_timestamp_seconds", "bosgc_requests_total", "bosgc_request_duration_seconds",
	"bosgc_build_info", "bosgc_orphan_guard", "bosgc_sweeps_in_a_row", "bosgc_dry_run",
}

func scrape(m *Metrics) string {
	recorder := httptest.NewRecorder()
	handler := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	handler.ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	return recorder.Body.String()
}

func TestNewCreatesEverySeries(t *testing.T) {
	m := New("1.0", "abc")
	text := scrape(m)
	for _, name := range names {
		if !strings.Contains(text, "\n"+name+" ") && !strings.Contains(text, "\n"+name+"{") &&
			!strings.Contains(text, "\n"+name+"_bucket{") {
			t.Errorf("no series of %s", name)
		}
	}
	for _, series := range []string{
		`bosgc_objects{kind="Session",reason="ghost",verdict="delete"} 0`,
		`bosgc_deleted_total{kind="CFSSession",reason="cfs-expired"} 0`,
		`bosgc_delete_failures_total{kind="Job"} 0`,
		`bosgc_source_complete{source="kube-pods"} 0`,
		`bosgc_requests_total{code="200",system="bos",verb="DELETE"} 0`,
	} {
		if !strings.Contains(text, series) {
			t.Errorf("missing: %s", series)
		}
	}
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if got := strings.Count(text, "# HELP bosgc_"); got != len(names) {
		t.Errorf("%d metrics, %d are documented", got, len(names))
	}
}

func TestRecordSweep(t *testing.T) {
	m := New("1.0", "abc")
	now := time.Unix(2_000_000_000, 0)
	eligible := now.Add(-time.Hour)
	d := gc.Document{
		CreatedAt: now.Add(-30 * time.Second),
		ExitCode:  gc.ExitPartial,
		Sources: []inventory.Source{
			{Name: inventory.SourceSessions, Complete: false, Listed: true, Count: 17},
			{Name: inventory.SourcePods, Complete: true},
		},
		Objects: []gc.Object{
			{
				Kind: policy.Session, Verdict: policy.Delete, Reason: policy.Ghost, Outcome: gc.Deleted,
				EligibleAt: eligible.UTC().Truncate(time.Second),
			},
			{
				Kind: policy.Job, Verdict: policy.Delete, Reason: policy.OwnerCollected, Outcome: gc.Failed,
				EligibleAt: eligible.UTC().Truncate(time.Second),
			},
			{Kind: policy.Job, Verdict: policy.Delete, Reason: policy.OwnerCollected, Outcome: gc.Waiting},
			{Kind: policy.ConfigMap, Verdict: policy.Keep, Reason: policy.AwaitingConfirmation},
			{Kind: policy.CFSSession, Verdict: policy.Keep, Reason: policy.OrphanGuard},
		},
	}
	m.RecordSweep(d, now)
	m.RecordSweep(d, now)
	m.RequestObserver("bos")("GET", 0, time.Second)
	text := scrape(m)
	for _, series := range []string{
		`bosgc_deleted_total{kind="Session",reason="ghost"} 2`, // counters add up
		`bosgc_delete_failures_total{kind="Job"} 2`,
		`bosgc_objects{kind="Session",reason="ghost",verdict="delete"} 1`, // gauges have the value of the last sweep
		`bosgc_backlog{kind="Job"} 2`,
		`bosgc_orphans{kind="ConfigMap"} 1`,
		`bosgc_orphan_guard{kind="CFSSession"} 1`, `bosgc_orphan_guard{kind="ConfigMap"} 0`,
		`bosgc_oldest_eligible_age_seconds{kind="Job"} 3600`,
		`bosgc_oldest_eligible_age_seconds{kind="Session"} 0`, // it was deleted
		`bosgc_bos_sessions 17`, `bosgc_bos_list_ok 1`,
		`bosgc_source_complete{source="bos-sessions"} 0`, `bosgc_source_complete{source="kube-pods"} 1`,
		`bosgc_sweep_duration_seconds 30`, `bosgc_last_exit_code 3`,
		`bosgc_last_sweep_timestamp_seconds 2e+09`, `bosgc_last_success_timestamp_seconds 0`,
		`bosgc_requests_total{code="0",system="bos",verb="GET"} 1`,
	} {
		if !strings.Contains(text, series+"\n") {
			t.Errorf("missing: %s", series)
		}
	}
	m.RecordFailure(gc.ExitFailed, now, now)
	if text := scrape(m); !strings.Contains(text, "bosgc_last_exit_code 1\n") {
		t.Error("a failed sweep is not recorded")
	}
	m.RecordSweep(gc.Document{ExitCode: gc.ExitDone, CreatedAt: now}, now)
	if text := scrape(m); !strings.Contains(text, "bosgc_last_success_timestamp_seconds 2e+09\n") ||
		strings.Contains(text, `verdict="delete"} 1`) {
		t.Error("a good sweep is not recorded")
	}
}
