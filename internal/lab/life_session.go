package lab

import (
	"cmp"
	"sync"
	"time"

	"bosgc/internal/lab/simbos"
)

// SessionSpec says which session to start.
type SessionSpec struct {
	ID            string // drawn if it is empty
	Operation     string // boot, reboot, configure or shutdown; reboot if it is empty
	Template      string
	Configuration string
	DisableCFS    bool     // the template has enable_cfs: false
	Nodes         []string // of its only boot set, compute
	Sets          []simbos.BootSet
	Limit         string
	V2            bool // a session of BOS v2, which has neither Job nor ConfigMap
}

// run is a session that was started.
type run struct {
	id    string
	spec  SessionSpec
	start time.Time
	text  string // start_time
}

func (r *run) nodes() []string {
	var all []string
	for _, set := range r.spec.Sets {
		all = append(all, set.Nodes...)
	}
	return all
}

// configures says whether BOA has anything to do with CFS.
func (r *run) configures() bool {
	return r.spec.Operation != "shutdown" && !r.spec.DisableCFS && r.spec.Configuration != ""
}

// Start starts a session now, as BOS does: first the ConfigMap, then the Job, then its record. It gives
// the ID. A release without BOS v1 starts none but those of v2.
func (l *Life) Start(spec SessionSpec) string {
	for _, lock := range []sync.Locker{&l.changes.kube, &l.changes.bos, &l.mu} {
		lock.Lock()
		defer lock.Unlock()
	}
	return l.start(spec)
}

func (l *Life) start(spec SessionSpec) string {
	if !spec.V2 && !l.profile.BOSv1 || spec.V2 && !l.profile.BOSv2 {
		panic("CSM " + l.profile.CSM + " has no such sessions")
	}
	r := &run{id: cmp.Or(spec.ID, l.b.uuid()), spec: spec, start: l.now}
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
		l.agents[r.id] = &agent{life: l, run: r}
		return r.id
	}
	s := l.saga(r)
	if l.control == nil {
		l.agents[r.id] = &agent{life: l, run: r}
	} else {
		s.configMapAt(l.now, running).job(running, jobActive(0))
		for _, o := range l.b.objects {
			l.kube.Add(o.resource, o.object)
		}
		l.b.objects = nil
		l.control.AddJob(Namespace, "boa-"+r.id)
	}
	record := s.record()
	record.BootSets = nil // BOA writes them
	r.text, _ = record.Start.(string)
	l.bos.Add(record)
	return r.id
}

// saga tells the objects of a session.
func (l *Life) saga(r *run) *saga {
	l.b.now = l.now
	return &saga{
		b: l.b, family: &family{id: r.id, template: r.spec.Template, start: r.start}, operation: r.spec.Operation,
		limit: r.spec.Limit, configuration: r.spec.Configuration, disabled: r.spec.DisableCFS, sets: r.spec.Sets,
	}
}

func (r *run) v2(end any, status string) simbos.V2Session {
	return simbos.V2Session{
		Name: r.id, Operation: r.spec.Operation, Template: r.spec.Template,
		Start: r.text, End: end, Status: status, Nodes: r.nodes(),
	}
}
