package metrics

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// scenario is a story in testdata/scenarios, which becomes a test of promtool. At each of its moments
// the named alerts fire, and no others.
type scenario struct {
	Name string
	// From is the state in which all series begin: "healthy", an installation that has swept every hour
	// without trouble, or "fresh", one that has never swept.
	From string
	// Begins and Ends are when metrics are first and last seen, and Back is when they are seen again.
	Begins, Ends, Back string
	// Every are the schedules of which the story is true, as the time between two sweeps; none is 1h. Durations are
	// sums, such as 24h+2.5n+1w, where n is the time between two sweeps and w is missedAfter.
	Every []string
	// Series are the series that differ from that: "7 for 2h, none for 1h, 9". Other values than numbers
	// are hourly (the time of the last sweep, on any schedule), +2 (that much more at each sweep), +2/d (in a day), aging
	// (growing with time from the number before), still (unchanged) and none.
	Series map[string]string
	// Firing are alerts by moment, separated by spaces: Name{label="value"}, or none. Labels that identify
	// the installation are implied; {installation=""} is an alert that concerns none.
	Firing map[string]string

	file  string
	every time.Duration
}

// duration parses a duration. What is not in plain units is rounded, so that every step of a scenario is a part of it.
func (s scenario) duration(text string) (time.Duration, error) {
	step := 15 * time.Minute
	switch {
	case s.every < time.Hour:
		step = 5 * time.Minute
	case s.every > 2*time.Hour:
		step = 30 * time.Minute
	}
	sum := time.Duration(0)
	for term := range strings.SplitSeq(text, "+") {
		unit := map[string]time.Duration{"n": s.every, "w": schedules[s.every]}[term[max(0, len(term)-1):]]
		if unit == 0 {
			d, err := time.ParseDuration(term)
			if err != nil {
				return 0, err
			}
			sum += d
			continue
		}
		n, err := strconv.ParseFloat(term[:len(term)-1], 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n * float64(unit)).Round(step)
	}
	return sum, nil
}

// step is the interval of scrapes and of evaluations. It is longer in long scenarios, because promtool
// takes 3 ms for each.
func (s scenario) step() time.Duration {
	if s.every > 2*time.Hour {
		return 30 * time.Minute
	}
	if moments, err := s.moments(); err == nil && moments[len(moments)-1] > 16*time.Hour && s.every >= time.Hour {
		return 15 * time.Minute
	}
	return 5 * time.Minute
}

// long reports whether it takes promtool long, and is played with one way alone.
func (s scenario) long() bool {
	moments, err := s.moments()
	return err == nil && len(moments) > 0 && moments[len(moments)-1] > 36*time.Hour
}

func scenarios(t *testing.T) []scenario {
	t.Helper()
	files, err := filepath.Glob("testdata/scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	var all []scenario
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var some []scenario
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		decoder.KnownFields(true) // a misspelt key would test nothing
		if err := decoder.Decode(&some); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, s := range some {
			s.file = filepath.Base(file)
			if len(s.Every) == 0 {
				s.Every = []string{"1h"}
			}
			for _, every := range s.Every {
				if s.every, err = time.ParseDuration(every); err != nil {
					t.Fatalf("%s: %s: %v", file, s.Name, err)
				}
				all = append(all, s)
			}
		}
	}
	return all
}

// healthy are the values that differ in a healthy installation.
var healthy = map[string]string{
	"bosgc_last_sweep_timestamp_seconds":   "hourly",
	"bosgc_last_success_timestamp_seconds": "hourly",
	"bosgc_bos_sessions":                   "120",
	"bosgc_bos_list_ok":                    "1",
	"bosgc_source_complete":                "1",
}

// labelled is a name with labels, as in Firing and as a key of Series.
type labelled struct {
	name   string
	labels map[string]string
}

var (
	labelledForm = regexp.MustCompile(`^([A-Za-z_:]+)(?:\{(.*)\})?$`)
	labelForm    = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
)

func parseLabelled(text string) (labelled, error) {
	m := labelledForm.FindStringSubmatch(text)
	if m == nil {
		return labelled{}, fmt.Errorf("%q is no name with labels", text)
	}
	l := labelled{m[1], map[string]string{}}
	for _, pair := range labelForm.FindAllStringSubmatch(m[2], -1) {
		l.labels[pair[1]] = pair[2]
	}
	return l, nil
}

// covers reports whether a series has the name and at least the labels.
func (l labelled) covers(series labelled) bool {
	for name, value := range l.labels {
		if series.labels[name] != value {
			return false
		}
	}
	return l.name == series.name
}

// with formats it as a series with more labels.
func (l labelled) with(more map[string]string) string {
	all := maps.Clone(l.labels)
	maps.Copy(all, more)
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		pairs = append(pairs, fmt.Sprintf("%s=%q", name, all[name]))
	}
	return l.name + "{" + strings.Join(pairs, ",") + "}"
}

// samples returns one value for each scrape; nil is no sample.
func (s scenario) samples(spec string, step time.Duration, count int) ([]*float64, error) {
	var all []*float64
	last := 0.0
	for text := range strings.SplitSeq(spec, ",") {
		what, length, bounded := strings.Cut(strings.TrimSpace(text), " for ")
		n := count - len(all)
		if bounded {
			d, err := s.duration(length)
			if err != nil || d%step != 0 {
				return nil, fmt.Errorf("%q is no multiple of %s", length, step)
			}
			n = min(n, int(d/step))
		}
		p := part{what, time.Duration(len(all)) * step, step, s.every}
		for range n {
			value, err := p.value(time.Duration(len(all))*step, last)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", spec, err)
			}
			if value != nil {
				last = *value
			}
			all = append(all, value)
		}
	}
	if len(all) < count {
		return nil, fmt.Errorf("%q ends before the scenario does", spec)
	}
	return all, nil
}

// part is one of the parts that commas separate in a spec.
type part struct {
	what  string
	begun time.Duration
	step  time.Duration
	every time.Duration
}

// value returns the value at a time, where last is the one before.
func (p part) value(now time.Duration, last float64) (*float64, error) {
	// Not at the full hour: the first sweep would be at 0, which means never.
	sweep := now%p.every == p.step
	number := func(text string) (*float64, error) {
		value, err := strconv.ParseFloat(text, 64)
		return &value, err
	}
	switch from, aging := strings.CutPrefix(p.what, "aging from "); {
	case p.what == "none":
		return nil, nil
	case p.what == "hourly":
		last = (now.Truncate(p.every) + p.step).Seconds()
		if last > now.Seconds() {
			last = max(0, last-p.every.Seconds())
		}
	case aging && (sweep || now == p.begun):
		begun, err := number(from)
		if err != nil {
			return nil, err
		}
		last = *begun + (now - p.begun).Seconds()
	case strings.HasPrefix(p.what, "+") && sweep:
		text, daily := strings.CutSuffix(p.what[1:], "/d")
		more, err := number(text)
		if err != nil {
			return nil, err
		}
		if daily {
			*more *= p.every.Hours() / 24
		}
		last += *more
	case aging, p.what == "still", strings.HasPrefix(p.what, "+"):
	default:
		return number(p.what)
	}
	return &last, nil
}

// way is one of the ways by which metrics reach a Prometheus.
type way struct {
	name string
	// labels are added to its series. Those in volatile change with a restart.
	labels, volatile map[string]string
	// alert are the labels among them that alerts have.
	alert map[string]string
	// restart is when the process, or what scrapes it, goes away; there are no samples for the time away.
	restart, away time.Duration
	// replaced means that it comes back in another Pod.
	replaced bool
}

func ways() []way {
	scraped := func(job, pod string) way {
		return way{
			labels:   map[string]string{"namespace": "services", "job": job, "service": job, "container": "bosgc", "endpoint": "metrics"},
			volatile: map[string]string{"pod": pod + "-7f9c4d5b8-x2x4v", "instance": "10.32.0.17:9090"},
			alert:    map[string]string{"namespace": "services", "job": job},
		}
	}
	exporter, serve := scraped("bosgc-exporter", "bosgc-exporter"), scraped("bosgc", "bosgc")
	exporter.name, exporter.restart, exporter.away = "exporter, scrapes fail for 25 minutes", time.Hour+35*time.Minute, 25*time.Minute
	serve.name, serve.restart, serve.away, serve.replaced = "serve, replaced", 2*time.Hour+40*time.Minute, 10*time.Minute, true
	const monitor = "sysmgmt-health/cray-sysmgmt-health-kubernetes-pods"
	annotated := way{
		name: "exporter, found by CSM, replaced",
		labels: map[string]string{
			"namespace": "services", "job": monitor,
			"app_kubernetes_io_name": "bosgc", "app_kubernetes_io_instance": "bosgc", "app_kubernetes_io_component": "exporter",
		},
		volatile: map[string]string{"pod": "bosgc-exporter-0", "pod_name": "bosgc-exporter-0", "pod_template_hash": "7f9c4d5b8", "instance": "10.32.0.17:9090"},
		alert:    map[string]string{"namespace": "services", "job": monitor, "app_kubernetes_io_instance": "bosgc"},
		restart:  2*time.Hour + 40*time.Minute, away: 5 * time.Minute, replaced: true,
	}
	push := way{
		name:   "push",
		labels: map[string]string{"job": "bosgc", "instance": "services.bosgc", "namespace": "monitoring", "pod": "pushgateway-0"},
		alert:  map[string]string{"job": "bosgc", "namespace": "monitoring"},
	}
	all := []way{exporter, annotated, serve, push}
	for i := range all {
		all[i].labels["installation"], all[i].alert["installation"] = "services.bosgc", "services.bosgc"
	}
	return all
}

// series formats what one series shows over the scenario in promtool's format.
func (w way) series(l labelled, step time.Duration, values []*float64) []map[string]string {
	before, after := make([]string, len(values)), make([]string, len(values))
	for i, value := range values {
		now := time.Duration(i) * step
		before[i], after[i] = "_", "_"
		if value == nil || w.away > 0 && now >= w.restart && now < w.restart+w.away {
			continue
		}
		text := strconv.FormatFloat(*value, 'f', -1, 64)
		if w.replaced && now >= w.restart {
			after[i] = text
		} else {
			before[i] = text
		}
	}
	labels, other := maps.Clone(w.labels), maps.Clone(w.labels)
	maps.Copy(labels, w.volatile)
	for name, value := range w.volatile {
		other[name] = strings.NewReplacer("x2x4v", "zz9zz", "17:", "42:", "r-0", "r-1", "7f9", "8a8").Replace(value)
	}
	all := []map[string]string{{"series": l.with(labels), "values": strings.Join(before, " ")}}
	if w.replaced {
		all = append(all, map[string]string{"series": l.with(other), "values": strings.Join(after, " ")})
	}
	return all
}

// moments returns the moments of a scenario, in order.
func (s scenario) moments() ([]time.Duration, error) {
	var all []time.Duration
	for at := range s.Firing {
		d, err := s.duration(at)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	slices.Sort(all)
	return all, nil
}

// values returns every series of a scenario that the rules use.
func (s scenario) values(begin map[string]float64, rules []rule, step time.Duration, count int) (map[string][]*float64, error) {
	specs := map[string]string{}
	overlays := []map[string]string{s.Series}
	switch s.From {
	case "fresh":
	case "healthy", "":
		overlays = []map[string]string{healthy, s.Series}
	default:
		return nil, fmt.Errorf("from %q is not known", s.From)
	}
	for series, value := range begin {
		// Of a metric with reasons, rules add up all that are not about one reason. One zero for each kind is
		// enough for that: with all of them promtool takes minutes.
		if !strings.Contains(series, "reason=") || value != 0 || strings.Contains(series, "orphan-guard") || strings.Contains(series, "owner-collected") {
			specs[series] = strconv.FormatFloat(value, 'f', -1, 64)
		}
	}
	for _, overlay := range overlays {
		for key, spec := range overlay {
			l, err := parseLabelled(key)
			if err != nil {
				return nil, err
			}
			matched := false
			for series := range begin {
				if one, err := parseLabelled(series); err == nil && l.covers(one) {
					specs[series], matched = spec, true
				}
			}
			if !matched {
				return nil, fmt.Errorf("the program has no series %s", key)
			}
		}
	}
	all := map[string][]*float64{}
	for series, spec := range specs {
		l, err := parseLabelled(series)
		if err != nil || !selected(l, rules) {
			continue
		}
		values, err := s.samples(spec, step, count)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", series, err)
		}
		for i := range values {
			if !s.seen(time.Duration(i) * step) {
				values[i] = nil
			}
		}
		all[series] = values
	}
	return all, nil
}

var selectorForm = regexp.MustCompile(`bosgc_[a-z_]+(\{[^}]*\})?`)

// selected reports whether a rule uses a series.
func selected(series labelled, rules []rule) bool {
	for _, r := range rules {
		for _, text := range selectorForm.FindAllString(r.Expr, -1) {
			l, err := parseLabelled(text)
			delete(l.labels, "installation") // each way adds it
			if err == nil && l.covers(series) {
				return true
			}
		}
	}
	return false
}

func (s scenario) seen(now time.Duration) bool {
	moment := func(text string, otherwise time.Duration) time.Duration {
		if d, err := s.duration(text); err == nil {
			return d
		}
		return otherwise
	}
	const never = 1 << 62
	return now >= moment(s.Begins, 0) && now <= moment(s.Ends, never) || now >= moment(s.Back, never)
}

// promtool returns the scenario as a test of promtool, for metrics that come one way.
func (s scenario) promtool(w way, rules []rule, begin map[string]float64) (map[string]any, error) {
	moments, err := s.moments()
	if err != nil || len(moments) == 0 {
		return nil, fmt.Errorf("moments: %v, %w", moments, err)
	}
	step := s.step()
	values, err := s.values(begin, rules, step, int(moments[len(moments)-1]/step)+1)
	if err != nil {
		return nil, err
	}
	var input []map[string]string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		l, _ := parseLabelled(name) // values has parsed it already
		input = append(input, w.series(l, step, values[name])...)
	}
	var tests []map[string]any
	for _, at := range moments {
		expected, err := s.expected(at, w, rules)
		if err != nil {
			return nil, err
		}
		if at%step != 0 {
			return nil, fmt.Errorf("at %s nothing is evaluated, only every %s", at, step)
		}
		for _, name := range alertNames(rules) {
			tests = append(tests, map[string]any{"eval_time": at.String(), "alertname": name, "exp_alerts": expected[name]})
		}
	}
	return map[string]any{
		"name": s.file + ": " + s.Name + " (" + w.name + ", every " + s.every.String() + ")", "interval": step.String(), "input_series": input, "alert_rule_test": tests,
	}, nil
}

// expected returns the alerts that fire at a moment, with all their labels.
func (s scenario) expected(at time.Duration, w way, rules []rule) (map[string][]map[string]any, error) {
	expected := map[string][]map[string]any{}
	for _, alert := range s.firing(at) {
		l, err := parseLabelled(alert)
		if err != nil {
			return nil, err
		}
		severity, err := severityOf(l, rules)
		if err != nil {
			return nil, err
		}
		labels := map[string]string{"severity": severity}
		if _, none := l.labels["installation"]; !none {
			maps.Copy(labels, w.alert)
		}
		maps.Copy(labels, l.labels)
		maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
		expected[l.name] = append(expected[l.name], map[string]any{"exp_labels": labels})
	}
	return expected, nil
}

func (s scenario) firing(at time.Duration) []string {
	for text, alerts := range s.Firing {
		if d, err := s.duration(text); err == nil && d == at && alerts != "none" {
			return strings.Fields(alerts)
		}
	}
	return nil
}

func severityOf(l labelled, rules []rule) (string, error) {
	found := ""
	for _, r := range rules {
		if r.Alert == l.name && (l.labels["severity"] == "" || l.labels["severity"] == r.Labels["severity"]) {
			if found != "" {
				return "", fmt.Errorf("%s has two severities; say which", l.name)
			}
			found = r.Labels["severity"]
		}
	}
	if found == "" {
		return "", fmt.Errorf("there is no alert %v", l)
	}
	return found, nil
}
