package page

import (
	"cmp"
	"fmt"
	"slices"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"bosgc/gc"
	"bosgc/internal/report"
	"bosgc/policy"
)

// tile is one large number.
type tile struct {
	count             int
	name, note, class string
}

func (t tile) node() g.Node {
	return h.Li(h.Class("tile "+t.class),
		h.B(text(thousands(t.count))), text(" "), h.Span(text(t.name)), h.Small(text(t.note)),
	)
}

func (c *objectCounts) tiles(d gc.Document) []tile {
	toDelete := c.all.counts[policy.Delete]
	stays := tile{c.all.counts[policy.Keep], "kept", "each with its reason", "stays"}
	unjudged := tile{c.all.counts[policy.Unknown], "unknown", "left alone", "unknown"}
	if d.Kind == "Plan" {
		note := fmt.Sprintf("of %s sessions; the oldest is %s old",
			thousands(len(c.sessionsToDelete)), report.FormatDuration(c.oldestToDelete))
		if toDelete == 0 {
			note = "nothing is due"
		}
		found := tile{c.all.total(), "objects found", "Jobs, ConfigMaps, sessions, CFS sessions", ""}
		return []tile{found, {toDelete, "to delete", note, "goes"}, stays, unjudged}
	}
	failed, waiting, skipped := d.Outcomes[gc.Failed], d.Outcomes[gc.Waiting], d.Outcomes[gc.Skipped]
	deleted := fmt.Sprintf("of %s to delete; %s were gone already",
		thousands(toDelete), thousands(d.Outcomes[gc.Gone]))
	terminating := d.Outcomes[gc.Terminating]
	left := fmt.Sprintf("%d failed, %d wait, %d being deleted, %d changed", failed, waiting, terminating, skipped)
	return []tile{
		{d.Outcomes[gc.Deleted], "deleted", deleted, "goes"},
		{failed + waiting + terminating + skipped, "left of those", left, "unknown"},
		stays, unjudged,
	}
}

// chart is a table with a bar in each row.
type chart struct {
	title, note, first string // first is the head of the first column
	rows               []*chartRow
	byVerdict          bool // with a column for each verdict
}

func (c *objectCounts) charts(d gc.Document) []chart {
	var toDelete, others []*chartRow
	for _, verdict := range policy.Verdicts() {
		for _, reason := range policy.Reasons(verdict) {
			row := c.reasons[reason]
			switch {
			case row == nil:
			case verdict == policy.Delete:
				toDelete = append(toDelete, row)
			default:
				others = append(others, row)
			}
		}
	}
	largestFirst := func(a, b *chartRow) int { return cmp.Compare(b.total(), a.total()) }
	slices.SortStableFunc(toDelete, largestFirst)
	slices.SortStableFunc(others, largestFirst)
	charts := []chart{
		{title: "What is there", first: "Kind", rows: c.kinds, byVerdict: true},
		{
			title: "How old it is", first: "Age", rows: c.ages, byVerdict: true,
			note: "Counted from its end, or from its beginning where it has none.",
		},
		{title: "Why it is deleted", first: "Reason", rows: toDelete},
		{title: "Why it is kept or left alone", first: "Reason", rows: others},
		{
			title: "When what is kept can be deleted", first: "Due", rows: c.due,
			note: "Counted from " + formatMinute(d.CreatedAt) +
				". What has no date is kept until what keeps it ends: its session, a rule, its use.",
		},
	}
	return slices.DeleteFunc(charts, func(c chart) bool { return len(c.rows) == 0 })
}

func (c chart) node() g.Node {
	longest := 1
	for _, row := range c.rows {
		longest = max(longest, row.total())
	}
	var key, heads g.Node
	if c.byVerdict {
		key, heads = verdictKey(), g.Map(verdictStyles, verdictStyle.columnHead)
	}
	return h.Section(h.Class("card"),
		h.H2(text(c.title), key),
		h.Div(h.Class("scroll"), h.Table(h.Class("bars"),
			h.THead(h.Tr(
				columnHead(c.first),
				h.Th(h.Scope("col"), h.Class("wide"), h.Span(h.Class("off"), text("Share"))),
				heads, numberHead(text("All")),
			)),
			h.TBody(g.Map(c.rows, func(r *chartRow) g.Node { return r.node(c.byVerdict, longest) })),
		)),
		g.If(c.note != "", h.P(h.Class("note"), text(c.note))),
	)
}

// verdictKey says which colour stands for what.
func verdictKey() g.Node {
	var parts g.Group
	for i, s := range verdictStyles {
		if i > 0 {
			parts = append(parts, text(" "))
		}
		parts = append(parts, h.I(h.Class(s.class)), text(s.word))
	}
	return h.Span(h.Class("key"), h.Aria("hidden", "true"), parts)
}

func (s verdictStyle) columnHead() g.Node {
	if s.title != "" {
		return numberHead(h.Abbr(h.Title(s.title), text(s.head)))
	}
	return numberHead(text(s.head))
}

func (r *chartRow) node(byVerdict bool, longest int) g.Node {
	name := text(r.name)
	if r.reason != "" {
		link := h.A(h.Class("reason"), h.Href("#reason="+r.reason), name)
		name = g.Group{link, h.Code(text(r.reason))}
	}
	var numbers g.Group
	if byVerdict {
		numbers = g.Map(verdictStyles, func(s verdictStyle) g.Node { return numberCell(r.counts[s.verdict]) })
	}
	bar := h.SVG(g.Attr("viewBox", fmt.Sprintf("0 0 %d 14", barWidth)), g.Attr("preserveAspectRatio", "none"),
		h.Aria("hidden", "true"), g.Map(r.segments(longest), segment.node))
	return h.Tr(
		h.Th(h.Scope("row"), name), h.Td(h.Class("wide"), bar), numbers, numberCell(r.total()),
	)
}

const (
	longestBar = 1000.0
	// A single object among thousands is still seen.
	shortestSegment = 3.0
	// The picture has room for segments that were lengthened.
	barWidth = 1010
)

// segment is the part of a bar for one verdict.
type segment struct {
	class    string
	x, width float64
}

func (r *chartRow) segments(longest int) []segment {
	var all []segment
	x := 0.0
	for _, s := range verdictStyles {
		width := 0.0
		if n := r.counts[s.verdict]; n > 0 {
			width = max(shortestSegment, float64(n)*longestBar/float64(longest))
		}
		all = append(all, segment{s.class, x, width})
		x += width
	}
	return all
}

func (s segment) node() g.Node {
	return g.El("rect", h.Class(s.class), g.Attr("x", fmt.Sprintf("%.1f", s.x)), g.Attr("y", "0"),
		g.Attr("width", fmt.Sprintf("%.1f", s.width)), g.Attr("height", "14"))
}
