package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEverySettingIsExplainedOnce(t *testing.T) {
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
			problems, _ := errors.AsType[Problems](err)
			for _, p := range problems {
				// That other settings are missing is no fault of the example.
				if p.Name == m.name && !strings.Contains(p.Why, "belong together") &&
					!strings.Contains(p.Why, "BOSGC_BOS_ETCD_ENDPOINTS is empty") {
					t.Errorf("%s=%s: %s", m.name, value, p.Why)
				}
			}
		}
	}
}

func TestAnExplanationWorksWithBadSettings(t *testing.T) {
	tests := map[string]struct {
		name, environment                        string
		value, origin, problem, accepts, example string // what is expected; accepts and example only if not empty
	}{
		"a default":          {name: "BOSGC_SESSION_TTL", value: "7d", origin: "default", example: "30d"},
		"case and dashes":    {name: "session-ttl", value: "7d", origin: "default"},
		"one that is set":    {name: "CFS_TTL", environment: "BOSGC_CFS_TTL=3d", value: "3d", origin: "environment"},
		"one next to others": {name: "KEEP_LAST", environment: "BOSGC_CFS=x BOSGC_N=1", value: "1", origin: "default"},
		"one that is bad": {
			name: "keep_last", environment: "BOSGC_KEEP_LAST=many", value: "many", origin: "environment",
			problem: "is no whole number; expected one such as 1",
		},
		"a limit": {
			name: "MAX_ORPHAN_PERCENT", value: "50", origin: "default",
			accepts: "a whole number of per cent, at least 0 and at most 100",
		},
		"a choice": {name: "CFS", value: "old", origin: "default", accepts: "one of off, linked, old"},
		"a secret": {
			name: "CLIENT_SECRET", environment: "BOSGC_CLIENT_SECRET=hunter2", value: "(hidden)", origin: "environment",
		},
	}
	for name, test := range tests {
		e, known := Explain(test.name, strings.Fields(test.environment))
		if !known {
			t.Errorf("%s: %s is unknown", name, test.name)
		}
		if e.Value != test.value || e.Origin != test.origin || e.Problem != test.problem ||
			test.accepts != "" && e.Accepts != test.accepts || test.example != "" && e.Example != test.example {
			t.Errorf("%s: got %+v, want %+v", name, e, test)
		}
	}
	if _, known := Explain("BOSGC_NOPE", nil); known {
		t.Error("BOSGC_NOPE is explained")
	}
}
