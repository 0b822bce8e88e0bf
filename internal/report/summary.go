package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// printSummary prints what a person has to know of a plan or report, the most urgent last.
func (p *printer) printSummary(d gc.Document, shown []*gc.Object) {
	for _, note := range d.Notes {
		p.printParagraph(note)
	}
	if n := len(d.PodsWithoutJob); n > 0 {
		p.printParagraph(fmt.Sprintf("Pods of BOA that have ended and have no Job any more: %d (%s). bosgc deletes no Pods; "+
			"to delete one: kubectl -n %s delete pod NAME", n, firstNames(d.PodsWithoutJob), cmp.Or(d.Namespace, "NAMESPACE")))
	}
	p.printKept(d.Objects)
	p.printCounts(d.Objects, shown)
	p.printTotals(d)
	p.printFailures(d)
	p.printIncomplete(d.Sources)
	p.printExit(d)
}

// Counts returns what a plan would do, in numbers, and what could not be read.
func Counts(d gc.Document) string {
	p := &printer{now: d.CreatedAt}
	p.printCounts(d.Objects, nil)
	p.printTotals(d)
	p.printIncomplete(d.Sources)
	return p.out.String()
}

// startParagraph separates what follows from what was printed before, if anything was.
func (p *printer) startParagraph() {
	if p.out.Len() > 0 || p.written {
		p.out.WriteByte('\n')
	}
}

func (p *printer) printParagraph(text string) {
	p.startParagraph()
	p.wrap(text, "")
}

// printKept counts what is kept by reason, the most frequent first.
func (p *printer) printKept(all []gc.Object) {
	counts := map[policy.Reason]int{}
	for _, o := range all {
		if o.Verdict == policy.Keep {
			counts[o.Reason]++
		}
	}
	reasons := policy.Reasons(policy.Keep)
	slices.SortStableFunc(reasons, func(a, b policy.Reason) int { return cmp.Compare(counts[b], counts[a]) })
	words := []string{"Kept:"}
	for _, reason := range reasons {
		if n := counts[reason]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s,", n, reason))
		}
	}
	if len(words) == 1 {
		return
	}
	words[len(words)-1] = strings.TrimSuffix(words[len(words)-1], ",")
	if !p.All && !p.Filter.given() {
		words = append(words, "(--all lists them)")
	}
	p.startParagraph()
	p.wrapWords(words, "")
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
	if p.Filter.given() {
		p.printParagraph(fmt.Sprintf("%d of %d objects are shown, by --filter %s. Counts cover all objects.",
			len(shown), len(all), p.Filter))
	}
	if len(counts) == 0 {
		return
	}
	p.startParagraph()
	fmt.Fprintf(&p.out, "%-12s%8s%8s%9s", "KIND", "DELETE", "KEEP", "UNKNOWN")
	if p.Filter.given() {
		fmt.Fprintf(&p.out, "%8s", "SHOWN")
	}
	p.out.WriteByte('\n')
	for _, kind := range policy.Kinds() {
		c := counts[kind]
		if c == nil {
			continue
		}
		fmt.Fprintf(&p.out, "%-12s%8d%8d%9d", kind, c[policy.Delete], c[policy.Keep], c[policy.Unknown])
		if p.Filter.given() {
			fmt.Fprintf(&p.out, "%8d", shownCounts[kind])
		}
		p.out.WriteByte('\n')
	}
}

// printTotals prints the line that holds the run and its numbers.
func (p *printer) printTotals(d gc.Document) {
	words := []string{fmt.Sprintf("%s %s:", d.Kind, Clean(d.Run))}
	if d.Kind == "Report" {
		for _, o := range []gc.Outcome{gc.Deleted, gc.Gone, gc.Terminating, gc.Waiting, gc.Skipped, gc.Failed} {
			if n := d.Outcomes[o]; n > 0 || o == gc.Deleted {
				words = append(words, fmt.Sprintf("%d %s,", n, o))
			}
		}
	} else {
		words = append(words, fmt.Sprintf("%d to delete,", d.Summary.Delete))
	}
	words = append(words, fmt.Sprintf("%d kept,", d.Summary.Keep), fmt.Sprintf("%d unknown", d.Summary.Unknown))
	p.startParagraph()
	p.wrapWords(words, "")
}

// printFailures says how many objects of which kind failed, and what the first of them did. With -q, and after a long
// list, nothing else does.
func (p *printer) printFailures(d gc.Document) {
	counts := map[policy.Kind]int{}
	var first *gc.Object
	for i := range d.Objects {
		if o := &d.Objects[i]; o.Outcome == gc.Failed {
			counts[o.Kind]++
			first = cmp.Or(first, o)
		}
	}
	if first != nil {
		p.startParagraph()
		p.out.WriteString(p.styled(red, "Failed: "+listKinds(counts)) + "\n")
		p.wrap(fmt.Sprintf("%s %s: %s", first.Kind, first.Name, cmp.Or(first.Error, first.Detail)), "  ")
	}
	p.printInterrupted(d.Procedures)
}

// listKinds returns numbers of objects by kind, such as "3 Job, 9 CFSSession".
func listKinds(counts map[policy.Kind]int) string {
	var parts []string
	for _, kind := range policy.Kinds() {
		if n := counts[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, kind))
		}
	}
	return strings.Join(parts, ", ")
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
			p.startParagraph()
			p.out.WriteString(p.styled(red, "Cleanup interrupted: session "+Clean(procedure.Session)) + "\n")
			p.wrap(why, "  ")
		}
	}
}

func (p *printer) printIncomplete(sources []inventory.Source) {
	for i, s := range sources {
		if s.Complete {
			continue
		}
		if !slices.ContainsFunc(sources[:i], func(s inventory.Source) bool { return !s.Complete }) {
			p.startParagraph()
		}
		p.out.WriteString(p.styled(red, "Not read completely: "+s.Name) + "\n")
		p.wrap(s.Error, "  ")
	}
}
