package simbos

import "strings"

// Progress is what BOA last wrote about a boot set: nodes by phase and category (not_started, in_progress, succeeded,
// failed, excluded).
type Progress map[string]map[string][]string

// WriteProgress writes the status of a boot set, as BOA does. BOA does not check whether the session still exists: if
// it has been deleted, this makes it a ghost (docs/csm.md, "Ghosts"), whose status BOA makes, too.
func (s *Server) WriteProgress(id, operation string, set BootSet, start any) {
	if s.store.value(id, "status") == nil {
		s.store.write(id, "status", statusRecord{start: boaForm(start), named: []string{set.Name}}, pickleBase)
	}
	record := setRecord{set: set, operation: operation, times: Times{Start: boaForm(start)}}
	s.store.write(id, "status/"+set.Name, record, record.size())
}

// WriteStop writes the end of a session into its status record and those of its boot sets, as BOA does. A later end
// does not replace an earlier one. A session that has been deleted becomes a ghost.
func (s *Server) WriteStop(id string, start, stop any) {
	s.store.mu.Lock()
	record, ok := s.store.sessions[id]["status"].value.(statusRecord)
	if !ok {
		record = statusRecord{start: boaForm(start)}
	}
	if record.stop == nil || record.stop == "" {
		record.stop = stop
	}
	for attribute, e := range s.store.sessions[id] {
		if set, ok := e.value.(setRecord); ok {
			set.times.Stop = stop
			s.store.sessions[id][attribute] = entry{set, e.size}
		}
	}
	s.store.mu.Unlock()
	s.store.write(id, "status", record, pickleBase)
}

func (s *store) write(id, attribute string, value any, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[id] == nil {
		s.sessions[id] = map[string]entry{}
	}
	s.sessions[id][attribute] = entry{value, len(keyPrefix) + len(id) + 1 + len(attribute) + size}
	s.saveToEtcd(id, attribute)
}

// Ghosts returns the IDs of the sessions that have only status keys left, sorted.
func (s *Server) Ghosts() []string {
	var ghosts []string
	for _, id := range s.IDs() {
		if len(s.store.get(id)) == 0 {
			ghosts = append(ghosts, id)
		}
	}
	return ghosts
}

// HasRecord reports whether a session has its record and the status of at least one boot set.
func (s *Server) HasRecord(id string) bool {
	attributes := s.store.get(id)
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for attribute := range s.store.sessions[id] {
		if strings.HasPrefix(attribute, "status/") {
			return len(attributes) > 0
		}
	}
	return false
}

// HasV2 reports whether a session of BOS v2 exists.
func (s *Server) HasV2(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.v2[name]
	return ok
}

// RemoveV2 removes a session of BOS v2 without going through the API.
func (s *Server) RemoveV2(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.v2, name)
}

// Stop returns stop_time of a session's status record; nil if it has none.
func (s *Server) Stop(id string) any {
	status, _ := s.store.value(id, "status").(statusRecord)
	return status.stop
}
