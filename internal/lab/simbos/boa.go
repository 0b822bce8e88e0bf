package simbos

import (
	"maps"
	"slices"
	"strings"
)

// Progress is what BOA last wrote of a boot set: the nodes by phase and category (not_started,
// in_progress, succeeded, failed, excluded).
type Progress map[string]map[string][]string

// WriteProgress is BOA writing the status of a boot set. It does not look whether there is still a
// session: if that has been deleted, this makes a ghost of it (docs/csm.md, "Ghosts").
func (s *Server) WriteProgress(id, operation string, set BootSet, start any) {
	s.store.write(id, "status/"+set.Name, setRecord{set: set, operation: operation, start: start},
		pickleBootSet+pickleNode*len(set.Nodes)*len(phases(operation)))
}

// WriteStop is BOA writing the end of a session, into its status record and those of its boot sets. The
// first end that is written stays. A session that has been deleted becomes a ghost.
func (s *Server) WriteStop(id string, start, stop any) {
	s.store.mu.Lock()
	record, ok := s.store.sessions[id]["status"].value.(statusRecord)
	if !ok {
		record = statusRecord{start: start}
	}
	if record.stop == nil || record.stop == "" {
		record.stop = stop
	}
	for attribute, e := range s.store.sessions[id] {
		if set, ok := e.value.(setRecord); ok {
			set.stop = stop
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
	s.sessions[id][attribute] = entry{value, len(base) + len(id) + 1 + len(attribute) + size}
	s.push(id, attribute)
}

// Phases names the phases of an operation, in their order.
func Phases(operation string) []string { return phases(operation) }

// Ghosts returns the IDs of the sessions that have nothing left but status keys, sorted.
func (s *Server) Ghosts() []string {
	var ghosts []string
	for _, id := range s.IDs() {
		if attributes, _ := s.store.get(id); len(attributes) == 0 {
			ghosts = append(ghosts, id)
		}
	}
	return ghosts
}

// Whole says whether a session's record and the status of a boot set of it at least are there.
func (s *Server) Whole(id string) bool {
	attributes, _ := s.store.get(id)
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return len(attributes) > 0 && slices.ContainsFunc(slices.Collect(maps.Keys(s.store.sessions[id])), func(attribute string) bool {
		return strings.HasPrefix(attribute, "status/")
	})
}

// HasV2 says whether a session of BOS v2 is there.
func (s *Server) HasV2(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.v2[name]
	return ok
}

// RemoveV2 takes a session of BOS v2 out of its store.
func (s *Server) RemoveV2(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.v2, name)
}

// Stop gives what a session's status record has as its end; nil if it has none.
func (s *Server) Stop(id string) any {
	_, status := s.store.get(id)
	if status == nil {
		return nil
	}
	return status.stop
}

// nodes gives the nodes of a phase by category: as BOA wrote them, or as the boot set says for one that
// was put there whole.
func (r setRecord) nodes(phase string) map[string][]string {
	if r.set.Progress != nil {
		return r.set.Progress[phase]
	}
	nodes := map[string][]string{"failed": r.set.Nodes[:r.set.Failed]}
	if rest := r.set.Nodes[r.set.Failed:]; r.stop == nil {
		nodes["in_progress"] = rest
	} else {
		nodes["succeeded"] = rest
	}
	return nodes
}
