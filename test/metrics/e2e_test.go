package metrics

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
	"bosgc/test/plane"
)

// bosgc builds the program, once for each test that runs it.
func bosgc(t testing.TB) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	path := filepath.Join(t.TempDir(), "bosgc")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".")
	cmd.Dir, cmd.Env = filepath.Join(filepath.Dir(here), "..", ".."), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// sweep runs one sweep as the CronJob does: in a process that ends.
func sweep(t testing.TB, program string, environ ...string) gc.Document {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "sweep", "-o", "json")
	cmd.Env = append(os.Environ(), environ...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	err := cmd.Run()
	var d gc.Document
	if json.Unmarshal(out.Bytes(), &d) != nil || d.Kind != "Report" {
		t.Fatalf("%v\n%s\n%s", err, &out, &problem)
	}
	return d
}

// startExporter runs the exporter and returns its address.
func startExporter(t testing.TB, program string, environ ...string) string {
	t.Helper()
	address := free(t)
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "exporter")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(append(os.Environ(), environ...), "BOSGC_METRICS_ADDR="+address)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
	})
	plane.Eventually(t, 10*time.Second, func() error {
		_, err := get(t.Context(), "http://"+address+"/healthz")
		return err
	})
	return address
}

// TestThreeSweeps runs three sweeps that end before anybody could scrape them. What a real Prometheus
// then knows of them, from the exporter and from a real Pushgateway, is the sum of their reports.
func TestThreeSweeps(t *testing.T) {
	program := bosgc(t)
	world, err := lab.NewWorld(lab.Options{CSM: "1.4", Seed: 11, Sessions: 120, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	system, err := lab.Start(world, lab.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { system.Close() })
	gateway := startPushgateway(t)
	textfile := filepath.Join(t.TempDir(), "bosgc.prom")
	environ := append(system.Env(), "BOSGC_PUSH_URL="+gateway.url, "BOSGC_TEXTFILE="+textfile)
	exporter := startExporter(t, program, environ...)
	p := startPrometheus(t,
		target{job: "bosgc-exporter", address: exporter, labels: map[string]string{"namespace": "services", "pod": "bosgc-exporter-0"}},
		target{job: "pushgateway", address: strings.TrimPrefix(gateway.url, "http://"), honor: true})
	plane.Eventually(t, 20*time.Second, func() error {
		_, err := p.number(t, `bosgc_last_sweep_timestamp_seconds{job="bosgc-exporter"} == 0`)
		return err
	})
	for name, state := range p.checkRules(t) {
		if state == "firing" {
			t.Errorf("after the installation %s fires", name)
		}
	}

	want := map[string]float64{}
	var last gc.Document
	for n, limit := range []string{"50", "70", "1000"} {
		if n == 1 {
			if err := system.AddFault(lab.Fault{Kind: lab.FaultStatus, Status: 500, System: "cfs", Method: "DELETE", Count: 2}); err != nil {
				t.Fatal(err)
			}
		}
		last = sweep(t, program, append(environ, "BOSGC_MAX_DELETES="+limit)...)
		for _, o := range last.Objects {
			switch o.Outcome {
			case gc.Deleted:
				want[fmt.Sprintf(`bosgc_deleted_total{kind=%q,reason=%q`, o.Kind, o.Reason)]++
			case gc.Failed:
				want[fmt.Sprintf(`bosgc_delete_failures_total{kind=%q`, o.Kind)]++
			default:
			}
		}
		for _, job := range []string{"bosgc-exporter", "bosgc"} {
			agrees(t, p, job, want, last)
		}
	}
	if len(want) < 6 {
		t.Errorf("only %v: this test shows little", want)
	}
	inTheFile(t, textfile, want)
	for _, name := range documented(t) {
		if result, err := p.query(t, fmt.Sprintf(`{__name__=~"%s(_bucket)?",job="bosgc-exporter"}`, name)); err != nil || len(result) == 0 {
			t.Errorf("%s: %d series, error %v", name, len(result), err)
		}
	}
	for name, state := range p.checkRules(t) {
		if state == "firing" {
			t.Errorf("%s fires", name)
		}
	}
	checkDashboard(t, p, "Firing alerts", "State set aside")
}

// agrees waits until a job's counters are the sums, and checks what the last report says.
func agrees(t *testing.T, p prometheus, job string, want map[string]float64, last gc.Document) {
	t.Helper()
	all := map[string]float64{}
	for _, kind := range policy.Kinds() {
		all[fmt.Sprintf(`bosgc_delete_failures_total{kind=%q`, kind)] = 0
		for _, reason := range policy.Reasons(policy.Delete) {
			all[fmt.Sprintf(`bosgc_deleted_total{kind=%q,reason=%q`, kind, reason)] = 0
		}
	}
	for series, n := range want {
		all[series] = n
	}
	all["bosgc_last_exit_code{"] = float64(last.ExitCode)
	all["bosgc_last_sweep_timestamp_seconds{"] = -1
	plane.Eventually(t, 20*time.Second, func() error {
		for series, n := range all {
			got, err := p.number(t, strings.TrimSuffix(series, "{")+map[bool]string{true: "{", false: ","}[strings.HasSuffix(series, "{")]+fmt.Sprintf("job=%q}", job))
			switch {
			case err != nil:
				return err
			case n < 0 && got < float64(last.FinishedAt.Unix()):
				return fmt.Errorf("%s: %s is %v, the report ended at %v", job, series, got, last.FinishedAt.Unix())
			case n >= 0 && got != n:
				return fmt.Errorf("%s: %s is %v, the reports have %v", job, series, got, n)
			}
		}
		return nil
	})
}

func inTheFile(t *testing.T, path string, want map[string]float64) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for series, n := range want {
		if line := fmt.Sprintf("\n%s} %v\n", strings.Replace(series, "{", `{installation="services.bosgc",`, 1), n); !strings.Contains(string(text), line) {
			t.Errorf("the textfile lacks %q", line)
		}
	}
	cmd := exec.CommandContext(t.Context(), binary(t, "promtool"), "check", "metrics")
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// documented returns the names of all metrics in docs/metrics.md.
func documented(t testing.TB) []string {
	t.Helper()
	var names []string
	for name := range known(t) {
		names = append(names, name)
	}
	return names
}
