package simbos

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
)

// Job is what BOS asks Kubernetes for when a session is posted: a ConfigMap of the session's ID with the template, and
// a Job that runs BOA.
type Job struct {
	ID, Operation, Template, Limit string
	Body                           map[string]any // of the template
}

// SetLaunch sets the function that plays Kubernetes for posted sessions. If it fails, so does the request, and BOS keeps
// nothing of the session. By default nothing is made in Kubernetes.
func (s *Server) SetLaunch(launch func(Job) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.launch = launch
}

// SetNextIDs sets the IDs of the sessions that are posted next, to v1 or v2. Those after them are random.
func (s *Server) SetNextIDs(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextIDs = ids
}

func (s *Server) newID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.nextIDs) > 0 {
		id := s.nextIDs[0]
		s.nextIDs = s.nextIDs[1:]
		return id
	}
	high, low := s.random.Uint64(), s.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x",
		high>>32, high>>16&0xffff, high&0xfff, 0x8000|low>>48&0x3fff, low&0xffffffffffff)
}

// operationName is how the specification checks an operation. The anchors do not hold the alternatives together.
var operationName = regexp.MustCompile("^boot|configure|reboot|shutdown$")

// post makes a session: first in Kubernetes, then in etcd.
func (s *Server) post(w http.ResponseWriter, r *http.Request, _ []string) {
	var body map[string]any
	if !readBody(w, r, &body) {
		return
	}
	job, ok := s.readSession(w, body)
	if !ok || !s.templatesAnswer(w) {
		return
	}
	s.mu.Lock()
	template, found := s.templates[job.Template]
	launch := s.launch
	s.mu.Unlock()
	if !found {
		writeJSON(w, http.StatusNotFound, "Session Template ID invalid: "+job.Template)
		return
	}
	job.ID, job.Body = s.newID(), template.body
	if launch(job) != nil {
		writeInternalError(w)
		return
	}
	s.awaitDatabase()
	s.Add(Session{
		ID: job.ID, Template: job.Template, Operation: job.Operation, Start: v1Time(s.options.Now()),
	})
	self := "/v1/session/" + job.ID
	answer := map[string]any{
		"operation": job.Operation, s.options.TemplateKey: job.Template, "job": "boa-" + job.ID,
		"links": []map[string]string{
			{"rel": "session", "type": "GET", "jobId": "boa-" + job.ID, "href": self},
			{"rel": "status", "type": "GET", "href": self + "/status"},
		},
	}
	if job.Limit != "" {
		answer["limit"] = job.Limit
	}
	writeJSON(w, http.StatusCreated, answer)
}

// readSession reads what the body of a POST asks for. If it is not accepted, readSession answers and returns false.
func (s *Server) readSession(w http.ResponseWriter, body map[string]any) (Job, bool) {
	var job Job
	job.Operation, _ = body["operation"].(string)
	job.Limit, _ = body["limit"].(string)
	keys := []string{s.options.TemplateKey, "templateUuid"}
	for _, key := range keys {
		if name, _ := body[key].(string); job.Template == "" {
			job.Template = name
		}
	}
	for key := range body {
		if !slices.Contains(append(keys, "operation", "limit"), key) {
			writeBadRequest(w, "Additional properties are not allowed ('"+key+"' was unexpected)")
			return job, false
		}
	}
	switch {
	case !operationName.MatchString(job.Operation):
		writeBadRequest(w, "'"+job.Operation+"' does not match '"+operationName.String()+"' - 'operation'")
	case job.Template != "":
		return job, true
	case s.options.since("1.10.0") && !s.options.since("2.0.47"): // the handler checks it, not the specification
		writeJSON(w, http.StatusBadRequest, "templateName is a required parameter")
	default:
		writeBadRequest(w, "'"+s.options.TemplateKey+"' is a required property")
	}
	return job, false
}
