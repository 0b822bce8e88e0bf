// Package report shows plans and reports to people.
package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"bosgc/gc"
	"bosgc/internal/inventory"
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
	Filter Filter
}

// Table writes a plan or report for a person: counts, then what failed or will be deleted, then what could not be
// judged, then what is kept; in each of these session by session.
func Table(w io.Writer, d gc.Document, v View) error {
	p := &printer{View: v, now: d.CreatedAt, sessionTotals: map[string]int{}}
	p.printHead(d)
	p.printIncomplete(d.Sources)
	p.printInterrupted(d.Procedures)
	var shown []*gc.Object
	for i := range d.Objects {
		o := &d.Objects[i]
		p.sessionTotals[o.Session]++
		if v.Filter.matches(*o, d.CreatedAt) {
			shown = append(shown, o)
		}
	}
	p.printCounts(d.Objects, shown)
	for _, note := range d.Notes {
		p.out.WriteByte('\n')
		p.wrap(Clean(note), "")
	}
	if n := len(d.PodsWithoutJob); n > 0 {
		p.out.WriteByte('\n')
		p.wrap(fmt.Sprintf("Pods of BOA that have ended and have no Job any more: %d (%s). bosgc deletes no Pods; "+
			"to delete one: kubectl -n %s delete pod NAME", n, firstNames(d.PodsWithoutJob), cmp.Or(d.Namespace, "NAMESPACE")), "")
	}
	for _, s := range sectionsOf(shown) {
		if err := p.printSection(w, s); err != nil {
			return err
		}
	}
	p.printTimings(d.Timings)
	_, err := p.out.WriteTo(w)
	return err
}

// Counts returns what a plan would do, in numbers, and what could not be read.
func Counts(d gc.Document) string {
	p := &printer{now: d.CreatedAt}
	p.printIncomplete(d.Sources)
	p.printCounts(d.Objects, nil)
	return p.out.String()
}

func (p *printer) printHead(d gc.Document) {
	p.printLine("%s %s", d.Kind, d.Run)
	toDelete := p.styled(bold, fmt.Sprint(d.Summary.Delete))
	fmt.Fprintf(&p.out, "%s to delete, %d unknown, %d stay\n", toDelete, d.Summary.Unknown, d.Summary.Keep)
	if d.Kind == "Report" {
		var parts []string
		for _, o := range []gc.Outcome{gc.Deleted, gc.Gone, gc.Skipped, gc.Failed, gc.Terminating, gc.Waiting} {
			if n := d.Outcomes[o]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, o))
			}
		}
		if len(parts) > 0 {
			fmt.Fprintln(&p.out, strings.Join(parts, ", "))
		}
	}
	if d.Stopped != "" {
		p.wrap("Stopped before its end: "+d.Stopped, "")
	}
}

func (p *printer) printIncomplete(sources []inventory.Source) {
	for _, s := range sources {
		if !s.Complete {
			p.out.WriteString(p.styled(red, "Not read completely: "+s.Name) + "\n")
			p.wrap(s.Error, "  ")
		}
	}
}

// printInterrupted names the procedures of "bosgc clean" that are still not at their end: of their objects, which may be
// kept for another reason, none need say so.
func (p *printer) printInterrupted(procedures []*gc.Procedure) {
	for _, procedure := range procedures {
		why := procedure.Refused
		for _, step := range procedure.Steps {
			why = cmp.Or(why, step.Error)
		}
		if procedure.Failed {
			p.out.WriteString(p.styled(red, "Cleanup interrupted: session "+Clean(procedure.Session)) + "\n")
			p.wrap(why, "  ")
		}
	}
}

// printCounts counts all objects, also those that a filter hides.
func (p *printer) printCounts(all []gc.Object, shown []*gc.Object) {
	counts, shownCounts := map[policy.Kind]map[policy.Verdict]int{}, map[policy.Kind]int{}
	for _, o := range all {
		if counts[o.Kind] == nil {
			counts[o.Kind] = map[policy.Verdict]int{}
		}
		counts[o.Kind][o.Verdict]++
	}
	for _, o := range shown {
		shownCounts[o.Kind]++
	}
	filtered := len(p.Filter.conditions) > 0
	if filtered {
		p.wrap(fmt.Sprintf("Shown are %d of %d objects, by --filter %s. The counts are of all of them, "+
			"and what is done does not depend on what is shown.", len(shown), len(all), p.Filter), "")
	}
	if len(counts) == 0 {
		return
	}
	fmt.Fprintf(&p.out, "\n%-12s%8s%9s%8s", "KIND", "DELETE", "UNKNOWN", "STAY")
	if filtered {
		fmt.Fprintf(&p.out, "%8s", "SHOWN")
	}
	p.out.WriteByte('\n')
	for _, kind := range policy.Kinds() {
		c := counts[kind]
		if c == nil {
			continue
		}
		fmt.Fprintf(&p.out, "%-12s%8d%9d%8d", kind, c[policy.Delete], c[policy.Unknown], c[policy.Keep])
		if filtered {
			fmt.Fprintf(&p.out, "%8d", shownCounts[kind])
		}
		p.out.WriteByte('\n')
	}
}
