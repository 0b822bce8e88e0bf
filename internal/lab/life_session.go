package lab

import (
	"cmp"
	"sync"
	"time"

	"bosgc/internal/lab/simbos"
)

// SessionSpec describes a session to start.
type SessionSpec struct {
	ID            string // default: drawn
	Operation     string // boot, reboot (the default), configure or shutdown
	Template      string
	Configuration string
	DisableCFS    bool             // the template has enable_cfs: false
	Nodes         []string         // of the boot set compute, if there are no Sets
	Sets          []simbos.BootSet // default: one of Nodes
	Limit         string
	V2            bool // a session of BOS v2, which has neither Job nor ConfigMap
}

// liveSession is a session that was started.
type liveSession struct {
	id    string
	spec  SessionSpec
	start time.Time
	text  string // start_time
}

func (r *liveSession) nodes() []string {
	var all []string
	for _, set := range r.spec.Sets {
		all = append(all, set.Nodes...)
	}
	return all
}

// configures reports whether BOA configures nodes through CFS.
func (r *liveSession) configures() bool {
	return r.spec.Operation != "shutdown" && !r.spec.DisableCFS && r.spec.Configuration != ""
}

// Start starts a session now, as BOS does: first its ConfigMap, then its Job, then its record. It returns the ID. It
// panics if the release has no BOS of this version.
func (l *Life) Start(spec SessionSpec) string {
	for _, lock := range []sync.Locker{&l.locks.kube, &l.locks.bos, &l.mu} {
		lock.Lock()
		defer lock.Unlock()
	}
	return l.start(spec)
}

func (l *Life) start(spec SessionSpec) string {
	if !spec.V2 && !l.profile.BOSv1 || spec.V2 && !l.profile.BOSv2 {
		panic("CSM " + l.profile.CSM + " has no sessions of this BOS version")
	}
	r := &liveSession{id: cmp.Or(spec.ID, l.builder.uuid()), spec: spec, start: l.now}
	r.spec.Operation = cmp.Or(spec.Operation, "reboot")
	r.spec.Template = cmp.Or(spec.Template, "lab-template")
	if len(spec.Sets) == 0 {
		r.spec.Sets = []simbos.BootSet{{Name: "compute", Nodes: spec.Nodes}}
	}
	l.sessions[r.id] = r
	l.order = append(l.order, r.id)
	if spec.V2 {
		r.text = l.now.UTC().Format(cfsForm)
		l.bos.AddV2(r.v2(nil, "running"))
		l.agents[r.id] = &agent{life: l, session: r}
		return r.id
	}
	s := l.sessionBuilder(r)
	if l.controllers == nil {
		l.agents[r.id] = &agent{life: l, session: r}
	} else {
		s.configMapAt(l.now, running).job(running, jobActive(0))
		for _, o := range l.builder.objects {
			l.kube.Add(o.resource, o.object)
		}
		l.builder.objects = nil
		l.controllers.AddJob(Namespace, "boa-"+r.id)
	}
	record := s.record()
	record.BootSets = nil // BOA writes them
	r.text, _ = record.Start.(string)
	l.bos.Add(record)
	return r.id
}

// sessionBuilder returns a builder of the session's objects.
func (l *Life) sessionBuilder(r *liveSession) *sessionBuilder {
	l.builder.now = l.now
	return &sessionBuilder{
		b: l.builder, sessionTruth: &sessionTruth{
			id: r.id, template: r.spec.Template, start: r.start, operation: r.spec.Operation,
		},
		limit: r.spec.Limit, configuration: r.spec.Configuration, disabled: r.spec.DisableCFS, sets: r.spec.Sets,
	}
}

func (r *liveSession) v2(end any, status string) simbos.V2Session {
	return simbos.V2Session{
		Name: r.id, Operation: r.spec.Operation, Template: r.spec.Template,
		Start: r.text, End: end, Status: status, Nodes: r.nodes(),
	}
}
