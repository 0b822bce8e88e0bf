// Package gc collects what exists, plans what goes and carries it out. It is the only
// package that deletes anything.
package gc

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/bos"
	"bosgc/internal/bosetcd"
	"bosgc/internal/cfs"
	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/state"
	"bosgc/policy"
)

// Systems are the three systems that a session leaves something in.
type Systems struct {
	BOS  *bos.Client
	CFS  *cfs.Client
	Kube *kube.Client
	Keys *bosetcd.Reader // nil: BOS's etcd is not to be read
	Log  *slog.Logger
	// Watch is told how far long work has come, by one step after the other; nil: the log is, now and then.
	Watch func(Progress)
	// Limits on what is asked at once, for the loops that ask one by one.
	BOSConcurrency  int
	CFSConcurrency  int
	KubeConcurrency int
	Timings         *Timings // nil: nobody wants to know
}

// world is what one run knows: everything it read, joined, and the judge of it.
type world struct {
	seen      inventory.Seen
	snapshot  *inventory.Snapshot
	sources   []inventory.Source
	judge     *policy.Judge
	found     map[string]*inventory.Group // sessions that were named, as they are now
	requested map[string]policy.Request   // by session: procedures that a person began, and that did not end
	// hasBOSv1 is false where BOS v1 is positively known to have been removed (CSM 1.6).
	hasBOSv1 bool
	list     *SessionList
	kept     *kept
	links    []inventory.Link // none unless inferred ones are acted on, and there may be any
}

// collect reads everything, and takes at most as long as limit over it. A source that fails,
// or is too slow, is not an error: it is recorded as incomplete, and what depends on it is
// left alone. So a system that is too slow to be read in one run is still collected bit by
// bit. The error is that of the context.
func (s Systems) collect(ctx context.Context, r Run, now time.Time) (*world, error) {
	begun, limit := time.Now(), r.Reading
	tooLate := fmt.Errorf("reading took longer than %s, half of BOSGC_DEADLINE", limit)
	reading, cancel := context.WithTimeoutCause(ctx, limit, tooLate)
	defer cancel()
	c := s.collection(r.Settings, now)
	c.hung, c.askAll = r.Hung, r.AskAll
	c.reading = s.pace("reading the lists of BOS, CFS and Kubernetes", len(SourceNames()))
	c.lists(reading)
	recording, enough := context.WithDeadlineCause(reading, begun.Add(limit*3/4), tooLate)
	defer enough()
	asked := time.Now()
	c.sessions(reading, recording, r.List)
	s.Timings.took("reading: "+inventory.SourceSessions, asked, len(c.seen.SessionIDs))
	c.reading.end()
	c.doubt()
	joining := time.Now()
	w := &world{seen: c.seen, snapshot: inventory.Join(c.seen), hasBOSv1: c.hasBOSv1, list: c.list, kept: c.kept}
	s.Timings.Took("joining", joining)
	w.seen.References, c.seen.References = nil, nil // the snapshot has what they say
	// The records come before the judge, which ranks the sessions of each template by
	// them; bodies and BOS v2 come after it, because only the few that it would let go
	// are looked at.
	// What BOS is too slow for is left for the next run; but some time must remain for the
	// bodies, or nothing could be concluded from the records that were read.
	w.requested = unfinished(w.snapshot, s.Log)
	c.requested = w.requested
	c.readAhead(recording, w.snapshot, policy.NewJudge(&inventory.Snapshot{}, r.Settings, now, policy.Memory{Requested: w.requested}))
	c.records(recording, w.snapshot)
	c.ahead.end()
	c.contradicted(w)
	then := r.Clock() // a time holds what the clock shows and, besides, a count that nobody can set
	memory := policy.Memory{Sightings: r.Sightings, Requested: w.requested, ClockDoubt: cmp.Or(s.Kube.ClockDoubt(), stepped(then.Round(0).Sub(now.Round(0)), then.Sub(now)))}
	judging := time.Now()
	w.judge = policy.NewJudge(w.snapshot, r.Settings, now, memory)
	s.Timings.Took("ranking the sessions of each template", judging)
	c.bodies(reading, w)
	c.sessionsOfV2(reading, w)
	c.links(reading, w)
	w.judge.Guard(w.snapshot)
	c.kept.close()
	for _, name := range SourceNames() {
		w.sources = append(w.sources, *c.sources[name])
	}
	if source := c.sources[inventory.SourceCFSComponents]; source != nil {
		w.sources = append(w.sources, *source)
	}
	return w, context.Cause(ctx)
}

// stepped says that the clock was set while things were read: then nobody knows by which of the two
// settings they are as old as they look. shown is how far the clock went on, counted how much time
// has passed.
func stepped(shown, counted time.Duration) string {
	if step := (shown - counted).Abs(); step > time.Minute {
		return fmt.Sprintf("this machine's clock was set by %s while everything was read", step.Round(time.Second))
	}
	return ""
}

// suspicious is how many Jobs and ConfigMaps of sessions make an empty list of sessions hard
// to believe. A database that was wiped, or restored from an old copy, looks like that.
const suspicious = 20

// doubt takes back the word of a source that answered, where another one contradicts it.
func (c *collection) doubt() {
	traces := len(c.seen.Jobs) + len(c.seen.ConfigMaps)
	if c.hasBOSv1 && c.seen.Unlisted == inventory.Absent && len(c.seen.SessionIDs) == 0 && traces >= suspicious {
		c.seen.Unlisted = inventory.Unknown
		c.failed(inventory.SourceSessions, fmt.Sprintf("BOS lists no session at all, but Kubernetes has %d Jobs and ConfigMaps of sessions; was its database wiped or restored?", traces))
	}
	c.strange(traces)
	// Sessions of which not one has left anything here are those of another system, or of another namespace: what
	// runs for them, and what keeps them, is where nobody has looked.
	known := c.traces()
	traced := slices.ContainsFunc(c.seen.SessionIDs, func(id string) bool { return known[id] })
	if n := len(c.seen.SessionIDs); n > 0 && c.seen.Evidence.ConfigMaps && !traced {
		c.seen.Evidence.ConfigMaps = false
		c.failed(inventory.SourceConfigMaps, fmt.Sprintf("BOS has %d sessions, and not one of them has a Job or ConfigMap in this namespace; check BOSGC_NAMESPACE, BOSGC_BOS_URL and the kubeconfig's context", n))
	}
}

// strange takes back that all ConfigMaps were read, where this is no namespace of BOS.
func (c *collection) strange(traces int) {
	// An API server answers for a namespace that does not exist as for an empty one. In the
	// wrong one, or in another cluster, there is no Job to say that a session runs, and no
	// annotation to keep it.
	if c.seen.Evidence.ConfigMaps && !c.ca && traces == 0 {
		c.seen.Evidence.ConfigMaps = false
		c.failed(inventory.SourceConfigMaps, "nothing in this namespace is of BOS, not even the ConfigMap with the system's CA; check BOSGC_NAMESPACE and the kubeconfig's context")
	}
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
	ca       bool              // the ConfigMap with the system's CA was seen
	reading  *pace             // of the lists; nil: nobody is told
	hung     func(*state.Hang) // see Run
	askAll   bool              // see Run

	requested map[string]policy.Request // see world

	mu      sync.Mutex // guards what follows
	seen    inventory.Seen
	sources map[string]*inventory.Source

	list   *SessionList
	known  map[string]inventory.Record // of sessions that were asked for without a list
	weight int64                       // of a session in BOS's list, estimated; 0 before
	keys   *bosetcd.Keys               // nil without an etcd that could be read
	noEtcd error                       // why BOS's etcd could not be read

	kept   *kept // see world
	ahead  *ahead
	looked map[string]inventory.ConfigMap // that were read ahead, by name
}

func (s Systems) collection(settings policy.Settings, now time.Time) *collection {
	c := &collection{systems: s, settings: settings, now: now, sources: map[string]*inventory.Source{}, hasBOSv1: true, kept: new(kept), looked: map[string]inventory.ConfigMap{}}
	for _, name := range SourceNames() {
		c.sources[name] = &inventory.Source{Name: name}
	}
	return c
}

// lists asks all lists but BOS's at once, and its etcd. Nothing is concluded from the order in which they answer:
// what was made while they were read is younger than any grace.
func (c *collection) lists(ctx context.Context) {
	var all errgroup.Group
	for _, list := range []func(context.Context){c.listCFS, c.listKube, c.readKeys} {
		all.Go(func() error { list(ctx); return nil })
	}
	_ = all.Wait() // each list has recorded its own error
}

func (c *collection) listKube(ctx context.Context) {
	var all errgroup.Group
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
			begun := time.Now()
			l, err := list.read(ctx)
			c.systems.Timings.took("reading: "+list.source, begun, l.Count)
			c.reading.step()
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
			c.ca = c.ca || l.CA
			return nil
		})
	}
	_ = all.Wait() // each list has recorded its own error
}

func (c *collection) listCFS(ctx context.Context) {
	begun := time.Now()
	sessions, err := c.systems.CFS.Overview(ctx)
	c.systems.Timings.took("reading: "+inventory.SourceCFSSessions, begun, len(sessions))
	c.reading.step()
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

// sessionsOfV2 asks BOS v2 for the tags that BOS v1 does not know.
func (c *collection) sessionsOfV2(ctx context.Context, w *world) {
	var all errgroup.Group
	all.SetLimit(c.systems.BOSConcurrency)
	var wanted []int
	for i, g := range w.snapshot.Groups {
		if w.judge.NeedsV2(g) {
			wanted = append(wanted, i)
		}
	}
	asked := c.systems.pace("asking BOS v2 for sessions", len(wanted))
	defer asked.end()
	for _, i := range wanted {
		g := w.snapshot.Groups[i]
		all.Go(func() error {
			defer asked.step()
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
	c.countBOS()
}
