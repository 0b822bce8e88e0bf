package metrics

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/internal/lab/labtest"
	"bosgc/internal/state"
	"bosgc/policy"
)

func newStore(t *testing.T) (*state.Store, *lab.Server) {
	t.Helper()
	server, client := labtest.Start(t, lab.ServerOptions{}, time.Second)
	return state.NewStore(client.Store(lab.Namespace), "bosgc"), server
}

// newSweep returns the metrics of a sweep that has deleted n ghosts.
func newSweep(n, exitCode int) *Metrics {
	m := New("1.0", "abc")
	d := gc.Document{ExitCode: exitCode, CreatedAt: time.Now()}
	for range n {
		d.Objects = append(d.Objects, gc.Object{
			Kind: policy.Session, Verdict: policy.Delete, Reason: policy.Ghost, Outcome: gc.Deleted,
		})
	}
	for range n {
		m.RequestObserver("bos")("DELETE", 204, time.Second)
	}
	m.RecordSweep(d, time.Now())
	return m
}

func recordRun(t *testing.T, l *Ledger, store *state.Store, run string, m *Metrics) error {
	return l.RecordRun(t.Context(), store, run, m, func(*state.State) {})
}

// totalsOf returns the number of deleted ghosts, the number of requests by the histogram, and
// bosgc_state_ok.
func totalsOf(t *testing.T, from prometheus.Gatherer) (deleted float64, requests uint64, ok float64) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "bosgc_deleted_total":
				deleted += m.GetCounter().GetValue()
			case "bosgc_request_duration_seconds":
				requests += m.GetHistogram().GetSampleCount()
			case "bosgc_state_ok":
				ok = m.GetGauge().GetValue()
			}
		}
	}
	return deleted, requests, ok
}

// expectTotals expects as many requests as deleted ghosts.
func expectTotals(t *testing.T, when string, from prometheus.Gatherer, want, wantOK float64) {
	t.Helper()
	if deleted, requests, ok := totalsOf(t, from); deleted != want || requests != uint64(want) || ok != wantOK {
		t.Errorf("%s: %v deleted, %d requests, state ok %v; want %v, %v", when, deleted, requests, ok, want, wantOK)
	}
}

// A process that cannot write the state for a while goes on counting and catches up.
func TestLedgerCatchesUp(t *testing.T) {
	store, server := newStore(t)
	l, err := NewLedger("1.0", "abc")
	if err != nil {
		t.Fatal(err)
	}
	expectTotals(t, "before the first sweep", l, 0, 1)
	if err := recordRun(t, l, store, "r1", newSweep(2, 0)); err != nil {
		t.Fatal(err)
	}
	expectTotals(t, "after the first", l, 2, 1)
	forbid := lab.Fault{Kind: lab.FaultStatus, Status: 403, System: "kube", Method: "PUT"}
	if err := server.AddFault(forbid); err != nil {
		t.Fatal(err)
	}
	for n, run := range []string{"r2", "r3"} {
		if err := recordRun(t, l, store, run, newSweep(3, 0)); err == nil {
			t.Error("no error")
		}
		expectTotals(t, "while it cannot be written", l, float64(2+3*(n+1)), 0)
	}
	server.ClearFaults()
	if err := recordRun(t, l, store, "r4", newSweep(1, 0)); err != nil {
		t.Fatal(err)
	}
	expectTotals(t, "after it can be written again", l, 9, 1)
	exporter, err := NewExporter(store, "1.0", "abc", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	expectTotals(t, "what an exporter shows", exporter, 9, 1)
	next, err := NewLedger("1.0", "abc")
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Load(t.Context(), store); err != nil || !next.Complete() {
		t.Fatal(err)
	}
	expectTotals(t, "what the next process begins with", next, 9, 1)
}

// A run whose write was carried out, but never confirmed, is not counted again.
func TestLedgerCountsALostWriteOnce(t *testing.T) {
	store, server := newStore(t)
	l, err := NewLedger("1.0", "abc")
	if err != nil {
		t.Fatal(err)
	}
	// The answer to the write is lost, and later ones hang: the process cannot find out what has become
	// of it.
	for _, f := range []lab.Fault{
		{Kind: lab.FaultLoseAnswer, System: "kube", Method: "POST", Count: 1},
		{Kind: lab.FaultHang, System: "kube", Method: "POST"},
	} {
		if err := server.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := recordRun(t, l, store, "r1", newSweep(4, 0)); err == nil {
		t.Fatal("no error")
	}
	expectTotals(t, "not known to be written", l, 4, 0)
	// The next one fails too, and its write is not even carried out.
	if err := server.AddFault(lab.Fault{Kind: lab.FaultHang, System: "kube", Method: "PUT"}); err != nil {
		t.Fatal(err)
	}
	if err := recordRun(t, l, store, "r2", newSweep(2, 0)); err == nil {
		t.Fatal("no error")
	}
	server.ClearFaults()
	if err := recordRun(t, l, store, "r3", newSweep(1, 0)); err != nil {
		t.Fatal(err)
	}
	expectTotals(t, "after the next", l, 7, 1)
}

// What a failed sweep has not seen keeps the values of the sweep before.
func TestLedgerKeepsWhatIsNotFresh(t *testing.T) {
	store, _ := newStore(t)
	l, err := NewLedger("1.0", "abc")
	if err != nil {
		t.Fatal(err)
	}
	if err := recordRun(t, l, store, "r1", newSweep(2, 0)); err != nil {
		t.Fatal(err)
	}
	bad := New("1.1", "def")
	bad.RecordFailure(gc.ExitFailed, time.Now(), time.Now())
	if err := recordRun(t, l, store, "r2", bad); err != nil {
		t.Fatal(err)
	}
	families, err := l.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			v := m.GetGauge().GetValue()
			switch f.GetName() {
			case "bosgc_objects":
				if m.GetLabel()[1].GetValue() == "ghost" && m.GetLabel()[0].GetValue() == "Session" && v != 2 {
					t.Errorf("objects %v", m)
				}
			case "bosgc_last_success_timestamp_seconds":
				if v == 0 {
					t.Error("the last success is forgotten")
				}
			case "bosgc_last_exit_code":
				if v != 1 {
					t.Errorf("exit code %v", v)
				}
			}
		}
	}
	expectTotals(t, "after a failed sweep", l, 2, 1)
}
