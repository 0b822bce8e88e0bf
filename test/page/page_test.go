package page

import (
	"bytes"
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
	"bosgc/internal/page"
	"bosgc/policy"
)

var small = lab.Options{CSM: "1.4", Seed: 7, Sessions: 40}

// preferDark is a reader who prefers dark colours. Without it the browser prefers light ones.
const preferDark = "--blink-settings=preferredColorScheme=0"

func TestPicturesOfASmallSystem(t *testing.T) {
	page := planPage(t, small)
	text := renderDOM(t, page, "")
	if objects := pageCount(text, "objects"); objects < 100 || pageCount(text, "shown") != objects {
		t.Errorf("%d objects, %d of them shown", objects, pageCount(text, "shown"))
	}
	for _, want := range []string{
		"Sessions over time", `class="cfs stays"`, `class="cfs goes"`, "What was read", "sessions of BOS v1",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	lightness := takeScreenshot(t, "file://"+page, "report-light.png", "1280,3000")
	darkness := takeScreenshot(t, "file://"+page, "report-dark.png", "1280,3000", preferDark)
	if lightness < .8 || darkness > .3 {
		t.Errorf("brightness %.2f in light colours and %.2f in dark ones", lightness, darkness)
	}
	takeScreenshot(t, "file://"+page+"#fate=delete&sort=age&dir=desc", "report-goes.png", "1280,3000")
	takeScreenshot(t, "file://"+page, "report-narrow.png", "500,3000")
	printPage(t, page, "report.pdf", 3, 12)
}

// printPage prints the page as a PDF file, and checks how many sheets it takes.
func printPage(t *testing.T, page, name string, least, most int, args ...string) {
	t.Helper()
	path := filepath.Join(screenshotFolder(t), name)
	_ = os.Remove(path)
	openURL(t, "file://"+page, append([]string{"--print-to-pdf=" + path, "--no-pdf-header-footer"}, args...)...)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sheets := len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(text, -1))
	if !bytes.HasPrefix(text, []byte("%PDF")) || sheets < least || sheets > most {
		t.Errorf("%s: %d sheets, want %d to %d", name, sheets, least, most)
	}
}

// Five thousand sessions open as fast as a person expects of a page. The limit is a multiple of what a small page takes
// on the same machine at the same time: one second would hold only on an idle machine.
func TestFiveThousandSessionsOpenAtOnce(t *testing.T) {
	little := planPage(t, small)
	large := planPage(t, lab.Options{CSM: "1.4", Seed: 3, Sessions: 5000, Nodes: 512})
	info, err := os.Stat(large)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 8<<20 {
		t.Errorf("the page has %d bytes", info.Size())
	}
	fastest := func(page string) (best, objects int) {
		for range 3 {
			text := renderDOM(t, page, "")
			if opened := pageCount(text, "opened"); best == 0 || opened < best {
				best = opened
			}
			objects = pageCount(text, "objects")
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
	takeScreenshot(t, "file://"+large, "report-5000-light.png", "1280,3000")
	takeScreenshot(t, "file://"+large, "report-5000-dark.png", "1280,3000", preferDark)
	printPage(t, large, "report-5000.pdf", 3, 12)
}

func TestSearchAndSortNeedNoServer(t *testing.T) {
	page := planPage(t, small)
	whole := renderDOM(t, page, "#rows=1000")
	all := listedNames(whole)
	if len(all) != pageCount(whole, "objects") {
		t.Fatalf("%d rows of %d objects", len(all), pageCount(whole, "objects"))
	}
	t.Run("search", func(t *testing.T) {
		id := all[len(all)/2]
		id = id[len(id)-36:]
		text := renderDOM(t, page, "#q="+strings.ToUpper(id[:18])+"&rows=1000")
		found := listedNames(text)
		if len(found) == 0 || len(found) == len(all) || pageCount(text, "shown") != len(found) {
			t.Errorf("%d objects are listed, the page counts %d", len(found), pageCount(text, "shown"))
		}
		for _, name := range found {
			if !strings.Contains(text, id) {
				t.Errorf("%s has nothing to do with %s", name, id)
			}
		}
		if n := len(listedNames(renderDOM(t, page, "#q=there+is+no+such+thing"))); n != 0 {
			t.Errorf("%d rows for nothing", n)
		}
	})
	t.Run("choose", func(t *testing.T) {
		text := renderDOM(t, page, "#kind=Job&rows=1000")
		for _, name := range listedNames(text) {
			if !strings.HasPrefix(name, "boa-") {
				t.Errorf("%s is no Job", name)
			}
		}
		if n := len(listedNames(text)); n == 0 || n == len(all) {
			t.Errorf("%d Jobs of %d objects", n, len(all))
		}
	})
	t.Run("sort", func(t *testing.T) {
		up := listedNames(renderDOM(t, page, "#sort=name&rows=1000"))
		down := listedNames(renderDOM(t, page, "#sort=name&dir=desc&rows=1000"))
		if len(up) != len(all) || !slices.IsSorted(up) {
			t.Errorf("%d rows, not in order", len(up))
		}
		if slices.Reverse(down); !slices.IsSorted(down) {
			t.Error("not in the other order")
		}
	})
	t.Run("pages", func(t *testing.T) {
		first := listedNames(renderDOM(t, page, "#rows=25"))
		second := listedNames(renderDOM(t, page, "#rows=25&page=2"))
		if !slices.Equal(first, all[:25]) || !slices.Equal(second, all[25:50]) {
			t.Errorf("pages %q, %q", first, second)
		}
	})
}

// A person types and clicks. The page has no content policy here, so that a script can do that.
func TestTypingAndClicking(t *testing.T) {
	text, err := os.ReadFile(planPage(t, small))
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`).ReplaceAll(text, nil)
	drive := func(script string) string {
		page := filepath.Join(t.TempDir(), "page.html")
		driven := strings.Replace(string(text), "</body>", "<script>"+script+"</script></body>", 1)
		if err := os.WriteFile(page, []byte(driven), 0o600); err != nil {
			t.Fatal(err)
		}
		return renderDOM(t, page, "", "--virtual-time-budget=3000")
	}
	const clickHead = "document.querySelector('#objects thead button').click();"
	found := drive(clickHead)
	if !slices.IsSorted(listedNames(found)) || !strings.Contains(found, `aria-sort="ascending"`) {
		t.Errorf("one click on the head does not sort: %q", listedNames(found))
	}
	if found := drive(clickHead + clickHead); !strings.Contains(found, `aria-sort="descending"`) {
		t.Error("a second click does not reverse the order")
	}
	found = drive("const q = document.getElementById('q'); q.focus(); q.value = 'too-young';" +
		"q.dispatchEvent(new Event('input'));")
	if n := pageCount(found, "shown"); n == 0 || n == pageCount(found, "objects") {
		t.Errorf("typing shows %d of %d", n, pageCount(found, "objects"))
	}
	found = drive("const k = document.getElementById('kind'); k.value = 'Job'; k.onchange();" +
		"document.getElementById('reset').click();")
	if pageCount(found, "shown") != pageCount(found, "objects") {
		t.Error("not all is shown again")
	}
	found = drive("document.querySelectorAll('#pager button')[1].click();")
	if !strings.Contains(found, "<span>51 to 100 of ") {
		t.Error("the next page does not come")
	}
	found = drive("document.querySelector('a.reason').click();")
	if n := pageCount(found, "shown"); n == 0 || n == pageCount(found, "objects") {
		t.Errorf("a reason shows %d of %d", n, pageCount(found, "objects"))
	}
}

func TestWithoutJavaScriptTheCountsAreThere(t *testing.T) {
	page := planPage(t, small)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), `<script`)
	for _, want := range []string{
		"<noscript>", "need JavaScript, which is off", `<div id="live" hidden>`, "How old it is", "Why it is deleted",
		"owner-collected", "sessions of BOS v1",
	} {
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
	shown := openURL(t, server.URL, "--dump-dom")
	if pageCount(shown, "objects") != -1 || !strings.Contains(shown, "How old it is") {
		t.Errorf("the script has run: %d objects", pageCount(shown, "objects"))
	}
	takeScreenshot(t, server.URL, "report-no-script.png", "1280,1900")
}

// What a server names stays text in the browser, too.
func TestHostileNamesDoNothing(t *testing.T) {
	now := time.Now().UTC()
	d := gc.Document{
		Kind: "Plan", CreatedAt: now,
		Run:     "</title><script>document.title='broken into'</script>",
		Cluster: `"><img src=x onerror="document.title='broken into'">`,
	}
	for _, name := range []string{
		`</script><script>document.title='broken into'</script>`,
		`<img src=x onerror="document.title='broken into'">`,
		`<!--<script>`,
		"\u202eabc\x00\x1b[2J",
		`'};document.title='broken into';//`,
	} {
		for _, o := range []gc.Object{
			{Kind: policy.Session, Session: name},
			{Kind: policy.CFSSession, Link: &inventory.Link{Score: 100, Sessions: []string{name}}},
			{Kind: policy.Job, Session: name},
		} {
			o.Name, o.Template, o.Detail = name, name, name
			o.Verdict, o.Reason, o.StartedAt = policy.Keep, policy.Running, now
			d.Objects = append(d.Objects, o)
		}
		d.Sources = append(d.Sources, inventory.Source{Name: name, Error: name})
	}
	path := filepath.Join(t.TempDir(), "page.html")
	if err := page.WriteFile(path, d); err != nil {
		t.Fatal(err)
	}
	for _, hash := range []string{"", "#q=%3Cscript%3E&sort=why", "#kind=%22%3E%3Cimg&page=99999999&rows=7"} {
		text := renderDOM(t, path, hash)
		if pageCount(text, "objects") != len(d.Objects) {
			t.Errorf("%s: the page did not open", hash)
		}
		if strings.Contains(text, "<img") || strings.Count(text, "<script") != 2 {
			t.Errorf("%s: a name has become markup", hash)
		}
		title := regexp.MustCompile(`<title>([^<]*)`).FindStringSubmatch(text)
		if title == nil || title[1] == "broken into" {
			t.Errorf("%s: the title is %q", hash, title)
		}
	}
}
