// Package page writes a plan or report as one HTML page.
package page

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"io"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"bosgc/gc"
	"bosgc/internal/outfile"
)

var (
	//go:embed page/page.css
	styleSheet string
	//go:embed page/page.js
	script string
	// liveParts are the empty search fields, time line and list that the script fills. They stay hidden without it.
	//go:embed page/live.html
	liveParts string
)

// Write writes a plan or report as one HTML page that needs no network, no server and no other file. Its times are
// UTC. Names and errors come from servers and are data: none of them can become markup or script.
func Write(w io.Writer, d gc.Document) error {
	// Marshal escapes <, > and &, so that no text in the data can end the element that holds it.
	data, err := json.Marshal(newPageData(d))
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(w)
	page := h.Doctype(h.HTML(h.Lang("en"), pageHead(d), pageBody(d, string(data))))
	if err := page.Render(buffered); err != nil {
		return err
	}
	return buffered.Flush()
}

// WriteFile writes the page to a file that only its owner can read: it names machines and people's templates. Whoever
// reads the file meanwhile sees the whole old page or the whole new one.
func WriteFile(path string, d gc.Document) error {
	return outfile.Replace(path, 0o600, func(w io.Writer) error { return Write(w, d) })
}

func pageHead(d gc.Document) g.Node {
	meta := func(name, content string) g.Node { return h.Meta(h.Name(name), h.Content(content)) }
	return h.Head(
		h.Meta(h.Charset("utf-8")),
		h.Meta(g.Attr("http-equiv", "Content-Security-Policy"), h.Content(contentPolicy(styleSheet, script))),
		meta("viewport", "width=device-width, initial-scale=1"),
		meta("referrer", "no-referrer"),
		meta("color-scheme", "light dark"),
		h.TitleEl(text("bosgc "+d.Run)),
		h.StyleEl(g.Raw(styleSheet)),
	)
}

// contentPolicy allows only this style sheet and this script, word for word, whatever else found its way into the page.
func contentPolicy(styleSheet, script string) string {
	return "default-src 'none'; style-src '" + digest(styleSheet) + "'; script-src '" + digest(script) +
		"'; base-uri 'none'; form-action 'none'"
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func pageBody(d gc.Document, data string) g.Node {
	command, lead := "plan", "This is a plan: nothing has been deleted."
	if d.Kind != "Plan" {
		command, lead = "sweep", "This is what a sweep has done."
	}
	counts := countObjects(d)
	return h.Body(
		h.A(h.Class("skip"), h.Href("#list"), text("To the list of objects")),
		h.Header(
			h.P(h.Class("brand"), text("bosgc "), h.Span(text(command))),
			h.H1(text("What BOS v1 has left behind")),
			h.P(h.Class("lead"), text(lead+" All times are UTC.")),
			h.Dl(h.Class("facts"), g.Map(runFacts(d), fact.node)),
		),
		h.Main(
			g.Map(warnings(d), func(warning string) g.Node {
				return h.P(h.Class("doubt"), h.Role("note"), text(warning))
			}),
			h.Ul(h.Class("tiles"), g.Map(counts.tiles(d), tile.node)),
			h.Div(h.Class("charts"), g.Map(counts.charts(d), chart.node)),
			h.NoScript(h.P(h.Class("doubt"), text("The time line and the list of single objects need JavaScript, "+
				"which is off. The counts on this page are complete; “bosgc "+command+"” shows each object as text."))),
			g.Raw(liveParts),
			sourcesSection(d.Sources),
		),
		h.Script(h.Type("application/json"), h.ID("data"), g.Raw(data)),
		h.Script(g.Raw(script)),
	)
}
