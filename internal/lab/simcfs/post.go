package simcfs

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
)

const longestName = 45

var namePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// checkNewName returns a problem if no session can be made with a name.
func (s *Server) checkNewName(name string) *problem {
	if len(name) > longestName {
		return badRequest(fmt.Sprintf("'%s' is too long - 'name'", name))
	}
	if !namePattern.MatchString(name) {
		return badRequest(fmt.Sprintf("'%s' does not match '%s' - 'name'", name, namePattern))
	}
	if _, ok := s.sessions[name]; ok {
		return &problem{
			http.StatusConflict, "Conflicting session name", "A session with the name " + name + " already exists",
		}
	}
	return nil
}

// newSession is the body of a POST. Keys of the other version of the API are ignored.
type newSession struct {
	Name            string `json:"name"`
	ConfigurationV2 string `json:"configurationName"`
	ConfigurationV3 string `json:"configuration_name"`
	LimitV2         string `json:"ansibleLimit"`
	LimitV3         string `json:"ansible_limit"`
	Target          *struct {
		Definition string `json:"definition"`
		Groups     []struct {
			Name string `json:"name"`
		} `json:"groups"`
	} `json:"target"`
	Tags map[string]string `json:"tags"`
}

// postSession makes a session, which then lives as those of the batcher do.
func (s *Server) postSession(w http.ResponseWriter, r request) {
	body, bad := decodeBody[newSession](r.Request)
	if bad == nil {
		bad = s.checkNewName(body.Name)
	}
	session := Session{
		Name: body.Name, Configuration: body.ConfigurationV2, Limit: body.LimitV2, Definition: "dynamic",
		Tags: body.Tags, MadeByV2: !r.v3,
	}
	if r.v3 {
		session.Configuration, session.Limit = body.ConfigurationV3, body.LimitV3
	}
	if bad == nil && body.Target != nil {
		session.Definition = cmp.Or(body.Target.Definition, "dynamic")
		for _, group := range body.Target.Groups {
			session.Groups = append(session.Groups, group.Name)
		}
		if session.Definition == "image" && len(session.Groups) == 0 {
			bad = badRequest("At least one target group must be specified.")
		}
	}
	if _, ok := s.configurations[session.Configuration]; bad == nil && !ok {
		bad = &problem{
			http.StatusBadRequest, "Invalid configuration", "No configurations exist named " + session.Configuration,
		}
	}
	if bad == nil && body.Target == nil && !s.release.defaultTarget {
		bad = internalError
	}
	if bad != nil {
		bad.write(w)
		return
	}
	s.run(session, s.now(), nil)
	status := http.StatusOK
	if r.v3 {
		status = http.StatusCreated
	}
	writeJSON(w, status, s.sessionBody(s.sessions[session.Name], r.v3))
}

// patchSession changes the state of a session, as cfs-operator and the session's Job do. The answer has no logs.
func (s *Server) patchSession(w http.ResponseWriter, r request) {
	body, bad := decodeBody[struct {
		Status struct {
			Artifacts []any
			Session   struct {
				Status, Succeeded, Job *string
				StartV2                *string `json:"startTime"`
				StartV3                *string `json:"start_time"`
				CompletionV2           *string `json:"completionTime"`
				CompletionV3           *string `json:"completion_time"`
			}
		}
	}](r.Request)
	if bad != nil {
		bad.write(w)
		return
	}
	session, ok := s.readSession(w, r)
	if !ok {
		return
	}
	state := body.Status.Session
	for _, field := range []struct{ from, into *string }{
		{state.Status, &session.Status}, {state.Succeeded, &session.Succeeded}, {state.Job, &session.Job},
	} {
		if field.from != nil {
			*field.into = *field.from
		}
	}
	if start := cmp.Or(state.StartV2, state.StartV3); start != nil {
		session.Start, session.NoStart = *start, false
	}
	if completion := cmp.Or(state.CompletionV2, state.CompletionV3); completion != nil {
		session.Completion = *completion
	}
	session.Artifacts = append(session.Artifacts, body.Status.Artifacts...)
	s.sessions[session.Name] = session
	answer := s.sessionBody(session, r.v3)
	if shown, ok := answer.(sessionBody); ok && r.v3 {
		shown.Logs = new(any)
		answer = shown
	}
	writeJSON(w, http.StatusOK, answer)
}
