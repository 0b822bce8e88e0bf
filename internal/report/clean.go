package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bosgc/gc"
	"bosgc/policy"
)

// Procedures shows what is known of sessions that were named, and what is or was done about them.
func Procedures(d gc.Document) string {
	p := &printer{}
	if d.Stopped != "" {
		p.line("Stopped: %s", d.Stopped)
	}
	for i, procedure := range d.Procedures {
		if i > 0 {
			p.b.WriteByte('\n')
		}
		p.procedure(d, procedure)
	}
	if d.Kind == "Report" {
		p.line("\nRun %s, exit code %d. To see what can be put back: bosgc restore %s --dry-run", d.Run, d.ExitCode, d.Run)
	}
	return p.b.String()
}

func (p *printer) line(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...) + "\n") {
		p.b.WriteString(Clean(strings.TrimSuffix(line, "\n")) + "\n")
	}
}

func (p *printer) procedure(d gc.Document, procedure *gc.Procedure) {
	p.line("Session %s (%s)", procedure.Session, procedure.Mode)
	fact := func(name, value string) {
		if value != "" {
			p.line("  %-15s %s", name, value)
		}
	}
	fact("template", procedure.Template)
	fact("operation", procedure.Operation)
	fact("started", procedure.Started)
	fact("stopped", procedure.Stopped)
	fact("runs", procedure.Running)
	fact("configuration", strings.Join(procedure.Configurations, ", "))
	for _, set := range procedure.BootSets {
		nodes := fmt.Sprintf("%d nodes", len(set.Nodes))
		if len(set.Nodes) > 0 {
			nodes += ": " + strings.Join(set.Nodes[:min(len(set.Nodes), 3)], ", ")
		}
		if len(set.Nodes) > 3 {
			nodes += ", …"
		}
		fact("boot set", set.Name+", "+cmp.Or(set.Error, nodes))
	}
	if procedure.Resumed != "" {
		fact("goes on from", string(procedure.Resumed)+", where an earlier run stopped")
	}
	p.b.WriteByte('\n')
	for _, o := range d.Objects {
		if o.Session == procedure.Session && o.Kind != policy.Component {
			p.line("  %-10s %-*s %s", o.Kind, nameWidth, o.Name, fate(o))
			if why := cmp.Or(o.Error, map[bool]string{true: o.Detail}[o.Verdict != policy.Delete || o.Outcome == gc.Skipped]); why != "" {
				p.line("             %s", why)
			}
		}
	}
	p.components(d, procedure.Session)
	for _, link := range procedure.Links {
		if link.Exact {
			continue // it is listed above
		}
		how := "strong"
		if link.Veto != "" {
			how = "in doubt"
		}
		p.line("  linked     %-*s %s, %d of 100", nameWidth, link.CFS, how, link.Score)
		p.line("             %s", cmp.Or(link.Veto, strings.Join(link.Evidence, "; ")))
	}
	if procedure.Refused != "" {
		p.line("\n  Refused: %s", procedure.Refused)
		return
	}
	p.b.WriteByte('\n')
	for i, s := range procedure.Steps {
		p.line("  %d. %-8s %s", i+1, cmp.Or(string(s.Outcome), string(s.Phase)), s.Detail)
		if s.Error != "" {
			p.line("              %s", s.Error)
		}
	}
}

// fate is what becomes of an object, in one word or two.
func fate(o gc.Object) string {
	switch {
	case o.Outcome != "":
		return string(o.Outcome)
	case o.Verdict == policy.Delete:
		return "goes"
	}
	return "stays (" + o.Reason.String() + ")"
}

// components counts what became of desired configurations, and names those that were left.
func (p *printer) components(d gc.Document, session string) {
	counts := map[string][]gc.Object{}
	for _, o := range d.Objects {
		if o.Kind == policy.Component && o.Session == session {
			why := o.Detail
			if o.Outcome == gc.Failed {
				why = cmp.Or(o.Error, o.Detail)
			}
			key := why
			if o.Outcome != gc.Deleted {
				key = string(o.Outcome) + ": " + why
			}
			counts[key] = append(counts[key], o)
		}
	}
	var keys []string
	for key := range counts {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		all := counts[key]
		names := []string{}
		for _, o := range all[:min(len(all), 3)] {
			names = append(names, o.Name)
		}
		if len(all) > 3 {
			names = append(names, "…")
		}
		p.line("  Component  %d (%s)", len(all), strings.Join(names, ", "))
		p.line("             %s", key)
	}
}
