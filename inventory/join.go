package inventory

import (
	"cmp"
	"slices"
)

// Seen is what the sources gave in one run, before it is joined.
type Seen struct {
	SessionIDs []string
	// Unlisted is what an ID's missing from SessionIDs means: Absent if BOS answered
	// completely (or is positively known to be gone), else Unknown.
	Unlisted   Presence
	V1         Presence // BOS v1 itself; Absent only if it is positively known to have been removed
	Jobs       []Job
	Pods       []Pod
	ConfigMaps []ConfigMap
	References []Reference
	CFS        []CFSSession
	Evidence   Evidence
}

// Snapshot is what one run saw, joined. It is not changed once it has been judged.
type Snapshot struct {
	Groups []*Group     // by ID
	Jobs   []Job        // Jobs that name no session
	Loose  []CFSSession // CFS sessions without a tag
}

// Join sorts everything to the session that it belongs to. Its cost is linear in what was
// seen, but for the sorting by ID at the end, which makes the order of all that follows
// independent of the order in which servers answered.
func Join(seen Seen) *Snapshot {
	j := joiner{seen: seen, groups: map[string]*Group{}, snapshot: &Snapshot{}}
	for _, id := range seen.SessionIDs {
		j.group(id).Listed = Present
	}
	j.jobs()
	j.pods()
	j.configMaps()
	for _, c := range seen.CFS {
		if c.Tag == "" {
			j.snapshot.Loose = append(j.snapshot.Loose, c)
			continue
		}
		g := j.group(c.Tag)
		g.CFS = append(g.CFS, c)
	}
	for _, g := range j.groups {
		j.snapshot.Groups = append(j.snapshot.Groups, g)
	}
	slices.SortFunc(j.snapshot.Groups, func(a, b *Group) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(j.snapshot.Jobs, func(a, b Job) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(j.snapshot.Loose, func(a, b CFSSession) int { return cmp.Compare(a.Name, b.Name) })
	return j.snapshot
}

type joiner struct {
	seen     Seen
	groups   map[string]*Group
	snapshot *Snapshot
	// From the Jobs of exact shape: where such a Job says something else than a name
	// does, the Job is right (docs/csm.md, "Names").
	sessionOfJob   map[string]string
	sessionOfMount map[string]string
}

func (j *joiner) group(id string) *Group {
	g := j.groups[id]
	if g == nil {
		g = &Group{ID: id, Listed: j.seen.Unlisted, V1: j.seen.V1, evidence: j.seen.Evidence}
		j.groups[id] = g
	}
	return g
}

func (j *joiner) jobs() {
	j.sessionOfJob, j.sessionOfMount = map[string]string{}, map[string]string{}
	for _, job := range j.seen.Jobs {
		if job.Session == "" {
			j.snapshot.Jobs = append(j.snapshot.Jobs, job)
			continue
		}
		// A Job that names a session belongs to it even if it is not of BOS's making: a
		// person's second try with a copied Job keeps the session alive all the same.
		g := j.group(job.Session)
		g.jobs = append(g.jobs, job)
		if job.Fault == "" {
			j.sessionOfJob[job.Name] = job.Session
			j.sessionOfMount[job.ConfigMap] = job.Session
		}
	}
}

func (j *joiner) pods() {
	for _, pod := range j.seen.Pods {
		if id := cmp.Or(pod.Session, j.sessionOfJob[pod.Job]); id != "" {
			g := j.group(id)
			g.pods = append(g.pods, pod)
		}
	}
}

func (j *joiner) configMaps() {
	users := map[string][]Reference{}
	for _, ref := range j.seen.References {
		users[ref.ConfigMap] = append(users[ref.ConfigMap], ref)
	}
	for _, cm := range j.seen.ConfigMaps {
		id := cm.Name
		if owner := j.sessionOfMount[cm.Name]; owner != "" && !j.listed(cm.Name) {
			id = owner
		}
		for _, ref := range users[cm.Name] {
			if ref.Session != id {
				cm.User = ref.Kind + " " + ref.Name
				break
			}
		}
		g := j.group(id)
		g.configMaps = append(g.configMaps, cm)
	}
}

func (j *joiner) listed(id string) bool {
	g := j.groups[id]
	return g != nil && g.Listed == Present
}
