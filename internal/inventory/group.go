package inventory

// Evidence says which lists of the namespace were read completely. It travels with
// whatever is concluded from them.
type Evidence struct {
	Jobs       bool
	Pods       bool
	ConfigMaps bool
	CronJobs   bool
}

// Complete says whether everything was read that could hold on to a session.
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

// Jobs gives the Jobs seen, and whether there can be no others.
func (g *Group) Jobs() (seen []Job, complete bool) { return g.jobs, g.evidence.Jobs }

// Pods gives the Pods seen, and whether there can be no others.
func (g *Group) Pods() (seen []Pod, complete bool) { return g.pods, g.evidence.Pods }

// ConfigMaps gives the ConfigMaps seen, and whether there can be no others.
func (g *Group) ConfigMaps() (seen []ConfigMap, complete bool) {
	return g.configMaps, g.evidence.ConfigMaps
}

// Evidence says how completely Kubernetes was read.
func (g *Group) Evidence() Evidence { return g.evidence }

// WithConfigMaps returns a copy of the group in which the ConfigMaps are the given ones:
// the same, with their bodies looked at.
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
