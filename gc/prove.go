package gc

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
	"bosgc/policy"
)

// prove asks BOS one by one for the sessions that anything names. Single sessions are answered in
// milliseconds also while the list hangs.
func (c *collection) prove(ctx context.Context) {
	if !c.seen.Evidence.Complete() {
		return // nothing of a session goes then, whatever BOS says
	}
	c.known, c.list.foundIn = map[string]inventory.Record{}, c.named(ctx)
	ids := slices.Collect(maps.Keys(c.list.foundIn))
	// In another order each time, see records.
	rand.Shuffle(len(ids), func(a, b int) { ids[a], ids[b] = ids[b], ids[a] })
	var mu sync.Mutex
	var all errgroup.Group
	all.SetLimit(c.systems.BOSConcurrency)
	asked := c.systems.pace("asking BOS for sessions one by one", len(ids))
	defer asked.end()
	for _, id := range ids {
		all.Go(func() error {
			defer asked.step()
			record, err := c.record(ctx, id)
			if err != nil {
				record = inventory.Record{Err: err.Error()}
			}
			mu.Lock()
			defer mu.Unlock()
			c.known[id] = record
			return nil
		})
	}
	_ = all.Wait() // each record holds its own error
	c.countBOS()
}

// named gives every ID that is worth a question, and what names it.
func (c *collection) named(ctx context.Context) map[string]Place {
	found := map[string]Place{}
	note := func(id string, place Place) {
		if inventory.IsSessionID(id) && found[id] == 0 {
			found[id] = place
		}
	}
	snapshot := inventory.Join(c.seen)
	judge := policy.NewJudge(snapshot, c.settings, c.now, policy.Memory{})
	running := map[string]bool{}
	for _, g := range snapshot.Groups {
		if running[g.ID] = judge.Running(g) != ""; running[g.ID] {
			continue // it stays, whatever BOS says
		}
		jobs, _ := g.Jobs()
		cms, _ := g.ConfigMaps()
		switch {
		case len(jobs) > 0:
			note(g.ID, inJobs)
		case len(cms) > 0:
			note(g.ID, inConfigMaps)
		default:
			note(g.ID, inCFS)
		}
		for _, cm := range cms { // the Job says whose it is; its own name may be a session's, too
			note(cm.Name, inConfigMaps)
		}
	}
	source := &inventory.Source{Name: inventory.SourceCFSComponents}
	before := c.systems.CFS.Requests()
	tags, err := c.systems.CFS.TaggedSessions(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sources[source.Name] = source
	c.answered(source.Name, len(tags), c.systems.CFS.Requests()-before, err)
	for _, id := range tags {
		if !running[id] {
			note(id, inComponents)
		}
	}
	return found
}

// proven are the sessions that BOS has given the record of. A session waits that has a ConfigMap of another
// name of which BOS did not say whether there is a session of that name, too: it might be that one's.
func (c *collection) proven() []string {
	unsure := map[string]bool{}
	for _, g := range inventory.Join(c.seen).Groups {
		cms, _ := g.ConfigMaps()
		for _, cm := range cms {
			if cm.Name != g.ID && c.known[cm.Name].Presence == inventory.Unknown {
				unsure[g.ID] = true
			}
		}
	}
	ids := []string{}
	for id, record := range c.known {
		if record.Presence == inventory.Present && !unsure[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
