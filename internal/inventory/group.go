package inventory

import (
	"cmp"
	"slices"
)

// Evidence says which lists of the namespace were read completely. It travels with
// whatever is concluded from them.
type Evidence struct {
	Jobs       bool
	Pods       bool
	ConfigMaps bool
	CronJobs   bool
}

// Complete reports whether everything was read that could hold on to a session.
func (e Evidence) Complete() bool { return e.Jobs && e.Pods && e.ConfigMaps && e.CronJobs }

// Missing names the lists that were not read completely.
func (e Evidence) Missing() []string {
	var missing []string
	for _, list := range []struct {
		name     string
		complete bool
	}{{SourceJobs, e.Jobs}, {SourcePods, e.Pods}, {SourceConfigMaps, e.ConfigMaps}, {SourceCronJobs, e.CronJobs}} {
		if !list.complete {
			missing = append(missing, list.name)
		}
	}
	return missing
}

// Group is everything known about one session ID, whoever mentioned it: BOS's list, a Job,
// a Pod, a ConfigMap or the tag of a CFS session.
//
// A Group is never changed, and neither are the slices that it holds. What is learnt later
// goes into a copy, which a method With... returns, and the copy takes the Group's place in
// the snapshot (Replace). So whoever has judged a Group, or still reads it, can rely on what
// it said.
type Group struct {
	ID     string
	Record Record // BOS v1's answer for this ID alone; Presence Unknown if it was not asked
	CFS    []CFSSession
	Listed Presence // whether it is in BOS v1's list
	V1     Presence // BOS v1 itself, see Seen
	V2     Presence // whether BOS v2 has a session of this name; Unknown if it was not asked

	evidence   Evidence
	jobs       []Job
	pods       []Pod
	configMaps []ConfigMap
}

// Jobs returns the Jobs seen, and whether there can be no others.
func (g *Group) Jobs() (seen []Job, complete bool) { return g.jobs, g.evidence.Jobs }

// Pods returns the Pods seen, and whether there can be no others.
func (g *Group) Pods() (seen []Pod, complete bool) { return g.pods, g.evidence.Pods }

// ConfigMaps returns the ConfigMaps seen, and whether there can be no others.
func (g *Group) ConfigMaps() (seen []ConfigMap, complete bool) {
	return g.configMaps, g.evidence.ConfigMaps
}

// Evidence says how completely Kubernetes was read.
func (g *Group) Evidence() Evidence { return g.evidence }

// WithRecord returns a copy of the group with BOS v1's answer for its ID.
func (g *Group) WithRecord(record Record) *Group {
	fresh := *g
	fresh.Record = record
	return &fresh
}

// WithListed returns a copy of the group with another answer of BOS v1's list.
func (g *Group) WithListed(listed Presence) *Group {
	fresh := *g
	fresh.Listed = listed
	return &fresh
}

// WithV2 returns a copy of the group with BOS v2's answer for its ID.
func (g *Group) WithV2(presence Presence) *Group {
	fresh := *g
	fresh.V2 = presence
	return &fresh
}

// WithCFS returns a copy of the group with other CFS sessions.
func (g *Group) WithCFS(sessions []CFSSession) *Group {
	fresh := *g
	fresh.CFS = sessions
	return &fresh
}

// WithConfigMaps returns a copy of the group in which the ConfigMaps are the given ones:
// the same, with their bodies read.
func (g *Group) WithConfigMaps(cms []ConfigMap) *Group {
	fresh := *g
	fresh.configMaps = cms
	return &fresh
}

// WithLive returns a copy of the group as it is at this moment: Jobs and Pods were asked
// for by name and label, and BOS for the record. Whether such Jobs and Pods are all of the
// session still rests on the lists of this run.
func (g *Group) WithLive(jobs []Job, pods []Pod, record Record) *Group {
	fresh := *g
	fresh.jobs, fresh.pods, fresh.Record = jobs, pods, record
	return &fresh
}

// WithJobsStopped returns a copy of a group as it will be when the Jobs that BOS made for it have been stopped. What
// else works for the session goes on working.
func (g *Group) WithJobsStopped() *Group {
	jobs, _ := g.Jobs()
	pods, _ := g.Pods()
	stopped := map[string]bool{}
	jobs = slices.Clone(jobs)
	for i, job := range jobs {
		if job.Fault == "" {
			stopped[job.Name] = true
			jobs[i].Stopped = true
		}
	}
	pods = slices.DeleteFunc(slices.Clone(pods), func(p Pod) bool { return stopped[p.Job] })
	return g.WithLive(jobs, pods, g.Record)
}

// Replace puts a group in the place of the one with the same ID. It does nothing if the
// snapshot has none.
func (s *Snapshot) Replace(g *Group) {
	i, found := slices.BinarySearchFunc(s.Groups, g.ID, func(g *Group, id string) int { return cmp.Compare(g.ID, id) })
	if found {
		s.Groups[i] = g
	}
}
