package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

func pageOf(t *testing.T, d gc.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := Page(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// inPage is the data that the script finds in the page.
func inPage(t *testing.T, text string) objectsData {
	t.Helper()
	found := regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`).FindStringSubmatch(text)
	if found == nil {
		t.Fatal("the page has no data")
	}
	var data objectsData
	if err := json.Unmarshal([]byte(found[1]), &data); err != nil {
		t.Fatal(err)
	}
	return data
}

var hostile = []string{
	`</script><script>document.title="broken into"</script>`, `<!--<script>`, `"><img src=x onerror=alert(1)>`, `'-alert(1)-'`,
	"\u2028alert(1)\u2029", `[[script]]`, `javascript:alert(1)`, "a\x00b\x1b[2J\u202e", "]]>", `</title></style><b>`, `\u003c/script>`, "&lt;&quot;",
}

// What a server names is shown as it is, wherever it comes: no name can become markup or script.
func TestHostileNamesStayDataOnThePage(t *testing.T) {
	harmless := pageOf(t, document())
	for _, text := range hostile {
		d := document()
		d.CreatedAt, d.Cluster, d.Run, d.PolicyHash, d.Stopped = judged, text, text, text, text
		d.Sources[1].Error, d.Sources[0].Name = text, text
		for i := range d.Objects {
			o := &d.Objects[i]
			o.Name, o.Session, o.Template, o.Detail, o.Error = text, text, text, text, text
			o.Link = &inventory.Link{Score: 100, Sessions: []string{text}}
		}
		page := pageOf(t, d)
		for _, tag := range []string{"<script", "</script", "<img", "<!--", "</style", "</title", "<meta"} {
			if got, want := strings.Count(page, tag), strings.Count(harmless, tag); got != want {
				t.Errorf("%q: %d times %s, want %d", text, got, tag, want)
			}
		}
		if regexp.MustCompile(`(?i)<[a-z][^<>]*\s(href="[^#]|src=|on[a-z]+=)`).MatchString(page) {
			t.Errorf("%q: an element has an address or a handler", text)
		}
		data := inPage(t, page)
		if name := data.Texts[int(data.Objects[0][1].(float64))]; name != Clean(text) {
			t.Errorf("%q reads %q on the page", text, name)
		}
	}
}

// The page runs nothing but its own script, and fetches nothing.
func TestThePageIsSelfContained(t *testing.T) {
	page := pageOf(t, document())
	policy := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]+)"`).FindStringSubmatch(page)
	if policy == nil || !strings.HasPrefix(policy[1], "default-src 'none'; style-src 'sha256-") || strings.Contains(policy[1], "unsafe") {
		t.Fatalf("content policy: %q", policy)
	}
	for _, block := range []string{"style", "script"} {
		text := regexp.MustCompile(`(?s)<` + block + `>(.*?)</` + block + `>`).FindStringSubmatch(page)
		if text == nil || !strings.Contains(policy[1], digest(text[1])) {
			t.Errorf("the content policy does not allow the page's own %s", block)
		}
	}
	for _, outside := range []string{`src="`, "@import", "url(", `<link`, "fetch(", "XMLHttpRequest", "innerHTML", "eval("} {
		if strings.Contains(page, outside) {
			t.Errorf("the page has %s", outside)
		}
	}
}

func TestTotalsOfThePageAreThoseOfThePlan(t *testing.T) {
	d := many(300)
	page, tally := pageOf(t, d), count(d)
	data := inPage(t, page)
	if len(data.Objects) != len(d.Objects) {
		t.Errorf("%d of %d objects are on the page", len(data.Objects), len(d.Objects))
	}
	for name, rows := range map[string][]*bar{"kinds": tally.kinds, "ages": tally.ages} {
		var sum bar
		for _, b := range rows {
			sum.Goes, sum.Unknown, sum.Stays = sum.Goes+b.Goes, sum.Unknown+b.Unknown, sum.Stays+b.Stays
		}
		if sum.Goes != d.Summary.Delete || sum.Stays != d.Summary.Keep || sum.Unknown != d.Summary.Unknown {
			t.Errorf("%s: %+v, want %+v", name, sum, d.Summary)
		}
	}
	stays := 0
	for _, b := range tally.dues {
		stays += b.Stays
	}
	if stays != d.Summary.Keep {
		t.Errorf("%d stay until some time, want %d", stays, d.Summary.Keep)
	}
	for _, c := range tally.charts(d) {
		for _, b := range c.Rows {
			if b.End > 1010 {
				t.Errorf("%s: the bar of %s leaves its picture: %+v", c.Title, b.Name, *b)
			}
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
		0: "less than a day", day - 1: "less than a day", day: "1 to 7 days", 7 * day: "1 to 2 weeks", 27 * day: "2 to 4 weeks",
		84 * day: "12 to 26 weeks", 400 * day: "half a year and more",
	} {
		if got := ageSteps[ageStep(age, true)].name; got != want {
			t.Errorf("%s old: %q, want %q", age, got, want)
		}
	}
	if ageStep(0, false) != len(ageSteps) || ageStep(-time.Hour, true) != len(ageSteps) {
		t.Error("what has no age, or is of the future, is given one")
	}
	if old, known := objectAge(gc.Object{Kind: policy.Session, Verdict: policy.Delete, Reason: policy.Ghost}, judged); known || old != 0 {
		t.Errorf("a ghost, of which no time is known, is %s old", old)
	}
	for due, want := range map[time.Duration]int{time.Hour: 0, day: 0, 25 * time.Hour: 1, 28 * day: 2, 29 * day: 3, -day: 4} {
		if got := dueStep(gc.Object{EligibleAt: at(-due)}, judged); got != want {
			t.Errorf("due in %s: %d, want %d", due, got, want)
		}
	}
}

func TestThePageOfASweepShowsWhatBecameOfEach(t *testing.T) {
	d := document()
	d.Kind, d.CreatedAt, d.Stopped = "Report", judged, "interrupted"
	d.Objects[2].Outcome, d.Objects[2].Error = gc.Failed, "the server is on fire"
	d.Outcomes = map[gc.Outcome]int{gc.Failed: 1}
	page := pageOf(t, d)
	for _, want := range []string{"This is what a sweep has done", "Stopped before its end: interrupted", "1 failed, 0 wait, 0 changed", "the server is on fire", "Not read completely"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if data := inPage(t, page); data.Objects[2][4] != "failed" {
		t.Errorf("the object reads %v", data.Objects[2])
	}
}

func TestALinkWithAVetoIsNone(t *testing.T) {
	d := document()
	l := &inventory.Link{Score: 95, Sessions: []string{id}}
	d.Objects[1].Link, d.Objects[1].Session = l, ""
	if links := inPage(t, pageOf(t, d)).Objects[1][11].([]any); len(links) != 1 {
		t.Errorf("links: %v", links)
	}
	l.Veto = "a person has set it"
	page := inPage(t, pageOf(t, d))
	if links := page.Objects[1][11].([]any); len(links) != 0 {
		t.Errorf("links in spite of a veto: %v", links)
	}
	if text := page.Texts[int(page.Objects[1][10].(float64))]; !strings.Contains(text, "not linked to a session: a person has set it") {
		t.Errorf("the veto is not shown: %q", text)
	}
}

// many is a plan of so many sessions, with four objects each.
func many(n int) gc.Document {
	d := gc.Document{Kind: "Plan", Run: "20261122t120000z-00000000", CreatedAt: judged, Cluster: "https://api.example", PolicyHash: "0123456789abcdef"}
	for i := range n {
		id := fmt.Sprintf("%08x-2c3b-4f5e-8a9b-0123456789ab", i*7919)
		ended := judged.Add(-time.Duration(i%2000) * 37 * time.Minute * 3)
		started, due := ended.Add(-40*time.Minute), ended.Add(7*day)
		verdict, reason := policy.Delete, policy.CompletedExpired
		switch {
		case i%17 == 0:
			verdict, reason = policy.Unknown, policy.BadData
		case due.After(judged):
			verdict, reason = policy.Keep, policy.TooYoung
		}
		for _, kind := range policy.Kinds() {
			name := map[policy.Kind]string{policy.Job: "boa-" + id, policy.CFSSession: "batcher-" + id}[kind]
			if name == "" {
				name = id
			}
			o := gc.Object{
				Kind: kind, Name: name, Session: id, Template: fmt.Sprintf("compute-%d", i%12), Verdict: verdict, Reason: reason,
				Detail: "finished " + ended.Format(time.RFC3339), StartedAt: started.UTC().Truncate(time.Second), EndedAt: ended.UTC().Truncate(time.Second), EligibleAt: due.UTC().Truncate(time.Second),
			}
			d.Objects = append(d.Objects, o)
			switch verdict {
			case policy.Delete:
				d.Summary.Delete++
			case policy.Keep:
				d.Summary.Keep++
			case policy.Unknown:
				d.Summary.Unknown++
			}
		}
	}
	return d
}

// A page of twenty thousand objects is to be mailed and opened.
func TestThePageStaysSmall(t *testing.T) {
	if size := len(pageOf(t, many(5000))); size > 6<<20 {
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
	if err := WritePage(path, document()); err != nil {
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
	if err := WritePage(filepath.Join(dir, "nowhere", "page.html"), document()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a folder that is not there: %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WritePage(pipe, document()); err == nil || !strings.Contains(err.Error(), "is not replaced") {
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
