package simkube

import "maps"

// Annotate sets an annotation without going through the API; an empty value removes it. The object gets a new resource
// version, as with any change. It returns false if there is no such object.
func (s *Server) Annotate(resource, namespace, name, annotation, value string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{resource, namespace, name}
	o, ok := s.find(k)
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
	s.put(k, o.withMetadata(map[string]any{"annotations": all}))
	return true
}

// SetFinalizers sets the finalizers of an object, or removes them if there are none; one that was deleted goes then. It
// returns false if the object does not exist.
func (s *Server) SetFinalizers(resource, namespace, name string, finalizers ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{resource, namespace, name}
	o, ok := s.find(k)
	if !ok {
		return false
	}
	var all any
	if len(finalizers) > 0 {
		list := make([]any, 0, len(finalizers))
		for _, f := range finalizers {
			list = append(list, f)
		}
		all = list
	}
	o = o.withMetadata(map[string]any{"finalizers": all})
	if s.put(k, o); o.metaText("deletionTimestamp") != "" && all == nil {
		s.remove(k)
	}
	return true
}

// Recreate replaces an object by one with the same name and content, and another UID and creation time, as a delete and
// a create do. It returns false if there is no such object.
func (s *Server) Recreate(resource, namespace, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{resource, namespace, name}
	o, ok := s.find(k)
	if !ok {
		return false
	}
	s.remove(k)
	s.put(k, o.withMetadata(map[string]any{"uid": nil, "creationTimestamp": nil}))
	return true
}

// Writes returns a number that grows with each change.
func (s *Server) Writes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}
