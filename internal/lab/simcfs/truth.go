package simcfs

import (
	"maps"
	"slices"
)

// The functions in this file are how the rest of a running system changes CFS, and what a test may know of it. None is
// a request of a client.

// SetBySession sets the desired configuration of nodes, and a session as their tag, as BOA's PATCH does; with enable
// they are configured at once. If CFS does not know one of the nodes it changes none, and returns false.
func (s *Server) SetBySession(nodes []string, configuration, session string, enable bool) bool {
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
		component.Status = s.statusOf(component)
		s.components[id] = component
	}
	return true
}

// SetByHand sets the desired configuration of a node, as a person does who removes the tag or forgets to.
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
	component.Status = s.statusOf(component)
	s.components[node] = component
}

// Booted reports that a node has booted, as its state reporter does: it has lost its configuration, and needs the
// desired one.
func (s *Server) Booted(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	component, ok := s.components[node]
	if !ok {
		return
	}
	component.Layers, component.ErrorCount, component.Enabled = nil, 0, true
	component.Status = s.statusOf(component)
	s.components[node] = component
}

// Setter returns the session whose BOA last set the desired configuration of a node; empty if anybody else did.
// Unsetting the configuration does not change it.
func (s *Server) Setter(node string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.components[node].setBy
}

// Made returns every CFS session that was created while the system ran, oldest first.
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

// RemoveComponent removes a component, as if the node had left the machine.
func (s *Server) RemoveComponent(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.components, id)
}

// KilledAnsible returns the CFS sessions that a client deleted before they were complete. Each such DELETE ends Ansible
// in the middle of its work.
func (s *Server) KilledAnsible() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.killed)
}

// AllowKills sets whether a client may delete CFS sessions that are not complete, as one that cancels a session does.
// If so, such a DELETE is in KilledAnsible but not in Danger.
func (s *Server) AllowKills(allowed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killsAllowed = allowed
}

// noteKill notes the DELETE of a session that is not complete.
func (s *Server) noteKill(session Session) {
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
