package cli

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// names returns the lines of "-o name" for objects.
func names(d gc.Document, is func(gc.Object) bool) (all []string) {
	words := map[policy.Kind]string{policy.Session: "session", policy.Job: "job.batch", policy.ConfigMap: "configmap", policy.CFSSession: "cfs"}
	for _, o := range d.Objects {
		if is(o) {
			all = append(all, words[o.Kind]+"/"+o.Name)
		}
	}
	return all
}

func isDue(o gc.Object) bool { return o.Verdict == policy.Delete }

// Every command that has JSON has YAML, which says the same.
func TestYAMLIsTheSameDocument(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 20}, lab.ServerOptions{})
	swept, _ := s.document([]string{"sweep"})
	id := names(swept, func(o gc.Object) bool { return o.Kind == policy.Session && o.Outcome == "" })[0]
	for _, command := range [][]string{
		{"plan"},
		{"plan", "--filter", "kind=Job"},
		{"sweep", "--dry-run"},
		{"explain", id},
		{"journal"},
		{"journal", swept.Run},
		{"restore", swept.Run, "--dry-run"},
		{"guard"},
		{"config"},
		{"config", "--explain", "CFS"},
		{"doctor"},
		{"version"},
		{"explain", "zzz"},
	} {
		parsed := map[string]map[string]any{}
		for _, form := range []string{"json", "yaml"} {
			_, stdout, stderr := s.run(append(slices.Clone(command), "-o", form))
			var document map[string]any
			if err := yaml.Unmarshal([]byte(stdout), &document); err != nil || json.Valid([]byte(stdout)) != (form == "json") {
				t.Fatalf("%v -o %s: %v\n%s%s", command, form, err, stdout, stderr)
			}
			for _, varies := range []string{"run", "createdAt", "expiresAt", "checks", "sources"} {
				delete(document, varies)
			}
			parsed[form] = document
		}
		if !reflect.DeepEqual(parsed["json"], parsed["yaml"]) {
			t.Errorf("%v: %v\n%v", command, parsed["json"], parsed["yaml"])
		}
	}
}

func TestNamesAreWhatAProgramGoesOnWith(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 20}, lab.ServerOptions{})
	lines := func(args ...string) []string {
		t.Helper()
		code, stdout, stderr := s.run(append(args, "-o", "name"))
		if code != gc.ExitDone || strings.TrimSpace(stderr) != "" {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
		return strings.Fields(stdout)
	}
	d, _ := s.document([]string{"plan"})
	planned := names(d, isDue)
	if got := lines("plan"); len(planned) == 0 || !slices.Equal(got, planned) {
		t.Errorf("plan: %v, want %v", got, planned)
	}
	jobs := names(d, func(o gc.Object) bool { return isDue(o) && o.Kind == policy.Job })
	if got := lines("plan", "--filter", "kind=Job"); len(jobs) == 0 || !slices.Equal(got, jobs) {
		t.Errorf("of Jobs: %v, want %v", got, jobs)
	}
	for _, object := range planned { // each is understood by bosgc itself
		if got := lines("explain", object); !slices.Equal(got, []string{object}) {
			t.Errorf("%s is explained as %v", object, got)
		}
	}
	swept := lines("sweep", "--max-deletes", "5")
	if len(swept) != 5 || slices.ContainsFunc(swept, func(name string) bool { return !slices.Contains(planned, name) }) {
		t.Errorf("swept: %v", swept)
	}
	run := lines("journal")
	if len(run) != 1 {
		t.Fatalf("runs: %v", run)
	}
	if journal := lines("journal", run[0]); !slices.Equal(slices.Sorted(slices.Values(journal)), slices.Sorted(slices.Values(swept))) {
		t.Errorf("the journal: %v, swept %v", journal, swept)
	}
	before := len(s.Requests())
	for _, command := range []string{"config", "doctor", "guard", "version", "exporter"} {
		if code, stdout, stderr := s.run([]string{command, "-o", "name"}); code != gc.ExitUsage || stdout != "" || !strings.Contains(stderr, "lists no objects") {
			t.Errorf("%s: exit code %d, %q, %s", command, code, stdout, stderr)
		}
	}
	if n := len(s.Requests()); n != before {
		t.Errorf("%d requests were sent", n-before)
	}
	if code, stdout, _ := s.run([]string{"explain", "zzz", "-o", "name"}); code != gc.ExitFailed || stdout != "" {
		t.Errorf("of an object that is not there: exit code %d, %q", code, stdout)
	}
}

func TestAFilterChoosesWhatIsShownInEveryForm(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 20}, lab.ServerOptions{})
	whole, _ := s.document([]string{"plan"})
	d, _ := s.document([]string{"plan", "--filter", "kind=Job"})
	want := names(whole, func(o gc.Object) bool { return o.Kind == policy.Job })
	if got := names(d, func(gc.Object) bool { return true }); len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if d.Summary != whole.Summary {
		t.Errorf("the counts are of what is shown: %+v, want %+v", d.Summary, whole.Summary)
	}
	// Kept objects are listed where they are asked for.
	if _, text, _ := s.run([]string{"plan", "--filter", "verdict=keep"}); !strings.Contains(text, "Kept (") || strings.Contains(text, "To delete (") {
		t.Error(text)
	}
}

// What a person has refused was not deleted, and is not named as if it had been.
func TestADeclinedSweepHasNoNames(t *testing.T) {
	t.Parallel()
	var out, errors bytes.Buffer
	a := &app{stdout: &out, stderr: &errors, now: time.Now, output: "name"}
	d := gc.Document{Kind: "Plan", Objects: []gc.Object{{Kind: policy.Job, Name: "boa-1", Verdict: policy.Delete}}}
	if err := a.showDeclined(d); err != nil || out.Len() > 0 || !strings.Contains(errors.String(), "Nothing was deleted") {
		t.Errorf("%v, %q, %q", err, out.String(), errors.String())
	}
}
