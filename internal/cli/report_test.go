package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// metricsOf parses the text format.
func metricsOf(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return families
}

// value returns the value of one series. labels are sorted by name, as in kind="Job",reason="ghost".
func value(t *testing.T, families map[string]*dto.MetricFamily, name, labels string) float64 {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		var have []string
		for _, l := range m.GetLabel() {
			switch {
			case l.GetName() != "installation":
				have = append(have, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			case l.GetValue() != "services.bosgc":
				t.Errorf("%s: installation %q", name, l.GetValue())
			}
		}
		slices.Sort(have)
		if strings.Join(have, ",") == labels {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Errorf("no series %s{%s}", name, labels)
	return -1
}

// exported returns what an exporter shows now.
func (s *system) exported(extra ...string) map[string]*dto.MetricFamily {
	s.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	address := freeAddress(s.t)
	var ended sync.WaitGroup
	var code int
	ended.Go(func() {
		code, _, _ = s.runContext(ctx, []string{"exporter"}, append([]string{"BOSGC_METRICS_ADDR=" + address}, extra...)...)
	})
	var text string
	eventually(s.t, func() (err error) {
		text, err = fetch("http://" + address + "/metrics")
		return err
	})
	stop()
	ended.Wait()
	if code != gc.ExitDone {
		s.t.Errorf("the exporter ended with exit code %d", code)
	}
	return metricsOf(s.t, text)
}

// tally adds up the deleted and failed objects in reports.
type tally map[string]float64

func (n tally) add(d gc.Document) {
	for _, o := range d.Objects {
		switch o.Outcome {
		case gc.Deleted:
			n[fmt.Sprintf("bosgc_deleted_total kind=%q,reason=%q", o.Kind, o.Reason)]++
		case gc.Failed:
			n[fmt.Sprintf("bosgc_delete_failures_total kind=%q", o.Kind)]++
		default:
		}
	}
}

// hold compares all series of both counters with the reports.
func (n tally) hold(t *testing.T, families map[string]*dto.MetricFamily) {
	t.Helper()
	for _, kind := range policy.Kinds() {
		want := fmt.Sprintf("kind=%q", kind)
		if got := value(t, families, "bosgc_delete_failures_total", want); got != n["bosgc_delete_failures_total "+want] {
			t.Errorf("%s: %v failures, the reports have %v", want, got, n["bosgc_delete_failures_total "+want])
		}
		for _, reason := range policy.Reasons(policy.Delete) {
			want := fmt.Sprintf("kind=%q,reason=%q", kind, reason)
			if got := value(t, families, "bosgc_deleted_total", want); got != n["bosgc_deleted_total "+want] {
				t.Errorf("%s: %v deleted, the reports have %v", want, got, n["bosgc_deleted_total "+want])
			}
		}
	}
}

func TestTheExporterAddsSweepsUp(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 80}, lab.ServerOptions{})
	fresh := s.exported()
	if value(t, fresh, "bosgc_last_sweep_timestamp_seconds", "") != 0 || value(t, fresh, "bosgc_state_ok", "") != 1 {
		t.Error("before the first sweep the exporter shows one, or a bad state")
	}
	sum := tally{}
	if err := s.AddFault(lab.Fault{Kind: lab.FaultStatus, Status: 500, System: "cfs", Method: "DELETE", Count: 3}); err != nil {
		t.Fatal(err)
	}
	var last gc.Document
	for _, limit := range []string{"40", "30", "1000"} {
		last, _ = s.document([]string{"sweep"}, "BOSGC_MAX_DELETES="+limit)
		sum.add(last)
	}
	families := s.exported()
	sum.hold(t, families)
	for name := range fresh {
		if families[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	for _, o := range []struct {
		name string
		want float64
	}{
		{"bosgc_last_exit_code", float64(last.ExitCode)},
		{"bosgc_last_sweep_timestamp_seconds", float64(last.FinishedAt.Unix())},
		{"bosgc_last_success_timestamp_seconds", float64(last.FinishedAt.Unix())},
	} {
		if got := value(t, families, o.name, ""); got < o.want || got > o.want+2 {
			t.Errorf("%s is %v, want %v", o.name, got, o.want)
		}
	}
	for _, kind := range policy.Kinds() {
		kept := count(last, func(o gc.Object) bool { return o.Kind == kind && o.Reason == policy.TooYoung })
		if got := value(t, families, "bosgc_objects", fmt.Sprintf("kind=%q,reason=%q,verdict=%q", kind, policy.TooYoung, policy.Keep)); got != float64(kept) {
			t.Errorf("%v of kind %s are too young, the report has %d", got, kind, kept)
		}
	}
	if n := value(t, families, "bosgc_requests_total", `code="204",system="bos",verb="DELETE"`); n == 0 {
		t.Error("requests are not summed up")
	}
}

// A sweep that fails reports itself, and does not replace what the last good one saw.
func TestASweepThatFailsReportsItself(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 40}, lab.ServerOptions{})
	sum := tally{}
	d, _ := s.document([]string{"sweep"})
	sum.add(d)
	good := s.exported()
	if err := s.AddFault(lab.Fault{Kind: lab.FaultHang, System: "cfs"}); err != nil {
		t.Fatal(err)
	}
	if err := s.AddFault(lab.Fault{Kind: lab.FaultHang, System: "bos"}); err != nil {
		t.Fatal(err)
	}
	code, _, _ := s.run([]string{"sweep"}, "BOSGC_DEADLINE=1s", "BOSGC_REQUEST_TIMEOUT=1s", "BOSGC_LIST_TIMEOUT=1s")
	if code != gc.ExitFailed && code != gc.ExitIncomplete {
		t.Fatalf("exit code %d", code)
	}
	families := s.exported()
	sum.hold(t, families)
	if got := value(t, families, "bosgc_last_exit_code", ""); got != float64(code) {
		t.Errorf("last exit code %v, want %d", got, code)
	}
	for _, name := range []string{"bosgc_last_success_timestamp_seconds", "bosgc_bos_sessions"} {
		if before, now := value(t, good, name, ""), value(t, families, name, ""); before != now || now == 0 {
			t.Errorf("%s was %v and is %v", name, before, now)
		}
	}
	if now := value(t, families, "bosgc_last_sweep_timestamp_seconds", ""); now < value(t, good, "bosgc_last_success_timestamp_seconds", "") {
		t.Errorf("the last sweep was at %v", now)
	}
}

// Without the state the exporter still shows what it knows, and reports that it cannot read the state.
func TestAnExporterWithoutTheState(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 10}, lab.ServerOptions{})
	if err := s.AddFault(lab.Fault{Kind: lab.FaultStatus, Status: 403, System: "kube", Path: "bosgc-state"}); err != nil {
		t.Fatal(err)
	}
	if families := s.exported(); value(t, families, "bosgc_state_ok", "") != 0 || len(families["bosgc_deleted_total"].GetMetric()) == 0 {
		t.Error("the exporter does not report that it cannot read the state")
	}
	// A sweep that cannot write the state still sweeps, but counts no object as seen.
	d, code := s.document([]string{"sweep", "--own-settings"}, "BOSGC_ORPHAN_SIGHTINGS=2")
	if code != gc.ExitDone || count(d, outcome(gc.Deleted)) == 0 {
		t.Errorf("exit code %d, outcomes %v", code, d.Outcomes)
	}
}

func TestPlansAreToldToNobody(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 20}, lab.ServerOptions{})
	file := filepath.Join(t.TempDir(), "bosgc.prom")
	if code, _, _ := s.run([]string{"plan"}, "BOSGC_TEXTFILE="+file); code != gc.ExitDone {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(file); err == nil || s.Kube.Has("configmaps", lab.Namespace, "bosgc-state") {
		t.Error("a plan has written the text file or the state")
	}
	// A dry run of the CronJob counts as a run: whoever begins with dry runs wants to see that they work.
	if code, _, _ := s.run([]string{"sweep"}, "BOSGC_TEXTFILE="+file, "BOSGC_DRY_RUN=true"); code != gc.ExitDone {
		t.Errorf("exit code %d", code)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	families := metricsOf(t, string(text))
	backlog := 0.0
	for _, kind := range policy.Kinds() {
		backlog += value(t, families, "bosgc_backlog", fmt.Sprintf("kind=%q", kind))
	}
	if backlog == 0 || !s.Kube.Has("configmaps", lab.Namespace, "bosgc-state") {
		t.Errorf("backlog %v", backlog)
	}
	for _, r := range s.Requests() {
		if strings.Contains(r.Path, "/leases") || r.Method == http.MethodDelete {
			t.Errorf("%s %s", r.Method, r.Path)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the file: %v, %v", entries, err)
	}
}

func TestPush(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 20}, lab.ServerOptions{})
	type push struct{ method, path, body string }
	var mu sync.Mutex
	var got []push
	status := http.StatusOK
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, push{r.Method, r.URL.Path, string(text)})
		w.WriteHeader(status)
	}))
	defer gateway.Close()
	const success = "bosgc_last_success_timestamp_seconds"
	for n, tt := range []struct {
		status  int
		fault   string
		want    int
		success bool
	}{
		{http.StatusOK, "", gc.ExitDone, true},
		{http.StatusNoContent, "", gc.ExitDone, true}, // VictoriaMetrics
		{http.StatusOK, "cfs-down", gc.ExitIncomplete, false},
		{http.StatusInternalServerError, "", gc.ExitDone, true}, // a warning; the sweep does not fail
	} {
		s.ClearFaults()
		if tt.fault != "" {
			if err := s.AddFault(lab.Fault{Name: tt.fault}); err != nil {
				t.Fatal(err)
			}
		}
		status = tt.status
		code, _, stderr := s.run([]string{"sweep"}, "BOSGC_PUSH_URL="+gateway.URL, "BOSGC_LOG_LEVEL=warn")
		if code != tt.want {
			t.Errorf("%d: exit code %d, want %d", n, code, tt.want)
		}
		if complained := strings.Contains(stderr, "BOSGC_PUSH_URL"); complained != (tt.status == http.StatusInternalServerError) {
			t.Errorf("%d: stderr %s", n, stderr)
		}
		if len(got) != n+1 {
			t.Fatalf("%d pushes", len(got))
		}
		p := got[n]
		if p.method != http.MethodPost || p.path != "/metrics/job/bosgc/instance/services.bosgc" {
			t.Errorf("%s %s", p.method, p.path)
		}
		families := metricsOf(t, p.body)
		if (families[success] != nil) != tt.success || families["bosgc_deleted_total"] == nil {
			t.Errorf("%d: success is among %v", n, slices.Sorted(maps.Keys(families)))
		}
	}
	// Without the totals of earlier sweeps no counter is pushed: it would look like a reset.
	s.ClearFaults()
	if err := s.AddFault(lab.Fault{Kind: lab.FaultStatus, Status: 403, System: "kube", Path: "bosgc-state"}); err != nil {
		t.Fatal(err)
	}
	s.run([]string{"sweep"}, "BOSGC_PUSH_URL="+gateway.URL)
	families := metricsOf(t, got[len(got)-1].body)
	if families["bosgc_deleted_total"] != nil || families["bosgc_request_duration_seconds"] != nil || value(t, families, "bosgc_state_ok", "") != 0 {
		t.Errorf("pushed: %v", slices.Sorted(maps.Keys(families)))
	}
}

func TestLingerUntilScraped(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 20}, lab.ServerOptions{})
	address := freeAddress(t)
	var ended sync.WaitGroup
	var code int
	var stdout string
	ended.Go(func() {
		code, stdout, _ = s.run([]string{"sweep", "-o", "json"}, "BOSGC_METRICS_LINGER=60s", "BOSGC_METRICS_ADDR="+address)
	})
	eventually(t, func() error { _, err := fetch("http://" + address + "/healthz"); return err })
	if _, err := fetch("http://" + address + "/nothing"); err == nil {
		t.Error("/nothing is answered")
	}
	text, err := fetch("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	ended.Wait()
	if code != gc.ExitDone || time.Since(begun) > 20*time.Second {
		t.Errorf("exit code %d, %s after the scrape", code, time.Since(begun))
	}
	var d gc.Document
	if err := json.NewDecoder(bytes.NewReader([]byte(stdout))).Decode(&d); err != nil {
		t.Fatal(err)
	}
	sum := tally{}
	sum.add(d)
	sum.hold(t, metricsOf(t, text))
	if code, _, _ = s.run([]string{"sweep"}, "BOSGC_METRICS_LINGER=1s", "BOSGC_METRICS_ADDR="+address); code != gc.ExitDone {
		t.Errorf("without a scrape: exit code %d", code)
	}
}

// Problems are noted as Events of the CronJob, where "kubectl describe" shows them.
func TestEvents(t *testing.T) {
	t.Parallel()
	for _, csm := range []string{"1.0", "1.4"} { // CronJobs of batch/v1beta1 and of batch/v1
		s := start(t, lab.Options{CSM: csm, Sessions: 60}, lab.ServerOptions{})
		s.Kube.Add("cronjobs", &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "gc", Namespace: lab.Namespace, UID: "the-uid"}})
		events := func() (lines []string) {
			list, err := s.core().Events(lab.Namespace).List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list.Items {
				if e.InvolvedObject.Kind != "CronJob" || e.InvolvedObject.Name != "gc" || e.InvolvedObject.UID != "the-uid" || e.Message == "" {
					t.Errorf("%+v", e)
				}
				lines = append(lines, e.Type+" "+e.Reason)
			}
			slices.Sort(lines)
			return lines
		}
		if err := s.AddFault(lab.Fault{Name: "cfs-down"}); err != nil {
			t.Fatal(err)
		}
		s.run([]string{"sweep"}, "BOSGC_CRONJOB=gc", "BOSGC_DRY_RUN=true", "BOSGC_REQUEST_TIMEOUT=1s")
		s.ClearFaults()
		s.run([]string{"sweep"}, "BOSGC_CRONJOB=gc", "BOSGC_MAX_DELETES=3")
		s.run([]string{"sweep"}, "BOSGC_CRONJOB=gc", "BOSGC_MAX_ORPHAN_PERCENT=0", "BOSGC_MAX_DELETES=100000")
		s.run([]string{"sweep"}, "BOSGC_CRONJOB=gc", "BOSGC_MAX_ORPHAN_PERCENT=100") // opens the guard: nothing to report
		s.run([]string{"sweep"}, "BOSGC_MAX_DELETES=1")
		want := "Normal SweepCapped, Warning SweepIncomplete, Warning SweepRefused"
		if got := strings.Join(events(), ", "); got != want {
			t.Errorf("CSM %s: %s, want %s", csm, got, want)
		}
	}
}
