// Package gc collects what exists, plans what goes and carries it out. It is the only
// package that deletes anything.
package gc

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/bos"
	"bosgc/cfs"
	"bosgc/inventory"
	"bosgc/kube"
	"bosgc/policy"
)

// Systems are the three systems that a session leaves something in.
type Systems struct {
	BOS  *bos.Client
	CFS  *cfs.Client
	Kube *kube.Client
	Log  *slog.Logger
	// Limits on what is asked at once, for the loops that ask one by one.
	BOSConcurrency  int
	KubeConcurrency int
}

// world is what one run knows: everything it read, joined, and the judge of it.
type world struct {
	snapshot *inventory.Snapshot
	sources  []inventory.Source
	judge    *policy.Judge
	// hasBOSv1 is false where BOS v1 is positively known to have been removed (CSM 1.6).
	hasBOSv1 bool
}

// collect reads everything. A source that fails is not an error: it is recorded as
// incomplete, and what depends on it is left alone. The error is that of the context.
func (s Systems) collect(ctx context.Context, settings policy.Settings, now time.Time) (*world, error) {
	c := &collection{systems: s, settings: settings, now: now, sources: map[string]*inventory.Source{}, hasBOSv1: true}
	for _, name := range SourceNames() {
		c.sources[name] = &inventory.Source{Name: name}
	}
	c.lists(ctx)
	w := &world{snapshot: inventory.Join(c.seen), hasBOSv1: c.hasBOSv1}
	// The records come before the judge, which ranks the sessions of each template by
	// them; bodies and BOS v2 come after it, because only the few that it would let go
	// are looked at.
	c.records(ctx, w.snapshot)
	w.judge = policy.NewJudge(w.snapshot, settings, now)
	c.bodies(ctx, w)
	c.sessionsOfV2(ctx, w)
	for _, name := range SourceNames() {
		w.sources = append(w.sources, *c.sources[name])
	}
	return w, context.Cause(ctx)
}

// SourceNames lists the places that a run reads.
func SourceNames() []string {
	return []string{
		inventory.SourceSessions, inventory.SourceJobs, inventory.SourceConfigMaps,
		inventory.SourcePods, inventory.SourceCronJobs, inventory.SourceCFSSessions,
	}
}

// collection is one reading under way.
type collection struct {
	systems  Systems
	settings policy.Settings
	now      time.Time
	hasBOSv1 bool

	mu      sync.Mutex // guards what follows
	seen    inventory.Seen
	sources map[string]*inventory.Source
}

// lists asks all lists at once. Nothing is concluded from the order in which they answer:
// what was made while they were read is younger than any grace.
func (c *collection) lists(ctx context.Context) {
	var all errgroup.Group
	for _, list := range []func(context.Context){c.listSessions, c.listCFS} {
		all.Go(func() error { list(ctx); return nil })
	}
	evidence := &c.seen.Evidence
	for _, list := range []struct {
		source   string
		read     func(context.Context) (kube.Listing, error)
		complete *bool
	}{
		{inventory.SourceJobs, c.systems.Kube.Jobs, &evidence.Jobs},
		{inventory.SourcePods, c.systems.Kube.Pods, &evidence.Pods},
		{inventory.SourceConfigMaps, c.systems.Kube.ConfigMaps, &evidence.ConfigMaps},
		{inventory.SourceCronJobs, c.systems.Kube.CronJobs, &evidence.CronJobs},
	} {
		all.Go(func() error {
			l, err := list.read(ctx)
			c.mu.Lock()
			defer c.mu.Unlock()
			c.answered(list.source, l.Count, l.Requests, err)
			if err != nil {
				return nil
			}
			*list.complete = true
			c.seen.Jobs = append(c.seen.Jobs, l.Jobs...)
			c.seen.Pods = append(c.seen.Pods, l.Pods...)
			c.seen.ConfigMaps = append(c.seen.ConfigMaps, l.ConfigMaps...)
			c.seen.References = append(c.seen.References, l.References...)
			return nil
		})
	}
	_ = all.Wait() // each list has recorded its own error
}

func (c *collection) listSessions(ctx context.Context) {
	ids, err := c.systems.BOS.List(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, bos.ErrNoV1) {
		// Not a failure: BOS v2 has answered and knows no v1. No session is listed,
		// because there are none any more.
		c.hasBOSv1, ids, err = false, nil, nil
	}
	c.answered(inventory.SourceSessions, len(ids), 0, err)
	if err == nil {
		c.seen.SessionIDs, c.seen.Unlisted = ids, inventory.Absent
	}
}

func (c *collection) listCFS(ctx context.Context) {
	sessions, err := c.systems.CFS.Sessions(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered(inventory.SourceCFSSessions, len(sessions), c.systems.CFS.Requests(), err)
	if err == nil {
		c.seen.CFS = sessions
	}
}

// answered records how a source did. The caller holds the lock.
func (c *collection) answered(name string, count, requests int, err error) {
	source := c.sources[name]
	source.Complete, source.Listed = err == nil, err == nil
	source.Requests += requests
	if err != nil {
		source.Error = err.Error()
		return
	}
	source.Count = count
}

// failed takes back that a source was complete: it could not answer for one object.
func (c *collection) failed(name string, err string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	source := c.sources[name]
	if source.Complete {
		source.Complete, source.Error = false, err
	}
}

// records asks BOS for the record of every session that cannot be judged without it: listed
// ones, and those that Kubernetes knows of but BOS does not list. The list may have been
// read a moment too early for those.
func (c *collection) records(ctx context.Context, s *inventory.Snapshot) {
	var all errgroup.Group
	all.SetLimit(c.systems.BOSConcurrency)
	for _, g := range s.Groups {
		if !c.wantsRecord(g) {
			continue
		}
		all.Go(func() error {
			record, err := c.systems.BOS.Get(ctx, g.ID)
			if err != nil {
				record = inventory.Record{Err: err.Error()}
				c.failed(inventory.SourceSessions, err.Error())
			}
			g.Record = record
			return nil
		})
	}
	_ = all.Wait() // each group holds its own error
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sources[inventory.SourceSessions].Requests = c.systems.BOS.Requests()
}

func (c *collection) wantsRecord(g *inventory.Group) bool {
	switch g.Listed {
	case inventory.Present:
	case inventory.Absent:
		jobs, _ := g.Jobs()
		cms, _ := g.ConfigMaps()
		if !c.hasBOSv1 || len(jobs)+len(cms) == 0 {
			return false
		}
	default:
		return false // nothing is concluded without the list
	}
	return policy.NeedsRecord(g, c.settings, c.now)
}

// bodies reads the content of those ConfigMaps that it decides about.
func (c *collection) bodies(ctx context.Context, w *world) {
	var all errgroup.Group
	all.SetLimit(c.systems.KubeConcurrency)
	for i, g := range w.snapshot.Groups {
		names := w.judge.NeedsBody(g)
		if len(names) == 0 {
			continue
		}
		all.Go(func() error {
			w.snapshot.Groups[i] = g.WithConfigMaps(c.read(ctx, g, names))
			return nil
		})
	}
	_ = all.Wait() // each ConfigMap holds its own error
}

func (c *collection) read(ctx context.Context, g *inventory.Group, names []string) []inventory.ConfigMap {
	seen, _ := g.ConfigMaps()
	looked := append([]inventory.ConfigMap(nil), seen...)
	for i, cm := range looked {
		for _, name := range names {
			if cm.Name != name {
				continue
			}
			looked[i] = c.systems.Kube.Body(ctx, cm)
			c.mu.Lock()
			c.sources[inventory.SourceConfigMaps].Requests++
			c.mu.Unlock()
			if looked[i].Body == inventory.BodyFailed {
				c.failed(inventory.SourceConfigMaps, looked[i].BodyFault)
			}
		}
	}
	return looked
}

// sessionsOfV2 asks BOS v2 for the tags that BOS v1 does not know.
func (c *collection) sessionsOfV2(ctx context.Context, w *world) {
	var all errgroup.Group
	all.SetLimit(c.systems.BOSConcurrency)
	for i, g := range w.snapshot.Groups {
		if !w.judge.NeedsV2(g) {
			continue
		}
		all.Go(func() error {
			presence, err := c.systems.BOS.V2Session(ctx, g.ID)
			if err != nil {
				c.failed(inventory.SourceSessions, err.Error())
			}
			fresh := *g
			fresh.V2 = presence
			w.snapshot.Groups[i] = &fresh
			return nil
		})
	}
	_ = all.Wait() // an unknown presence is kept as such
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sources[inventory.SourceSessions].Requests = c.systems.BOS.Requests()
}
