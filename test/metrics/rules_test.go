package metrics

import (
	"errors"
	"io"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"bosgc/test/chart"
)

type ruleFile struct {
	Groups []group `yaml:"groups"`
}

type group struct {
	Name  string `yaml:"name"`
	Rules []rule `yaml:"rules"`
}

type rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// rendered returns the rules of an object that the chart renders.
func rendered(t testing.TB, kind, value string, more ...string) ruleFile {
	t.Helper()
	out, err := chart.Helm(t, "", append([]string{
		"template", "bosgc", chart.Dir(), "-n", "services", "--set", "monitoring." + value + ".enabled=true",
	}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(strings.NewReader(out))
	for {
		var object struct {
			Kind string
			Spec yaml.Node
		}
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			t.Fatalf("the chart makes no %s", kind)
		} else if err != nil {
			t.Fatal(err)
		}
		if object.Kind != kind {
			continue
		}
		var rules ruleFile
		if err := object.Spec.Decode(&rules); err != nil {
			t.Fatal(err)
		}
		return rules
	}
}

func prometheusRule(t testing.TB) ruleFile { return rendered(t, "PrometheusRule", "prometheusRule") }

func (f ruleFile) all() []rule {
	var all []rule
	for _, g := range f.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func (f ruleFile) text(t testing.TB) string {
	t.Helper()
	text, err := yaml.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func alertNames(rules []rule) []string {
	names := map[string]bool{}
	for _, r := range rules {
		if r.Alert != "" {
			names[r.Alert] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func TestRulesAreValid(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"defaults.yaml": prometheusRule(t).text(t),
		"values.yaml": rendered(t, "PrometheusRule", "prometheusRule",
			"--set", "monitoring.rules.missedAfter=26h,monitoring.rules.orphansFor=3d,monitoring.rules.eligibleAfter=1w").text(t),
	} {
		out, err := promtool(t, "check", "rules", "--lint=all", "--lint-fatal", write(t, dir, name, text))
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if strings.Contains(out, "duplicate") {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestVMRuleHasTheSameRules(t *testing.T) {
	if a, b := prometheusRule(t), rendered(t, "VMRule", "vmRule"); !reflect.DeepEqual(a, b) {
		t.Errorf("PrometheusRule:\n%s\nVMRule:\n%s", a.text(t), b.text(t))
	}
}

// TestRulesAreForOldPrometheus checks that Prometheus 2.18 (CSM 1.0 and later) understands the rules.
// It refuses the whole file for one word that it does not know.
func TestRulesAreForOldPrometheus(t *testing.T) {
	known := []string{
		"absent", "and", "by", "count", "deriv", "ignoring", "label_replace", "max", "max_over_time", "min_over_time", "offset", "on",
		"or", "sum", "time", "unless", "without",
	}
	word := regexp.MustCompile(`[a-z_]+`)
	ours := regexp.MustCompile(`bosgc[a-z_:]+|"[^"]*"|\[[^\]]*\]|(by|on|ignoring|without) \([^)]+\)`)
	duration := regexp.MustCompile(`(?:\[|offset )([0-9a-z]+)`)
	for _, r := range prometheusRule(t).all() {
		rest := ours.ReplaceAllString(r.Expr, " ")
		rest = regexp.MustCompile(`[{(,] *[a-z_]+ *[!=~]+`).ReplaceAllString(rest, " ") // labels in a selector
		rest = regexp.MustCompile(`offset [0-9]+[a-z]`).ReplaceAllString(rest, " ")
		for _, w := range word.FindAllString(rest, -1) {
			if !slices.Contains(known, w) {
				t.Errorf("%s%s: is %q known to Prometheus 2.18? If so, add it here", r.Alert, r.Record, w)
			}
		}
		durations := []string{r.For}
		for _, m := range duration.FindAllStringSubmatch(r.Expr, -1) {
			durations = append(durations, m[1])
		}
		for _, d := range durations {
			if d != "" && !regexp.MustCompile(`^[0-9]+[smhd]$`).MatchString(d) {
				t.Errorf("%s%s: %q is a sum of units, which Prometheus 2.18 refuses", r.Alert, r.Record, d)
			}
		}
	}
}

// TestScenarios runs all scenarios with promtool, for each way that metrics can come.
func TestScenarios(t *testing.T) {
	begin, _ := fresh(t)
	stories := scenarios(t)
	for every, missedAfter := range schedules {
		rules := rendered(t, "PrometheusRule", "prometheusRule", "--set", "monitoring.rules.missedAfter="+missedAfter.String())
		for i, w := range ways() {
			if i > 0 && every != time.Hour {
				break // the ways differ in what a restart does, and not by the schedule
			}
			t.Run(every.String()+" "+w.name, func(t *testing.T) {
				t.Parallel()
				play(t, rules, w, begin, slices.DeleteFunc(slices.Clone(stories), func(s scenario) bool {
					return s.every != every || i > 0 && s.long()
				}))
			})
		}
	}
	for _, s := range stories {
		if schedules[s.every] == 0 {
			t.Errorf("%s: no rules for a schedule of %s", s.Name, s.every)
		}
	}
}

// schedules are those that the rules are tested with, by the time between two sweeps. The value is the one that an
// administrator sets for it, missedAfter; of the first two it is the default.
var schedules = map[time.Duration]time.Duration{
	15 * time.Minute: 3 * time.Hour,
	time.Hour:        3 * time.Hour,
	2 * time.Hour:    5 * time.Hour,
	24 * time.Hour:   50 * time.Hour,
}

func play(t *testing.T, rules ruleFile, w way, begin map[string]float64, stories []scenario) {
	t.Helper()
	tests := map[time.Duration][]map[string]any{}
	for _, s := range stories {
		test, err := s.promtool(w, rules.all(), begin)
		if err != nil {
			t.Fatalf("%s: %s: %v", s.file, s.Name, err)
		}
		tests[s.step()] = append(tests[s.step()], test)
	}
	for step, some := range tests {
		testRules(t, rules.silent(), map[string]any{"evaluation_interval": step.String(), "tests": some})
	}
}

// TestInstallations runs several installations at one Prometheus, and TestAnnotations checks what a
// person reads. Both are files in promtool's format.
func TestInstallations(t *testing.T) {
	testFile(t, prometheusRule(t).silent(), "testdata/installations.yaml")
}

func TestAnnotations(t *testing.T) {
	rules := prometheusRule(t)
	testFile(t, rules, "testdata/annotations.yaml")
	text, err := os.ReadFile("testdata/annotations.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range alertNames(rules.all()) {
		if !strings.Contains(string(text), "alertname: "+name+"\n") {
			t.Errorf("no annotation of %s is tested", name)
		}
	}
}

// TestOfAnotherRelease loads the rules of one release where the metrics of another are an alert each: it has none.
func TestOfAnotherRelease(t *testing.T) {
	rules := rendered(t, "PrometheusRule", "prometheusRule", "--set", "config.stateName=trial").silent()
	var tests map[string]any
	if err := yaml.Unmarshal([]byte(file(t, "test", "metrics", "testdata", "annotations.yaml")), &tests); err != nil {
		t.Fatal(err)
	}
	for _, test := range tests["tests"].([]any) {
		for _, one := range test.(map[string]any)["alert_rule_test"].([]any) {
			one := one.(map[string]any)
			if one["alertname"] != "BosgcMetricsMissing" {
				one["exp_alerts"] = []any{}
				continue
			}
			for _, alert := range one["exp_alerts"].([]any) {
				alert := alert.(map[string]any)
				alert["exp_labels"].(map[string]any)["installation"] = "services.trial"
				delete(alert, "exp_annotations")
			}
		}
	}
	testRules(t, rules, tests)
}

func testFile(t *testing.T, rules ruleFile, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var tests map[string]any
	if err := yaml.Unmarshal(text, &tests); err != nil {
		t.Fatal(err)
	}
	testRules(t, rules, tests)
}

// silent returns the rules without annotations, which promtool would compare word by word.
// TestAnnotations does that once for each.
func (f ruleFile) silent() ruleFile {
	var silent ruleFile
	for _, g := range f.Groups {
		g.Rules = slices.Clone(g.Rules)
		for i := range g.Rules {
			g.Rules[i].Annotations = nil
		}
		silent.Groups = append(silent.Groups, g)
	}
	return silent
}

func testRules(t *testing.T, rules ruleFile, tests map[string]any) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "rules.yaml", rules.text(t))
	tests["rule_files"] = []string{"rules.yaml"}
	text, err := yaml.Marshal(tests)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := promtool(t, "test", "rules", write(t, dir, "tests.yaml", string(text))); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestEveryAlertIsTested checks for each alert and each schedule that one scenario has a moment at which it fires and
// another at which it does not.
func TestEveryAlertIsTested(t *testing.T) {
	rules := prometheusRule(t).all()
	for every := range schedules {
		everyAlertIsTested(t, rules, every)
	}
}

func everyAlertIsTested(t *testing.T, rules []rule, every time.Duration) {
	t.Helper()
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, s := range scenarios(t) {
		if s.every != every {
			continue
		}
		moments, err := s.moments()
		if err != nil {
			t.Fatal(err)
		}
		here, always := map[string]bool{}, map[string]int{}
		for _, at := range moments {
			now := map[string]bool{}
			for _, alert := range s.firing(at) {
				l, err := parseLabelled(alert)
				if err != nil {
					t.Fatal(err)
				}
				severity, err := severityOf(l, rules)
				if err != nil {
					t.Fatal(err)
				}
				now[l.name+" "+severity] = true
			}
			for name := range now {
				here[name] = true
				always[name]++
			}
		}
		for name := range here {
			fires[name] = true
			if always[name] < len(moments) {
				silent[name] = true
			}
		}
	}
	for _, r := range rules {
		if r.Alert == "" {
			continue
		}
		name := r.Alert + " " + r.Labels["severity"]
		if !fires[name] {
			t.Errorf("%s: no scenario sees it fire every %s", name, every)
		}
		if !silent[name] {
			t.Errorf("%s: no scenario sees it both fire and not every %s", name, every)
		}
	}
}

// TestEveryAlertHelps checks that each alert has what a person who is woken by it needs.
func TestEveryAlertHelps(t *testing.T) {
	runbook := file(t, "docs", "runbook.md")
	for _, r := range prometheusRule(t).all() {
		if r.Alert == "" {
			continue
		}
		if s := r.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if strings.TrimSpace(r.Annotations["summary"]) == "" {
			t.Errorf("%s: no summary", r.Alert)
		}
		if !regexp.MustCompile(`\$value|\| query|[0-9]`).MatchString(r.Annotations["description"]) {
			t.Errorf("%s: no number in %q", r.Alert, r.Annotations["description"])
		}
		if url, there := r.Annotations["runbook_url"]; there || !strings.Contains(r.Annotations["description"], "First") {
			t.Errorf("%s: runbook_url is %q, and the first step is not in %q", r.Alert, url, r.Annotations["description"])
		}
		if !strings.Contains(runbook, "\n## "+r.Alert+"\n") {
			t.Errorf("docs/runbook.md has no heading %s", r.Alert)
		}
	}
	for _, r := range rendered(t, "PrometheusRule", "prometheusRule", "--set", "monitoring.rules.runbookURL=https://wiki/bosgc").all() {
		if want := "https://wiki/bosgc#" + strings.ToLower(r.Alert); r.Alert != "" && r.Annotations["runbook_url"] != want {
			t.Errorf("%s: runbook_url is %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
		}
	}
	for _, heading := range regexp.MustCompile(`(?m)^## (Bosgc\w+)$`).FindAllStringSubmatch(runbook, -1) {
		if !slices.Contains(alertNames(prometheusRule(t).all()), heading[1]) {
			t.Errorf("docs/runbook.md explains %s, which is no alert", heading[1])
		}
	}
}
