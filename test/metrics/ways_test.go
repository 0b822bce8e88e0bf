package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/cli"
	"bosgc/internal/lab"
	"bosgc/test/plane"
)

// site is a simulated CSM and what its administrator types there.
type site struct {
	*lab.Server
	environ []string
}

func startSite(t *testing.T, environ ...string) site {
	t.Helper()
	world, err := lab.NewWorld(lab.Options{CSM: "1.4", Seed: 7, Sessions: 60, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.Start(world, lab.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return site{server, slices.Concat(server.Env(), []string{"BOSGC_LOG_LEVEL=error"}, environ)}
}

func (s site) run(ctx context.Context, t *testing.T, environ []string, args ...string) {
	t.Helper()
	var out, problem bytes.Buffer
	code := cli.Run(ctx, append(args, "--kubeconfig", s.Kubeconfig()), slices.Concat(s.environ, environ), &out, &problem)
	if code != gc.ExitDone {
		t.Errorf("%v: exit code %d\n%s", args, code, problem.String())
	}
}

// serve runs a command that serves metrics at an address, and returns a function that stops it.
func (s site) serve(t *testing.T, address string, args ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.run(ctx, t, []string{"BOSGC_METRICS_ADDR=" + address}, args...)
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	plane.Eventually(t, 10*time.Second, func() error {
		_, err := get(t.Context(), "http://"+address+"/healthz")
		return err
	})
	return stop
}

// TestEveryWayShowsTheSame compares all that the exporter, a Pushgateway and the file show, also after
// another exporter has taken over.
func TestEveryWayShowsTheSame(t *testing.T) {
	gateway := startPushgateway(t)
	textfile := filepath.Join(t.TempDir(), "bosgc.prom")
	s := startSite(t, "BOSGC_PUSH_URL="+gateway.url, "BOSGC_TEXTFILE="+textfile)
	address := free(t)
	stop := s.serve(t, address, "exporter")
	p := startPrometheus(t,
		target{job: "bosgc-exporter", address: address, labels: map[string]string{"namespace": "services", "pod": "bosgc-exporter-0"}},
		target{job: "pushgateway", address: strings.TrimPrefix(gateway.url, "http://"), honor: true},
	)
	is := func(expr string, want float64) {
		t.Helper()
		plane.Eventually(t, 15*time.Second, func() error {
			got, err := p.number(t, expr)
			if err == nil && got != want {
				err = fmt.Errorf("%s is %v, want %v", expr, got, want)
			}
			return err
		})
	}
	is(`bosgc_last_sweep_timestamp_seconds{job="bosgc-exporter"}`, 0)
	is(`bosgc_state_ok{job="bosgc-exporter"}`, 1)

	const deleted = `sum(bosgc_deleted_total{job="%s"})`
	for n := 1; n <= 3; n++ {
		s.run(t.Context(), t, nil, "sweep", "--max-deletes", "10")
		is(fmt.Sprintf(deleted, "bosgc-exporter"), float64(10*n))
		is(fmt.Sprintf(deleted, "bosgc"), float64(10*n))
	}
	sameEverywhere(t, p, textfile)

	// Another exporter continues where the last one was.
	stop()
	s.serve(t, address, "exporter")
	s.run(t.Context(), t, nil, "sweep")
	plane.Eventually(t, 15*time.Second, func() error {
		got, err := p.number(t, fmt.Sprintf(deleted, "bosgc-exporter"))
		if err == nil && got <= 30 {
			err = fmt.Errorf("%v deleted", got)
		}
		return err
	})
	labels, err := p.query(t, "bosgc:last_sweep_timestamp_seconds")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"bosgc-exporter/services.bosgc": true, "bosgc/services.bosgc": true}
	got := map[string]bool{}
	for _, one := range labels {
		got[one.Metric["job"]+"/"+one.Metric["installation"]] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("installations: %v, want %v", got, want)
	}
}

// sameEverywhere compares each series of the exporter with those of the gateway and of the file.
func sameEverywhere(t *testing.T, p prometheus, textfile string) {
	t.Helper()
	file, err := os.ReadFile(textfile)
	if err != nil {
		t.Fatal(err)
	}
	written := parseText(t, string(file))
	plane.Eventually(t, 15*time.Second, func() error {
		values := map[string]map[string]float64{}
		for _, job := range []string{"bosgc-exporter", "bosgc"} {
			values[job] = map[string]float64{}
			result, err := p.query(t, fmt.Sprintf(`{job=%q, __name__=~"bosgc_.*"}`, job))
			if err != nil {
				return err
			}
			for _, one := range result {
				l := labelled{one.Metric["__name__"], maps.Clone(one.Metric)}
				for _, label := range []string{"__name__", "job", "instance", "namespace", "pod"} {
					delete(l.labels, label)
				}
				values[job][l.with(nil)] = one.values[0]
			}
		}
		var all []error
		for series, value := range values["bosgc-exporter"] {
			l, err := parseLabelled(series)
			if err != nil {
				return err
			}
			for where, other := range map[string]map[string]float64{"the gateway": values["bosgc"], "the file": written} {
				if got, ok := other[l.with(nil)]; !ok || math.Abs(got-value) > 1e-9 {
					all = append(all, fmt.Errorf("%s has %v of %s, the exporter %v", where, got, series, value))
				}
			}
		}
		if len(values["bosgc-exporter"]) < 100 {
			all = append(all, fmt.Errorf("the exporter has %d series", len(values["bosgc-exporter"])))
		}
		return errors.Join(all...)
	})
}

// TestServe tests the process that sweeps and serves its metrics itself.
func TestServe(t *testing.T) {
	s := startSite(t, "BOSGC_INTERVAL=2s", "BOSGC_MAX_DELETES=5")
	address := free(t)
	stop := s.serve(t, address, "serve")
	p := startPrometheus(t, target{job: "bosgc", address: address, labels: map[string]string{"namespace": "services", "pod": "bosgc-0"}})
	atLeast := func(expr string, want float64) {
		t.Helper()
		plane.Eventually(t, 30*time.Second, func() error {
			got, err := p.number(t, expr)
			if err == nil && got < want {
				err = fmt.Errorf("%s is %v, want %v", expr, got, want)
			}
			return err
		})
	}
	atLeast("sum(bosgc_deleted_total)", 10)
	stop()
	before, err := p.number(t, "sum(max_over_time(bosgc_deleted_total[1m]))")
	if err != nil {
		t.Fatal(err)
	}
	s.serve(t, address, "serve")
	atLeast("sum(bosgc_deleted_total)", before+1)
	if resets, err := p.number(t, "max(resets(bosgc_deleted_total[2m]))"); err != nil || resets != 0 {
		t.Errorf("counters began anew %v times, error %v", resets, err)
	}
	checkDashboard(t, p, "Firing alerts", "State set aside", "Answers other than success")
}
