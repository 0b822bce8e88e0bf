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
	Ties        Ties

	Templates    Templates
	ListTooLarge bool // for BOS to answer it: sessions that nothing else names are not here
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

// bySession passes on what belongs to each session: parts of one sorted copy, because ten thousand small slices take
// more memory, and more time to collect, than what is in them. Sessions come in the order of their IDs, and what belongs
// to one in the order of the names.
func bySession[T any](all []T, session, name func(T) string, add func(id string, part []T)) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b T) int {
		return cmp.Or(cmp.Compare(session(a), session(b)), cmp.Compare(name(a), name(b)))
	})
	for len(all) > 0 {
		id, n := session(all[0]), 1
		for n < len(all) && session(all[n]) == id {
			n++
		}
		add(id, all[:n:n])
		all = all[n:]
	}
}

func (j *joiner) jobs() {
	j.sessionOfJob, j.sessionOfMount = map[string]string{}, map[string]string{}
	mounts := map[string]string{} // by ConfigMap, the Job that mounts it
	for _, job := range j.seen.Jobs {
		if job.Session == "" || job.Fault != "" {
			continue
		}
		j.sessionOfJob[job.Name] = job.Session
		if job.Name > mounts[job.ConfigMap] { // if several mount it, the last by name is right
			mounts[job.ConfigMap], j.sessionOfMount[job.ConfigMap] = job.Name, job.Session
		}
	}
	session := func(job Job) string { return job.Session }
	bySession(j.seen.Jobs, session, func(job Job) string { return job.Name }, func(id string, jobs []Job) {
		if id == "" {
			j.snapshot.StrayJobs = jobs
			return
		}
		// A Job that names a session belongs to it even if it is not of BOS's making: a
		// person's second try with a copied Job keeps the session alive all the same.
		j.group(id).jobs = jobs
	})
}

func (j *joiner) pods() {
	session := func(pod Pod) string { return cmp.Or(pod.Session, j.sessionOfJob[pod.Job]) }
	bySession(j.seen.Pods, session, func(pod Pod) string { return pod.Name }, func(id string, pods []Pod) {
		if id != "" {
			j.group(id).pods = pods
		}
	})
}

func (j *joiner) configMaps() {
	references := map[string][]Reference{}
	for _, ref := range j.seen.References {
		references[ref.ConfigMap] = append(references[ref.ConfigMap], ref)
	}
	session := func(cm ConfigMap) string {
		if owner := j.sessionOfMount[cm.Name]; owner != "" && !j.listed(cm.Name) {
			return owner
		}
		return cm.Name
	}
	bySession(j.seen.ConfigMaps, session, func(cm ConfigMap) string { return cm.Name }, func(id string, cms []ConfigMap) {
		for i := range cms {
			cm := &cms[i]
			cm.User = "" // it may be of an earlier join, which knew other sessions
			for _, ref := range references[cm.Name] {
				if ref.Session != id {
					cm.User = ref.Kind + " " + ref.Name
					break
				}
			}
		}
		j.group(id).configMaps = cms
	})
}

func (j *joiner) cfs() {
	tag := func(c CFSSession) string { return c.Tag }
	bySession(j.seen.CFS, tag, func(c CFSSession) string { return c.Name }, func(id string, sessions []CFSSession) {
		if id == "" {
			j.snapshot.UntaggedCFS = sessions
			return
		}
		j.group(id).CFS = sessions
	})
}

func (j *joiner) listed(id string) bool {
	g := j.groups[id]
	return g != nil && g.Listed == Present
}
