// Package report shows plans and reports to people.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"bosgc/gc"
	"bosgc/inventory"
	"bosgc/policy"
)

// width is what a table fits into: a terminal that nobody has made wider.
const width = 80

// nameWidth is the longest name that BOS or the batcher gives: "batcher-" and a UUID.
const nameWidth = 44

// JSON writes a plan or report as one document.
func JSON(w io.Writer, document any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}

// Table writes a plan or report for a person: what failed or goes first, then what could not be
// judged, then what stays. Colour is for terminals only.
func Table(w io.Writer, d gc.Document, colour bool) error {
	p := &printer{colour: colour}
	p.head(d)
	p.sources(d.Sources)
	p.counts(d.Objects)
	for _, s := range sections(d) {
		p.section(s)
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}

// section is a part of the table: objects that share a fate.
type section struct {
	title   string
	style   string
	objects []gc.Object
	explain bool // with a line of why for each
}

func sections(d gc.Document) []section {
	var all []section
	add := func(title, style string, explain bool, is func(gc.Object) bool) {
		s := section{title: title, style: style, explain: explain}
		for _, o := range d.Objects {
			if is(o) {
				s.objects = append(s.objects, o)
			}
		}
		if len(s.objects) > 0 {
			all = append(all, s)
		}
	}
	outcome := func(want gc.Outcome) func(gc.Object) bool {
		return func(o gc.Object) bool { return o.Outcome == want }
	}
	add("Failed", red, true, outcome(gc.Failed))
	add("Skipped, because they changed", yellow, true, outcome(gc.Skipped))
	add("Waiting for the next sweep", yellow, false, outcome(gc.Waiting))
	add("Deleted", bold, false, outcome(gc.Deleted))
	add("Gone already", bold, false, outcome(gc.Gone))
	add("To delete", red, false, func(o gc.Object) bool { return o.Verdict == policy.Delete && o.Outcome == "" })
	add("Unknown, so nothing is done", yellow, true, func(o gc.Object) bool { return o.Verdict == policy.Unknown })
	stays := len(all)
	add("Stays", bold, false, func(o gc.Object) bool { return o.Verdict == policy.Keep })
	for _, s := range all[stays:] {
		// By reason: the few that stay for a special one are not lost among the many.
		slices.SortStableFunc(s.objects, func(a, b gc.Object) int {
			return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Kind, b.Kind))
		})
	}
	return all
}

type printer struct {
	b      strings.Builder
	colour bool
}

const (
	bold   = "\x1b[1m"
	red    = "\x1b[1;31m"
	yellow = "\x1b[1;33m"
	plain  = "\x1b[0m"
)

func (p *printer) styled(style, text string) string {
	if !p.colour {
		return text
	}
	return style + text + plain
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

func (p *printer) counts(objects []gc.Object) {
	counts := map[policy.Kind]map[policy.Verdict]int{}
	for _, o := range objects {
		if counts[o.Kind] == nil {
			counts[o.Kind] = map[policy.Verdict]int{}
		}
		counts[o.Kind][o.Verdict]++
	}
	if len(counts) == 0 {
		return
	}
	fmt.Fprintf(&p.b, "\n%-12s%8s%9s%8s\n", "KIND", "DELETE", "UNKNOWN", "STAY")
	for _, kind := range policy.Kinds() {
		if c := counts[kind]; c != nil {
			fmt.Fprintf(&p.b, "%-12s%8d%9d%8d\n", kind, c[policy.Delete], c[policy.Unknown], c[policy.Keep])
		}
	}
}

func (p *printer) section(s section) {
	fmt.Fprintf(&p.b, "\n%s\n", p.styled(s.style, fmt.Sprintf("%s (%d)", s.title, len(s.objects))))
	fmt.Fprintf(&p.b, "%-21s %-10s  %s\n", "REASON", "KIND", "NAME")
	for _, o := range s.objects {
		fmt.Fprintf(&p.b, "%-21s %-10s  %s\n", o.Reason, o.Kind, shorten(Clean(o.Name)))
		if s.explain {
			p.wrap(cmp.Or(o.Error, o.Detail), "    ")
		}
	}
}

func shorten(name string) string {
	if runes := []rune(name); len(runes) > nameWidth {
		return string(runes[:nameWidth-1]) + "…"
	}
	return name
}

// wrap writes a text in lines that fit.
func (p *printer) wrap(text, indent string) {
	line := indent
	for _, word := range strings.Fields(Clean(text)) {
		if len(line) > len(indent) && len(line)+1+len(word) > width {
			p.b.WriteString(line + "\n")
			line = indent
		}
		if len(line) > len(indent) {
			line += " "
		}
		line += word
	}
	if len(line) > len(indent) {
		p.b.WriteString(line + "\n")
	}
}

// Clean replaces what a terminal would act on: names and errors come from servers, and are
// data.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		if unicode.IsSpace(r) {
			return ' '
		}
		return '?'
	}, text)
}
