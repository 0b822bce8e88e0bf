package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/internal/memory"
	"bosgc/policy"
)

const id = "5a0df9d1-2c3b-4f5e-8a9b-0123456789ab"

func document() gc.Document {
	return gc.Document{
		Kind: "Plan", Run: "20260301t120000z-00000000",
		Summary: gc.Summary{Delete: 1, Keep: 2, Unknown: 1},
		Sources: []inventory.Source{
			{Name: "bos-sessions", Complete: true, Count: 3},
			{
				Name: "cfs-sessions",
				Error: "GET /v3/options: the service did not answer within 30s " +
					"and this goes on for more than one line of a terminal",
			},
		},
		Objects: []gc.Object{
			{Kind: policy.Session, Name: id, Verdict: policy.Keep, Reason: policy.KeptLast, Detail: "newest"},
			{
				Kind: policy.CFSSession, Name: "batcher-" + id, Verdict: policy.Unknown, Reason: policy.EvidenceIncomplete,
				Detail: "BOS v2 could not be asked for its session, and one long sentence has to be broken",
			},
			{Kind: policy.ConfigMap, Name: id, Verdict: policy.Delete, Reason: policy.OwnerCollected, Detail: "goes"},
			{
				Kind: policy.Job, Name: strings.Repeat("boa-x", 12), Verdict: policy.Keep, Reason: policy.AwaitingConfirmation,
				Detail: "orphan",
			},
		},
	}
}

func table(t *testing.T, d gc.Document, colour bool) string {
	t.Helper()
	var b bytes.Buffer
	if err := Table(&b, d, View{Colour: colour}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTableFits80Columns(t *testing.T) {
	for line := range strings.Lines(table(t, document(), false)) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestTableCountsPodsWithoutJob(t *testing.T) {
	d := document()
	d.Namespace, d.PodsWithoutJob = "services", []string{"boa-1-a", "boa-2-b"}
	if text := table(t, d, false); !strings.Contains(text, "have no Job any more: 2 (boa-1-a, boa-2-b)") ||
		!strings.Contains(text, "kubectl -n services delete pod") {
		t.Error(text)
	}
}

// inOrder fails unless the text has all of these, in that order.
func inOrder(t *testing.T, text string, all ...string) {
	t.Helper()
	last := -1
	for _, want := range all {
		at := strings.Index(text, want)
		if at < last || at < 0 {
			t.Errorf("%q comes at %d, before what should precede it (or not at all):\n%s", want, at, text)
		}
		last = max(last, at)
	}
}

func TestTableShowsWhatMattersLast(t *testing.T) {
	d := document()
	d.ExitCode = gc.ExitIncomplete
	d.Notes = []string{"something to know"}
	inOrder(t, table(t, d, false),
		"To delete (1)", "Unknown, left alone (1)", "BOS v2 could not be asked", "something to know",
		"Kept: 1 kept-last, 1 awaiting-confirmation (--all lists them)", "KIND          DELETE    KEEP  UNKNOWN",
		"Plan 20260301t120000z-00000000: 1 to delete, 2 kept, 1 unknown", "Not read completely: cfs-sessions",
		"Exit code 6: what is named above could not be read completely", `"bosgc doctor"`,
	)
}

// What is kept is the most there is, and says the least.
func TestWhatIsKeptIsListedOnlyOnDemand(t *testing.T) {
	d := document()
	for _, tt := range []struct {
		name                 string
		v                    View
		kept, deleted, hints bool
	}{
		{"by default", View{}, false, true, true},
		{"--all", View{All: true}, true, true, false},
		{"-q", View{Quiet: true}, false, false, true},
	} {
		var b bytes.Buffer
		if err := Table(&b, d, tt.v); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		if strings.Contains(text, "Kept (2)") != tt.kept || strings.Contains(text, "To delete (1)") != tt.deleted ||
			strings.Contains(text, "--all lists") != tt.hints || !strings.Contains(text, "1 kept-last, 1 awaiting-confirmation") {
			t.Errorf("%s:\n%s", tt.name, text)
		}
		if strings.HasPrefix(text, "\n") {
			t.Errorf("%s: it begins with an empty line", tt.name)
		}
	}
}

func TestReportShowsFailuresLast(t *testing.T) {
	d := document()
	d.Kind, d.ExitCode = "Report", gc.ExitPartial
	d.Sources[1].Complete = true
	d.Objects[2].Outcome, d.Objects[2].Error = gc.Failed, "the server is on fire"
	d.Outcomes = map[gc.Outcome]int{gc.Failed: 1}
	text := table(t, d, false)
	inOrder(t, text, "Unknown, left alone (1)", "Failed (1)", "the server is on fire", "KIND          DELETE",
		"0 deleted, 1 failed, 2 kept, 1 unknown", "Failed: 1 ConfigMap", "Exit code 3: finished, but")
	if strings.Contains(text, "To delete") {
		t.Errorf("what failed is listed as still to come:\n%s", text)
	}
	var b bytes.Buffer
	if err := Table(&b, d, View{Quiet: true}); err != nil || strings.Count(b.String(), "the server is on fire") != 1 {
		t.Errorf("with -q: %v\n%s", err, b.String())
	}
}

// Each exit code of a document is explained, and says what a person can do.
func TestTheExitCodeIsExplained(t *testing.T) {
	guarded := []gc.Object{
		{Kind: policy.Job, Name: "boa-1", Verdict: policy.Keep, Reason: policy.OrphanGuard},
		{Kind: policy.CFSSession, Name: "batcher-1", Verdict: policy.Delete, Reason: policy.Orphaned, CurrentReason: policy.OrphanGuard},
	}
	guards := []gc.Guard{{Kind: policy.Job, Guard: memory.Guard{Since: judged, Why: "30 of 40 looked orphaned"}}}
	deleted := map[gc.Outcome]int{gc.Deleted: 3}
	for name, tt := range map[string]struct {
		d    gc.Document
		want []string
	}{
		"stopped":             {gc.Document{ExitCode: gc.ExitFailed, Stopped: "interrupted", Outcomes: deleted}, []string{"stopped before its end: interrupted", `"bosgc journal the-run"`}},
		"stopped before":      {gc.Document{ExitCode: gc.ExitFailed, Stopped: "the lock could not be taken"}, []string{"Nothing was deleted", `"bosgc doctor"`}},
		"objects failed":      {gc.Document{ExitCode: gc.ExitPartial}, []string{"The next sweep tries it again", "bosgc explain"}},
		"guarded":             {gc.Document{ExitCode: gc.ExitRefused, Objects: guarded, Guards: guards}, []string{"Job (30 of 40 looked orphaned), CFSSession", "\n    bosgc guard release job\n    bosgc guard release cfs\n"}},
		"not read completely": {gc.Document{ExitCode: gc.ExitIncomplete}, []string{"left alone", `"bosgc doctor"`}},
	} {
		tt.d.Kind, tt.d.Run = "Report", "the-run"
		text := table(t, tt.d, false)
		one := strings.Join(strings.Fields(text), " ")
		for _, want := range append(tt.want, fmt.Sprintf("Exit code %d: ", tt.d.ExitCode)) {
			if !strings.Contains(one, want) && !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing in:\n%s", name, want, text)
			}
		}
	}
	if text := table(t, gc.Document{Kind: "Report"}, false); strings.Contains(text, "Exit code") {
		t.Errorf("a run that is done:\n%s", text)
	}
}

func TestColourIsForTerminalsOnly(t *testing.T) {
	if strings.Contains(table(t, document(), false), "\x1b") {
		t.Error("escape sequences without colour")
	}
	if !strings.Contains(table(t, document(), true), "\x1b[") {
		t.Error("no colour where it was asked for")
	}
}

func TestNothingFromAServerReachesTheTerminalRaw(t *testing.T) {
	d := document()
	for i := range d.Objects {
		d.Objects[i].Name = "a\x1b[2J\nb\u202e\x00"
		d.Objects[i].Detail = "x\x1b]0;title\x07"
		d.Objects[i].Outcome, d.Objects[i].Error = gc.Failed, "y\x1b[1m"
	}
	d.Sources[1].Error = "z\x1b[1m\r"
	d.Stopped = "w\x1b"
	for _, r := range table(t, d, false) {
		if r != '\n' && (r < ' ' || r == '\u202e' || r == 0x7f) {
			t.Fatalf("%q reaches the terminal", r)
		}
	}
}

// endedSession returns two objects of a session that ended so long ago. One goes with the other.
func endedSession(id string, age time.Duration) []gc.Object {
	return []gc.Object{
		{
			Kind: policy.ConfigMap, Name: id, UID: "uid-" + id, Session: id, Template: "compute",
			Verdict: policy.Delete, Reason: policy.OwnerCollected, Detail: "goes with its session " + id, StartedAt: before(age),
		},
		{
			Kind: policy.Session, Name: id, Session: id, Template: "compute",
			Verdict: policy.Delete, Reason: policy.CompletedExpired, EndedAt: before(age), EligibleAt: before(age - 7*day),
		},
	}
}

func TestTableGroupsBySessionAndSaysWhyOnce(t *testing.T) {
	d := document()
	d.CreatedAt = judged
	running := gc.Object{
		Kind: policy.CFSSession, Name: "batcher-" + id, Session: id, Verdict: policy.Keep, Reason: policy.Running,
	}
	d.Objects = slices.Concat(endedSession(id, 12*day), endedSession("0"+id[1:], 9*day), []gc.Object{running})
	text := table(t, d, false)
	want := id + "  compute  (2 of its 3 objects)\n" +
		"  finished 12 days ago (kept for 7 days): will be deleted\n" +
		"  Session    " + id + "         completed-expired\n" +
		"  ConfigMap  " + id + "         owner-collected\n" +
		"0" + id[1:] + "  compute\n" +
		"  finished 9 days ago (kept for 7 days): will be deleted\n"
	if !strings.Contains(text, want) {
		t.Errorf("want:\n%s\nin:\n%s", want, text)
	}
}

func TestWideTableHasMoreColumnsAndWholeNames(t *testing.T) {
	d := document()
	d.CreatedAt = judged
	d.Objects = append(d.Objects, endedSession(id, 12*day)...)
	var b bytes.Buffer
	if err := Table(&b, d, View{Wide: true, All: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"AGE", "ELIGIBLE", "TEMPLATE", "UID", "uid-" + id, "12d", "2026-11-17T12:00:00Z", strings.Repeat("boa-x", 12),
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, b.String())
		}
	}
}

func TestFilterChangesWhatIsShownAndTheCountsSaySo(t *testing.T) {
	d := document()
	f, err := ParseFilter([]string{"kind=ConfigMap"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Table(&b, d, View{Filter: f}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1 to delete, 2 kept, 1 unknown", "1 of 4 objects are shown, by --filter kind=ConfigMap.", "SHOWN", "To delete (1)",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, b.String())
		}
	}
	for _, hidden := range []string{"Kept (", "Unknown, left", "--all"} {
		if strings.Contains(b.String(), hidden) {
			t.Errorf("%q is shown:\n%s", hidden, b.String())
		}
	}
	if strings.Contains(table(t, d, false), "SHOWN") {
		t.Error("without a filter something is said about one")
	}
}
