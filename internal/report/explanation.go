package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bosgc/gc"
	"bosgc/internal/explain"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// Explanation returns what is known of one object.
func Explanation(e *explain.Explanation) string {
	p := &printer{}
	o := e.Object
	p.printLine("%s %s", o.Kind, o.Name)
	for _, f := range e.Facts {
		p.printField(f.Name, f.Value)
	}
	p.out.WriteByte('\n')
	if isJudged(o.Verdict) {
		p.printField("verdict", fmt.Sprintf("%s (%s): %s", o.Verdict, o.Reason, o.Detail))
	} else {
		p.printField("verdict", "none: "+o.Detail)
	}
	p.printField("eligible", e.Eligible)
	p.printDeletion(e.Deletion)
	title := "Why it is kept"
	if o.Verdict == policy.Delete {
		title = "Why it will be deleted"
	}
	p.printRules(title, e.Rules)
	if e.Owner != nil {
		p.printRules(fmt.Sprintf("It is deleted or kept with %s %s, whose rules are", e.Owner.Kind, e.Owner.Name), e.Owner.Rules)
	}
	p.printChanges("What would change that", e.Changes)
	p.printLinked(e)
	for _, s := range e.Sources {
		if !s.Complete {
			p.printLine("\nNot read completely: %s", s.Name)
			p.wrap(s.Error, "  ")
		}
	}
	p.printExit(gc.Document{ExitCode: e.ExitCode})
	return p.out.String()
}

// printDeletion prints what the journal has of an object that is gone.
func (p *printer) printDeletion(d *explain.Deletion) {
	if d == nil {
		return
	}
	p.printLine("\nIn the journal")
	p.printField("deleted", formatMinute(d.At)+" by run "+d.Run)
	p.printField("why", strings.TrimSuffix(d.Reason+": "+d.Detail, ": "))
	p.printField("restorable", d.Restore)
	if len(d.With) > 0 {
		p.printLine("\nDeleted by the same run")
	}
	for _, gone := range d.With {
		p.printLine("  %-10s %s", gone.Kind, gone.Name)
		p.wrap("restorable: "+gone.Restore, detailIndent)
	}
	commands := []explain.Change{{Text: "what it was", Command: "bosgc journal " + d.Run + " -o yaml"}}
	if d.Command != "" {
		commands = append(commands, explain.Change{Text: "what can be put back, and then the same without --dry-run", Command: d.Command})
	}
	p.printChanges("To see", commands)
}

// isJudged returns false for what only belongs to a session, such as a Pod.
func isJudged(v policy.Verdict) bool { return slices.Contains(policy.Verdicts(), v) }

func (p *printer) printField(name, value string) { p.printFieldAt(16, name, value) }

// printFieldAt prints a name, and a value whose lines all begin at valueColumn. An empty value is left out.
func (p *printer) printFieldAt(valueColumn int, name, value string) {
	wrapped := &printer{}
	wrapped.wrap(value, strings.Repeat(" ", valueColumn))
	text := wrapped.out.String()
	if text == "" {
		return
	}
	p.out.WriteString(fmt.Sprintf("  %-*s", valueColumn-2, Clean(name)) + text[valueColumn:])
}

func (p *printer) printRules(title string, rules []explain.Rule) {
	if len(rules) == 0 {
		return
	}
	p.out.WriteByte('\n')
	p.wrap(title, "")
	for _, r := range rules {
		marker, until := " ", ""
		if r.Decides {
			marker = "*"
		}
		if !r.EligibleAt.IsZero() {
			until = " (until " + formatTime(r.EligibleAt) + ")"
		}
		p.printLine("%s %s: %s, %s%s", marker, r.Name, r.Verdict, r.Reason, until)
		p.wrap(r.Detail, "    ")
	}
}

func (p *printer) printChanges(title string, changes []explain.Change) {
	if len(changes) == 0 {
		return
	}
	p.printLine("\n%s", title)
	for _, c := range changes {
		p.wrap(c.Text, "  ")
		if c.Command != "" { // on a line of its own, so that it can be copied
			p.printLine("    %s", c.Command)
		}
	}
}

func (p *printer) printLinked(e *explain.Explanation) {
	if len(e.Linked)+len(e.Links) == 0 && e.LinksError == "" {
		return
	}
	p.printLine("\nLinked to it")
	for _, l := range e.Linked {
		verdict := ""
		if isJudged(l.Verdict) {
			verdict = fmt.Sprintf("  %s (%s)", l.Verdict, l.Reason)
		}
		p.printLine("  %-10s %s%s", l.Kind, l.Name, verdict)
		p.wrap(l.Evidence, detailIndent)
	}
	for _, l := range e.Links {
		p.printLink(l)
	}
	if e.LinksError != "" {
		p.wrap("How CFS sessions without a tag are linked is not known: "+e.LinksError, "  ")
	}
}

func (p *printer) printLink(l inventory.Link) {
	p.printLine("  %-10s %s", policy.CFSSession, l.CFS)
	sessions := cmp.Or(strings.Join(l.Sessions, ", "), "none")
	p.wrap(fmt.Sprintf("inferred, %d of 100: sessions %s", l.Score, sessions), detailIndent)
	for _, evidence := range l.Evidence {
		p.wrap(evidence, detailIndent)
	}
	if l.Veto != "" {
		p.wrap("not acted on: "+l.Veto, detailIndent)
	}
}
