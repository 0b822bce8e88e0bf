package policy

import (
	"cmp"
	"slices"
	"time"

	"bosgc/internal/inventory"
)

// facts are what the rules ask for about one object.
type facts struct {
	*sessionFacts // nil if the object names no session

	// One of these is the object, unless that is the session.
	job       *inventory.Job
	configMap *inventory.ConfigMap
	cfs       *inventory.CFSSession

	linked map[string]*inventory.Group // sessions that a CFS session without a tag may be linked to
}

// sessionFacts are what is known of a session, worked out once for all that belongs to it.
type sessionFacts struct {
	group     *inventory.Group
	activity  inventory.Activity
	end       time.Time // the latest evidence of an end; zero if there is none
	failed    bool      // the Job that finished last has failed
	recalled  bool      // that is known from an earlier sweep: the Job has gone
	start     time.Time // the latest evidence of a start; zero if there is none
	made      time.Time // if the session has no Job: when its ConfigMap was created; zero if that is not known
	template  string    // empty if unknown
	operation string    // empty if unknown
	protected *ruling   // by an annotation

	// What was decided about those that other objects may belong to; see ownerFacts.
	session Decision
	jobs    []Decision
}

// facts works out what is known of a session.
func (j *Judge) facts(g *inventory.Group) *facts {
	f := &sessionFacts{
		group: g, activity: inventory.ActivityOf(g, j.memory.Requested[g.ID] == Cancel), template: g.Record.Template,
		operation: g.Record.Operation,
	}
	f.end, f.failed = f.activity.Finished, f.activity.Failed
	if stop := g.Record.Stop.At(); stop.After(f.end) {
		f.end = stop
	}
	f.start = g.Record.Start.At()
	cms, _ := g.ConfigMaps()
	for _, cm := range cms {
		if cm.Created.At().After(f.start) {
			f.start = cm.Created.At()
		}
	}
	jobs, _ := g.Jobs()
	own := slices.IndexFunc(cms, func(cm inventory.ConfigMap) bool { return cm.Name == g.ID && cm.Fault == "" })
	if own >= 0 && len(jobs) == 0 {
		f.made = cms[own].Created.At()
	}
	for _, job := range jobs {
		if job.Fault == "" {
			f.template, f.operation = cmp.Or(job.Template, f.template), cmp.Or(job.Operation, f.operation)
		}
	}
	f.recallFailure(j.memory.Sessions[g.ID])
	f.protected = j.protection(g)
	return &facts{sessionFacts: f}
}

// ownerFacts works out what is known of a session, and judges it and its Jobs.
func (j *Judge) ownerFacts(g *inventory.Group) *facts {
	f := j.facts(g)
	f.session = j.session(f)
	f.jobs = j.judgeJobs(f)
	return f
}

// ttl returns how long a finished session is kept after its end.
func (f *sessionFacts) ttl(s Settings) time.Duration {
	if f.failed {
		return s.FailedTTL
	}
	return s.SessionTTL
}

// expiry returns the reason by which a finished session is deleted.
func (f *sessionFacts) expiry() Reason {
	if f.failed {
		return FailedExpired
	}
	return CompletedExpired
}

func (f *sessionFacts) outcome() string {
	switch {
	case f.recalled:
		return "failed, as an earlier sweep has seen by its Job,"
	case f.failed:
		return "failed"
	}
	return "finished"
}

// agedByConfigMap reports whether nothing but a ConfigMap tells how old the session is.
func (f *sessionFacts) agedByConfigMap() bool {
	return f.end.IsZero() && !f.start.IsZero() && f.group.Record.Start.At().IsZero() &&
		f.group.Record.Presence == inventory.Present
}

// age returns the time by which sessions are put in order, oldest first. A group without any
// time is a ghost or cannot be judged; the zero time puts it first, and a ghost costs
// next to nothing to delete.
func (f *sessionFacts) age() time.Time {
	age := cmp.Or(f.end, f.start)
	if age.IsZero() {
		for _, c := range f.group.CFS {
			if at := cmp.Or(c.Completion.At(), c.Start.At()); at.After(age) {
				age = at
			}
		}
	}
	return age
}
