package gc

import (
	"context"
	"slices"
	"sync"
	"time"

	"bosgc/internal/bos"
	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/policy"
)

const (
	// relistEvery is how old the lists of Jobs, Pods and CronJobs may be when something is
	// deleted. They show what no question by name can: a Pod or a copy of a Job that a
	// person has started since, for an old session.
	relistEvery = time.Minute
	// recordLife is how old BOS's record of a session may be when something of it is deleted. The
	// record of a session that has ended does not change any more; it can only go.
	recordLife = 5 * time.Second
	// lookLife is how long what was read of a session's Jobs, ConfigMaps and CFS sessions serves for what else goes of
	// the session: one that is not held up is read once, and not once for each of its objects. By so much an
	// annotation can come too late for what goes before the object that bears it; that object itself is
	// deleted in no other version than was read.
	lookLife = 500 * time.Millisecond
)

// live is what is known at this moment, as far as verdicts hang on it.
type live struct {
	systems Systems
	world   *world

	mu sync.Mutex // guards what follows
	// groups are the sessions of which anything is to go, at first without what is listed again.
	groups map[string]*inventory.Group
	err    error // of the last try to list
	listed time.Time
}

// newLive takes over from what a plan was made of, which is let go: everything is listed anew, and both together
// would be the most that a run ever holds.
func newLive(systems Systems, w *world, objects []Object) *live {
	l := &live{systems: systems, world: w, groups: map[string]*inventory.Group{}}
	wanted := map[string]bool{}
	for _, o := range objects {
		if o.Verdict != policy.Delete {
			continue
		}
		wanted[o.Session] = true
		if o.Kind == policy.CFSSession {
			for _, id := range w.judge.Owners(o.Name) {
				wanted[id] = true
			}
		}
	}
	for _, g := range w.snapshot.Groups {
		if !wanted[g.ID] {
			continue
		}
		cms, _ := g.ConfigMaps()
		kept := g.WithLive(nil, nil, g.Record)
		kept.CFS = nil // or it would hold on to all that were listed
		l.groups[g.ID] = kept.WithConfigMaps(slices.Clone(cms))
	}
	w.only(wanted)
	w.snapshot, w.seen.Jobs, w.seen.Pods, w.seen.ConfigMaps = nil, nil, nil, nil
	return l
}

// only lets go of what is not of these sessions. CFS sessions without a tag are anybody's.
func (w *world) only(wanted map[string]bool) {
	of := func(c inventory.CFSSession) bool { return c.Tag == "" || wanted[c.Tag] }
	n := 0
	for _, c := range w.seen.CFS {
		if of(c) {
			n++
		}
	}
	kept := make([]inventory.CFSSession, 0, n)
	for _, c := range w.seen.CFS {
		if of(c) {
			kept = append(kept, c)
		}
	}
	w.seen.CFS = kept
	w.seen.SessionIDs = slices.DeleteFunc(slices.Clone(w.seen.SessionIDs), func(id string) bool { return !wanted[id] })
}

// unsure says that an object could not be looked at again, and so was not tried.
type unsure struct {
	source string // that did not answer
	err    error
}

func (u *unsure) Error() string { return u.err.Error() }

// begin begins with a session. What BOS said of it when the plan was made is good for the journal, too, if it has ended.
func (w *world) begin(u *unit) {
	u.jobs, u.configMaps, u.deleted = map[string]look{}, map[string]look{}, map[string]bool{}
	if w.kept == nil {
		return
	}
	if text := w.kept.records.get(u.id); text != nil {
		var err error
		u.record, err = bos.DecodeRecord(text)
		u.recordText, u.ended = text, err == nil
	}
}

// group gives a session as the newest lists show it.
func (l *live) group(ctx context.Context, id string) (*inventory.Group, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.listed) > relistEvery {
		// From before the lists, whose age it is. A failure is remembered for as long: else
		// each object would have a server that is in trouble list everything again.
		l.listed = time.Now()
		var groups map[string]*inventory.Group
		if groups, l.err = l.relist(ctx); l.err == nil {
			l.groups = groups
		}
	}
	if l.err != nil {
		return nil, l.err
	}
	return l.groups[id], nil
}

// relist lists again what could have come to hold on to a session, and joins it with the rest of
// what the plan was made of.
func (l *live) relist(ctx context.Context) (map[string]*inventory.Group, error) {
	defer l.systems.Timings.took("deleting: list Jobs, Pods and CronJobs again", time.Now(), 1)
	// One after the other: together with the plan, which is whole by now, two pages at once are the most that a run
	// ever holds.
	jobs, err := l.systems.Kube.Jobs(ctx)
	var pods, crons kube.Listing
	if err == nil {
		pods, err = l.systems.Kube.Pods(ctx)
	}
	if err == nil {
		crons, err = l.systems.Kube.CronJobs(ctx)
	}
	if err != nil {
		return nil, &unsure{inventory.SourceJobs, err}
	}
	return l.joined(jobs, pods, crons), nil
}

// joined gives the sessions as these lists show them.
func (l *live) joined(jobs, pods, crons kube.Listing) map[string]*inventory.Group {
	seen := l.world.seen
	seen.Jobs, seen.Pods = jobs.Jobs, pods.Pods
	seen.References = append(append(jobs.References, pods.References...), crons.References...)
	n := 0
	for _, before := range l.groups {
		cms, _ := before.ConfigMaps()
		n += len(cms)
	}
	seen.ConfigMaps = make([]inventory.ConfigMap, 0, n) // others read what was joined before
	for _, before := range l.groups {
		cms, _ := before.ConfigMaps()
		seen.ConfigMaps = append(seen.ConfigMaps, cms...)
	}
	groups := make(map[string]*inventory.Group, len(l.groups))
	for _, g := range inventory.Join(seen).Groups {
		before := l.groups[g.ID]
		if cms, _ := g.ConfigMaps(); before == nil && len(cms) == 0 {
			continue // the lists have all the others as well
		}
		// A ConfigMap that another session's Job mounts by now is that one's. It is not forgotten: the next list may have it
		// back, and what is noted on it protects its session.
		if before != nil {
			g.Record, g.V2 = before.Record, before.V2
		}
		groups[g.ID] = g
	}
	return groups
}

// again reads once more what the verdict on one object of a unit rests on, directly before the
// object is deleted: the Jobs of its session, and the Pods of those that have not ended for
// good; what protects its ConfigMaps; its record in BOS. The object itself needs no second
// look in Kubernetes: it is deleted with the UID and resource version that were judged, and
// the API server refuses if anything of it has changed. Nil is a session of which nothing is
// left.
func (l *live) again(ctx context.Context, u *unit, o *Object) (*inventory.Group, error) {
	g, err := l.group(ctx, u.id)
	if err != nil || g == nil {
		return nil, err
	}
	defer l.systems.Timings.took("deleting: look again", time.Now(), 1)
	jobs, pods, err := l.jobs(ctx, g, u)
	if err != nil {
		return nil, err
	}
	cms, err := l.keeps(ctx, g, u, o)
	if err != nil {
		return nil, err
	}
	if l.world.hasBOSv1 && !u.ended && time.Since(u.recordRead) > recordLife {
		if u.record, u.recordText, err = l.systems.BOS.Whole(ctx, u.id); err != nil {
			return nil, &unsure{inventory.SourceSessions, err}
		}
		u.recordRead = time.Now()
	}
	return g.WithConfigMaps(cms).WithLive(jobs, pods, u.record), nil
}

// look is what was last read of a Job or ConfigMap.
type look struct {
	at       time.Time
	presence inventory.Presence
	job      inventory.Job
	pods     []inventory.Pod // of a Job that has not ended for good
	podsRead bool
	keep     inventory.Keep
}

func (l look) fresh() bool { return time.Since(l.at) <= lookLife }

func (l *live) jobs(ctx context.Context, g *inventory.Group, u *unit) (jobs []inventory.Job, pods []inventory.Pod, err error) {
	listed, _ := g.Jobs()
	pods, _ = g.Pods()
	for _, job := range listed {
		now, err := l.job(ctx, u, job.Name)
		if err != nil {
			return nil, nil, err
		}
		if now.presence == inventory.Absent {
			continue
		}
		jobs = append(jobs, now.job)
		if !now.job.Terminal {
			pods = slices.DeleteFunc(slices.Clone(pods), func(p inventory.Pod) bool { return p.Job == job.Name })
			pods = append(pods, now.pods...)
		}
	}
	return jobs, pods, nil
}

// job reads a Job, and its Pods if it has not ended for good.
func (l *live) job(ctx context.Context, u *unit, name string) (now look, err error) {
	if now = u.jobs[name]; !now.fresh() {
		now = look{at: time.Now()}
		if now.job, now.presence, err = l.systems.Kube.Job(ctx, name); err != nil {
			return now, &unsure{inventory.SourceJobs, err}
		}
	}
	if now.presence == inventory.Present && !now.job.Terminal && !now.podsRead {
		listing, err := l.systems.Kube.PodsOf(ctx, name)
		if err != nil {
			return now, &unsure{inventory.SourcePods, err}
		}
		now.pods, now.podsRead = listing.Pods, true
	}
	u.jobs[name] = now
	return now, nil
}

// keeps reads the annotations of the ConfigMaps again, but for those that this unit has
// deleted, which still tell how old their session is, and the one that is about to go.
func (l *live) keeps(ctx context.Context, g *inventory.Group, u *unit, o *Object) ([]inventory.ConfigMap, error) {
	listed, _ := g.ConfigMaps()
	var cms []inventory.ConfigMap
	for _, cm := range listed {
		if !u.deleted[cm.Name] && (o.Kind != policy.ConfigMap || o.Name != cm.Name) {
			now := u.configMaps[cm.Name]
			if !now.fresh() {
				now = look{at: time.Now()}
				var err error
				if now.keep, now.presence, err = l.systems.Kube.Keep(ctx, cm.Name); err != nil {
					return nil, &unsure{inventory.SourceConfigMaps, err}
				}
				u.configMaps[cm.Name] = now
			}
			if now.presence == inventory.Absent {
				continue
			}
			cm.Keep = now.keep
		}
		cms = append(cms, cm)
	}
	return cms, nil
}
