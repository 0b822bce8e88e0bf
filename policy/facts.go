package policy

import (
	"cmp"
	"slices"
	"time"

	"bosgc/internal/inventory"
)

// facts are what the rules want to know about a group, worked out once.
type facts struct {
	group    *inventory.Group
	life     life
	end      time.Time // the latest evidence of an end; zero if there is none
	failed   bool      // the Job that finished last has failed
	start    time.Time // the latest evidence of a start; zero if there is none
	made     time.Time // of a session without any Job, when its ConfigMap was made; zero if that is not known
	template string
	keep     *ruling // what an annotation says
}

func (j *Judge) facts(g *inventory.Group) *facts {
	f := &facts{group: g, life: liveness(g, j.memory.Requested[g.ID] == Cancel), template: g.Record.Template}
	f.end, f.failed = f.life.finished, f.life.failed
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
	if i := slices.IndexFunc(cms, func(cm inventory.ConfigMap) bool { return cm.Name == g.ID && cm.Fault == "" }); i >= 0 && len(jobs) == 0 {
		f.made = cms[i].Created.At()
	}
	for _, job := range jobs {
		if job.Fault == "" && job.Template != "" {
			f.template = job.Template
		}
	}
	f.keep = j.protection(g)
	return f
}

// ttl is how long a finished session is kept after its end.
func (f *facts) ttl(s Settings) time.Duration {
	if f.failed {
		return s.FailedTTL
	}
	return s.SessionTTL
}

// ttlSetting is the name of the setting that says so.
func (f *facts) ttlSetting() string {
	if f.failed {
		return "BOSGC_FAILED_TTL"
	}
	return "BOSGC_SESSION_TTL"
}

// expiry is the reason by which a finished session goes.
func (f *facts) expiry() Reason {
	if f.failed {
		return FailedExpired
	}
	return CompletedExpired
}

// agedByConfigMap says that nothing but a ConfigMap tells when the session was.
func (f *facts) agedByConfigMap() bool {
	return f.end.IsZero() && !f.start.IsZero() && f.group.Record.Start.At().IsZero() && f.group.Record.Presence == inventory.Present
}

// age is the time by which sessions are put in order, oldest first. A group without any
// time is a ghost or cannot be judged; the zero time puts it first, and a ghost costs
// next to nothing to delete.
func (f *facts) age() time.Time {
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
