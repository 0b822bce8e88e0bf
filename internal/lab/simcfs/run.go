package simcfs

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Made is a CFS session that was created while the system ran. It may have been deleted since.
type Made struct {
	Name, Configuration string
	At                  time.Time
	Nodes               []string
	Tags                map[string]string
	// Owners are the sessions that had set the configurations which the batcher acted on, sorted. An empty one stands for
	// anybody else. A CFS session that the batcher did not create has none.
	Owners []string
}

// Pace is how long CFS sessions take, and which fail.
type Pace struct {
	Pending, Run time.Duration
	// Fails reports whether the configuration of a node fails in a CFS session; nil: never.
	Fails func(session Session, node string) bool
}

// Run creates a CFS session, as anybody may. It sets the state and times.
func (s *Server) Run(session Session, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run(session, now, nil)
}

func (s *Server) run(session Session, now time.Time, owners []string) {
	session.Status, session.Succeeded = "pending", "none"
	session.Start, session.Completion = now.UTC().Format(timeForm), nil
	s.sessions[session.Name] = session
	s.active[session.Name] = now
	s.made = append(s.made, Made{
		Name: session.Name, Configuration: session.Configuration, At: now,
		Nodes: strings.Split(session.Limit, ","), Tags: session.Tags, Owners: owners,
	})
}

const timeForm = "2006-01-02T15:04:05"

// Tick advances the active CFS sessions: pending, then running, then complete, and then their components have the
// layer. A session whose record is gone stops where it is. Sessions that were stored with Add stay as they are.
func (s *Server) Tick(now time.Time, pace Pace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.active)) {
		session, ok := s.sessions[name]
		if !ok {
			delete(s.active, name)
			continue
		}
		since := s.active[name]
		switch {
		case session.Status == "pending" && now.Sub(since) >= pace.Pending:
			session.Status = "running"
			s.sessions[name], s.active[name] = session, now
		case session.Status == "running" && now.Sub(since) >= pace.Run:
			s.complete(session, now, pace)
			delete(s.active, name)
		}
	}
}

// complete completes a session: it writes the layer into each component's state, and whether it failed there.
func (s *Server) complete(session Session, now time.Time, pace Pace) {
	session.Status, session.Succeeded = "complete", "true"
	session.Completion = now.UTC().Format(timeForm)
	for id := range strings.SplitSeq(session.Limit, ",") {
		component, ok := s.components[id]
		if !ok {
			continue
		}
		failed := pace.Fails != nil && pace.Fails(session, id)
		if failed {
			session.Succeeded = "false"
		}
		component.Layers = nil
		for _, layer := range s.layersOf(session.Configuration) {
			component.Layers = append(component.Layers, Layer{
				CloneURL: layer.cloneURL, Playbook: layer.playbook, Commit: layer.commit,
				LastUpdated: now.UTC().Format(timeForm) + "Z", SessionName: session.Name, Failed: failed,
			})
		}
		component.Status = s.statusOf(component)
		s.components[id] = component
	}
	s.sessions[session.Name] = session
}

// statusOf returns the status that CFS derives from a component's state. Layers of other configurations do not count.
func (s *Server) statusOf(c Component) string {
	retryPolicy := c.RetryPolicy
	if retryPolicy == 0 {
		retryPolicy = s.retryPolicy()
	}
	applied, _ := s.progressOf(c)
	switch {
	case c.DesiredConfig == "" && len(c.Layers) > 0:
		return "configured"
	case c.DesiredConfig == "":
		return "unconfigured"
	case applied:
		return "configured"
	case c.ErrorCount >= retryPolicy:
		return "failed"
	}
	return "pending"
}

// progressOf reports whether a component has all layers of its desired configuration, and whether one of them failed.
func (s *Server) progressOf(c Component) (applied, failed bool) {
	applied = true
	for _, wanted := range s.layersOf(c.DesiredConfig) {
		i := slices.IndexFunc(c.Layers, func(l Layer) bool { return l.Commit == wanted.commit && l.Playbook == wanted.playbook })
		switch {
		case i < 0:
			applied = false
		case c.Layers[i].Failed:
			applied, failed = false, true
		}
	}
	return applied, failed
}

// Active reports whether a CFS session is pending or running, or a component waits for one.
func (s *Server) Active() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.active) > 0 {
		return true
	}
	for _, component := range s.components {
		if component.Enabled && component.Status == "pending" {
			return true
		}
	}
	return false
}
