package collect

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
	"bosgc/policy"
)

// Sessions collects what exists of some sessions that a person has named. BOS's list is not asked for: it may hang
// (docs/csm.md, "The list that hangs"), and each session is asked for by its ID anyway. request returns what is
// wanted of each, and as what it is to be judged: a session that is to be stopped can be judged as it will be then.
// The error is that of the context.
func (clients Clients) Sessions(
	ctx context.Context, o Options, ids []string, request func(*inventory.Group) (policy.Request, *inventory.Group),
) (*World, error) {
	now := o.Clock().UTC()
	reading, cancel := context.WithTimeout(ctx, o.ReadTimeout)
	defer cancel()
	c := newCollector(clients, o.Settings, now)
	var all sync.WaitGroup
	for _, list := range []func(context.Context){c.listKubernetes, c.listCFS, c.askForV1} {
		all.Go(func() { list(reading) })
	}
	all.Wait()
	c.distrustNamespace()
	c.seen.Unlisted = inventory.Unknown // nobody is asked about any other session
	// What has lost its record may still have other keys: only a delete tells.
	c.seen.SessionIDs = ids
	w := &World{
		Seen: c.seen, Snapshot: inventory.Join(c.seen), HasBOSv1: c.hasBOSv1,
		Named: map[string]*inventory.Group{}, cached: c.cached, Versions: c.versions,
	}
	w.Snapshot.Groups = slices.DeleteFunc(w.Snapshot.Groups, func(g *inventory.Group) bool {
		return !slices.Contains(ids, g.ID)
	})
	c.readNamed(reading, w.Snapshot)
	requested := map[string]policy.Request{}
	for i, g := range w.Snapshot.Groups {
		w.Named[g.ID] = g
		requested[g.ID], w.Snapshot.Groups[i] = request(g)
	}
	memory := policy.Memory{Memory: o.Memory, Requested: requested, ClockDoubt: clients.Kube.ClockDoubt()}
	w.Judge = policy.NewJudge(w.Snapshot, o.Settings, now, memory)
	newConfigMapReader(c).readNeeded(reading, w.Snapshot, w.Judge)
	for _, name := range SourceNames() {
		w.Sources = append(w.Sources, *c.sources[name])
	}
	return w, context.Cause(ctx)
}

// askForV1 asks whether there is a BOS v1 at all; its answer stands for the list of sessions.
func (c *collector) askForV1(ctx context.Context) {
	presence, err := c.clients.BOS.V1(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recordAnswer(inventory.SourceSessions, 0, c.clients.BOS.Requests(), err)
	c.hasBOSv1 = presence != inventory.Absent
	c.seen.V1 = presence
}

// readNamed asks BOS v1 for the records of the named sessions, and v2 for those that v1 does not have: it gives IDs
// of the same form, and writes the same tag.
func (c *collector) readNamed(ctx context.Context, s *inventory.Snapshot) {
	var all errgroup.Group
	all.SetLimit(c.clients.BOSConcurrency)
	for i, g := range s.Groups {
		all.Go(func() error {
			if c.hasBOSv1 {
				record, err := c.clients.BOS.Get(ctx, g.ID)
				if err != nil {
					record = inventory.Record{Err: err.Error()}
					c.markIncomplete(inventory.SourceSessions, err.Error())
				}
				g = g.WithRecord(record)
			}
			if g.Record.Presence != inventory.Present {
				presence, err := c.clients.BOS.V2Session(ctx, g.ID)
				if err != nil {
					c.markIncomplete(inventory.SourceSessions, err.Error())
				}
				g = g.WithV2(presence)
			}
			s.Groups[i] = g
			return nil
		})
	}
	_ = all.Wait() // each group holds its own error
	c.countBOSRequests()
}
