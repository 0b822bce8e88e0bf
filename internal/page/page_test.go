package page

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	parser "golang.org/x/net/html"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/internal/report"
	"bosgc/policy"
)

const id = "5a0df9d1-2c3b-4f5e-8a9b-0123456789ab"

var judged = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func before(age time.Duration) time.Time { return judged.Add(-age) }

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

func pageOf(t *testing.T, d gc.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// scriptData returns the data that the script finds in the page.
func scriptData(t *testing.T, page string) pageData {
	t.Helper()
	found := regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`).FindStringSubmatch(page)
	if found == nil {
		t.Fatal("the page has no data")
	}
	var data pageData
	if err := json.Unmarshal([]byte(found[1]), &data); err != nil {
		t.Fatal(err)
	}
	return data
}

// parsePage reads a page as a browser does. It returns its elements with all their attributes, and its texts without
// style sheet and scripts.
func parsePage(t *testing.T, page string) (elements, texts []string) {
	t.Helper()
	root, err := parser.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for node := range root.Descendants() {
		switch {
		case node.Type == parser.ElementNode:
			elements = append(elements, fmt.Sprint(node.Data, node.Attr))
		case node.Type == parser.CommentNode:
			elements = append(elements, "a comment: "+node.Data)
		case node.Type == parser.TextNode && node.Parent.Data != "script" && node.Parent.Data != "style":
			texts = append(texts, node.Data)
		}
	}
	return elements, texts
}

var hostile = []string{
	`</script><script>document.title="broken into"</script>`, `<!--<script>`, `"><img src=x onerror=alert(1)>`,
	`'-alert(1)-'`, "\u2028alert(1)\u2029", `[[script]]`, `{{.}}`, `javascript:alert(1)`, `" onmouseover="alert(1)`,
	"a\x00b\x1b[2J\u202e", "]]>", `</title></style><b>`, `\u003c/script>`, "&lt;&quot;", "</noscript>", "</svg><math>",
	`<template>`, `<base href=//example.com>`, `<plaintext>`,
}

// named returns a document in which every text of a server is this one.
func named(text string) gc.Document {
	d := document()
	d.Kind, d.CreatedAt, d.Cluster, d.Run, d.PolicyHash, d.Stopped = "Report", judged, text, text, text, text
	d.Sources[1].Error, d.Sources[0].Name = text, text
	for i := range d.Objects {
		o := &d.Objects[i]
		o.Name, o.Session, o.Template, o.Detail, o.Error, o.UID = text, text, text, text, text, text
		o.Link = &inventory.Link{Score: 100, Sessions: []string{text}, CFS: text, Evidence: []string{text}}
	}
	return d
}

// What a server names is shown as it is, wherever it comes: no name can become markup or script.
func TestHostileNamesStayDataOnThePage(t *testing.T) {
	const harmless = "harmless"
	elements, texts := parsePage(t, pageOf(t, named(harmless)))
	times := strings.Count(strings.Join(texts, "\n"), harmless)
	if times < 7 {
		t.Fatalf("names are in %d texts of the page only", times)
	}
	for _, text := range hostile {
		page := pageOf(t, named(text))
		gotElements, gotTexts := parsePage(t, page)
		if got, want := strings.Join(gotElements, "\n"), strings.Join(elements, "\n"); got != want {
			t.Errorf("%q changes the elements of the page:\n%s\nwant\n%s", text, got, want)
		}
		if got := strings.Count(strings.Join(gotTexts, "\n"), report.Clean(text)); got != times {
			t.Errorf("%q is in %d texts of the page, want %d:\n%q", text, got, times, gotTexts)
		}
		data := scriptData(t, page)
		if name := data.Texts[int(data.Objects[0][1].(float64))]; name != report.Clean(text) {
			t.Errorf("%q reads %q in the data", text, name)
		}
	}
}

// The page runs nothing but its own script, and fetches nothing.
func TestThePageIsSelfContained(t *testing.T) {
	page := pageOf(t, document())
	found := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]+)"`).FindStringSubmatch(page)
	if found == nil {
		t.Fatal("the page has no content policy")
	}
	policy := html.UnescapeString(found[1])
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") {
		t.Errorf("content policy: %q", policy)
	}
	for _, block := range []string{"style", "script"} {
		text := regexp.MustCompile(`(?s)<` + block + `>(.*?)</` + block + `>`).FindStringSubmatch(page)
		if text == nil || !strings.Contains(policy, "'"+digest(text[1])+"'") {
			t.Errorf("the content policy does not allow the page's own %s", block)
		}
	}
	for _, outside := range []string{
		`src="`, "@import", "url(", `<link`, "fetch(", "XMLHttpRequest", "innerHTML", "eval(", "http://", "https://",
	} {
		if strings.Contains(strings.ReplaceAll(page, "http://www.w3.org/2000/svg", ""), outside) {
			t.Errorf("the page has %s", outside)
		}
	}
	elements, _ := parsePage(t, page)
	active := regexp.MustCompile(`\{ (on\w+|src|action) |\{ href [^#]`)
	for _, element := range elements {
		if active.MatchString(element) {
			t.Errorf("an element has a handler, or an address outside the page: %s", element)
		}
	}
}

func TestTotalsOfThePageAreThoseOfThePlan(t *testing.T) {
	d := largePlan(300)
	page, counts := pageOf(t, d), countObjects(d)
	data := scriptData(t, page)
	if len(data.Objects) != len(d.Objects) {
		t.Errorf("%d of %d objects are on the page", len(data.Objects), len(d.Objects))
	}
	for name, rows := range map[string][]*chartRow{"kinds": counts.kinds, "ages": counts.ages} {
		sum := newRow(name)
		for _, row := range rows {
			for verdict, n := range row.counts {
				sum.counts[verdict] += n
			}
		}
		got := gc.Summary{
			Delete: sum.counts[policy.Delete], Keep: sum.counts[policy.Keep], Unknown: sum.counts[policy.Unknown],
		}
		if got != d.Summary {
			t.Errorf("%s: %+v, want %+v", name, got, d.Summary)
		}
	}
	kept := 0
	for _, row := range counts.due {
		kept += row.total()
	}
	if kept != d.Summary.Keep {
		t.Errorf("%d are kept until some time, want %d", kept, d.Summary.Keep)
	}
	rect := regexp.MustCompile(`<rect class="\w+" x="([\d.]+)" y="0" width="([\d.]+)" height="14">`)
	bars := rect.FindAllStringSubmatch(page, -1)
	if len(bars) < 20 {
		t.Errorf("%d parts of bars", len(bars))
	}
	for _, bar := range bars {
		x, _ := strconv.ParseFloat(bar[1], 64)
		length, _ := strconv.ParseFloat(bar[2], 64)
		if x+length > barWidth {
			t.Errorf("a bar leaves its picture: %s", bar[0])
		}
	}
	for _, n := range []int{d.Summary.Delete, d.Summary.Keep, d.Summary.Unknown} {
		if !strings.Contains(page, fmt.Sprintf("<b>%s</b>", thousands(n))) {
			t.Errorf("no tile shows %d", n)
		}
	}
}

func TestAgesAndDatesFallIntoTheRightRow(t *testing.T) {
	for age, want := range map[time.Duration]string{
		0: "less than a day", day - 1: "less than a day", day: "1 to 7 days", 7 * day: "1 to 2 weeks",
		27 * day: "2 to 4 weeks", 84 * day: "12 to 26 weeks", 400 * day: "half a year and more",
	} {
		if got := ageBuckets[ageIndex(age, true)].name; got != want {
			t.Errorf("%s old: %q, want %q", age, got, want)
		}
	}
	if ageIndex(0, false) != len(ageBuckets) || ageIndex(-time.Hour, true) != len(ageBuckets) {
		t.Error("what has no age, or is of the future, is given one")
	}
	ghost := gc.Object{Kind: policy.Session, Verdict: policy.Delete, Reason: policy.Ghost}
	if age, known := report.ObjectAge(ghost, judged); known || age != 0 {
		t.Errorf("a ghost, of which no time is known, is %s old", age)
	}
	for due, want := range map[time.Duration]int{
		time.Hour: 0, day: 0, 25 * time.Hour: 1, 28 * day: 2, 29 * day: 3, -day: 4,
	} {
		if got := dueIndex(before(-due), judged); got != want {
			t.Errorf("due in %s: %d, want %d", due, got, want)
		}
	}
	if got := dueIndex(time.Time{}, judged); got != len(dueBuckets) {
		t.Errorf("what has no date is in row %d", got)
	}
}

func TestThePageOfASweepShowsWhatBecameOfEach(t *testing.T) {
	d := document()
	d.Kind, d.CreatedAt, d.Stopped = "Report", judged, "interrupted"
	d.Objects[2].Outcome, d.Objects[2].Error = gc.Failed, "the server is on fire"
	d.Outcomes = map[gc.Outcome]int{gc.Failed: 1}
	page := pageOf(t, d)
	for _, want := range []string{
		"This is what a sweep has done", "Stopped before its end: interrupted", "1 failed, 0 wait, 0 being deleted, 0 changed",
		"the server is on fire", "Not read completely",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if data := scriptData(t, page); data.Objects[2][4] != "failed" {
		t.Errorf("the object reads %v", data.Objects[2])
	}
}

func TestALinkWithAVetoIsNone(t *testing.T) {
	d := document()
	l := &inventory.Link{Score: 95, Sessions: []string{id}}
	d.Objects[1].Link, d.Objects[1].Session = l, ""
	if links := scriptData(t, pageOf(t, d)).Objects[1][11].([]any); len(links) != 1 {
		t.Errorf("links: %v", links)
	}
	l.Veto = "a person has set it"
	page := scriptData(t, pageOf(t, d))
	if links := page.Objects[1][11].([]any); len(links) != 0 {
		t.Errorf("links in spite of a veto: %v", links)
	}
	detail := page.Texts[int(page.Objects[1][10].(float64))]
	if !strings.Contains(detail, "not linked to a session: a person has set it") {
		t.Errorf("the veto is not shown: %q", detail)
	}
}

// largePlan returns a plan of so many sessions, with an object of each kind for each.
func largePlan(sessions int) gc.Document {
	d := gc.Document{
		Kind: "Plan", Run: "20261122t120000z-00000000", CreatedAt: judged,
		Cluster: "https://api.example", PolicyHash: "0123456789abcdef",
	}
	for i := range sessions {
		id := fmt.Sprintf("%08x-2c3b-4f5e-8a9b-0123456789ab", i*7919)
		ended := before(time.Duration(i%2000) * 111 * time.Minute)
		started, due := ended.Add(-40*time.Minute), ended.Add(7*day)
		verdict, reason, count := policy.Delete, policy.CompletedExpired, &d.Summary.Delete
		switch {
		case i%17 == 0:
			verdict, reason, count = policy.Unknown, policy.BadData, &d.Summary.Unknown
		case due.After(judged):
			verdict, reason, count = policy.Keep, policy.TooYoung, &d.Summary.Keep
		}
		names := map[policy.Kind]string{policy.Job: "boa-" + id, policy.CFSSession: "batcher-" + id}
		for _, kind := range policy.Kinds() {
			d.Objects = append(d.Objects, gc.Object{
				Kind: kind, Name: cmp.Or(names[kind], id), Session: id, Template: fmt.Sprintf("compute-%d", i%12),
				Verdict: verdict, Reason: reason, Detail: "finished " + ended.Format(time.RFC3339),
				StartedAt: started, EndedAt: ended, EligibleAt: due,
			})
			*count++
		}
	}
	return d
}

// A page of twenty thousand objects must be small enough to mail.
func TestThePageStaysSmall(t *testing.T) {
	if size := len(pageOf(t, largePlan(5000))); size > 6<<20 {
		t.Errorf("5,000 sessions make a page of %d bytes", size)
	}
}

func TestThePageIsWrittenForItsOwnerAloneAndAtOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "page.html")
	if err := os.WriteFile(path, []byte("the old page"), 0o644); err != nil {
		t.Fatal(err)
	}
	old, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := WriteFile(path, document()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	text := make([]byte, 99)
	if n, _ := old.Read(text); string(text[:n]) != "the old page" {
		t.Errorf("who was reading the old page now reads %q", text[:n])
	}
	if err := WriteFile(filepath.Join(dir, "nowhere", "page.html"), document()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a folder that is not there: %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(pipe, document()); err == nil || !strings.Contains(err.Error(), "is not replaced") {
		t.Errorf("over a pipe: %v", err)
	}
	if info, err := os.Lstat(pipe); err != nil || info.Mode().IsRegular() {
		t.Error("a pipe was replaced by a file")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestThePageShowsNothingThatATerminalActsOn(t *testing.T) {
	nasty := "a\x1b[2Jb\u202ec\x07\u009b0md\x00e"
	d := gc.Document{
		Kind: "Report", Run: nasty, Stopped: nasty,
		Objects: []gc.Object{{Kind: policy.Job, Name: nasty, Session: nasty, Template: nasty, Detail: nasty, Verdict: policy.Delete}},
	}
	page := pageOf(t, d)
	for at, r := range page {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			t.Fatalf("the page has the character %U: %q", r, page[max(0, at-40):at])
		}
	}
}
