package simbos

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (s *Server) listV2(w http.ResponseWriter, r *http.Request, _ []string) {
	names, ok := s.filterV2(w, r)
	if !ok {
		return
	}
	list := []any{}
	s.mu.Lock()
	for _, name := range names {
		list = append(list, s.describeV2(s.v2[name]))
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, list)
}

func (s *Server) deleteAllV2(w http.ResponseWriter, r *http.Request, _ []string) {
	names, ok := s.filterV2(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	for _, name := range names {
		delete(s.v2, name)
	}
	s.mu.Unlock()
	writeAsProblem(w, http.StatusNoContent, nil)
}

// filterV2 returns the sessions that the parameters of a request name, and that its tenant may see: without a tenant,
// those of all tenants. If it does not accept a parameter, it answers and returns false.
func (s *Server) filterV2(w http.ResponseWriter, r *http.Request) (names []string, ok bool) {
	query, now := r.URL.Query(), s.options.Now()
	for _, name := range []string{"min_age", "max_age"} {
		if query.Has(name) && s.options.since("2.10.0") && !ageForm.MatchString(query.Get(name)) {
			writeBadRequest(w, fmt.Sprintf("'%s' does not match '%s'", query.Get(name), ageForm))
			return nil, false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.v2)) {
		session := s.v2[name]
		started := v2Time(session.Start)
		minimum, maximum := query.Get("min_age"), query.Get("max_age")
		tenant, status := s.tenant(r), query.Get("status")
		if (tenant == "" || tenant == session.Tenant) && (status == "" || status == session.Status) &&
			(minimum == "" || !started.After(now.Add(-age(minimum)))) &&
			(maximum == "" || !started.Before(now.Add(-age(maximum)))) {
			names = append(names, name)
		}
	}
	return names, true
}

// findV2 returns the session of the name and the request's tenant. If there is none, it answers and returns false.
func (s *Server) findV2(w http.ResponseWriter, r *http.Request, name string) (V2Session, bool) {
	s.mu.Lock()
	session, ok := s.v2[name]
	s.mu.Unlock()
	if !ok || s.options.since("2.10.0") && session.Tenant != s.tenant(r) {
		writeProblem(w, http.StatusNotFound, "Session could not found.",
			fmt.Sprintf("Session %s could not be found", name))
		return V2Session{}, false
	}
	return session, true
}

func (s *Server) getV2(w http.ResponseWriter, r *http.Request, args []string) {
	if session, ok := s.findV2(w, r, args[0]); ok {
		writeJSON(w, http.StatusOK, s.describeV2(session))
	}
}

func (s *Server) deleteV2(w http.ResponseWriter, r *http.Request, args []string) {
	if _, ok := s.findV2(w, r, args[0]); ok {
		s.RemoveV2(args[0])
		writeAsProblem(w, http.StatusNoContent, nil)
	}
}

func (s *Server) postV2(w http.ResponseWriter, r *http.Request, _ []string) {
	var body struct {
		Name      string `json:"name"`
		Operation string `json:"operation"`
		Template  string `json:"template_name"`
		Limit     string `json:"limit"`
	}
	if !readBody(w, r, &body) {
		return
	}
	s.mu.Lock()
	_, ok := s.templates[body.Template]
	s.mu.Unlock()
	if !ok {
		writeBadRequest(w, "Session template '"+body.Template+"' could not be found")
		return
	}
	if body.Name == "" {
		body.Name = s.newID()
	}
	session := V2Session{
		Name: body.Name, Operation: body.Operation, Template: body.Template, Limit: body.Limit,
		Start: s.options.Now().UTC().Format(v2Form), Status: "pending", Tenant: s.tenant(r),
	}
	s.AddV2(session)
	writeJSON(w, http.StatusCreated, s.describeV2(session))
}

// patchV2 changes what BOS's own operators change.
func (s *Server) patchV2(w http.ResponseWriter, r *http.Request, args []string) {
	var body struct {
		Components *string `json:"components"`
		Status     struct {
			Status *string `json:"status"`
			End    *string `json:"end_time"`
		} `json:"status"`
	}
	session, ok := s.findV2(w, r, args[0])
	if !ok || !readBody(w, r, &body) {
		return
	}
	if body.Components != nil {
		session.Nodes = strings.Split(*body.Components, ",")
	}
	if body.Status.Status != nil {
		session.Status = *body.Status.Status
	}
	if body.Status.End != nil {
		session.End = *body.Status.End
	}
	s.AddV2(session)
	writeJSON(w, http.StatusOK, s.describeV2(session))
}

func (s *Server) describeV2(v V2Session) map[string]any {
	answer := map[string]any{
		"name": v.Name, "operation": v.Operation, "template_name": v.Template,
		"limit": v.Limit, "stage": false, "components": strings.Join(v.Nodes, ","),
		"status": map[string]any{"start_time": v.Start, "end_time": v.End, "status": v.Status, "error": nil},
	}
	if s.options.since("2.0.47") {
		answer["include_disabled"] = false
	}
	if s.options.since("2.10.0") {
		answer["tenant"] = nil
		if v.Tenant != "" {
			answer["tenant"] = v.Tenant
		}
	}
	return answer
}

// getStatusV2 answers with the summary of a session that no component names any more.
func (s *Server) getStatusV2(w http.ResponseWriter, r *http.Request, args []string) {
	session, ok := s.findV2(w, r, args[0])
	if !ok {
		return
	}
	until := s.options.Now().UTC()
	if session.End != nil {
		until = v2Time(session.End)
	}
	took := until.Sub(v2Time(session.Start)).Truncate(time.Second)
	writeJSON(w, http.StatusOK, map[string]any{
		"status": session.Status, "managed_components_count": 0, "error_summary": map[string]any{},
		"percent_failed": 0, "percent_staged": 0, "percent_successful": 0,
		"phases": map[string]any{
			"percent_complete": 0, "percent_configuring": 0, "percent_powering_off": 0, "percent_powering_on": 0,
		},
		"timing": map[string]any{
			"start_time": session.Start, "end_time": session.End,
			"duration": fmt.Sprintf("%d:%02d:%02d", int(took.Hours()), int(took.Minutes())%60, int(took.Seconds())%60),
		},
	})
}
