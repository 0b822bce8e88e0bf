package metrics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"bosgc/test/plane"
)

// process is a server that ends with the test, or with the test's process if that is killed.
type process struct {
	url string
	out *bytes.Buffer // its output; read it only after the end
}

// start runs a server that answers at /-/ready of the given address once it is ready.
func start(t testing.TB, address, name string, args ...string) *process {
	t.Helper()
	p := &process{url: "http://" + address, out: &bytes.Buffer{}}
	// Without a context: it is stopped below, in a way that lets it close its files.
	cmd := exec.Command(binary(t, name), args...)
	cmd.Stdout, cmd.Stderr = p.out, p.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.out)
		}
	})
	plane.Eventually(t, 30*time.Second, func() error {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s: %v\n%s", name, err, p.out)
		default:
		}
		_, err := get(t.Context(), p.url+"/-/ready")
		return err
	})
	return p
}

// free returns an address on loopback that nobody listens on.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// target is what a Prometheus scrapes.
type target struct {
	job     string
	address string            // host:port
	labels  map[string]string // such as namespace and pod
	honor   bool              // the labels of the metrics themselves win: for a Pushgateway
}

// prometheus scrapes every second, and evaluates the rules of the chart as often.
type prometheus struct{ *process }

func startPrometheus(t testing.TB, targets ...target) prometheus {
	t.Helper()
	dir, address := t.TempDir(), free(t)
	config := map[string]any{
		"global":         map[string]any{"scrape_interval": "1s", "evaluation_interval": "1s"},
		"rule_files":     []string{write(t, dir, "rules.yaml", prometheusRule(t).text(t))},
		"scrape_configs": []any{},
	}
	for _, one := range targets {
		config["scrape_configs"] = append(config["scrape_configs"].([]any), map[string]any{
			"job_name": one.job, "honor_labels": one.honor,
			"static_configs": []any{map[string]any{"targets": []string{one.address}, "labels": one.labels}},
		})
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return prometheus{start(t, address, "prometheus", "--config.file", write(t, dir, "prometheus.yaml", string(text)),
		"--storage.tsdb.path", dir+"/data", "--web.listen-address", address, "--log.level", "warn")}
}

// startPushgateway starts a Pushgateway that remembers nothing.
func startPushgateway(t testing.TB) *process {
	t.Helper()
	address := free(t)
	// Debian's stores what was pushed in one file for all: a test would see what an earlier one pushed.
	return start(t, address, "prometheus-pushgateway", "--persistence.file=", "--web.listen-address", address, "--log.level", "warn")
}

// series is one series of a result; its values are by time, with one for an instant query.
type series struct {
	Metric map[string]string
	values []float64
}

// ask reads the data of an answer of Prometheus's API.
func (p prometheus) ask(t testing.TB, path string, query url.Values, into any) error {
	t.Helper()
	text, err := get(t.Context(), p.url+path+"?"+query.Encode())
	if err != nil {
		return err
	}
	answer := struct {
		Status string
		Data   any
	}{Data: into}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s", text)
	}
	return nil
}

type sample [2]any // time, and the value as text

func (s sample) value() float64 {
	text, _ := s[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return value
}

// query returns the result of an instant query.
func (p prometheus) query(t testing.TB, expr string) ([]series, error) {
	t.Helper()
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  sample
		}
	}
	if err := p.ask(t, "/api/v1/query", url.Values{"query": {expr}}, &data); err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	var all []series
	for _, r := range data.Result {
		all = append(all, series{r.Metric, []float64{r.Value.value()}})
	}
	return all, nil
}

// queryRange returns the result of a query over the time until now.
func (p prometheus) queryRange(t testing.TB, expr string, length, step time.Duration) ([]series, error) {
	t.Helper()
	var data struct {
		Result []struct {
			Metric map[string]string
			Values []sample
		}
	}
	now := time.Now()
	if err := p.ask(t, "/api/v1/query_range", url.Values{
		"query": {expr}, "step": {step.String()},
		"start": {strconv.FormatInt(now.Add(-length).Unix(), 10)}, "end": {strconv.FormatInt(now.Unix(), 10)},
	}, &data); err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	var all []series
	for _, r := range data.Result {
		one := series{Metric: r.Metric}
		for _, v := range r.Values {
			one.values = append(one.values, v.value())
		}
		all = append(all, one)
	}
	return all, nil
}

// number returns the value of a query with one result.
func (p prometheus) number(t testing.TB, expr string) (float64, error) {
	t.Helper()
	result, err := p.query(t, expr)
	if err == nil && len(result) != 1 {
		err = fmt.Errorf("%s: %d results", expr, len(result))
	}
	if err != nil {
		return math.NaN(), err
	}
	return result[0].values[0], nil
}

// checkRules checks that the Prometheus can evaluate every rule. It returns the alerts that fire or
// are pending.
func (p prometheus) checkRules(t testing.TB) (pending map[string]string) {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct {
				Name, Health, LastError, State string
			}
		}
	}
	plane.Eventually(t, 20*time.Second, func() error {
		if err := p.ask(t, "/api/v1/rules", nil, &data); err != nil {
			return err
		}
		for _, g := range data.Groups {
			for _, r := range g.Rules {
				if r.Health != "ok" {
					return fmt.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
				}
			}
		}
		if len(data.Groups) == 0 {
			return fmt.Errorf("no rules")
		}
		return nil
	})
	pending = map[string]string{}
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			if strings.HasPrefix(r.Name, "Bosgc") && r.State != "inactive" {
				pending[r.Name] = r.State
			}
		}
	}
	return pending
}
