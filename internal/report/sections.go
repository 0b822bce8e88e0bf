package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"bosgc/gc"
	"bosgc/policy"
)

// section is a part of the table: objects that share a fate.
type section struct {
	title, style string
	details      bool // the error or detail of each object, instead of one sentence for several
	contains     func(*gc.Object) bool

	objects []*gc.Object
}

// sectionsOf returns the sections that have objects, the most urgent last.
func sectionsOf(objects []*gc.Object) []section {
	outcome := func(want gc.Outcome) func(*gc.Object) bool {
		return func(o *gc.Object) bool { return o.Outcome == want }
	}
	verdict := func(want policy.Verdict) func(*gc.Object) bool {
		return func(o *gc.Object) bool { return o.Verdict == want }
	}
	toDelete := func(o *gc.Object) bool { return o.Verdict == policy.Delete && o.Outcome == "" }
	all := []section{
		{title: "Kept", style: bold, contains: verdict(policy.Keep)},
		{title: "Gone already", style: bold, contains: outcome(gc.Gone)},
		{title: "Deleted", style: bold, contains: outcome(gc.Deleted)},
		{title: "To delete", style: red, contains: toDelete},
		{title: "Waiting for the next sweep", style: yellow, contains: outcome(gc.Waiting)},
		{title: "Being deleted, held by finalizers", style: yellow, details: true, contains: outcome(gc.Terminating)},
		{title: "Unknown, left alone", style: yellow, details: true, contains: verdict(policy.Unknown)},
		{title: "Skipped, because they changed", style: yellow, details: true, contains: outcome(gc.Skipped)},
		{title: "Failed", style: red, details: true, contains: outcome(gc.Failed)},
	}
	for i := range all {
		for _, o := range objects {
			if all[i].contains(o) {
				all[i].objects = append(all[i].objects, o)
			}
		}
	}
	return slices.DeleteFunc(all, func(s section) bool { return len(s.objects) == 0 })
}

// printSection hands each session to w at once: as one text, a table of everything would weigh as much as everything.
func (p *printer) printSection(w io.Writer, s section) error {
	title := fmt.Sprintf("%s (%d)", s.title, len(s.objects))
	p.startParagraph()
	p.out.WriteString(p.styled(s.style, title) + "\n")
	nameColumn := nameWidth
	if p.Wide {
		for _, o := range s.objects {
			nameColumn = max(nameColumn, utf8.RuneCountInString(Clean(o.Name)))
		}
	}
	p.printRow(nameColumn, tableRow{"KIND", "NAME", "REASON", "AGE", "ELIGIBLE", "TEMPLATE", "UID"})
	for _, session := range groupBySession(s.objects) {
		p.printSession(session, nameColumn, s.details)
		if _, err := p.out.WriteTo(w); err != nil {
			return err
		}
	}
	p.written = true
	return nil
}

// groupBySession returns the objects of each session, in the order of the plan; what belongs to no session comes last.
// What is kept is ordered by its reason, so that the few with a rare reason are not lost among the many.
func groupBySession(objects []*gc.Object) [][]*gc.Object {
	var ids []string
	bySession := map[string][]*gc.Object{}
	for _, o := range objects {
		if bySession[o.Session] == nil {
			ids = append(ids, o.Session)
		}
		bySession[o.Session] = append(bySession[o.Session], o)
	}
	groups := make([][]*gc.Object, 0, len(ids))
	for _, id := range ids {
		group := bySession[id]
		slices.SortStableFunc(group, compareInSession)
		groups = append(groups, group)
	}
	slices.SortStableFunc(groups, func(a, b []*gc.Object) int {
		if last := cmp.Compare(b[0].Session, "") - cmp.Compare(a[0].Session, ""); last != 0 {
			return last
		}
		return compareReasons(a[0], b[0])
	})
	return groups
}

func compareInSession(a, b *gc.Object) int {
	if a.Session == "" {
		if order := compareReasons(a, b); order != 0 {
			return order
		}
	}
	return slices.Index(policy.Kinds(), a.Kind) - slices.Index(policy.Kinds(), b.Kind)
}

// compareReasons finds all objects equal that are not kept.
func compareReasons(a, b *gc.Object) int {
	if a.Verdict != policy.Keep || b.Verdict != policy.Keep {
		return 0
	}
	return cmp.Compare(fmt.Sprint(a.Reason), fmt.Sprint(b.Reason))
}

// printSession prints objects of one session. Those with the same sentence stand under it together.
func (p *printer) printSession(objects []*gc.Object, nameColumn int, details bool) {
	id, template := objects[0].Session, ""
	for _, o := range objects {
		template = cmp.Or(template, o.Template)
	}
	title, share := cmp.Or(truncateName(Clean(id)), "Without a session"), ""
	if n := p.sessionTotals[id]; id != "" && n > len(objects) {
		share = fmt.Sprintf("  (%d of its %d objects)", len(objects), n)
	}
	if template = Clean(template); template != "" {
		template = "  " + truncate(template, max(8, width-2-utf8.RuneCountInString(title+share)))
	}
	p.out.WriteString(p.styled(bold, title) + template + share + "\n")
	for _, group := range p.groupBySentence(objects) {
		if !details {
			p.wrap(group.sentence, "  ")
		}
		for _, o := range group.objects {
			p.printRow(nameColumn, p.rowOf(o))
			if details {
				p.wrap(cmp.Or(o.Error, o.Detail), "    ")
			}
		}
	}
}

type sentenceGroup struct {
	sentence string
	objects  []*gc.Object
}

// groupBySentence puts objects that only share the fate of their session under the first sentence.
func (p *printer) groupBySentence(objects []*gc.Object) []*sentenceGroup {
	var groups []*sentenceGroup
	for _, o := range objects {
		sentence := Describe(*o, p.now)
		i := slices.IndexFunc(groups, func(g *sentenceGroup) bool { return g.sentence == sentence })
		if i < 0 && FollowsSession(*o) && len(groups) > 0 {
			i = 0
		}
		if i < 0 {
			i = len(groups)
			groups = append(groups, &sentenceGroup{sentence: sentence})
		}
		groups[i].objects = append(groups[i].objects, o)
	}
	return groups
}

// tableRow is a line of the table. A table that is not wide shows the first three columns.
type tableRow struct {
	kind, name, reason           string
	age, eligible, template, uid string
}

func (p *printer) rowOf(o *gc.Object) tableRow {
	r := tableRow{
		kind: fmt.Sprint(o.Kind), name: Clean(o.Name), reason: fmt.Sprint(o.Reason),
		age: "-", eligible: "-", template: cmp.Or(Clean(o.Template), "-"), uid: cmp.Or(Clean(o.UID), "-"),
	}
	if age, known := ObjectAge(*o, p.now); known {
		r.age = formatAge(age)
	}
	if !o.EligibleAt.IsZero() {
		r.eligible = formatTime(o.EligibleAt)
	}
	return r
}

func (p *printer) printRow(nameColumn int, r tableRow) {
	if !p.Wide {
		fmt.Fprintf(&p.out, "  %-10s %-*s %s\n", r.kind, nameColumn, truncateName(r.name), r.reason)
		return
	}
	fmt.Fprintf(&p.out, "  %-10s %-*s %-21s %6s  %-20s  %-24s %s\n",
		r.kind, nameColumn, r.name, r.reason, r.age, r.eligible, r.template, r.uid)
}
