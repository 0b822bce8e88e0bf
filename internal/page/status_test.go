package page

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"bosgc/gc"
	"bosgc/internal/memory"
	"bosgc/internal/state"
)

func gauge(value float64, labels ...string) *dto.Metric {
	m := &dto.Metric{Gauge: &dto.Gauge{Value: &value}}
	for i := 0; i < len(labels); i += 2 {
		m.Label = append(m.Label, &dto.LabelPair{Name: &labels[i], Value: &labels[i+1]})
	}
	return m
}

// stateOf is that of an installation whose last sweep met an unreadable CFS and a closed guard.
func stateOf(runs ...state.Run) state.State {
	s := state.State{Totals: state.Totals{
		"bosgc_objects": {Metric: []*dto.Metric{
			gauge(1234, "kind", "Session", "verdict", "keep", "reason", "too-young"),
			gauge(17, "kind", "Job", "verdict", "delete", "reason", "completed-expired"),
			gauge(0, "kind", "Job", "verdict", "keep", "reason", "running"),
		}},
		"bosgc_bos_list_bytes":       {Metric: []*dto.Metric{gauge(3 << 20)}},
		"bosgc_bos_list_limit_bytes": {Metric: []*dto.Metric{gauge(4 << 20)}},
		"bosgc_bos_sessions":         {Metric: []*dto.Metric{gauge(1300)}},
	}}
	for _, r := range runs {
		s.Remember(r)
	}
	s.Guards = map[string]memory.Guard{"Job": {Since: before(time.Hour), Why: "60 % look orphaned", Orphans: 30}}
	return s
}

func runAt(ago time.Duration, exitCode int, deleted int) state.Run {
	return state.Run{
		ID: "20261122t100000z-" + ago.String(), Version: "1.2.3", StartedAt: before(ago + time.Minute), FinishedAt: before(ago),
		ExitCode: exitCode, Outcomes: map[string]int{string(gc.Deleted): deleted},
	}
}

func statusPage(t *testing.T, s Status) string {
	t.Helper()
	var page bytes.Buffer
	if err := WriteStatus(&page, s); err != nil {
		t.Fatal(err)
	}
	return page.String()
}

func TestTheStatusPageTellsOfTheLastSweeps(t *testing.T) {
	last := runAt(20*time.Minute, gc.ExitIncomplete, 42)
	last.Incomplete = []string{"cfs-sessions"}
	s := Status{Installation: "services.bosgc", Now: judged, Err: errors.New("connection refused"), State: stateOf(runAt(80*time.Minute, gc.ExitDone, 7), last)}
	page := statusPage(t, s)
	for _, want := range []string{
		"services.bosgc", "The last sweep deleted 42 objects", "22 November 2026, 11:40 UTC, 20 minutes ago", "something could not be read (exit code 6)",
		"connection refused", "cfs-sessions", "The orphan guard holds back every orphaned Job", "60 % look orphaned", "bosgc guard release Job",
		"1,234", "too-young", "completed-expired", "<b>75</b>", "1,300 sessions", `href="metrics"`, "20261122t100000z-1h20m0s",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, none := range []string{">running<", "<script", `href="report"`, "http://", "https://"} {
		if strings.Contains(page, none) {
			t.Errorf("the page has %q", none)
		}
	}
	if strings.Index(page, "1h20m0s") < strings.Index(page, "20261122t100000z-20m0s") {
		t.Error("the newest run is not the first")
	}
}

func TestTheStatusPageBeforeTheFirstSweepAndAfterADryRun(t *testing.T) {
	if page := statusPage(t, Status{Now: judged}); !strings.Contains(page, "No sweep has ended yet") {
		t.Error(page)
	}
	dry := runAt(time.Hour, gc.ExitDone, 0)
	dry.DryRun = true
	if page := statusPage(t, Status{Now: judged, State: stateOf(dry)}); !strings.Contains(page, "was a dry run") {
		t.Error(page)
	}
}

func TestHostileNamesStayDataOnTheStatusPage(t *testing.T) {
	const nasty = "</style><script>alert(1)</script>\x1b[31m\u202e"
	r := runAt(time.Hour, gc.ExitFailed, 0)
	r.Error, r.ID, r.Incomplete = nasty, nasty, []string{nasty}
	s := stateOf(r)
	s.Guards["Job"] = memory.Guard{Since: judged, Why: nasty}
	page := statusPage(t, Status{Installation: nasty, Now: judged, State: s, Err: errors.New(nasty)})
	for _, none := range []string{"<script", "\x1b", "\u202e"} {
		if strings.Contains(page, none) {
			t.Errorf("the page has %q", none)
		}
	}
}

func TestPagesServeTheStatusAndTheLastReport(t *testing.T) {
	p := &Pages{
		Installation: "services.bosgc", Now: func() time.Time { return judged },
		State: func() (state.State, error) { return stateOf(runAt(time.Hour, gc.ExitDone, 3)), nil },
	}
	get := func(path string) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		p.Handlers()[path].ServeHTTP(answer, httptest.NewRequest("GET", "/", nil))
		return answer
	}
	if answer := get("/report"); answer.Code != 404 || !strings.Contains(answer.Body.String(), "bosgc plan --html") {
		t.Errorf("without a report: %d %s", answer.Code, answer.Body)
	}
	p.Show(document())
	if answer := get("/report"); answer.Code != 200 || !strings.Contains(answer.Body.String(), document().Run) {
		t.Errorf("the report: %d", answer.Code)
	}
	large := document()
	large.Objects = make([]gc.Object, maxObjects+1)
	if p.Show(large); get("/report").Code != 404 {
		t.Error("a report of too many objects, or the one before it, is served")
	}
	p.Show(document())
	answer := get("/{$}")
	if answer.Code != 200 || !strings.Contains(answer.Body.String(), `href="report"`) || answer.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("the status: %d %v", answer.Code, answer.Header())
	}
}
