package simcfs

import (
	"maps"
	"slices"
)

// What follows is how the rest of a living system reaches CFS, and what a test may know of it. None of
// it is a request of a client.

// Claim is BOA's PATCH of the nodes of a session: their desired configuration, the session as their tag,
// and whether they are configured at once. It is all or nothing, as the list PATCH that it is: there is
// false, and nothing done, if CFS does not know one of the nodes.
func (s *Server) Claim(nodes []string, configuration, session string, enable bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range nodes {
		if _, ok := s.components[id]; !ok {
			return false
		}
	}
	for _, id := range nodes {
		component := s.components[id]
		component.DesiredConfig, component.ErrorCount, component.Enabled = configuration, 0, enable
		component.Tags = maps.Clone(orEmpty(component.Tags))
		component.Tags["bos_session"] = session
		component.setBy = session
		component.Status = component.status(s.options.Batcher.RetryPolicy)
		s.components[id] = component
	}
	return true
}

// SetByHand is a person who sets the desired configuration of a node, and takes the tag off it or does
// not think of it.
func (s *Server) SetByHand(node, configuration string, untag bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	component, ok := s.components[node]
	if !ok {
		return
	}
	component.DesiredConfig, component.ErrorCount, component.setBy = configuration, 0, ""
	component.Enabled = true
	if untag {
		component.Tags = maps.Clone(orEmpty(component.Tags))
		delete(component.Tags, "bos_session")
	}
	component.Status = component.status(s.options.Batcher.RetryPolicy)
	s.components[node] = component
}

// Booted is the state reporter of a node that has booted: it has no configuration any more, and wants
// the one that is desired.
func (s *Server) Booted(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	component, ok := s.components[node]
	if !ok {
		return
	}
	component.Layers, component.ErrorCount, component.Enabled = nil, 0, true
	component.Status = component.status(s.options.Batcher.RetryPolicy)
	s.components[node] = component
}

// Setter is the session whose BOA set the desired configuration of a node last; empty if it was
// somebody else. Unsetting the configuration does not change it.
func (s *Server) Setter(node string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.components[node].setBy
}

// Made lists every CFS session that was made while the system lived, oldest first.
func (s *Server) Made() []Made {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.made)
}

// Sessions returns all sessions by name.
func (s *Server) Sessions() []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Session
	for _, name := range s.sessionNames() {
		all = append(all, s.sessions[name])
	}
	return all
}

// Components returns all components by ID.
func (s *Server) Components() []Component {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Component
	for _, id := range s.componentIDs() {
		all = append(all, s.components[id])
	}
	return all
}

// RemoveComponent takes a component out of the database, as a node that has left the machine.
func (s *Server) RemoveComponent(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.components, id)
}

// KilledAnsible names the CFS sessions that a client deleted before they were complete, each of which
// ended its Ansible in the midst of its work.
func (s *Server) KilledAnsible() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.killed)
}

// AllowKills says whether a client may delete CFS sessions that are not complete: one that cancels does
// so by order, and then only KilledAnsible has them, and Danger has not.
func (s *Server) AllowKills(allowed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killsAllowed = allowed
}

// kill notes the end of a session that is deleted.
func (s *Server) kill(session Session) {
	if session.Status == "complete" {
		return
	}
	s.killed = append(s.killed, session.Name)
	if !s.killsAllowed {
		s.danger = append(s.danger, "DELETE of CFS session "+session.Name+", which is "+session.Status)
	}
}

func (s *Server) sessionNames() []string { return slices.Sorted(maps.Keys(s.sessions)) }

func (s *Server) componentIDs() []string { return slices.Sorted(maps.Keys(s.components)) }
