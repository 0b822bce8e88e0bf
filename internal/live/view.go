// Package live shows the sessions of which something is to be deleted as Kubernetes has them at this moment. It goes
// on from the lists that a plan was made of, and watches what becomes of Jobs, Pods and CronJobs: a Pod, or a copy of a
// Job, that a person has started since, or a CronJob that refers to a session's ConfigMap by now. No question by name
// could find those.
package live

import (
	"cmp"
	"maps"
	"slices"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
)

// The kinds that are watched.
const (
	jobs     = "Job"
	pods     = "Pod"
	cronJobs = "CronJob"
)

// object identifies one of them.
type object struct{ kind, name string }

// index finds objects by the session, ConfigMap or Job that they have to do with.
type index map[string]map[object]bool

func (x index) add(key string, o object) {
	if key == "" {
		return
	}
	if x[key] == nil {
		x[key] = map[object]bool{}
	}
	x[key][o] = true
}

func (x index) remove(key string, o object) {
	delete(x[key], o)
	if len(x[key]) == 0 {
		delete(x, key)
	}
}

// view is what is known of the due sessions. The View that holds it has the lock.
type view struct {
	base   inventory.Seen // what does not change while objects are deleted
	groups map[string]*inventory.Group
	due    map[string]bool // sessions, and the names of their ConfigMaps
	listed map[string]bool // sessions that BOS lists
	cms    map[string]inventory.ConfigMap

	jobs       map[string]inventory.Job
	pods       map[string]inventory.Pod
	references map[object][]inventory.Reference
	related    index
}

// newView takes over from a plan's snapshot the sessions that are due. References are those of everything in the
// namespace.
func newView(s *inventory.Snapshot, seen inventory.Seen, due map[string]bool) *view {
	v := &view{
		base:   inventory.Seen{Unlisted: seen.Unlisted, V1: seen.V1, Evidence: seen.Evidence},
		groups: map[string]*inventory.Group{}, due: maps.Clone(due), listed: map[string]bool{},
		cms: map[string]inventory.ConfigMap{}, jobs: map[string]inventory.Job{}, pods: map[string]inventory.Pod{},
		references: map[object][]inventory.Reference{}, related: index{},
	}
	for _, g := range s.Groups {
		if !due[g.ID] {
			continue
		}
		v.groups[g.ID] = g
		v.listed[g.ID] = g.Listed == inventory.Present
		cms, _ := g.ConfigMaps()
		for _, cm := range cms {
			v.cms[cm.Name], v.due[cm.Name] = cm, true
		}
	}
	// A Job of another session counts, too, if it mounts a ConfigMap of one that is due. The snapshot has them, or what
	// was seen, or both.
	for _, g := range s.Groups {
		ofGroup, _ := g.Jobs()
		podsOfGroup, _ := g.Pods()
		v.addListing(kube.Listing{Jobs: ofGroup, Pods: podsOfGroup})
	}
	v.addListing(kube.Listing{Jobs: seen.Jobs, Pods: seen.Pods, References: seen.References})
	return v
}

// addJob adds a Job if it has to do with a session that is due: of a large system most is not, and would take as much
// memory again as the plan.
func (v *view) addJob(job inventory.Job) {
	if !v.due[job.Session] && !v.due[job.ConfigMap] {
		return
	}
	o := object{jobs, job.Name}
	v.jobs[job.Name] = job
	v.related.add(job.Session, o)
	v.related.add(job.ConfigMap, o)
}

// addPod adds a Pod if it has to do with a session that is due, or names none: then its Job tells, which may be seen
// later.
func (v *view) addPod(pod inventory.Pod) {
	if pod.Session != "" && !v.due[pod.Session] {
		return
	}
	o := object{pods, pod.Name}
	v.pods[pod.Name] = pod
	v.related.add(cmp.Or(pod.Session, jobKey(pod.Job)), o)
}

// jobKey is a Job in the index, where names of sessions and ConfigMaps are UUIDs.
func jobKey(name string) string { return jobs + " " + name }

func (v *view) addReference(ref inventory.Reference) {
	if !v.due[ref.ConfigMap] {
		return
	}
	o := object{ref.Kind, ref.Name}
	v.references[o] = append(v.references[o], ref)
	v.related.add(ref.ConfigMap, o)
}

// apply takes over what has become of one object.
func (v *view) apply(kind string, c kube.Change) {
	v.forget(object{kind, c.Name})
	v.addListing(c.Listing)
}

func (v *view) addListing(l kube.Listing) {
	for _, job := range l.Jobs {
		v.addJob(job)
	}
	for _, pod := range l.Pods {
		v.addPod(pod)
	}
	for _, ref := range l.References {
		v.addReference(ref)
	}
}

// replace takes over a whole list of one kind.
func (v *view) replace(kind string, l kube.Listing) {
	switch kind {
	case jobs:
		for name := range v.jobs {
			v.forget(object{jobs, name})
		}
	case pods:
		for name := range v.pods {
			v.forget(object{pods, name})
		}
	}
	for o := range v.references {
		if o.kind == kind {
			v.forget(o)
		}
	}
	v.addListing(l)
}

func (v *view) forget(o object) {
	switch o.kind {
	case jobs:
		job := v.jobs[o.name]
		v.related.remove(job.Session, o)
		v.related.remove(job.ConfigMap, o)
		delete(v.jobs, o.name)
	case pods:
		pod := v.pods[o.name]
		v.related.remove(cmp.Or(pod.Session, jobKey(pod.Job)), o)
		delete(v.pods, o.name)
	}
	for _, ref := range v.references[o] {
		v.related.remove(ref.ConfigMap, o)
	}
	delete(v.references, o)
}

// group returns a session as it is now; nil if nothing is left of it. It joins what has to do with the session, by the
// same rules as a plan joins everything.
func (v *view) group(id string, cfs []inventory.CFSSession) *inventory.Group {
	before := v.groups[id]
	seen := v.base
	seen.CFS = cfs
	keys := v.keys(id)
	for key := range keys {
		if v.listed[key] {
			seen.SessionIDs = append(seen.SessionIDs, key)
		}
		if cm, known := v.cms[key]; known {
			seen.ConfigMaps = append(seen.ConfigMaps, cm)
		}
	}
	for o := range v.find(keys) {
		switch o.kind {
		case jobs:
			if job, ok := v.jobs[o.name]; ok {
				seen.Jobs = append(seen.Jobs, job)
			}
		case pods:
			if pod, ok := v.pods[o.name]; ok {
				seen.Pods = append(seen.Pods, pod)
			}
		}
		seen.References = append(seen.References, v.references[o]...)
	}
	slices.SortFunc(seen.References, func(a, b inventory.Reference) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	for _, g := range inventory.Join(seen).Groups {
		if g.ID == id && before != nil {
			return g.WithRecord(before.Record).WithV2(before.V2)
		}
		if g.ID == id {
			return g
		}
	}
	return nil
}

// keys returns a session, the ConfigMaps that were its own, and those that its Jobs mount.
func (v *view) keys(id string) map[string]bool {
	keys := map[string]bool{id: true}
	if before := v.groups[id]; before != nil {
		// A ConfigMap that another session's Job mounts by now is that session's. It is not forgotten: it may come
		// back, and what is noted on it protects its session.
		cms, _ := before.ConfigMaps()
		for _, cm := range cms {
			keys[cm.Name] = true
		}
	}
	for o := range v.related[id] {
		if o.kind == jobs && v.due[v.jobs[o.name].ConfigMap] {
			keys[v.jobs[o.name].ConfigMap] = true
		}
	}
	return keys
}

// find returns what has to do with any of the keys, and the Pods of such Jobs.
func (v *view) find(keys map[string]bool) map[object]bool {
	found := map[object]bool{}
	for key := range keys {
		for o := range v.related[key] {
			found[o] = true
			if o.kind == jobs {
				maps.Copy(found, v.related[jobKey(o.name)])
			}
		}
	}
	return found
}
