package cleanup

import (
	"context"
	"slices"

	"bosgc/gc"
	"bosgc/internal/checkpoint"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// readLinks finds the CFS sessions that are linked to the named sessions in one way or another. All are shown; those
// without a tag are deleted too if inferred links are acted on.
func (p *Plan) readLinks(ctx context.Context) {
	if p.links = p.request.Links; p.links == nil {
		links, err := p.world.Linked(ctx, p.clients, p.run.Options)
		if err != nil {
			p.clients.Log.Warn("a fact could not be read", "error",
				"which CFS sessions are linked to the named sessions without naming one is not known: "+err.Error())
		}
		p.links = links
	}
	for _, proc := range p.procedures {
		proc.Links = slices.DeleteFunc(slices.Clone(p.links), func(l inventory.Link) bool {
			return !slices.Contains(l.Sessions, proc.Session)
		})
	}
	for _, d := range p.judgeUntagged(p.world) {
		p.Objects = append(p.Objects, gc.NewObject(d))
	}
}

// judgeUntagged judges the CFS sessions without a tag that are linked to some sessions and to no others. There are none
// unless inferred links are acted on.
func (p *Plan) judgeUntagged(w *collect.World) (decisions []policy.Decision) {
	if p.run.Settings.CFSLink != policy.LinkInferred {
		return nil
	}
	groups := map[string]*inventory.Group{}
	for _, g := range w.Snapshot.Groups { // not w.Named: their ConfigMaps have been read since
		groups[g.ID] = g
	}
	w.Judge.Link(w.Snapshot, p.links)
	for _, session := range w.Judge.Linkable(w.Snapshot) {
		owners := w.Judge.Owners(session.Name)
		foreign := slices.ContainsFunc(owners, func(id string) bool { return groups[id] == nil })
		if len(owners) > 0 && !foreign {
			decisions = append(decisions, w.Judge.SharedCFS(groups, session))
		}
	}
	return decisions
}

// deleteUntagged deletes the CFS sessions without a tag that are linked to the named sessions and to no others. It
// comes before anything else is deleted: what links them is deleted with the sessions.
func (r *runner) deleteUntagged(ctx context.Context) error {
	var ids []string
	for _, proc := range r.procedures {
		if !proc.Failed && proc.checkpoint.Phase.Before(checkpoint.PhaseVerify) {
			ids = append(ids, proc.Session)
		}
	}
	linked := slices.ContainsFunc(r.links, func(l inventory.Link) bool { return l.Strong() && !l.Exact })
	if len(ids) == 0 || !linked || r.run.Settings.CFSLink != policy.LinkInferred {
		return nil
	}
	w, err := r.readCurrent(ctx, ids...)
	if err != nil {
		return err
	}
	pass := gc.NewPlan(w, r.clients, r.run, r.now())
	for _, d := range r.judgeUntagged(w) {
		pass.Add(gc.NewObject(d))
	}
	_, err = r.executePass(ctx, pass)
	return err
}
