package inventory

import (
	"cmp"
	"iter"
	"slices"
	"sort"
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

// Size is how many objects there are in it: sessions that BOS lists, Jobs, ConfigMaps, CFS sessions.
func (s *Snapshot) Size() int {
	n := len(s.Jobs) + len(s.Loose)
	for _, g := range s.Groups {
		if g.Listed == Present {
			n++
		}
		n += len(g.jobs) + len(g.configMaps) + len(g.CFS)
	}
	return n
}

// Join sorts everything to the session that it belongs to. Its cost is linear in what was
// seen, but for the sorting, which makes the order of all that follows independent of the
// order in which servers answered. Nothing is copied: the snapshot holds parts of what was
// seen, which is brought into order for that.
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
	sessionOfJob   map[string]string // as far as a Pod does not say it
	sessionOfMount map[string]string // as far as some Job mounts the ConfigMap of another name
}

func (j *joiner) group(id string) *Group {
	g := j.groups[id]
	if g == nil {
		g = &Group{ID: id, Listed: j.seen.Unlisted, V1: j.seen.V1, evidence: j.seen.Evidence}
		j.groups[id] = g
	}
	return g
}

// runs gives what belongs together, by what of says, in the order of its names. It sorts only what is not in that order
// yet: a plan being carried out is joined anew while others read what it was made of.
func runs[T any](all []T, of, name func(*T) string) iter.Seq2[string, []T] {
	less := func(i, k int) bool {
		a, b := of(&all[i]), of(&all[k])
		return a < b || a == b && name(&all[i]) < name(&all[k])
	}
	if !sort.SliceIsSorted(all, less) {
		sort.Slice(all, less)
	}
	return func(yield func(string, []T) bool) {
		for from := 0; from < len(all); {
			id, to := of(&all[from]), from+1
			for to < len(all) && of(&all[to]) == id {
				to++
			}
			if !yield(id, all[from:to:to]) {
				return
			}
			from = to
		}
	}
}

func (j *joiner) jobs() {
	silent := slices.ContainsFunc(j.seen.Pods, func(p Pod) bool { return p.Session == "" })
	j.sessionOfJob, j.sessionOfMount = map[string]string{}, map[string]string{}
	exact := func(job *Job) bool { return job.Session != "" && job.Fault == "" }
	for i := range j.seen.Jobs {
		if job := &j.seen.Jobs[i]; exact(job) {
			if silent {
				j.sessionOfJob[job.Name] = job.Session
			}
			if job.ConfigMap != job.Session {
				j.sessionOfMount[job.ConfigMap] = ""
			}
		}
	}
	// Where several say so, the last by name is right: what was seen has another order once it was joined.
	last := map[string]string{}
	for i := range j.seen.Jobs {
		job := &j.seen.Jobs[i]
		if _, other := j.sessionOfMount[job.ConfigMap]; other && exact(job) && job.Name >= last[job.ConfigMap] {
			last[job.ConfigMap], j.sessionOfMount[job.ConfigMap] = job.Name, job.Session
		}
	}
	of, name := func(job *Job) string { return job.Session }, func(job *Job) string { return job.Name }
	for id, jobs := range runs(j.seen.Jobs, of, name) {
		if id == "" {
			j.snapshot.Jobs = jobs
			continue
		}
		// A Job that names a session belongs to it even if it is not of BOS's making: a
		// person's second try with a copied Job keeps the session alive all the same.
		j.group(id).jobs = jobs
	}
}

func (j *joiner) pods() {
	of, name := func(p *Pod) string { return cmp.Or(p.Session, j.sessionOfJob[p.Job]) }, func(p *Pod) string { return p.Name }
	for id, pods := range runs(j.seen.Pods, of, name) {
		if id != "" {
			j.group(id).pods = pods
		}
	}
}

func (j *joiner) configMaps() {
	of := func(cm *ConfigMap) string {
		if owner := j.sessionOfMount[cm.Name]; owner != "" && !j.listed(cm.Name) {
			return owner
		}
		return cm.Name
	}
	users := map[string][]Reference{}
	for _, ref := range j.seen.References {
		if owner := j.sessionOfMount[ref.ConfigMap]; ref.Session != ref.ConfigMap || owner != "" {
			users[ref.ConfigMap] = append(users[ref.ConfigMap], ref)
		}
	}
	for id, cms := range runs(j.seen.ConfigMaps, of, func(cm *ConfigMap) string { return cm.Name }) {
		j.group(id).configMaps = cms
		for i := range cms {
			cms[i].User = "" // of an earlier join, which knew other sessions
			for _, ref := range users[cms[i].Name] {
				if ref.Session != id {
					cms[i].User = ref.Kind + " " + ref.Name
					break
				}
			}
		}
	}
}

func (j *joiner) cfs() {
	of, name := func(c *CFSSession) string { return c.Tag }, func(c *CFSSession) string { return c.Name }
	for tag, sessions := range runs(j.seen.CFS, of, name) {
		if tag == "" {
			j.snapshot.Loose = sessions
			continue
		}
		j.group(tag).CFS = sessions
	}
}

func (j *joiner) listed(id string) bool {
	g := j.groups[id]
	return g != nil && g.Listed == Present
}
