// Package report shows plans and reports to people.
package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// width is what a table fits into: a terminal that nobody has made wider.
const width = 80

// nameWidth is the longest name that BOS or the batcher gives: "batcher-" and a UUID.
const nameWidth = 44

// View is how a table is to look.
type View struct {
	Colour bool // for terminals only
	Wide   bool // more columns than fit into 80, and names in full
	Filter Filter
}

// Table writes a plan or report for a person: counts, then what failed or goes, then what could not be
// judged, then what stays; in each of these session by session.
func Table(w io.Writer, d gc.Document, v View) error {
	p := &printer{View: v, now: d.CreatedAt, whole: map[string]int{}}
	p.head(d)
	p.sources(d.Sources)
	var shown []*gc.Object
	for i := range d.Objects {
		o := &d.Objects[i]
		p.whole[o.Session]++
		if v.Filter.Shows(*o, d.CreatedAt) {
			shown = append(shown, o)
		}
	}
	p.counts(d.Objects, shown)
	for _, s := range sections(shown) {
		// What is done is written at once: as one text, a table of everything would weigh as much as everything.
		if err := p.section(w, s); err != nil {
			return err
		}
	}
	p.timings(d.Timings)
	_, err := p.b.WriteTo(w)
	return err
}

// section is a part of the table: objects that share a fate.
type section struct {
	title   string
	style   string
	objects []*gc.Object
	explain bool // with a line of why for each
}

func sections(objects []*gc.Object) []section {
	var all []section
	add := func(title, style string, explain bool, is func(*gc.Object) bool) {
		s := section{title: title, style: style, explain: explain}
		for _, o := range objects {
			if is(o) {
				s.objects = append(s.objects, o)
			}
		}
		if len(s.objects) > 0 {
			all = append(all, s)
		}
	}
	outcome := func(want gc.Outcome) func(*gc.Object) bool {
		return func(o *gc.Object) bool { return o.Outcome == want }
	}
	add("Failed", red, true, outcome(gc.Failed))
	add("Skipped, because they changed", yellow, true, outcome(gc.Skipped))
	add("Waiting for the next sweep", yellow, false, outcome(gc.Waiting))
	add("Deleted", bold, false, outcome(gc.Deleted))
	add("Gone already", bold, false, outcome(gc.Gone))
	add("To delete", red, false, func(o *gc.Object) bool { return o.Verdict == policy.Delete && o.Outcome == "" })
	add("Unknown, so nothing is done", yellow, true, func(o *gc.Object) bool { return o.Verdict == policy.Unknown })
	add("Stays", bold, false, func(o *gc.Object) bool { return o.Verdict == policy.Keep })
	return all
}

func (p *printer) head(d gc.Document) {
	fmt.Fprintf(&p.b, "%s %s\n", d.Kind, d.Run)
	fmt.Fprintf(&p.b, "%s to delete, %d unknown, %d stay\n", p.styled(bold, fmt.Sprint(d.Summary.Delete)), d.Summary.Unknown, d.Summary.Keep)
	if d.Kind == "Report" {
		var parts []string
		for _, o := range []gc.Outcome{gc.Deleted, gc.Gone, gc.Skipped, gc.Failed, gc.Waiting} {
			if n := d.Outcomes[o]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, o))
			}
		}
		if len(parts) > 0 {
			fmt.Fprintln(&p.b, strings.Join(parts, ", "))
		}
	}
	if d.Stopped != "" {
		p.wrap("Stopped before its end: "+d.Stopped, "")
	}
}

func (p *printer) sources(sources []inventory.Source) {
	for _, s := range sources {
		if !s.Complete {
			p.b.WriteString(p.styled(red, "Not read completely: "+s.Name) + "\n")
			p.wrap(s.Error, "  ")
		}
	}
}

// counts are of everything, also where a filter shows only some of it.
func (p *printer) counts(objects []gc.Object, shown []*gc.Object) {
	counts, seen := map[policy.Kind]map[policy.Verdict]int{}, map[policy.Kind]int{}
	for _, o := range objects {
		if counts[o.Kind] == nil {
			counts[o.Kind] = map[policy.Verdict]int{}
		}
		counts[o.Kind][o.Verdict]++
	}
	for _, o := range shown {
		seen[o.Kind]++
	}
	filtered := len(p.Filter.text) > 0
	if filtered {
		p.wrap(fmt.Sprintf("Shown are %d of %d objects, by --filter %s. The counts are of all of them, and what is done does not depend on what is shown.", len(shown), len(objects), p.Filter), "")
	}
	if len(counts) == 0 {
		return
	}
	fmt.Fprintf(&p.b, "\n%-12s%8s%9s%8s", "KIND", "DELETE", "UNKNOWN", "STAY")
	if filtered {
		fmt.Fprintf(&p.b, "%8s", "SHOWN")
	}
	p.b.WriteByte('\n')
	for _, kind := range policy.Kinds() {
		c := counts[kind]
		if c == nil {
			continue
		}
		fmt.Fprintf(&p.b, "%-12s%8d%9d%8d", kind, c[policy.Delete], c[policy.Unknown], c[policy.Keep])
		if filtered {
			fmt.Fprintf(&p.b, "%8d", seen[kind])
		}
		p.b.WriteByte('\n')
	}
}

func (p *printer) section(w io.Writer, s section) error {
	sessions := grouped(s.objects)
	title := fmt.Sprintf("%s (%d)", s.title, len(s.objects))
	p.b.WriteString("\n" + p.styled(s.style, title) + "\n")
	long := nameWidth
	for _, o := range s.objects {
		if n := utf8.RuneCountInString(Clean(o.Name)); p.Wide && n > long {
			long = n
		}
	}
	if p.Wide {
		fmt.Fprintf(&p.b, "  %-10s %-*s %-21s %6s  %-20s  %-24s %s\n", "KIND", long, "NAME", "REASON", "AGE", "ELIGIBLE", "TEMPLATE", "UID")
	} else {
		fmt.Fprintf(&p.b, "  %-10s %-*s %s\n", "KIND", long, "NAME", "REASON")
	}
	for _, session := range sessions {
		p.session(session, long, s.explain)
		if _, err := p.b.WriteTo(w); err != nil {
			return err
		}
	}
	return nil
}

// grouped gathers the objects of each session, in the order of the plan; what is of none comes last. What stays
// is ordered by its reason, so that the few that stay for a special one are not lost among the many.
func grouped(objects []*gc.Object) [][]*gc.Object {
	var ids []string
	by := map[string][]*gc.Object{}
	for _, o := range objects {
		if by[o.Session] == nil {
			ids = append(ids, o.Session)
		}
		by[o.Session] = append(by[o.Session], o)
	}
	groups := make([][]*gc.Object, 0, len(ids))
	for _, id := range ids {
		group := by[id]
		slices.SortStableFunc(group, func(a, b *gc.Object) int {
			if id == "" && a.Verdict == policy.Keep && a.Reason != b.Reason {
				return cmp.Compare(a.Reason.String(), b.Reason.String())
			}
			return slices.Index(policy.Kinds(), a.Kind) - slices.Index(policy.Kinds(), b.Kind)
		})
		groups = append(groups, group)
	}
	slices.SortStableFunc(groups, func(a, b []*gc.Object) int {
		if loose := cmp.Compare(b[0].Session, "") - cmp.Compare(a[0].Session, ""); loose != 0 {
			return loose
		}
		if a[0].Verdict != policy.Keep || b[0].Verdict != policy.Keep {
			return 0
		}
		return cmp.Compare(a[0].Reason.String(), b[0].Reason.String())
	})
	return groups
}

// session shows what is of one session and shares a fate; all of it under the same line of why, as far as that is
// the same.
func (p *printer) session(objects []*gc.Object, long int, explain bool) {
	id, template := objects[0].Session, ""
	for _, o := range objects {
		template = cmp.Or(template, o.Template)
	}
	title, rest := cmp.Or(shorten(Clean(id)), "Of no session"), ""
	if n := p.whole[id]; id != "" && n > len(objects) {
		rest = fmt.Sprintf("  (%d of its %d objects)", len(objects), n)
	}
	if template = Clean(template); template != "" {
		template = "  " + cut(template, max(8, width-2-utf8.RuneCountInString(title+rest)))
	}
	p.b.WriteString(p.styled(bold, title) + template + rest + "\n")
	for _, bucket := range p.buckets(objects) {
		if !explain {
			p.wrap(bucket.why, "  ")
		}
		for _, o := range bucket.objects {
			p.row(o, long)
			if explain {
				p.wrap(cmp.Or(o.Error, o.Detail), "    ")
			}
		}
	}
}

type bucket struct {
	why     string
	objects []*gc.Object
}

// buckets puts objects with the same why together, and what only shares its session's fate with the first.
func (p *printer) buckets(objects []*gc.Object) []*bucket {
	var all []*bucket
	for _, o := range objects {
		why := Why(*o, p.now)
		i := slices.IndexFunc(all, func(b *bucket) bool { return b.why == why })
		if i < 0 && with(*o) && len(all) > 0 {
			i = 0
		}
		if i < 0 {
			i = len(all)
			all = append(all, &bucket{why: why})
		}
		all[i].objects = append(all[i].objects, o)
	}
	return all
}

func (p *printer) row(o *gc.Object, long int) {
	if !p.Wide {
		fmt.Fprintf(&p.b, "  %-10s %-*s %s\n", o.Kind, long, shorten(Clean(o.Name)), o.Reason)
		return
	}
	old, eligible := "-", "-"
	if d, known := age(*o, p.now); known {
		old = brief(d)
	}
	if !o.EligibleAt.IsZero() {
		eligible = o.EligibleAt.Format("2006-01-02T15:04:05Z")
	}
	fmt.Fprintf(&p.b, "  %-10s %-*s %-21s %6s  %-20s  %-24s %s\n", o.Kind, long, Clean(o.Name), o.Reason, old, eligible, cmp.Or(Clean(o.Template), "-"), cmp.Or(Clean(o.UID), "-"))
}
