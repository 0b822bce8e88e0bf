package lab

import (
	"slices"
	"time"

	"bosgc/internal/lab/simcfs"
	"bosgc/internal/lab/simkube"
)

// BatcherState is the state of CFS's batcher.
type BatcherState struct {
	Pods []simkube.PodState
	// Processes are the batcher processes, one for each running Pod, in the order of the Pods.
	Processes []simcfs.BatcherState
}

// Works reports whether exactly one batcher exists, and it works.
func (s BatcherState) Works() bool {
	return len(s.Pods) == 1 && len(s.Processes) == 1 && s.Processes[0] == simcfs.BatcherWorking
}

// Batcher returns the state of CFS's batcher.
func (l *Life) Batcher() BatcherState {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := BatcherState{Pods: l.kube.Pods(Namespace, "app.kubernetes.io/name", Batcher)}
	for _, pod := range sortedKeys(l.batchers) {
		state.Processes = append(state.Processes, l.batchers[pod].State())
	}
	return state
}

// Pods returns the Pods of a session's Job.
func (l *Life) Pods(id string) []simkube.PodState {
	return l.kube.Pods(Namespace, "job-name", "boa-"+id)
}

// Runs reports whether BOA, or BOS v2, works on a session.
func (l *Life) Runs(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.agents {
		if a.session.id == id {
			return true
		}
	}
	return false
}

// Ghosts returns the sessions that have only their status left.
func (l *Life) Ghosts() []string { return l.bos.Ghosts() }

// Wants returns the nodes that have a desired configuration which the session set, sorted. Their tags do not matter.
func (l *Life) Wants(id string) []string {
	var nodes []string
	for _, component := range l.cfs.Components() {
		if component.DesiredConfig != "" && l.cfs.Setter(component.ID) == id {
			nodes = append(nodes, component.ID)
		}
	}
	return nodes
}

// MadeOf returns the CFS sessions that were created for a session's desired configuration, oldest first, including
// deleted ones. Their tags do not matter.
func (l *Life) MadeOf(id string) []simcfs.Made {
	return slices.DeleteFunc(l.cfs.Made(), func(m simcfs.Made) bool { return !slices.Contains(m.Owners, id) })
}

// MadeAfter returns the CFS sessions that were created after a time for any of the nodes.
func (l *Life) MadeAfter(at time.Time, nodes ...string) []simcfs.Made {
	ours := func(node string) bool { return slices.Contains(nodes, node) }
	return slices.DeleteFunc(l.cfs.Made(), func(m simcfs.Made) bool {
		return !m.At.After(at) || !slices.ContainsFunc(m.Nodes, ours)
	})
}

// Link is the truth of which sessions a CFS session belongs to.
type Link struct {
	Owners   []Owner // empty if no session had set the configurations, or the batcher did not create it
	ByOthers bool    // anybody else, such as a person, had set the configuration of some of the nodes
	Known    bool    // the owners can be found out: all of them still exist, with their status
}

// Owner is a session whose BOA set the configuration of components of a CFS session.
type Owner struct {
	ID string
	V2 bool
}

// Links returns the truth about each CFS session that exists and was created while the world lived, by its name.
func (l *Life) Links() map[string]Link {
	exists := map[string]bool{}
	for _, name := range l.cfs.Names() {
		exists[name] = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	links := map[string]Link{}
	for _, made := range l.cfs.Made() {
		if !exists[made.Name] {
			continue
		}
		link := Link{Known: true}
		for _, id := range made.Owners {
			if id == "" {
				link.ByOthers = true
				continue
			}
			v2 := l.sessions[id] != nil && l.sessions[id].spec.V2
			link.Owners = append(link.Owners, Owner{id, v2})
			link.Known = link.Known && (v2 && l.bos.HasV2(id) || l.bos.HasRecord(id))
		}
		links[made.Name] = link
	}
	return links
}

// FailPod makes BOA fail with an unexpected error: its Pod fails, and BOA writes nothing.
func (l *Life) FailPod(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, a := range l.agents {
		if a.session.id == id && a.pod != "" {
			l.controllers.FinishPod(Namespace, a.pod, 1)
			delete(l.agents, name)
		}
	}
}
