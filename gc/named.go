package gc

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
	"bosgc/policy"
)

// named collects what there is of some sessions that a person has named. BOS's list is not asked for: it may
// hang (docs/csm.md, "The list that hangs"), and each session is asked for by its ID anyway. how says what is
// wanted of each, and as what it is to be judged: a session that is to be stopped can be judged as it will be then.
func (s Systems) named(ctx context.Context, r Run, ids []string, how func(*inventory.Group) (policy.Request, *inventory.Group)) (*world, error) {
	now := r.Clock().UTC()
	reading, cancel := context.WithTimeout(ctx, r.Reading)
	defer cancel()
	c := s.collection(r.Settings, now)
	var all sync.WaitGroup
	for _, list := range []func(context.Context){c.listKube, c.listCFS, c.askV1} {
		all.Go(func() { list(reading) })
	}
	all.Wait()
	c.strange(len(c.seen.Jobs) + len(c.seen.ConfigMaps))
	c.seen.Unlisted = inventory.Unknown // nobody is asked about any other session
	// What has lost its record may still have other keys: only a delete tells.
	c.seen.SessionIDs = ids
	w := &world{seen: c.seen, snapshot: inventory.Join(c.seen), hasBOSv1: c.hasBOSv1, found: map[string]*inventory.Group{}, kept: c.kept}
	w.snapshot.Groups = slices.DeleteFunc(w.snapshot.Groups, func(g *inventory.Group) bool { return !slices.Contains(ids, g.ID) })
	c.namedRecords(reading, w.snapshot)
	requested := map[string]policy.Request{}
	for i, g := range w.snapshot.Groups {
		w.found[g.ID] = g
		requested[g.ID], w.snapshot.Groups[i] = how(g)
	}
	w.judge = policy.NewJudge(w.snapshot, r.Settings, now, policy.Memory{Requested: requested, ClockDoubt: s.Kube.ClockDoubt()})
	c.bodies(reading, w)
	for _, name := range SourceNames() {
		w.sources = append(w.sources, *c.sources[name])
	}
	return w, context.Cause(ctx)
}

// askV1 asks whether there is a BOS v1 at all; its answer stands for the list of sessions.
func (c *collection) askV1(ctx context.Context) {
	presence, err := c.systems.BOS.V1(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered(inventory.SourceSessions, 0, c.systems.BOS.Requests(), err)
	c.hasBOSv1 = presence != inventory.Absent
	c.seen.V1 = presence
}

func (c *collection) namedRecords(ctx context.Context, s *inventory.Snapshot) {
	var all errgroup.Group
	all.SetLimit(c.systems.BOSConcurrency)
	for _, g := range s.Groups {
		all.Go(func() error {
			if c.hasBOSv1 {
				record, err := c.systems.BOS.Get(ctx, g.ID)
				if err != nil {
					record = inventory.Record{Err: err.Error()}
					c.failed(inventory.SourceSessions, err.Error())
				}
				g.Record = record
			}
			if g.Record.Presence != inventory.Present {
				// BOS v2 gives IDs of the same form, and writes the same tag.
				presence, err := c.systems.BOS.V2Session(ctx, g.ID)
				if err != nil {
					c.failed(inventory.SourceSessions, err.Error())
				}
				g.V2 = presence
			}
			return nil
		})
	}
	_ = all.Wait() // each group holds its own error
	c.countBOS()
}

// stopped is a group as it will be when the Jobs that BOS made for it have been stopped. What else works for
// the session goes on working.
func stopped(g *inventory.Group) *inventory.Group {
	jobs, _ := g.Jobs()
	pods, _ := g.Pods()
	ours := map[string]bool{}
	jobs = slices.Clone(jobs)
	for i, job := range jobs {
		if job.Fault == "" {
			ours[job.Name] = true
			jobs[i].Stopped = true
		}
	}
	pods = slices.DeleteFunc(slices.Clone(pods), func(p inventory.Pod) bool { return ours[p.Job] })
	return g.WithLive(jobs, pods, g.Record)
}
