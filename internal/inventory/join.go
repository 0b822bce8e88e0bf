package inventory

import (
	"cmp"
	"slices"
)

// Seen is what the sources answered in one run, before it is joined.
type Seen struct {
	SessionIDs []string
	// Unlisted is what it means that an ID is missing from SessionIDs: Absent if BOS answered
	// completely (or is positively known to have been removed), else Unknown.
	Unlisted   Presence
	V1         Presence // BOS v1 itself; Absent only if it is positively known to have been removed
	Jobs       []Job
	Pods       []Pod
	ConfigMaps []ConfigMap
	References []Reference
	CFS        []CFSSession
	Evidence   Evidence
}

// PodsWithoutJob returns the names of the Pods of BOA that have ended and whose Job is gone, sorted. A Job that is deleted
// with the propagation policy Orphan, the default of its API, leaves them behind for ever.
func (s *Seen) PodsWithoutJob() []string {
	if !s.Evidence.Jobs || !s.Evidence.Pods {
		return nil
	}
	jobs := make(map[string]bool, len(s.Jobs))
	for _, job := range s.Jobs {
		jobs[job.Name] = true
	}
	var names []string
	for _, pod := range s.Pods {
		if pod.Over && !jobs[pod.Job] {
			names = append(names, pod.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Snapshot is what one run saw, joined. Until everything has answered, its groups are replaced by ones of which more is
// known.
type Snapshot struct {
	Groups      []*Group     // by ID
	StrayJobs   []Job        // that name no session
	UntaggedCFS []CFSSession // that name no session
}

// Size returns the number of objects in it: sessions that BOS lists, Jobs, ConfigMaps, CFS sessions.
func (s *Snapshot) Size() int {
	n := len(s.StrayJobs) + len(s.UntaggedCFS)
	for _, g := range s.Groups {
		if g.Listed == Present {
			n++
		}
		n += len(g.jobs) + len(g.configMaps) + len(g.CFS)
	}
	return n
}

// Join assigns everything to the session that it belongs to. The order in which servers
// answered does not matter: groups are in the order of their IDs, and what is in them is in
// the order of its names. The snapshot shares nothing with what was seen.
func Join(seen Seen) *Snapshot {
	j := joiner{seen: seen, groups: make(map[string]*Group, len(seen.SessionIDs)), snapshot: &Snapshot{}}
	for _, id := range seen.SessionIDs {
		j.group(id).Listed = Present
	}
	j.jobs()
	j.pods()
	j.configMaps()
	j.cfs()
	j.snapshot.Groups = make([]*Group, 0, len(j.groups))
	for _, g := range j.groups {
		j.snapshot.Groups = append(j.snapshot.Groups, g)
	}
	slices.SortFunc(j.snapshot.Groups, func(a, b *Group) int { return cmp.Compare(a.ID, b.ID) })
	return j.snapshot
}

type joiner struct {
	seen     Seen
	groups   map[string]*Group
	snapshot *Snapshot
	// From the Jobs of exact shape: where such a Job says something else than a name
	// does, the Job is right (docs/csm.md, "Names").
	sessionOfJob   map[string]string // by the name of the Job
	sessionOfMount map[string]string // by the name of the ConfigMap that the Job mounts
}

func (j *joiner) group(id string) *Group {
	g := j.groups[id]
	if g == nil {
		g = &Group{ID: id, Listed: j.seen.Unlisted, V1: j.seen.V1, evidence: j.seen.Evidence}
		j.groups[id] = g
	}
	return g
}

// byName returns a copy in the order of the names.
func byName[T any](all []T, name func(T) string) []T {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(name(a), name(b)) })
	return all
}

func (j *joiner) jobs() {
	j.sessionOfJob, j.sessionOfMount = map[string]string{}, map[string]string{}
	for _, job := range byName(j.seen.Jobs, func(job Job) string { return job.Name }) {
		if job.Session == "" {
			j.snapshot.StrayJobs = append(j.snapshot.StrayJobs, job)
			continue
		}
		// A Job that names a session belongs to it even if it is not of BOS's making: a
		// person's second try with a copied Job keeps the session alive all the same.
		g := j.group(job.Session)
		g.jobs = append(g.jobs, job)
		if job.Fault == "" {
			j.sessionOfJob[job.Name] = job.Session
			j.sessionOfMount[job.ConfigMap] = job.Session // if several mount it, the last by name is right
		}
	}
}

func (j *joiner) pods() {
	for _, pod := range byName(j.seen.Pods, func(pod Pod) string { return pod.Name }) {
		if id := cmp.Or(pod.Session, j.sessionOfJob[pod.Job]); id != "" {
			g := j.group(id)
			g.pods = append(g.pods, pod)
		}
	}
}

func (j *joiner) configMaps() {
	references := map[string][]Reference{}
	for _, ref := range j.seen.References {
		references[ref.ConfigMap] = append(references[ref.ConfigMap], ref)
	}
	for _, cm := range byName(j.seen.ConfigMaps, func(cm ConfigMap) string { return cm.Name }) {
		id := cm.Name
		if owner := j.sessionOfMount[cm.Name]; owner != "" && !j.listed(cm.Name) {
			id = owner
		}
		cm.User = "" // it may be of an earlier join, which knew other sessions
		for _, ref := range references[cm.Name] {
			if ref.Session != id {
				cm.User = ref.Kind + " " + ref.Name
				break
			}
		}
		g := j.group(id)
		g.configMaps = append(g.configMaps, cm)
	}
}

func (j *joiner) cfs() {
	for _, c := range byName(j.seen.CFS, func(c CFSSession) string { return c.Name }) {
		if c.Tag == "" {
			j.snapshot.UntaggedCFS = append(j.snapshot.UntaggedCFS, c)
			continue
		}
		g := j.group(c.Tag)
		g.CFS = append(g.CFS, c)
	}
}

func (j *joiner) listed(id string) bool {
	g := j.groups[id]
	return g != nil && g.Listed == Present
}
