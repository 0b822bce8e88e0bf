// Package report shows plans and reports to people.
package report

import (
	"io"

	"bosgc/gc"
	"bosgc/policy"
)

// width is what a table fits into: a terminal that nobody has made wider.
const width = 80

// nameWidth is the longest name that BOS or the batcher gives: "batcher-" and a UUID.
const nameWidth = 44

// View selects how a table looks.
type View struct {
	Colour bool // only terminals understand it
	Wide   bool // more columns than fit into 80, and names in full
	All    bool // what is kept is listed too
	Quiet  bool // no object is listed
	Filter Filter
}

// Table writes a plan or report for a person: first the objects, what is kept before what is deleted and what failed
// last, in each of these session by session; then the summary, so that what matters is what a terminal shows in the end.
func Table(w io.Writer, d gc.Document, v View) error {
	p := &printer{View: v, now: d.CreatedAt, sessionTotals: map[string]int{}}
	var shown, listed []*gc.Object
	for i := range d.Objects {
		o := &d.Objects[i]
		p.sessionTotals[o.Session]++
		if !v.Filter.matches(*o, d.CreatedAt) {
			continue
		}
		shown = append(shown, o)
		if p.lists(o) {
			listed = append(listed, o)
		}
	}
	for _, s := range sectionsOf(listed) {
		if err := p.printSection(w, s); err != nil {
			return err
		}
	}
	p.printTimings(d.Timings)
	p.printSummary(d, shown)
	_, err := p.out.WriteTo(w)
	return err
}

// lists reports whether an object has a line of its own. What is kept has none by default: it is the most there is, and
// says the least.
func (p *printer) lists(o *gc.Object) bool {
	return !p.Quiet && (o.Verdict != policy.Keep || p.All || p.Filter.given())
}
