package cleanup

import (
	"context"
	"slices"

	"bosgc/gc"
	"bosgc/internal/checkpoint"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// deleteUntagged deletes the CFS sessions without a tag that are linked to the named sessions and to no others, if such
// links are acted on. It comes before anything else is deleted: what links them is deleted with the sessions.
func (r *runner) deleteUntagged(ctx context.Context) error {
	ids, links := r.inferredLinks()
	if len(links) == 0 || r.run.Settings.CFSLink != policy.LinkInferred {
		return nil
	}
	w, err := r.readCurrent(ctx, ids...)
	if err != nil {
		return err
	}
	w.Judge.Link(w.Snapshot, links)
	pass := gc.NewPlan(w, r.clients, r.run, r.now())
	for _, session := range w.Judge.Linkable(w.Snapshot) {
		owners := w.Judge.Owners(session.Name)
		foreign := slices.ContainsFunc(owners, func(id string) bool { return !slices.Contains(ids, id) })
		if len(owners) > 0 && !foreign {
			pass.Add(gc.NewObject(w.Judge.SharedCFS(w.Named, session)))
		}
	}
	_, err = r.executePass(ctx, pass)
	return err
}

// inferredLinks returns the sessions that are still to be deleted, and their links that rest on more than a tag.
func (r *runner) inferredLinks() (ids []string, links []inventory.Link) {
	for _, proc := range r.procedures {
		if proc.Failed || !proc.checkpoint.Phase.Before(checkpoint.PhaseVerify) {
			continue
		}
		ids = append(ids, proc.Session)
		for _, l := range proc.Links {
			known := slices.ContainsFunc(links, func(other inventory.Link) bool { return other.CFS == l.CFS })
			if !l.Exact && !known {
				links = append(links, l)
			}
		}
	}
	return ids, links
}
