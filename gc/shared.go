package gc

import (
	"context"
	"slices"

	"bosgc/internal/inventory"
	"bosgc/policy"
)

// linked notes the CFS sessions that are linked to a session in one way or another. They are shown; whether one
// without a tag is acted on is said elsewhere.
func (p *Clean) linked(ctx context.Context, procedure *Procedure) {
	links, err := p.systems.Linked(ctx, procedure.Session, p.run.List)
	if err != nil {
		p.doubt(procedure, false, "which CFS sessions are linked to it without naming it is not known: "+err.Error())
	}
	procedure.Links = links
}

// shared deletes the CFS sessions without a tag that are linked to the named sessions and to no others, if such links
// are acted on. It comes before anything else is deleted: what links them goes with the sessions.
func (c *carrying) shared(ctx context.Context) error {
	var links []inventory.Link
	var ids []string
	for _, procedure := range c.Procedures {
		if procedure.failed || !procedure.mark.Phase.before(PhaseVerify) {
			continue
		}
		ids = append(ids, procedure.Session)
		for _, l := range procedure.Links {
			if !l.Exact && !slices.ContainsFunc(links, func(other inventory.Link) bool { return other.CFS == l.CFS }) {
				links = append(links, l)
			}
		}
	}
	if len(links) == 0 || c.run.Settings.CFSLink != policy.LinkInferred {
		return nil
	}
	w, err := c.now(ctx, ids...)
	if err != nil {
		return err
	}
	w.judge.Link(w.snapshot, links)
	once := &Plan{systems: c.systems, world: w, Document: Document{Run: c.Run, Sources: w.sources}}
	for _, one := range w.judge.Linkable(w.snapshot) {
		if owners := w.judge.Owners(one.Name); len(owners) > 0 && !slices.ContainsFunc(owners, func(id string) bool { return !slices.Contains(ids, id) }) {
			d := w.judge.SharedCFS(w.found, one)
			once.Objects = append(once.Objects, object(d))
			once.Summary.add(d.Verdict)
		}
	}
	return c.execute(ctx, once)
}
