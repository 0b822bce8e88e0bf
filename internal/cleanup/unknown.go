package cleanup

import (
	"context"
	"slices"
	"strings"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/internal/suggest"
)

// shownNearest is how many IDs are offered in place of an unknown one.
const shownNearest = 3

// refuseUnknown refuses a session of which no system has a trace. Without that, a mistyped ID would be reported as
// taken apart, and whoever named it would believe that the session was gone.
func (p *Plan) refuseUnknown(ctx context.Context, proc *procedure) {
	g := proc.group
	jobs, _ := g.Jobs()
	cms, _ := g.ConfigMaps()
	traces := len(jobs) + len(cms) + len(g.CFS) + proc.Components
	if proc.Refused != "" || traces > 0 || g.Record.Presence == inventory.Present || g.V2 != inventory.Absent {
		return
	}
	if p.world.HasBOSv1 {
		if ghost, err := p.clients.BOS.HasStatus(ctx, proc.Session); ghost || err != nil {
			return // a ghost, or the delete will tell
		}
	}
	// What a session has configured has its tag for longer than anything else: clean again, after a run that was killed
	// at its very end, is no mistake.
	if tagged, err := p.clients.CFS.TaggedComponents(ctx, proc.Session); len(tagged) > 0 || err != nil {
		return
	}
	proc.Refused = "no system has anything of this ID"
	p.Objects = slices.DeleteFunc(p.Objects, func(o gc.Object) bool { return o.Session == proc.Session })
	if nearest := p.nearestSessions(proc.Session); len(nearest) > 0 {
		proc.Refused += "; did you mean one of these?\n  " + strings.Join(nearest, "\n  ")
	}
}

// nearestSessions returns the IDs most similar to one, among those that Kubernetes and CFS name. BOS is not asked for
// its list.
func (p *Plan) nearestSessions(id string) []string {
	var known []string
	for _, job := range p.world.Seen.Jobs {
		known = append(known, job.Session)
	}
	for _, cm := range p.world.Seen.ConfigMaps {
		known = append(known, cm.Name)
	}
	for _, c := range p.world.Seen.CFS {
		known = append(known, c.Tag)
	}
	slices.Sort(known)
	known = slices.DeleteFunc(slices.Compact(known), func(name string) bool { return !inventory.IsSessionID(name) })
	nearest := suggest.Nearest(id, known, func(name string) string { return name })
	return nearest[:min(len(nearest), shownNearest)]
}
