package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// detailIndent puts a detail under the names in a list of objects.
const detailIndent = "             "

// namesShown is how many names of a long list are shown.
const namesShown = 3

// Procedures returns what is known of sessions that were named, and what is or was done about them.
func Procedures(d gc.Document) string {
	p := &printer{}
	if d.Stopped != "" {
		p.printLine("Stopped: %s", d.Stopped)
	}
	for i, procedure := range d.Procedures {
		if i > 0 {
			p.out.WriteByte('\n')
		}
		p.printProcedure(d, procedure)
	}
	if d.Kind == "Report" {
		p.printLine("\nRun %s, exit code %d. To see what can be put back: bosgc restore %s --dry-run",
			d.Run, d.ExitCode, d.Run)
	}
	return p.out.String()
}

// fact is one thing that is known of a session.
type fact struct{ name, value string }

func (p *printer) printProcedure(d gc.Document, procedure *gc.Procedure) {
	p.printSessionFacts(procedure)
	p.out.WriteByte('\n')
	components := map[string][]string{} // their names, by what became of them
	for _, o := range d.Objects {
		switch {
		case o.Session != procedure.Session:
		case o.Kind == policy.Component:
			fate := componentFate(o)
			components[fate] = append(components[fate], o.Name)
		default:
			p.printProcedureObject(o)
		}
	}
	p.printComponents(components)
	p.printInferredLinks(procedure.Links)
	if procedure.Refused != "" {
		p.printLine("\n  Refused: %s", procedure.Refused)
		return
	}
	p.out.WriteByte('\n')
	for i, step := range procedure.Steps {
		p.printLine("  %d. %-8s %s", i+1, cmp.Or(string(step.Outcome), string(step.Phase)), step.Detail)
		if step.Error != "" {
			p.printLine("              %s", step.Error)
		}
	}
}

func (p *printer) printSessionFacts(procedure *gc.Procedure) {
	p.printLine("Session %s (%s)", procedure.Session, procedure.Mode)
	facts := []fact{
		{"template", procedure.Template},
		{"operation", procedure.Operation},
		{"started", procedure.Started},
		{"stopped", procedure.Stopped},
		{"runs", procedure.Running},
		{"configuration", strings.Join(procedure.Configurations, ", ")},
	}
	for _, set := range procedure.BootSets {
		facts = append(facts, fact{"boot set", set.Name + ", " + cmp.Or(set.Error, describeNodes(set.Nodes))})
	}
	if procedure.Resumed != "" {
		facts = append(facts, fact{"goes on from", string(procedure.Resumed) + ", where an earlier run stopped"})
	}
	if procedure.Ignored != "" {
		facts = append(facts, fact{
			"starts over", "the state knows nothing of run " + procedure.Ignored + ", which its Job says has begun this",
		})
	}
	for _, f := range facts {
		if f.value != "" {
			p.printLine("  %-15s %s", f.name, f.value)
		}
	}
}

func describeNodes(nodes []string) string {
	count := fmt.Sprintf("%d nodes", len(nodes))
	if len(nodes) == 0 {
		return count
	}
	return count + ": " + firstNames(nodes)
}

// firstNames returns the first of some names. All of them are in the JSON.
func firstNames(names []string) string {
	if len(names) <= namesShown {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:namesShown], ", ") + ", …"
}

func (p *printer) printProcedureObject(o gc.Object) {
	fate := "kept (" + fmt.Sprint(o.Reason) + ")"
	switch {
	case o.Outcome != "":
		fate = string(o.Outcome)
	case o.Verdict == policy.Delete:
		fate = "will be deleted"
	}
	p.printLine("  %-10s %-*s %s", o.Kind, nameWidth, o.Name, fate)
	detail := o.Error
	if detail == "" && (o.Verdict != policy.Delete || o.Outcome == gc.Skipped) {
		detail = o.Detail
	}
	if detail != "" {
		p.printLine(detailIndent+"%s", detail)
	}
}

// componentFate returns what became of a desired configuration, and why.
func componentFate(o gc.Object) string {
	switch o.Outcome {
	case gc.Deleted, "":
		return o.Detail
	case gc.Failed:
		return string(o.Outcome) + ": " + cmp.Or(o.Error, o.Detail)
	default:
		return string(o.Outcome) + ": " + o.Detail
	}
}

func (p *printer) printComponents(namesByFate map[string][]string) {
	for _, fate := range slices.Sorted(maps.Keys(namesByFate)) {
		names := namesByFate[fate]
		p.printLine("  Component  %d (%s)", len(names), firstNames(names))
		p.printLine(detailIndent+"%s", fate)
	}
}

func (p *printer) printInferredLinks(links []inventory.Link) {
	for _, link := range links {
		if link.Exact { // it is in the list of objects
			continue
		}
		how := "strong"
		if link.Veto != "" {
			how = "in doubt"
		}
		p.printLine("  linked     %-*s %s, %d of 100", nameWidth, link.CFS, how, link.Score)
		p.printLine(detailIndent+"%s", cmp.Or(link.Veto, strings.Join(link.Evidence, "; ")))
	}
}
