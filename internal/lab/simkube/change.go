package simkube

import "maps"

// Annotate sets an annotation behind the back of the API; an empty value removes it. It is a change
// like any other: the object gets another resource version. There is false without such an object.
func (s *Server) Annotate(resource, namespace, name, annotation, value string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := key{resource, namespace, name}
	o, ok := s.find(at)
	if !ok {
		return false
	}
	old, _ := o.metadata()["annotations"].(map[string]any)
	annotations := maps.Clone(old)
	if annotations == nil {
		annotations = map[string]any{}
	}
	annotations[annotation] = value
	if value == "" {
		delete(annotations, annotation)
	}
	var all any
	if len(annotations) > 0 {
		all = annotations
	}
	s.put(at, o.with(map[string]any{"annotations": all}))
	return true
}

// Renew puts another object of the same name and content in the place of one, as a delete and a create
// do. There is false without such an object.
func (s *Server) Renew(resource, namespace, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := key{resource, namespace, name}
	o, ok := s.find(at)
	if !ok {
		return false
	}
	s.drop(at)
	s.put(at, o.with(map[string]any{"uid": nil, "creationTimestamp": nil}))
	return true
}

// Writes counts the changes so far.
func (s *Server) Writes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}
