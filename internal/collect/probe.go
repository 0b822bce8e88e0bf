package collect

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

// probe asks BOS one by one for the sessions that anything names, and returns what named each. Single sessions are
// answered in milliseconds also while the list hangs.
func (r *recordReader) probe(ctx context.Context) map[string]Place {
	if !r.seen.Evidence.Complete() {
		return nil // nothing of a session is deleted then, whatever BOS says
	}
	r.known = map[string]inventory.Record{}
	foundIn := r.findNamed(ctx)
	ids := slices.Collect(maps.Keys(foundIn))
	// In another order each time, see readNeeded.
	rand.Shuffle(len(ids), func(a, b int) { ids[a], ids[b] = ids[b], ids[a] })
	var mu sync.Mutex
	var all errgroup.Group
	all.SetLimit(r.clients.BOSConcurrency)
	task := r.clients.StartTask("asking BOS for sessions one by one", len(ids))
	defer task.End()
	for _, id := range ids {
		all.Go(func() error {
			defer task.Step()
			record, err := r.read(ctx, id)
			if err != nil {
				record = inventory.Record{Err: err.Error()}
			}
			mu.Lock()
			defer mu.Unlock()
			r.known[id] = record
			return nil
		})
	}
	_ = all.Wait() // each record holds its own error
	r.countBOSRequests()
	return foundIn
}

// findNamed returns every ID that is worth a question, and what names it.
func (r *recordReader) findNamed(ctx context.Context) map[string]Place {
	found := map[string]Place{}
	note := func(id string, place Place) {
		if inventory.IsSessionID(id) && found[id] == "" {
			found[id] = place
		}
	}
	snapshot := inventory.Join(r.seen)
	judge := policy.NewJudge(snapshot, r.settings, r.now, policy.Memory{})
	running := map[string]bool{}
	for _, g := range snapshot.Groups {
		if running[g.ID] = judge.Running(g) != ""; running[g.ID] {
			continue // it is kept, whatever BOS says
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
	before := r.clients.CFS.Requests()
	tags, err := r.clients.CFS.TaggedSessions(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources[source.Name] = source
	r.recordAnswer(source.Name, len(tags), r.clients.CFS.Requests()-before, err)
	for _, id := range tags {
		if !running[id] {
			note(id, inComponents)
		}
	}
	return found
}

// present returns the sessions of which BOS has the record. A session is left out that has a ConfigMap of another
// name of which BOS did not say whether there is a session of that name, too: it might be that one's.
func (r *recordReader) present() []string {
	ambiguous := map[string]bool{}
	for _, g := range inventory.Join(r.seen).Groups {
		cms, _ := g.ConfigMaps()
		for _, cm := range cms {
			if cm.Name != g.ID && r.known[cm.Name].Presence == inventory.Unknown {
				ambiguous[g.ID] = true
			}
		}
	}
	ids := []string{}
	for id, record := range r.known {
		if record.Presence == inventory.Present && !ambiguous[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
