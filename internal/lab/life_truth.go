package lab

import (
	"slices"
	"time"

	"bosgc/internal/lab/simcfs"
	"bosgc/internal/lab/simkube"
)

// BatcherState is what a test may know of CFS's batcher.
type BatcherState struct {
	Pods []simkube.PodState
	// Processes are the batchers that exist, one for each Pod that runs, in the order of the Pods.
	Processes []simcfs.BatcherState
}

// Works says whether there is exactly one batcher, and that it works.
func (s BatcherState) Works() bool {
	return len(s.Pods) == 1 && len(s.Processes) == 1 && s.Processes[0] == simcfs.BatcherWorks
}

// Batcher says what the batcher is about.
func (l *Life) Batcher() BatcherState {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := BatcherState{Pods: l.kube.Pods(Namespace, "app.kubernetes.io/name", Batcher)}
	for _, pod := range keysOf(l.batchers) {
		state.Processes = append(state.Processes, l.batchers[pod].State())
	}
	return state
}

// Pods lists the Pods of a session's Job.
func (l *Life) Pods(id string) []simkube.PodState {
	return l.kube.Pods(Namespace, "job-name", "boa-"+id)
}

// Runs says whether a process of BOA, or BOS v2, is at work on a session.
func (l *Life) Runs(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.agents {
		if a.run.id == id {
			return true
		}
	}
	return false
}

// Ghosts are the sessions of which nothing but the status is left.
func (l *Life) Ghosts() []string { return l.bos.Ghosts() }

// Wants lists the nodes that have a desired configuration which the session set, sorted. Whose tag they
// carry does not matter.
func (l *Life) Wants(id string) []string {
	var nodes []string
	for _, component := range l.cfs.Components() {
		if component.DesiredConfig != "" && l.cfs.Setter(component.ID) == id {
			nodes = append(nodes, component.ID)
		}
	}
	return nodes
}

// MadeOf lists the CFS sessions that were made of a session's desired configuration, whatever their
// tags, oldest first; those that have been deleted as well.
func (l *Life) MadeOf(id string) []simcfs.Made {
	return slices.DeleteFunc(l.cfs.Made(), func(m simcfs.Made) bool { return !slices.Contains(m.Owners, id) })
}

// MadeAfter lists the CFS sessions that were made after a moment for any of the nodes.
func (l *Life) MadeAfter(at time.Time, nodes ...string) []simcfs.Made {
	return slices.DeleteFunc(l.cfs.Made(), func(m simcfs.Made) bool {
		return !m.At.After(at) || !slices.ContainsFunc(m.Nodes, func(node string) bool { return slices.Contains(nodes, node) })
	})
}

// Link says whose a CFS session is: the truth, and not what anything shows of it.
type Link struct {
	Owners []Owner // none if no session had set what the batcher acted on, or it was not the batcher
	// Nobody says that somebody else, such as a person, had set it for some of the nodes.
	Nobody bool
	// Known says whether the owners can be known at all: all of them are still there, with their status.
	Known bool
}

// Owner is a session whose BOA set the configuration of components of a CFS session.
type Owner struct {
	ID string
	V2 bool
}

// Links gives the truth of each CFS session that exists and was made while the world lived, by name.
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
				link.Nobody = true
				continue
			}
			v2 := l.sessions[id] != nil && l.sessions[id].spec.V2
			link.Owners = append(link.Owners, Owner{id, v2})
			link.Known = link.Known && (v2 && l.bos.HasV2(id) || l.bos.Whole(id))
		}
		links[made.Name] = link
	}
	return links
}

// FailPod lets BOA fail with an error that it does not know: its Pod fails, and nothing is written.
func (l *Life) FailPod(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, a := range l.agents {
		if a.run.id == id && a.pod != "" {
			l.control.FinishPod(Namespace, a.pod, 1)
			delete(l.agents, name)
		}
	}
}
