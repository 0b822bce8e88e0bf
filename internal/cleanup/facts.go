package cleanup

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"bosgc/gc"
	"bosgc/internal/checkpoint"
	"bosgc/internal/inventory"
)

// readFacts reads what the procedure needs to know besides the objects: which nodes the session has, which
// configuration it set, and on which of them. What cannot be read refuses the procedure, if it depends on it.
func (p *Plan) readFacts(ctx context.Context, proc *procedure) {
	template, presence, err := p.clients.Kube.ReadTemplate(ctx, proc.Session)
	switch {
	case err != nil:
		p.noteUnread(proc, proc.checkpoint.Unset, "what it configured is not known: "+err.Error())
	case presence == inventory.Present:
		proc.Template = template.Name
		p.readNodes(ctx, proc, template)
		if template.Configures(proc.Operation) && template.Configuration != "" {
			proc.Configurations = checkpoint.Union(proc.Configurations, []string{template.Configuration})
		}
	}
	proc.Configurations = checkpoint.Union(proc.Configurations, proc.facts.Configurations)
	for _, c := range proc.group.CFS {
		// What a CFS session of it was to configure it has set, also where its ConfigMap does not name it or has gone.
		if c.Configuration != "" && (presence == inventory.Absent || template.Generated) {
			proc.Configurations = checkpoint.Union(proc.Configurations, []string{c.Configuration})
		}
	}
	if proc.checkpoint.Unset {
		p.readTagged(ctx, proc)
	}
}

// readTagged reads which components the session has configured, and whether the batcher may still have something of it.
func (p *Plan) readTagged(ctx context.Context, proc *procedure) {
	tagged, err := p.clients.CFS.TaggedComponents(ctx, proc.Session)
	if err != nil {
		p.noteUnread(proc, true, "which components it has configured is not known: "+err.Error())
		return
	}
	proc.Components = len(tagged)
	configured := slices.ContainsFunc(tagged, func(c inventory.Component) bool { return c.Desired != "" })
	if len(proc.Configurations) == 0 && configured {
		p.noteUnread(proc, true, "which configuration it has set is not known, because its ConfigMap and its CFS sessions are "+
			"gone, and components still have its tag: unset theirs by hand if it is to be unset")
	}
	for _, c := range tagged {
		// Its nodes are those that BOS names. Where BOS names none any more, the tag, which nobody else writes, is
		// proof enough.
		proc.facts.Nodes = checkpoint.Union(proc.facts.Nodes, []string{c.ID})
		proc.checkpoint.Purge = proc.checkpoint.Purge || c.Status != "configured"
	}
	for _, c := range proc.group.CFS {
		proc.checkpoint.Purge = proc.checkpoint.Purge || c.Status != "complete"
	}
	proc.facts.Configurations = proc.Configurations
	proc.tagged = tagged
}

// noteUnread notes what could not be read, and refuses the procedure if it cannot do without.
func (p *Plan) noteUnread(proc *procedure, needed bool, why string) {
	p.clients.Log.Warn("a fact could not be read", "session", proc.Session, "error", why)
	if needed && proc.Refused == "" {
		proc.Refused = why
	}
}

// readNodes reads which nodes each boot set has. They are shown, and the session's CFS sessions are looked for by them;
// a boot set that cannot be read any more is no reason to stop.
func (p *Plan) readNodes(ctx context.Context, proc *procedure, template inventory.Template) {
	sets := make([]gc.BootSet, len(template.BootSets))
	var all errgroup.Group
	all.SetLimit(p.clients.BOSConcurrency)
	for i, name := range template.BootSets {
		all.Go(func() error {
			sets[i] = p.readBootSet(ctx, proc.Session, name)
			if len(sets[i].Nodes) == 0 && len(template.NodeLists[name]) > 0 {
				sets[i].Nodes = slices.Sorted(slices.Values(template.NodeLists[name]))
			}
			return nil
		})
	}
	_ = all.Wait() // each boot set holds its own error
	proc.BootSets = sets
	for _, set := range sets {
		proc.facts.Nodes = checkpoint.Union(proc.facts.Nodes, set.Nodes)
	}
}

func (p *Plan) readBootSet(ctx context.Context, session, name string) gc.BootSet {
	set := gc.BootSet{Name: name, Nodes: []string{}}
	if !p.world.HasBOSv1 {
		set.Error = "there is no BOS v1 any more"
		return set
	}
	nodes, presence, err := p.clients.BOS.Nodes(ctx, session, name)
	switch {
	case err != nil:
		set.Error = err.Error()
	case presence == inventory.Absent:
		set.Error = "BOS has no status of it"
	default:
		set.Nodes = nodes
	}
	return set
}

// unlistedNodes returns those components that the session's own lists of nodes do not have, although its tag is on
// them.
func (proc *procedure) unlistedNodes(ids []string) []string {
	var listed []string
	for _, set := range proc.BootSets {
		if set.Error != "" {
			return nil // then nobody knows
		}
		listed = append(listed, set.Nodes...)
	}
	if len(listed) == 0 {
		return nil
	}
	slices.Sort(listed)
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		_, ok := slices.BinarySearch(listed, id)
		return ok
	})
}

func (p *Plan) say(proc *procedure, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.clients.Log.Info(text, "session", proc.Session)
	p.request.Say(proc.Session + ": " + text)
}
