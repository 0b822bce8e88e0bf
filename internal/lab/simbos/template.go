package simbos

import (
	"maps"
	"net/http"
	"slices"
)

// template is a session template. v1 and v2 share them.
type template struct {
	body   map[string]any // without name and tenant
	tenant string
}

// withTemplates returns a handler that needs the store of the templates.
func (s *Server) withTemplates(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, args []string) {
		if s.templatesAnswer(w) {
			next(w, r, args)
		}
	}
}

// templatesAnswer waits for etcd, in which BOS keeps the templates up to 1.10, or reports whether redis is up, in which
// it keeps them from 2.0 on.
func (s *Server) templatesAnswer(w http.ResponseWriter) bool {
	if s.options.since("2.0.0") {
		return s.redisAnswers(w)
	}
	s.awaitDatabase()
	return true
}

// tenant returns the tenant that a request names. No BOS before 2.10 heeds it.
func (s *Server) tenant(r *http.Request) string {
	if s.options.since("2.10.0") {
		return r.Header.Get(TenantHeader)
	}
	return ""
}

func (s *Server) describeTemplate(name string, t template) map[string]any {
	answer := maps.Clone(t.body)
	answer["name"] = name
	if s.options.since("2.10.0") {
		answer["tenant"] = t.tenant
	}
	return answer
}

func (s *Server) listTemplates(w http.ResponseWriter, r *http.Request, _ []string) {
	s.mu.Lock()
	list := []any{}
	for _, name := range slices.Sorted(maps.Keys(s.templates)) {
		if tenant := s.tenant(r); tenant == "" || tenant == s.templates[name].tenant {
			list = append(list, s.describeTemplate(name, s.templates[name]))
		}
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, list)
}

// findTemplate returns the template of the name and the request's tenant. If there is none, it answers and returns
// false.
func (s *Server) findTemplate(w http.ResponseWriter, r *http.Request, name string) (template, bool) {
	s.mu.Lock()
	t, ok := s.templates[name]
	s.mu.Unlock()
	switch {
	case ok && t.tenant == s.tenant(r):
		return t, true
	case s.options.since("2.0.0"):
		writeProblem(w, http.StatusNotFound, "Sessiontemplate could not found.",
			"Sessiontemplate "+name+" could not be found")
	default:
		writeProblem(w, http.StatusNotFound, "The Session Template was not found",
			"The Session Template '"+name+"' was not found.")
	}
	return template{}, false
}

func (s *Server) getTemplate(w http.ResponseWriter, r *http.Request, args []string) {
	if t, ok := s.findTemplate(w, r, args[0]); ok {
		writeJSON(w, http.StatusOK, s.describeTemplate(args[0], t))
	}
}

func (s *Server) postTemplate(w http.ResponseWriter, r *http.Request, _ []string) {
	var body map[string]any
	if !readBody(w, r, &body) {
		return
	}
	name, _ := body["name"].(string)
	if name == "" {
		writeBadRequest(w, "'name' is a required property")
		return
	}
	s.storeTemplate(r, name, body)
	if !s.options.since("2.0.0") {
		name = "/sessionTemplate/" + name
	}
	writeJSON(w, http.StatusCreated, name)
}

func (s *Server) putTemplate(w http.ResponseWriter, r *http.Request, args []string) {
	var body map[string]any
	if !readBody(w, r, &body) {
		return
	}
	writeJSON(w, http.StatusOK, s.describeTemplate(args[0], s.storeTemplate(r, args[0], body)))
}

func (s *Server) storeTemplate(r *http.Request, name string, body map[string]any) template {
	delete(body, "name")
	t := template{body, s.tenant(r)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.templates[name] = t
	return t
}

func (s *Server) deleteTemplate(w http.ResponseWriter, r *http.Request, args []string) {
	if _, ok := s.findTemplate(w, r, args[0]); !ok {
		return
	}
	s.mu.Lock()
	delete(s.templates, args[0])
	s.mu.Unlock()
	writeAsProblem(w, http.StatusNoContent, nil)
}
