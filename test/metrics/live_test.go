package metrics

import (
	"fmt"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/metrics"
	"bosgc/policy"
	"bosgc/test/plane"
)

// sweepAgain records sweeps that find and do something of everything.
func sweepAgain(m *metrics.Metrics, n int) {
	now := time.Now()
	eligible := now.Add(-48 * time.Hour)
	d := gc.Document{
		CreatedAt: now.Add(-42 * time.Second),
		Sources:   []inventory.Source{{Name: inventory.SourceSessions, Complete: true, Listed: true, Count: 300 + n}, {Name: inventory.SourcePods, Complete: true}},
		List:      &collect.SessionList{From: collect.FromBOS, Sessions: 300, Bytes: 1 << 20, Limit: 4 << 20},
		Objects: []gc.Object{
			{Kind: policy.Session, Verdict: policy.Delete, Reason: policy.CompletedExpired, Outcome: gc.Deleted, EligibleAt: eligible.UTC().Truncate(time.Second)},
			{Kind: policy.Job, Verdict: policy.Delete, Reason: policy.OwnerCollected, Outcome: gc.Failed, EligibleAt: eligible.UTC().Truncate(time.Second)},
			{Kind: policy.CFSSession, Verdict: policy.Delete, Reason: policy.CFSExpired, Outcome: gc.Waiting, EligibleAt: eligible.UTC().Truncate(time.Second)},
			{Kind: policy.ConfigMap, Verdict: policy.Keep, Reason: policy.AwaitingConfirmation},
		},
	}
	m.RecordSweep(d, now)
	for _, system := range metrics.Systems {
		m.RequestObserver(system)("GET", 200, 20*time.Millisecond)
		m.RequestObserver(system)("DELETE", 404, 40*time.Millisecond)
	}
}

// TestRulesAndDashboardInPrometheus runs every rule and every query of the dashboard in a real
// Prometheus that scrapes what the program serves.
func TestRulesAndDashboardInPrometheus(t *testing.T) {
	m := metrics.New("1.2.3", "abcdef")
	server, err := metrics.Listen(t.Context(), "127.0.0.1:0", metrics.Labelled(m, "services.bosgc"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	p := startPrometheus(t, target{job: "bosgc-exporter", address: server.Address(), labels: map[string]string{"namespace": "services", "pod": "bosgc-exporter-0"}})
	for n := range 3 {
		sweepAgain(m, n)
		plane.Eventually(t, 10*time.Second, func() error {
			got, err := p.number(t, "bosgc_bos_sessions")
			if err == nil && got != float64(300+n) {
				err = fmt.Errorf("%v sessions, want %d", got, 300+n)
			}
			return err
		})
	}
	for name, state := range p.checkRules(t) {
		if state == "firing" {
			t.Errorf("%s fires", name)
		}
	}
	for _, r := range prometheusRule(t).all() {
		if result, err := p.query(t, r.Record+r.Alert); r.Record != "" && (err != nil || len(result) == 0) {
			t.Errorf("%s: %d series, error %v", r.Record, len(result), err)
		}
	}
	checkDashboard(t, p, "Firing alerts", "State set aside")
}
