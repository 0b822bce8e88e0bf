package config

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/settings.md")

func TestSettingsPage(t *testing.T) {
	const file = "../../docs/settings.md"
	if *update {
		if err := os.WriteFile(file, []byte(Page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != Page() {
		t.Error(`docs/settings.md is not what config/meaning.go says; "make docs-settings" writes it`)
	}
}

func TestEverySettingIsExplainedOnceInItsOrder(t *testing.T) {
	var explained []string
	for _, g := range meanings {
		for _, m := range g.settings {
			explained = append(explained, m.name)
		}
	}
	slices.Sort(explained)
	names := Names()
	slices.Sort(names)
	if !slices.Equal(explained, names) {
		t.Errorf("explained are\n%v\nthere are\n%v", explained, names)
	}
}

// An example that is refused teaches the wrong thing, and one that is the default teaches nothing.
func TestExamplesAreAccepted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, g := range meanings {
		for _, m := range g.settings {
			if m.text == "" || m.where == "" || !strings.HasSuffix(m.text, ".") {
				t.Errorf("%s is not explained in whole sentences, or not where it matters", m.name)
			}
			e := m.explain(nil)
			if strings.Contains(e.Accepts, "number of ,") {
				t.Errorf("%s is a number of nothing", m.name)
			}
			if m.example != "" && m.example == e.Default {
				t.Errorf("%s: the example is the default", m.name)
			}
			value := e.Example
			if strings.HasPrefix(e.Accepts, "the path of a file") {
				value = file
			}
			_, err := Load([]string{m.name + "=" + value})
			problems, _ := err.(Problems) //nolint:errorlint // Load gives nothing else
			for _, p := range problems {
				// What is missing besides is no fault of the example.
				if p.Name == m.name && !strings.Contains(p.Why, "belong together") && !strings.Contains(p.Why, "BOSGC_BOS_ETCD_ENDPOINTS is empty") {
					t.Errorf("%s=%s: %s", m.name, value, p.Why)
				}
			}
		}
	}
}

func TestWhereASettingMattersThereIsAPage(t *testing.T) {
	pages := 0
	for _, link := range regexp.MustCompile(`\]\(([a-z]+\.md)\)`).FindAllStringSubmatch(Page(), -1) {
		pages++
		if _, err := os.Stat("../../docs/" + link[1]); err != nil {
			t.Error(err)
		}
	}
	if pages < 10 {
		t.Errorf("only %d pages are named", pages)
	}
}

func TestAnExplanationWorksWithBadSettings(t *testing.T) {
	tests := map[string]struct {
		name    string
		environ []string
		want    Explanation // where it is not empty
	}{
		"a default":            {"BOSGC_SESSION_TTL", nil, Explanation{Setting: Setting{Value: "7d", Origin: "default"}, Example: "30d"}},
		"one that is set":      {"session-ttl", []string{"BOSGC_SESSION_TTL=3d"}, Explanation{Setting: Setting{Value: "3d", Origin: "environment"}}},
		"one that is bad":      {"keep_last", []string{"BOSGC_KEEP_LAST=many"}, Explanation{Setting: Setting{Value: "many"}, Problem: "is no whole number; expected one such as 1"}},
		"one beside a bad one": {"BOSGC_KEEP_LAST", []string{"BOSGC_SESSION_TTL=7", "BOSGC_NOPE=1"}, Explanation{Setting: Setting{Value: "1", Origin: "default"}}},
		"a limit":              {"BOSGC_MAX_ORPHAN_PERCENT", nil, Explanation{Accepts: "a whole number of per cent, at least 0 and at most 100"}},
		"a choice":             {"BOSGC_CFS", nil, Explanation{Accepts: "one of off, linked, old"}},
		"a secret":             {"BOSGC_CLIENT_SECRET", []string{"BOSGC_CLIENT_SECRET=hunter2"}, Explanation{Setting: Setting{Value: "(hidden)", Origin: "environment"}}},
	}
	for name, test := range tests {
		got, known := Explain(test.name, test.environ)
		if !known {
			t.Errorf("%s: %s is unknown", name, test.name)
		}
		for _, field := range []struct{ what, got, want string }{
			{"value", got.Value, test.want.Value},
			{"origin", got.Origin, test.want.Origin},
			{"problem", got.Problem, test.want.Problem},
			{"accepts", got.Accepts, test.want.Accepts},
			{"example", got.Example, test.want.Example},
		} {
			if field.want != "" && field.got != field.want {
				t.Errorf("%s: %s is %q, want %q", name, field.what, field.got, field.want)
			}
		}
		if got.Problem != "" && test.want.Problem == "" {
			t.Errorf("%s: problem %q", name, got.Problem)
		}
	}
	if _, known := Explain("BOSGC_NOPE", nil); known {
		t.Error("BOSGC_NOPE is explained")
	}
}

func TestMisspelledSettingsAreRefused(t *testing.T) {
	tests := map[string]string{ // environment → what the error says
		"BOSGC_SESION_TTL=3d":                  "BOSGC_SESION_TTL is no setting; did you mean BOSGC_SESSION_TTL?",
		"BOSGC_KEEPLAST=5":                     "did you mean BOSGC_KEEP_LAST?",
		"BOSGC_DRYRUN=true":                    "did you mean BOSGC_DRY_RUN?",
		"BOSGC_CLIENT_SECRT=hunter2":           "did you mean BOSGC_CLIENT_SECRET?",
		"BOSGC_ORPHAN_SIGHTING=9":              "did you mean BOSGC_ORPHAN_SIGHTINGS?",
		"BOSGC_BOS_URI=http://bos":             "did you mean BOSGC_BOS_URL?",
		"BOSGC_ZZZZZZZZ=1":                     `"bosgc config" lists those that there are`,
		"BOSGC_=1":                             `"bosgc config" lists those that there are`,
		"BOSGC_SERVICE_PORT=80":                "is no setting", // without a host it is nothing that Kubernetes makes
		"BOSGC_X_SERVICE_HOST=10.0.0.1":        "is no setting",
		"BOSGC_SESION_TTL=3d BOSGC_CFS=maybe":  "2 of the settings",
		"BOSGC_SESION_TTL=3d BOSGC_KEEPLAST=1": "2 of the settings",
	}
	for environment, want := range tests {
		_, err := Load(strings.Fields(environment))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q is not in: %v", environment, want, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the value of a setting that is none may be a secret, and is shown: %v", err)
		}
	}
}

// In a namespace with a Service bosgc-exporter, Kubernetes gives these to every Pod.
func TestWhatIsNoMistakeIsNotRefused(t *testing.T) {
	for _, environment := range []string{
		"PATH=/bin XBOSGC_NOPE=1 bosgc_nope=1 BOSGC=1",
		"BOSGC_NOPE=",
		"BOSGC_SERVICE_HOST=10.0.0.1 BOSGC_SERVICE_PORT=9090 BOSGC_PORT=tcp://10.0.0.1:9090",
		`BOSGC_EXPORTER_SERVICE_HOST=10.0.0.1 BOSGC_EXPORTER_SERVICE_PORT=9090 BOSGC_EXPORTER_SERVICE_PORT_METRICS=9090
		 BOSGC_EXPORTER_PORT=tcp://10.0.0.1:9090 BOSGC_EXPORTER_PORT_9090_TCP=tcp://10.0.0.1:9090 BOSGC_EXPORTER_PORT_9090_TCP_PROTO=tcp
		 BOSGC_EXPORTER_PORT_9090_TCP_PORT=9090 BOSGC_EXPORTER_PORT_9090_TCP_ADDR=10.0.0.1`,
	} {
		if _, err := Load(strings.Fields(environment)); err != nil {
			t.Errorf("%s: %v", environment, err)
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"TTL": "BOSGC_SESSION_TTL BOSGC_FAILED_TTL BOSGC_ABANDONED_TTL", "etcd_user": "BOSGC_BOS_ETCD_USER",
		"BOSGC_LOGLEVEL": "BOSGC_LOG_LEVEL", "": "", "x": "", "BOSGC_WHATEVER_ELSE": "",
	} {
		if got := strings.Join(Nearest(name), " "); got != want {
			t.Errorf("%q is near %q, want %q", name, got, want)
		}
	}
}
