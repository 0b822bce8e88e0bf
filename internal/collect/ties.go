package collect

import (
	"context"

	"bosgc/internal/inventory"
)

// tie finds out which systems are shown to be of the same CSM as BOS. Sessions of BOS v2, and the tags of components, are
// asked for only if something is at stake and nothing else shows it.
func (c *collector) tie(ctx context.Context, w *World) {
	evidence := inventory.TieEvidence{
		Now: c.now, Grace: c.settings.OrphanGrace, CA: c.caSeen, JobTemplate: c.jobTemplateSeen,
		SameCluster: c.clients.SameCluster,
	}
	// doubted looks for ties, and reports whether more evidence could change a verdict.
	doubted := func() bool {
		w.Snapshot.Ties = inventory.FindTies(w.Snapshot, evidence)
		return w.Judge.DoubtMatters(w.Snapshot)
	}
	if !doubted() {
		return
	}
	c.askV2ForTags(ctx, w)
	if doubted() {
		evidence.Components = c.taggedByComponents(ctx)
		doubted()
	}
}

// askV2ForTags asks BOS v2 for every session that a CFS session names. Its list is read once.
func (c *collector) askV2ForTags(ctx context.Context, w *World) {
	for i, g := range w.Snapshot.Groups {
		if len(g.CFS) > 0 && g.V2 == inventory.Unknown && inventory.IsSessionID(g.ID) {
			w.Snapshot.Groups[i] = g.WithV2(c.hasV2(ctx, g.ID))
		}
	}
	c.countBOSRequests()
}

func (c *collector) hasV2(ctx context.Context, session string) inventory.Presence {
	presence, err := c.clients.BOS.V2Session(ctx, session)
	if err != nil {
		c.markIncomplete(inventory.SourceSessions, err.Error())
	}
	return presence
}

// taggedByComponents returns the sessions that the tags of components name, and whether BOS v2 has them; nil if CFS
// could not be asked.
func (c *collector) taggedByComponents(ctx context.Context) map[string]inventory.Presence {
	source := &inventory.Source{Name: inventory.SourceCFSComponents}
	before := c.clients.CFS.Requests()
	tags, err := c.clients.CFS.TaggedSessions(ctx)
	c.mu.Lock()
	c.sources[source.Name] = source
	c.recordAnswer(source.Name, len(tags), c.clients.CFS.Requests()-before, err)
	c.mu.Unlock()
	if err != nil {
		return nil
	}
	components := map[string]inventory.Presence{}
	for _, tag := range tags {
		if inventory.IsSessionID(tag) {
			components[tag] = c.hasV2(ctx, tag)
		}
	}
	c.countBOSRequests()
	return components
}
