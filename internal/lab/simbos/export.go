package simbos

import (
	"cmp"
	"maps"
	"slices"
)

// Has reports whether a session has any key left.
func (s *Server) Has(id string) bool {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return len(s.store.sessions[id]) > 0
}

// Keys returns the keys of a session in etcd, sorted.
func (s *Server) Keys(id string) []string {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	var keys []string
	for attribute := range s.store.sessions[id] {
		keys = append(keys, key(id, attribute))
	}
	slices.Sort(keys)
	return keys
}

// Sessions returns all sessions as they are now, by ID, as Add takes them.
func (s *Server) Sessions() []Session {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	var all []Session
	for _, id := range slices.Sorted(maps.Keys(s.store.sessions)) {
		keys := s.store.sessions[id]
		session := Session{ID: id, NoStatus: true}
		for _, name := range []string{s.options.TemplateKey, "templateUuid"} {
			template, _ := keys[name].value.(string)
			session.Template = cmp.Or(session.Template, template)
		}
		session.Operation, _ = keys["operation"].value.(string)
		session.Job, _ = keys["job"].value.(string)
		session.Ghost = session.Job == ""
		if status, ok := keys["status"].value.(statusRecord); ok {
			session.NoStatus, session.Start, session.Stop = false, status.start, status.stop
			session.Broken, session.Named = status.broken, status.named
		}
		for _, attribute := range slices.Sorted(maps.Keys(keys)) {
			if record, ok := keys[attribute].value.(setRecord); ok {
				session.BootSets, session.Version = append(session.BootSets, record.set), record.writer
				session.Operation = cmp.Or(session.Operation, record.operation)
			}
		}
		all = append(all, session)
	}
	return all
}

// V2Sessions returns all sessions of BOS v2 by name.
func (s *Server) V2Sessions() []V2Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []V2Session
	for _, name := range slices.Sorted(maps.Keys(s.v2)) {
		all = append(all, s.v2[name])
	}
	return all
}
