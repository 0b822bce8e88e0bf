package report

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"bosgc/gc"
	"bosgc/policy"
)

func TestYAMLSaysWhatJSONSaysAndNothingThatATerminalActsOn(t *testing.T) {
	for _, name := range []string{"boa-1", "on", "1e3", "2026-01-01", "a: b\nc\nobjects: []\n", "\u202eevil", "\x1b[2J", "\u0085", "a\u2028b", "- x"} {
		for where, d := range map[string]gc.Document{
			"of an object": {Kind: "Plan", Objects: []gc.Object{{Name: name}, {Kind: policy.Job, Name: "boa-2", Detail: name}}, Run: "r"},
			"of the frame": {Kind: "Plan", Objects: []gc.Object{{Name: "boa-1"}}, Stopped: name},
			"of a note":    {Kind: "Plan", Objects: []gc.Object{}, Notes: []string{name}},
		} {
			var asJSON, asYAML bytes.Buffer
			if err := JSON(&asJSON, d); err != nil {
				t.Fatal(err)
			}
			if err := YAML(&asYAML, d); err != nil {
				t.Fatal(err)
			}
			var want, got any
			if err := yaml.Unmarshal(asJSON.Bytes(), &want); err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal(asYAML.Bytes(), &got); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%q %s: %v, %v", name, where, err, asYAML.String())
			}
			if strings.ContainsAny(asYAML.String(), "\u202e\x1b\u0085") {
				t.Errorf("%q %s reaches the terminal: %q", name, where, asYAML.String())
			}
		}
	}
}

// What is not to be shown as deleted is what was not.
func TestNamesAreOfWhatIsOrWasDeleted(t *testing.T) {
	all := []gc.Object{
		{Kind: policy.Job, Name: "boa-1", Verdict: policy.Delete, Outcome: gc.Deleted},
		{Kind: policy.ConfigMap, Name: "cm-1", Verdict: policy.Delete, Outcome: gc.Failed},
		{Kind: policy.Session, Name: "s-1", Verdict: policy.Delete, Outcome: gc.Waiting},
		{Kind: policy.CFSSession, Name: "batcher-1", Verdict: policy.Delete, Outcome: gc.Deleted},
		{Kind: policy.Job, Name: "boa-kept", Verdict: policy.Keep},
		{Kind: policy.Job, Name: "boa-\x1b[2J\nboa-3", Verdict: policy.Delete, Outcome: gc.Deleted},
	}
	for kind, want := range map[string]string{
		"Plan":   "job.batch/boa-1\nconfigmap/cm-1\nsession/s-1\ncfs/batcher-1\njob.batch/boa-?[2J boa-3\n",
		"Report": "job.batch/boa-1\ncfs/batcher-1\njob.batch/boa-?[2J boa-3\n",
	} {
		var b bytes.Buffer
		if err := Names(&b, gc.Document{Kind: kind, Objects: all}); err != nil || b.String() != want {
			t.Errorf("%s: %v, %q, want %q", kind, err, b.String(), want)
		}
	}
}
