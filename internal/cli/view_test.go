package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

func TestFilterChangesNothingButTheTable(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 40}, lab.ServerOptions{})
	want := s.exist()
	whole, _ := s.document([]string{"plan"})
	code, table, _ := s.run([]string{"plan", "--filter", "kind=Job", "--filter", "verdict=delete", "--filter", "age>14d", "-o", "wide"})
	if code != gc.ExitDone || !strings.Contains(table, " objects are shown, by --filter") || !strings.Contains(table, "SHOWN") || !strings.Contains(table, "ELIGIBLE") {
		t.Errorf("exit code %d:\n%s", code, table)
	}
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); strings.HasPrefix(line, "  ") && len(fields) > 3 && fields[0] == "Session" {
			t.Errorf("shown in spite of the filter: %s", line)
		}
	}
	if whole.Summary.Delete == 0 {
		t.Error("nothing is to be deleted: this test proves nothing")
	}
	s.same("after a plan with a filter", s.exist(), want)
}

func TestWhatIsListedFollowsTheFlags(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 20}, lab.ServerOptions{})
	for _, command := range []string{"plan", "sweep"} {
		for flag, want := range map[string][2]bool{"--dry-run": {true, false}, "--all": {true, true}, "-q": {false, false}} {
			args := []string{command, flag}
			if command == "sweep" {
				args = append(args, "--dry-run")
			} else if flag == "--dry-run" {
				args = args[:1]
			}
			code, text, _ := s.run(args)
			if got := [2]bool{strings.Contains(text, "To delete ("), strings.Contains(text, "Kept (")}; code != gc.ExitDone || got != want {
				t.Errorf("%v: exit code %d, lists what is deleted and kept: %v, want %v\n%s", args, code, got, want, text)
			}
			lines := strings.Split(strings.TrimSpace(text), "\n")
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, "Plan ") || !strings.Contains(last, " to delete, ") {
				t.Errorf("%v: the last line is %q", args, last)
			}
		}
	}
}

// A mistake in how the result is to be shown is found before anything is done.
func TestMistakesInTheViewAreFoundBeforeAnythingIsContacted(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 5}, lab.ServerOptions{})
	before := len(s.Requests())
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"an unknown key":             {[]string{"--filter", "name=x"}, `there is no key "name"; expected kind=`},
		"an unknown value":           {[]string{"--filter", "kind=Pod"}, "expected one of Session, Job, ConfigMap, CFSSession"},
		"an age without a unit":      {[]string{"--filter", "age>7"}, "has no unit"},
		"a page in no folder":        {[]string{"--html", filepath.Join(t.TempDir(), "nowhere", "x.html")}, "there is no folder"},
		"a page that is a folder":    {[]string{"--html", t.TempDir()}, "a folder is there"},
		"a form that is not there":   {[]string{"-o", "xml"}, "expected table, wide, json, yaml or name"},
		"a page that is no ordinary": {[]string{"--html", fifo(t)}, "a named pipe is there"},
	} {
		for _, command := range [][]string{{"plan"}, {"sweep"}, {"apply", "plan.json"}, {"plan", "--save", filepath.Join(t.TempDir(), "plan.json")}} {
			if len(command) > 1 || command[0] == "sweep" {
				if tt.args[0] == "--filter" {
					tt.want = "not what is deleted"
				}
			}
			code, _, stderr := s.run(append(slices.Clone(command), tt.args...))
			if code != gc.ExitUsage || !strings.Contains(stderr, tt.want) {
				t.Errorf("%s, %s: exit code %d, %s", command, name, code, stderr)
			}
		}
	}
	if n := len(s.Requests()); n != before {
		t.Errorf("%d requests were sent", n-before)
	}
}

func TestThePageIsWrittenByPlanAndSweep(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 20}, lab.ServerOptions{})
	path := filepath.Join(t.TempDir(), "page.html")
	for command, says := range map[string]string{"plan": "This is a plan: nothing has been deleted.", "sweep": "This is what a sweep has done."} {
		d, code := s.document([]string{command, "--html", path})
		text, err := os.ReadFile(path)
		if err != nil || code != gc.ExitDone {
			t.Fatalf("%s: exit code %d, %v", command, code, err)
		}
		if !strings.Contains(string(text), says) || !strings.Contains(string(text), d.Run) {
			t.Errorf("%s: the page is another one", command)
		}
		for _, o := range d.Objects {
			if !strings.Contains(string(text), `"`+o.Name+`"`) {
				t.Errorf("%s: %s %s is not on the page", command, o.Kind, o.Name)
			}
		}
	}
}

// What was deleted is reported even if the page cannot be written.
func TestAPageThatCannotBeWrittenHidesNothing(t *testing.T) {
	t.Parallel()
	a := &app{stdout: &strings.Builder{}, stderr: &strings.Builder{}, now: time.Now, output: "table"}
	a.view.html = filepath.Join(t.TempDir(), "nowhere", "page.html")
	err := a.show(gc.Document{Kind: "Report", Run: "the-run"})
	if err == nil || !strings.Contains(err.Error(), "--html: the page was not written") {
		t.Errorf("error %v", err)
	}
	if text := a.stdout.(*strings.Builder).String(); !strings.Contains(text, "Report the-run") {
		t.Errorf("shown: %s", text)
	}
}

// The document has template and times, so that programs can sort by them.
func TestObjectsHaveTheirTemplateAndTimes(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 60}, lab.ServerOptions{})
	d, _ := s.document([]string{"plan"})
	templates, times, ends := map[policy.Kind]int{}, map[policy.Kind]int{}, map[policy.Kind]int{}
	for _, o := range d.Objects {
		if o.Template != "" {
			templates[o.Kind]++
		}
		if !o.StartedAt.IsZero() {
			times[o.Kind]++
		}
		if !o.EndedAt.IsZero() {
			ends[o.Kind]++
			if o.Reason == policy.Running && o.Kind != policy.CFSSession {
				t.Errorf("%s %s runs, and has an end", o.Kind, o.Name)
			}
		}
	}
	for _, kind := range policy.Kinds() {
		if templates[kind] == 0 || times[kind] == 0 || ends[kind] == 0 && kind != policy.ConfigMap {
			t.Errorf("%s: %d have a template, %d a beginning, %d an end", kind, templates[kind], times[kind], ends[kind])
		}
	}
}

// fifo returns a named pipe, which stands for a file that must not be replaced.
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
