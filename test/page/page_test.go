package page

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/internal/lab"
	"bosgc/internal/report"
	"bosgc/policy"
)

var small = lab.Options{CSM: "1.4", Seed: 7, Sessions: 40}

// dark tells the browser that its user prefers dark colours; without it, light ones are preferred.
const dark = "--blink-settings=preferredColorScheme=0"

func TestPicturesOfASmallSystem(t *testing.T) {
	page := planned(t, small)
	text := dom(t, page, "")
	if objects := mark(text, "objects"); objects < 100 || mark(text, "shown") != objects {
		t.Errorf("%d objects, %d of them shown", objects, mark(text, "shown"))
	}
	for _, want := range []string{"Sessions over time", `class="cfs stays"`, `class="cfs goes"`, "What was read", "sessions of BOS v1"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	light := photograph(t, "file://"+page, "report-light.png", "1280,3000")
	night := photograph(t, "file://"+page, "report-dark.png", "1280,3000", dark)
	if light < .8 || night > .3 {
		t.Errorf("brightness %.2f by day and %.2f by night", light, night)
	}
	photograph(t, "file://"+page+"#fate=goes&sort=age&dir=desc", "report-goes.png", "1280,3000")
	photograph(t, "file://"+page, "report-narrow.png", "500,3000")
	printed(t, page, "report.pdf", 3, 12)
}

// printed prints the page, and fails if it takes fewer or more sheets than it should.
func printed(t *testing.T, page, name string, least, most int, args ...string) {
	t.Helper()
	path := filepath.Join(pictures(t), name)
	_ = os.Remove(path)
	open(t, "file://"+page, append([]string{"--print-to-pdf=" + path, "--no-pdf-header-footer"}, args...)...)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sheets := len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(text, -1))
	if !bytes.HasPrefix(text, []byte("%PDF")) || sheets < least || sheets > most {
		t.Errorf("%s: %d sheets, want %d to %d", name, sheets, least, most)
	}
}

// Five thousand sessions open as fast as a person expects of a page. The limit is a multiple of what a
// small page takes on the same machine at the same time: one second would hold only on an idle
// machine.
func TestFiveThousandSessionsOpenAtOnce(t *testing.T) {
	little, large := planned(t, small), planned(t, lab.Options{CSM: "1.4", Seed: 3, Sessions: 5000, Nodes: 512})
	info, err := os.Stat(large)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 8<<20 {
		t.Errorf("the page has %d bytes", info.Size())
	}
	fastest := func(page string) (best, objects int) {
		for range 3 {
			text := dom(t, page, "")
			if opened := mark(text, "opened"); best == 0 || opened < best {
				best = opened
			}
			objects = mark(text, "objects")
			if nodes := strings.Count(text, "<tr>"); nodes > 300 {
				t.Errorf("%d rows are in the page at once", nodes)
			}
		}
		return best, objects
	}
	littleTime, _ := fastest(little)
	largeTime, objects := fastest(large)
	t.Logf("%d objects in %d bytes open in %d ms; the small page in %d ms", objects, info.Size(), largeTime, littleTime)
	if objects < 15000 {
		t.Errorf("%d objects only", objects)
	}
	if largeTime <= 0 || largeTime > 15*max(littleTime, 50) {
		t.Errorf("opened in %d ms; the small page took %d ms", largeTime, littleTime)
	}
	photograph(t, "file://"+large, "report-5000-light.png", "1280,3000")
	photograph(t, "file://"+large, "report-5000-dark.png", "1280,3000", dark)
	printed(t, large, "report-5000.pdf", 3, 12)
}

func TestSearchAndSortNeedNoServer(t *testing.T) {
	page := planned(t, small)
	whole := dom(t, page, "#rows=1000")
	all := rows(whole)
	if len(all) != mark(whole, "objects") {
		t.Fatalf("%d rows of %d objects", len(all), mark(whole, "objects"))
	}
	t.Run("search", func(t *testing.T) {
		id := all[len(all)/2]
		id = id[len(id)-36:]
		text := dom(t, page, "#q="+strings.ToUpper(id[:18])+"&rows=1000")
		found := rows(text)
		if len(found) == 0 || len(found) == len(all) || mark(text, "shown") != len(found) {
			t.Errorf("%d found, %d said", len(found), mark(text, "shown"))
		}
		for _, name := range found {
			if !strings.Contains(text, id) {
				t.Errorf("%s has nothing to do with %s", name, id)
			}
		}
		if n := len(rows(dom(t, page, "#q=there+is+no+such+thing"))); n != 0 {
			t.Errorf("%d rows for nothing", n)
		}
	})
	t.Run("choose", func(t *testing.T) {
		text := dom(t, page, "#kind=Job&rows=1000")
		for _, name := range rows(text) {
			if !strings.HasPrefix(name, "boa-") {
				t.Errorf("%s is no Job", name)
			}
		}
		if n := len(rows(text)); n == 0 || n == len(all) {
			t.Errorf("%d Jobs of %d objects", n, len(all))
		}
	})
	t.Run("sort", func(t *testing.T) {
		up, down := rows(dom(t, page, "#sort=name&rows=1000")), rows(dom(t, page, "#sort=name&dir=desc&rows=1000"))
		if len(up) != len(all) || !slices.IsSorted(up) {
			t.Errorf("%d rows, not in order", len(up))
		}
		if slices.Reverse(down); !slices.IsSorted(down) {
			t.Error("not in the other order")
		}
	})
	t.Run("pages", func(t *testing.T) {
		first, second := rows(dom(t, page, "#rows=25")), rows(dom(t, page, "#rows=25&page=2"))
		if !slices.Equal(first, all[:25]) || !slices.Equal(second, all[25:50]) {
			t.Errorf("pages %q, %q", first, second)
		}
	})
}

// A person types and clicks. The page is the same, but allows this test's script to run beside its
// own.
func TestTypingAndClicking(t *testing.T) {
	text, err := os.ReadFile(planned(t, small))
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`).ReplaceAll(text, nil)
	drive := func(script string) string {
		page := filepath.Join(t.TempDir(), "page.html")
		if err := os.WriteFile(page, []byte(strings.Replace(string(text), "</body>", "<script>"+script+"</script></body>", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		return dom(t, page, "", "--virtual-time-budget=3000")
	}
	head := func(n int) string {
		return fmt.Sprintf("document.querySelectorAll('#objects thead button')[%d].click();", n)
	}
	if found := drive(head(0)); !slices.IsSorted(rows(found)) || !strings.Contains(found, `aria-sort="ascending"`) {
		t.Errorf("one click on the head does not sort: %q", rows(found))
	}
	if found := drive(head(0) + head(0)); !strings.Contains(found, `aria-sort="descending"`) {
		t.Error("a second click does not turn it round")
	}
	found := drive("const q = document.getElementById('q'); q.focus(); q.value = 'too-young'; q.dispatchEvent(new Event('input'));")
	if n := mark(found, "shown"); n == 0 || n == mark(found, "objects") {
		t.Errorf("typing shows %d of %d", n, mark(found, "objects"))
	}
	found = drive("const k = document.getElementById('kind'); k.value = 'Job'; k.onchange(); document.getElementById('reset').click();")
	if mark(found, "shown") != mark(found, "objects") {
		t.Error("not all is shown again")
	}
	found = drive("document.querySelectorAll('#pager button')[1].click();")
	if !strings.Contains(found, "<span>51 to 100 of ") {
		t.Error("the next page does not come")
	}
	found = drive("document.querySelector('a.reason').click();")
	if n := mark(found, "shown"); n == 0 || n == mark(found, "objects") {
		t.Errorf("a reason shows %d of %d", n, mark(found, "objects"))
	}
}

func TestWithoutJavaScriptTheCountsAreThere(t *testing.T) {
	page := planned(t, small)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), `<script`)
	for _, want := range []string{"<noscript>", "need JavaScript, which is off", `<div id="live" hidden>`, "How old it is", "Why it goes", "owner-collected", "sessions of BOS v1"} {
		if !strings.Contains(before, want) {
			t.Errorf("%q is missing", want)
		}
	}
	// In a sandbox no script runs.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "sandbox")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(text)
	}))
	defer server.Close()
	shown := open(t, server.URL, "--dump-dom")
	if mark(shown, "objects") != -1 || !strings.Contains(shown, "How old it is") {
		t.Errorf("the script has run: %d objects", mark(shown, "objects"))
	}
	photograph(t, server.URL, "report-no-script.png", "1280,1900")
}

// What a server names stays text, in the browser too.
func TestHostileNamesDoNothing(t *testing.T) {
	now := time.Now().UTC()
	d := gc.Document{Kind: "Plan", Run: "</title><script>document.title='broken into'</script>", CreatedAt: now, Cluster: `"><img src=x onerror="document.title='broken into'">`}
	for _, name := range []string{
		`</script><script>document.title='broken into'</script>`, `<img src=x onerror="document.title='broken into'">`, `<!--<script>`, "\u202eabc\x00\x1b[2J", `'};document.title='broken into';//`,
	} {
		link := &inventory.Link{Score: 100, Sessions: []string{name}}
		for _, o := range []gc.Object{{Kind: policy.Session, Session: name}, {Kind: policy.CFSSession, Link: link}, {Kind: policy.Job, Session: name}} {
			o.Name, o.Template, o.Detail, o.Verdict, o.Reason, o.StartedAt = name, name, name, policy.Keep, policy.Running, now.UTC().Truncate(time.Second)
			d.Objects = append(d.Objects, o)
		}
		d.Sources = append(d.Sources, inventory.Source{Name: name, Error: name})
	}
	page := filepath.Join(t.TempDir(), "page.html")
	if err := report.WritePage(page, d); err != nil {
		t.Fatal(err)
	}
	for _, hash := range []string{"", "#q=%3Cscript%3E&sort=why", "#kind=%22%3E%3Cimg&page=99999999&rows=7"} {
		text := dom(t, page, hash)
		if mark(text, "objects") != len(d.Objects) {
			t.Errorf("%s: the page did not open", hash)
		}
		if strings.Contains(text, "<img") || strings.Count(text, "<script") != 2 {
			t.Errorf("%s: a name has become markup", hash)
		}
		if title := regexp.MustCompile(`<title>([^<]*)`).FindStringSubmatch(text); title == nil || title[1] == "broken into" {
			t.Errorf("%s: the title is %q", hash, title)
		}
	}
}
