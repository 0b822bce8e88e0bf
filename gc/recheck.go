package gc

import (
	"context"
	"slices"
	"sync"
	"time"

	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/margin"
	"bosgc/policy"
)

// RecheckError means that an object could not be read again directly before its delete, and so was not tried.
type RecheckError struct {
	Source string // that did not answer
	Err    error
}

func (e *RecheckError) Error() string { return e.Err.Error() }

func (e *RecheckError) Unwrap() error { return e.Err }

// rechecker reads again, directly before each delete, what the verdict depends on.
type rechecker struct {
	clients  collect.Clients
	hasBOSv1 bool
	seen     inventory.Seen // of these sessions, but for what is listed again

	mu     sync.Mutex                  // guards what follows
	groups map[string]*inventory.Group // the sessions of which anything is to be deleted
	err    error                       // of the last try to list
	listed time.Time
}

// newRechecker takes over the sessions of which anything is to be deleted from what a plan was made of.
func newRechecker(clients collect.Clients, w *collect.World, objects []Object) *rechecker {
	r := &rechecker{clients: clients, hasBOSv1: w.HasBOSv1, seen: w.Seen, groups: map[string]*inventory.Group{}}
	due := map[string]bool{}
	for _, o := range objects {
		if o.Verdict != policy.Delete {
			continue
		}
		due[o.Session] = true
		if o.Kind == policy.CFSSession {
			for _, id := range w.Judge.Owners(o.Name) {
				due[id] = true
			}
		}
	}
	for _, g := range w.Snapshot.Groups {
		if due[g.ID] {
			r.groups[g.ID] = g
		}
	}
	// CFS sessions without a tag may belong to any session.
	r.seen.CFS = nil
	for _, c := range w.Seen.CFS {
		if c.Tag == "" || due[c.Tag] {
			r.seen.CFS = append(r.seen.CFS, c)
		}
	}
	r.seen.SessionIDs = slices.DeleteFunc(slices.Clone(r.seen.SessionIDs), func(id string) bool { return !due[id] })
	return r
}

// recheck reads once more what the verdict on one object depends on, directly before the object is deleted: the Jobs of
// its session, and the Pods of those that have not ended for good; what protects its ConfigMaps; its record in BOS. The
// object itself needs no second read in Kubernetes: it is deleted with the UID and resource version that were judged,
// and the API server refuses if anything of it has changed. It returns nil for a session of which nothing is left.
func (r *rechecker) recheck(ctx context.Context, s *sessionRun, o *Object) (*inventory.Group, error) {
	g, err := r.listedGroup(ctx, s.id)
	if err != nil || g == nil {
		return nil, err
	}
	defer r.clients.Timings.Add("deleting: look again", time.Now(), 1)
	jobs, pods, err := r.readJobs(ctx, g, s)
	if err != nil {
		return nil, err
	}
	cms, err := r.readProtection(ctx, g, s, o)
	if err != nil {
		return nil, err
	}
	if r.hasBOSv1 && !s.ended && time.Since(s.recordRead) > margin.RecordLife {
		if s.record, s.recordText, err = r.clients.BOS.GetRaw(ctx, s.id); err != nil {
			return nil, &RecheckError{inventory.SourceSessions, err}
		}
		s.recordRead = time.Now()
	}
	return g.WithConfigMaps(cms).WithLive(jobs, pods, s.record), nil
}

// listedGroup returns a session as the newest lists show it.
func (r *rechecker) listedGroup(ctx context.Context, id string) (*inventory.Group, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.listed) > margin.RelistInterval {
		// From before the lists, whose age it is. A failure is remembered for as long: otherwise each object would
		// have a server that is in trouble list everything again.
		r.listed = time.Now()
		var groups map[string]*inventory.Group
		if groups, r.err = r.relist(ctx); r.err == nil {
			r.groups = groups
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return r.groups[id], nil
}

// relist lists again what could have come to depend on a session since the plan was made.
func (r *rechecker) relist(ctx context.Context) (map[string]*inventory.Group, error) {
	defer r.clients.Timings.Add("deleting: list Jobs, Pods and CronJobs again", time.Now(), 1)
	jobs, err := r.clients.Kube.ListJobs(ctx)
	var pods, crons kube.Listing
	if err == nil {
		pods, err = r.clients.Kube.ListPods(ctx)
	}
	if err == nil {
		crons, err = r.clients.Kube.ListCronJobs(ctx)
	}
	if err != nil {
		return nil, &RecheckError{inventory.SourceJobs, err}
	}
	return r.join(jobs, pods, crons), nil
}

// join returns the sessions as these lists show them.
func (r *rechecker) join(jobs, pods, crons kube.Listing) map[string]*inventory.Group {
	seen := r.seen
	seen.ConfigMaps = nil    // others read what was joined before
	due := map[string]bool{} // sessions and ConfigMaps
	for id, before := range r.groups {
		due[id] = true
		cms, _ := before.ConfigMaps()
		seen.ConfigMaps = append(seen.ConfigMaps, cms...)
	}
	for _, cm := range seen.ConfigMaps {
		due[cm.Name] = true
	}
	// Of a large system most is not to be deleted, and joined it would take as much memory again as the plan.
	dueJobs := map[string]bool{}
	seen.Jobs = slices.DeleteFunc(jobs.Jobs, func(job inventory.Job) bool { return !due[job.Session] && !due[job.ConfigMap] })
	for _, job := range seen.Jobs {
		dueJobs[job.Name] = true
	}
	seen.Pods = slices.DeleteFunc(pods.Pods, func(pod inventory.Pod) bool { return !due[pod.Session] && !dueJobs[pod.Job] })
	seen.References = slices.DeleteFunc(slices.Concat(jobs.References, pods.References, crons.References),
		func(ref inventory.Reference) bool { return !due[ref.ConfigMap] })
	groups := make(map[string]*inventory.Group, len(r.groups))
	for _, g := range inventory.Join(seen).Groups {
		before := r.groups[g.ID]
		if cms, _ := g.ConfigMaps(); before == nil && len(cms) == 0 {
			continue // the lists have all the others as well
		}
		// A ConfigMap that another session's Job mounts by now is that session's. It is not forgotten: the next list
		// may return it, and what is noted on it protects its session.
		if before != nil {
			g = g.WithRecord(before.Record).WithV2(before.V2)
		}
		groups[g.ID] = g
	}
	return groups
}

func (r *rechecker) readJobs(
	ctx context.Context, g *inventory.Group, s *sessionRun,
) (jobs []inventory.Job, pods []inventory.Pod, err error) {
	listed, _ := g.Jobs()
	pods, _ = g.Pods()
	for _, job := range listed {
		now, err := r.readJob(ctx, s, job.Name)
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

// readJob reads a Job, and its Pods if it has not ended for good.
func (r *rechecker) readJob(ctx context.Context, s *sessionRun, name string) (now cachedRead, err error) {
	if now = s.jobs[name]; !now.fresh() {
		now = cachedRead{at: time.Now()}
		if now.job, now.presence, err = r.clients.Kube.GetJob(ctx, name); err != nil {
			return now, &RecheckError{inventory.SourceJobs, err}
		}
	}
	if now.presence == inventory.Present && !now.job.Terminal && !now.podsRead {
		listing, err := r.clients.Kube.ListJobPods(ctx, name)
		if err != nil {
			return now, &RecheckError{inventory.SourcePods, err}
		}
		now.pods, now.podsRead = listing.Pods, true
	}
	s.jobs[name] = now
	return now, nil
}

// readProtection reads the annotations of the ConfigMaps again, but for those that this run has deleted, which still
// tell how old their session is, and the one that is about to be deleted.
func (r *rechecker) readProtection(
	ctx context.Context, g *inventory.Group, s *sessionRun, o *Object,
) ([]inventory.ConfigMap, error) {
	listed, _ := g.ConfigMaps()
	var cms []inventory.ConfigMap
	for _, cm := range listed {
		if !s.deleted[cm.Name] && (o.Kind != policy.ConfigMap || o.Name != cm.Name) {
			now := s.configMaps[cm.Name]
			if !now.fresh() {
				now = cachedRead{at: time.Now()}
				var err error
				if now.keep, now.presence, err = r.clients.Kube.ReadKeep(ctx, cm.Name); err != nil {
					return nil, &RecheckError{inventory.SourceConfigMaps, err}
				}
				s.configMaps[cm.Name] = now
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
