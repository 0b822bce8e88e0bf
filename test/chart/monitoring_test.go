package chart

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// with copies the chart, replaces one of its files with a text, and returns the folder of the copy.
func with(t *testing.T, file string, text []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(Dir())); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// groupsOf parses the groups of a rule file. It replaces each placeholder with its value, and adds
// labels to alerts that lack them.
func groupsOf(t *testing.T, text []byte, values map[string]string, labels map[string]string) []any {
	t.Helper()
	for name, value := range values {
		text = bytes.ReplaceAll(text, []byte("@"+name+"@"), []byte(value))
	}
	var file map[string]any
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	groups, _ := file["groups"].([]any)
	for _, group := range groups {
		for _, rule := range group.(map[string]any)["rules"].([]any) {
			rule := rule.(map[string]any)
			if rule["alert"] == nil {
				continue
			}
			if annotations, ok := rule["annotations"].(map[string]any); ok && values["runbook"] == "" {
				delete(annotations, "runbook_url")
			}
			for name, value := range labels {
				if rule["labels"] == nil {
					rule["labels"] = map[string]any{}
				}
				if given := rule["labels"].(map[string]any); given[name] == nil {
					given[name] = value
				}
			}
		}
	}
	return groups
}

// TestAlertsArriveAsTheyAre compares rules as they arrive in the cluster with the file that they come
// from.
func TestAlertsArriveAsTheyAre(t *testing.T) {
	defaults := map[string]string{
		"missedAfter": "10800", "eligibleAfter": "259200", "orphanAge": "1209600", "orphansFor": "93600", "sessionsFor": "7200",
		"sessionsWarning": "700", "sessionsCritical": "900", "failedSweeps": "3", "incompleteSweeps": "3", "listSweeps": "2",
		"deleteSweeps": "3", "clockSweeps": "2", "backlogSweeps": "4", "orphansGrown": "10", "listDays": "7", "listPercent": "25", "orphansAbove": "100", "orphanSweeps": "3", "runbook": "",
		"namespace": "services", "fullname": "bosgc", "stateName": "bosgc", "stateNamespace": "services", "installation": "services.bosgc",
	}
	other := maps.Clone(defaults)
	maps.Copy(other, map[string]string{
		"missedAfter": "5400", "sessionsFor": "4500", "listDays": "14", "orphansFor": "1209600", "eligibleAfter": "1", "sessionsWarning": "2000000", "sessionsCritical": "3000000",
		"failedSweeps": "12", "orphansAbove": "0", "runbook": "https://wiki/a?b=c&d",
	})
	own, err := os.ReadFile(filepath.Join(Dir(), "files", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	awkward, err := os.ReadFile("testdata/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"the chart's": own, "awkward ones": awkward} {
		for _, tt := range []struct {
			name   string
			rules  string // monitoring.rules, from a file: Helm reads its numbers as floating point
			values map[string]string
			labels map[string]string
		}{
			{"by default", "{}", defaults, nil},
			{
				"as one says",
				`{missedAfter: 1h30m, orphansFor: 2w, failedSweeps: 12, orphansAbove: 0, eligibleAfter: 1s, listDays: 14, sessionsWarning: 2000000, sessionsCritical: 3000000,
				runbookURL: "https://wiki/a?b=c&d", labels: {team: ops, severity: none}}`,
				other,
				map[string]string{"team": "ops", "severity": "none"},
			},
		} {
			t.Run(name+" "+tt.name, func(t *testing.T) {
				values := filepath.Join(t.TempDir(), "values.yaml")
				if err := os.WriteFile(values, []byte("monitoring: {prometheusRule: {enabled: true}, vmRule: {enabled: true}, rules: "+tt.rules+"}"), 0o600); err != nil {
					t.Fatal(err)
				}
				objects := templateOf(t, with(t, "files/alerts.yaml", text), "--kube-version", newest, "-f", values)
				want := groupsOf(t, text, tt.values, tt.labels)
				if len(want) == 0 {
					t.Fatal("no groups")
				}
				for _, kind := range []string{"PrometheusRule", "VMRule"} {
					got, _, err := unstructured.NestedSlice(of[unstructured.Unstructured](t, objects, kind, "bosgc").Object, "spec", "groups")
					if err != nil || !reflect.DeepEqual(numbers(t, got), numbers(t, want)) {
						t.Errorf("%s: error %v\n%v\nwant\n%v", kind, err, got, want)
					}
				}
			})
		}
	}
	if left := groupsOf(t, own, defaults, nil); strings.Contains(string(mustJSON(t, left)), "@") {
		t.Error("there is an @ left in the chart's alerts; if it is meant for Prometheus, this test is wrong")
	}
}

// numbers makes what two decoders have read comparable: all numbers have one type.
func numbers(t *testing.T, v any) (same any) {
	t.Helper()
	if err := json.Unmarshal(mustJSON(t, v), &same); err != nil {
		t.Fatal(err)
	}
	return same
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestBrokenFilesAreNotInstalled: an installation without alerts looks like one where all is well.
func TestBrokenFilesAreNotInstalled(t *testing.T) {
	for _, tt := range []struct{ file, text, want string }{
		{"files/alerts.yaml", "", "missing or empty"},
		{"files/alerts.yaml", "rules: []", "no groups"},
		{"files/alerts.yaml", "groups: [", "files/alerts.yaml: no groups of rules: error converting YAML"},
		{"files/alerts.yaml", "groups: [{name: a, rules: [{alert: b, expr: c > @missedafter@}]}]", "@missedafter@"},
		{"files/dashboard.json", "\n", "missing or empty"},
	} {
		_, err := Helm(t, "", "template", with(t, tt.file, []byte(tt.text)), "--kube-version", newest,
			"--set", "monitoring.vmRule.enabled=true,monitoring.dashboard.enabled=true")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %q: error %v, want %q", tt.file, tt.text, err, tt.want)
		}
	}
}

func TestDashboardArrivesAsItIs(t *testing.T) {
	want, err := os.ReadFile(filepath.Join(Dir(), "files", "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"the chart's": string(want), "an awkward one": "{\n\t\"a\": \"{{ b }} @missedAfter@ <&> %d\",\n\n  \"c\": 1.0\n}\n\n"} {
		objects := templateOf(t, with(t, "files/dashboard.json", []byte(text)), "--kube-version", newest, "--set", "monitoring.dashboard.enabled=true")
		got := of[corev1.ConfigMap](t, objects, "ConfigMap", "bosgc-dashboard").Data["bosgc.json"]
		if got != strings.TrimSpace(text) || !json.Valid([]byte(got)) {
			t.Errorf("%s arrives as\n%s", name, got)
		}
	}
}
