package gc

import (
	"context"
	"time"

	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/live"
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

// rechecker finds out again, directly before each delete, what the verdict depends on.
type rechecker struct {
	clients  collect.Clients
	hasBOSv1 bool
	sessions *live.View // nil if nothing is to be deleted
}

// newRechecker begins to watch the sessions of which anything is to be deleted.
func newRechecker(ctx context.Context, clients collect.Clients, w *collect.World, objects []Object) *rechecker {
	r := &rechecker{clients: clients, hasBOSv1: w.HasBOSv1}
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
	if delete(due, ""); len(due) > 0 {
		r.sessions = live.Start(ctx, clients.Kube, clients.Log, w.Snapshot, w.Seen, w.Versions, due)
	}
	return r
}

func (r *rechecker) stop() {
	if r.sessions != nil {
		r.sessions.Stop()
	}
}

// recheck returns what the verdict on one object depends on as it is directly before the object is deleted: Jobs and
// Pods, which are watched; what protects its ConfigMaps; its record in BOS. The object itself needs no second read in
// Kubernetes: it is deleted with the UID and resource version that were judged, and the API server refuses if anything
// of it has changed. It returns nil for a session of which nothing is left.
func (r *rechecker) recheck(ctx context.Context, s *sessionRun, o *Object) (*inventory.Group, error) {
	defer r.clients.Timings.Add("deleting: look again", time.Now(), 1)
	g, err := r.sessions.Group(ctx, s.id)
	switch {
	case err != nil:
		return nil, &RecheckError{inventory.SourceJobs, err}
	case g == nil:
		return nil, nil
	}
	jobs := s.newestJobs(g)
	pods, _ := g.Pods()
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

// newestJobs returns the Jobs of a session. What was read of one for the journal counts for as long as it is fresh:
// events of a watch can be late.
func (s *sessionRun) newestJobs(g *inventory.Group) []inventory.Job {
	watched, _ := g.Jobs()
	newest := make([]inventory.Job, 0, len(watched))
	for _, job := range watched {
		switch read := s.jobs[job.Name]; {
		case !read.fresh():
			newest = append(newest, job)
		case read.presence == inventory.Present:
			newest = append(newest, read.job)
		}
	}
	return newest
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
