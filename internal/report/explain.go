package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"bosgc/gc"
	"bosgc/policy"
)

// Explanation shows what is known of one object.
func Explanation(e *gc.Explanation) string {
	p := &printer{}
	o := e.Object
	p.line("%s %s", o.Kind, o.Name)
	for _, f := range e.Facts {
		p.field(f.Name, f.Value)
	}
	p.b.WriteByte('\n')
	if o.Verdict == "" {
		p.field("verdict", "none: "+o.Detail)
	} else {
		p.field("verdict", fmt.Sprintf("%s (%s): %s", o.Verdict, o.Reason, o.Detail))
	}
	p.field("eligible", e.Eligible)
	title := "What keeps it"
	if o.Verdict == policy.Delete {
		title = "What lets it go"
	}
	p.rules(title, e.Rules)
	if e.Owner != nil {
		p.rules(fmt.Sprintf("It goes or stays with %s %s, of which is said", e.Owner.Kind, e.Owner.Name), e.Owner.Rules)
	}
	p.changes(e.Changes)
	p.linked(e)
	for _, s := range e.Sources {
		if !s.Complete {
			p.line("\nNot read completely: %s", s.Name)
			p.wrap(s.Error, "  ")
		}
	}
	return p.b.String()
}

// field writes a name and a value, which goes on under itself.
func (p *printer) field(name, value string) {
	const column = 16
	inner := &printer{}
	inner.wrap(value, strings.Repeat(" ", column))
	text := inner.b.String()
	if text == "" {
		return
	}
	p.b.WriteString(fmt.Sprintf("  %-*s", column-2, Clean(name)) + text[column:])
}

func (p *printer) rules(title string, rules []gc.Rule) {
	if len(rules) == 0 {
		return
	}
	p.b.WriteByte('\n')
	p.wrap(title, "")
	for _, r := range rules {
		mark := " "
		if r.Decides {
			mark = "*" // it gives the verdict
		}
		until := ""
		if r.EligibleAt.Known() {
			until = " (until " + r.EligibleAt.Time().Format(time.RFC3339) + ")"
		}
		p.line("%s %s: %s, %s%s", mark, r.Name, r.Verdict, r.Reason, until)
		p.wrap(r.Detail, "    ")
	}
}

func (p *printer) changes(changes []gc.Change) {
	if len(changes) == 0 {
		return
	}
	p.line("\nWhat would change that")
	for _, c := range changes {
		p.wrap(c.Text, "  ")
		if c.Command != "" { // on a line of its own, so that it can be copied
			p.line("    %s", c.Command)
		}
	}
}

func (p *printer) linked(e *gc.Explanation) {
	if len(e.Linked)+len(e.Links) == 0 && e.LinksError == "" {
		return
	}
	p.line("\nLinked to it")
	for _, l := range e.Linked {
		fate := ""
		if l.Verdict != "" {
			fate = fmt.Sprintf("  %s (%s)", l.Verdict, l.Reason)
		}
		p.line("  %-10s %s%s", l.Kind, l.Name, fate)
		p.wrap(l.Evidence, "             ")
	}
	for _, l := range e.Links {
		p.line("  %-10s %s", policy.CFSSession, l.CFS)
		p.wrap(fmt.Sprintf("inferred, %d of 100: sessions %s", l.Score, cmp.Or(strings.Join(l.Sessions, ", "), "none")), "             ")
		for _, evidence := range l.Evidence {
			p.wrap(evidence, "             ")
		}
		if l.Veto != "" {
			p.wrap("not acted on: "+l.Veto, "             ")
		}
	}
	if e.LinksError != "" {
		p.wrap("How CFS sessions without a tag are linked is not known: "+e.LinksError, "  ")
	}
}
