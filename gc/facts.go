package gc

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
)

// facts reads what the procedure needs to know besides the objects: which nodes the session has, which
// configuration it set, on which of them. What cannot be read refuses the procedure, if it depends on it.
func (p *Clean) facts(ctx context.Context, procedure *Procedure) {
	template, presence, err := p.systems.Kube.Template(ctx, procedure.Session)
	switch {
	case err != nil:
		p.doubt(procedure, procedure.mark.Unset, "what it configured is not known: "+err.Error())
	case presence == inventory.Present:
		procedure.Template = template.Name
		p.nodes(ctx, procedure, template)
		if template.Configures(procedure.Operation) && template.Configuration != "" {
			procedure.Configurations = union(procedure.Configurations, []string{template.Configuration})
		}
	}
	p.linked(ctx, procedure)
	procedure.Configurations = union(procedure.Configurations, procedure.remembered.Configurations)
	for _, c := range procedure.group.CFS {
		// What it has had configured it has set, also where its ConfigMap does not name it or has gone.
		if c.Configuration != "" && (presence == inventory.Absent || template.Generated) {
			procedure.Configurations = union(procedure.Configurations, []string{c.Configuration})
		}
	}
	if !procedure.mark.Unset {
		return
	}
	tagged, err := p.systems.CFS.TaggedComponents(ctx, procedure.Session)
	if err != nil {
		p.doubt(procedure, true, "which components it has configured is not known: "+err.Error())
		return
	}
	procedure.Components = len(tagged)
	if len(procedure.Configurations) == 0 && slices.ContainsFunc(tagged, func(c inventory.Component) bool { return c.Desired != "" }) {
		p.doubt(procedure, true, "which configuration it has set is not known, because its ConfigMap and its CFS sessions are gone, and components still have its tag: unset theirs by hand if it is to be unset")
	}
	for _, c := range tagged {
		// Its nodes are those that BOS names. Where BOS names none any more, the tag, which nobody else writes, is proof enough.
		procedure.remembered.Nodes = union(procedure.remembered.Nodes, []string{c.ID})
		procedure.mark.Purge = procedure.mark.Purge || c.Status != "configured"
	}
	for _, c := range procedure.group.CFS {
		procedure.mark.Purge = procedure.mark.Purge || c.Status != "complete"
	}
	procedure.remembered.Configurations = procedure.Configurations
}

// doubt notes what could not be read, and refuses the procedure if it cannot do without.
func (p *Clean) doubt(procedure *Procedure, needed bool, why string) {
	p.systems.Log.Warn("a fact could not be read", "session", procedure.Session, "error", why)
	if needed && procedure.Refused == "" {
		procedure.Refused = why
	}
}

// nodes reads which nodes each boot set has. They are shown, and are what the session's CFS sessions are looked
// for by; a boot set that cannot be read any more is no reason to stop.
func (p *Clean) nodes(ctx context.Context, procedure *Procedure, template inventory.Template) {
	sets := make([]BootSet, len(template.BootSets))
	var all errgroup.Group
	all.SetLimit(p.systems.BOSConcurrency)
	for i, name := range template.BootSets {
		all.Go(func() error {
			sets[i] = BootSet{Name: name, Nodes: []string{}}
			if !p.world.hasBOSv1 {
				sets[i].Error = "there is no BOS v1 any more"
				return nil
			}
			nodes, presence, err := p.systems.BOS.Nodes(ctx, procedure.Session, name)
			switch {
			case err != nil:
				sets[i].Error = err.Error()
			case presence == inventory.Absent:
				sets[i].Error = "BOS has no status of it"
			default:
				sets[i].Nodes = nodes
			}
			if len(sets[i].Nodes) == 0 && len(template.NodeLists[name]) > 0 {
				sets[i].Nodes = slices.Sorted(slices.Values(template.NodeLists[name]))
			}
			return nil
		})
	}
	_ = all.Wait() // each boot set holds its own error
	procedure.BootSets = sets
	for _, set := range sets {
		procedure.remembered.Nodes = union(procedure.remembered.Nodes, set.Nodes)
	}
}

// outside says which components the session's own lists of nodes do not have, although its tag is on them.
func (procedure *Procedure) outside(ids []string) []string {
	var known []string
	for _, set := range procedure.BootSets {
		if set.Error != "" {
			return nil // then nobody knows
		}
		known = append(known, set.Nodes...)
	}
	if len(known) == 0 {
		return nil
	}
	slices.Sort(known)
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		_, ok := slices.BinarySearch(known, id)
		return ok
	})
}

func (p *Clean) say(procedure *Procedure, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.systems.Log.Info(text, "session", procedure.Session)
	p.want.Say(procedure.Session + ": " + text)
}
