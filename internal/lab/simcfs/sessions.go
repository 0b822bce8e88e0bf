package simcfs

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (c Session) body(v3 bool) sessionBody {
	body := sessionBody{
		Name:          c.Name,
		Configuration: configurationBody{Name: c.Configuration},
		Ansible:       ansibleBody{Config: "cfs-default-ansible-cfg", Limit: nullable(c.Limit)},
		Target:        targetBody{Definition: c.Definition, Groups: c.groups(), ImageMap: []any{}},
		Status:        statusBody{Artifacts: []any{}},
		Tags:          orEmpty(c.Tags),
	}
	var start *any
	if !c.NoStart {
		start = &c.Start
	}
	if v3 {
		no := false
		body.Status.Session = stateV3{c.Status, c.Succeeded, c.Job, "", start, c.Completion}
		body.Debug, body.Logs = &no, "https://ara.cmn.example.com/hosts?label="+c.Name
	} else {
		body.Status.Session = stateV2{c.Status, c.Succeeded, c.Job, start, c.Completion}
	}
	return body
}

func (c Session) groups() any {
	if len(c.Groups) == 0 {
		return nil
	}
	groups := []any{}
	for _, name := range c.Groups {
		groups = append(groups, map[string]any{"name": name, "members": []string{"3d6a5ed6-79ed-4f8e-b4a1-fa5ff6b9a5a2"}})
	}
	return groups
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func orEmpty(tags map[string]string) map[string]string {
	if tags == nil {
		return map[string]string{}
	}
	return tags
}

// sessionFilter returns the filter in the query of a list or a bulk DELETE. It panics for an age filter and a record
// without a start time: in CFS that is a 500.
func (s *Server) sessionFilter(query url.Values) func(Session) bool {
	minAge, maxAge := query.Get("min_age"), query.Get("max_age")
	if minAge == "" {
		minAge = query.Get("age")
	}
	return func(c Session) bool {
		if v := query.Get("status"); v != "" && c.Status != v {
			return false
		}
		if v := query.Get("succeeded"); v != "" && c.Succeeded != v {
			return false
		}
		if !strings.Contains(c.Name, query.Get("name_contains")) {
			return false
		}
		if minAge != "" && startTime(c).After(time.Now().Add(-parseAge(minAge))) {
			return false
		}
		if maxAge != "" && startTime(c).Before(time.Now().Add(-parseAge(maxAge))) {
			return false
		}
		if v := query.Get("tags"); v != "" {
			for tag := range strings.SplitSeq(v, ",") {
				key, value, _ := strings.Cut(tag, "=")
				if c.Tags[key] != value {
					return false
				}
			}
		}
		return true
	}
}

func startTime(c Session) time.Time {
	text, ok := c.Start.(string)
	if !ok || c.NoStart {
		panic(fmt.Sprintf("session %s has no start time", c.Name))
	}
	t, err := time.Parse(timeForm, text)
	if err != nil {
		panic(err)
	}
	return t
}

// parseAge parses an age such as 7d or 12h. Anything else is an age of zero, which matches every session, as in CFS.
func parseAge(text string) time.Duration {
	const day = 24 * time.Hour
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': day, 'w': 7 * day}
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text[:len(text)-1])
	if err != nil {
		return 0
	}
	return time.Duration(n) * units[text[len(text)-1]]
}

// matchingSessions returns the sessions that a query asks for, by name.
func (s *Server) matchingSessions(query url.Values) (found []Session, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%v", cause)
		}
	}()
	matches := s.sessionFilter(query)
	for _, name := range slices.Sorted(maps.Keys(s.sessions)) {
		if matches(s.sessions[name]) {
			found = append(found, s.sessions[name])
		}
	}
	return found, nil
}

func (s *Server) serveSessions(w http.ResponseWriter, r *http.Request, v3 bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodDelete {
		writeNotAllowed(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.URL.Query()
	if r.Method == http.MethodDelete {
		s.bulkDelete(w, query, v3)
		return
	}
	found, err := s.matchingSessions(query)
	if err != nil {
		writeProblem(w, http.StatusInternalServerError, "Internal Server Error", err.Error())
		return
	}
	if v3 {
		page, next := pageOf(found, query, s.options.PageSize, func(c Session) string { return c.Name })
		list := bodies(page, func(c Session) any { return c.body(true) })
		writeJSON(w, http.StatusOK, map[string]any{"sessions": list, "next": next})
		return
	}
	if s.options.V2PageLimit && len(found) > s.options.PageSize {
		s.writeTooLarge(w)
		return
	}
	writeJSON(w, http.StatusOK, bodies(found, func(c Session) any { return c.body(false) }))
}

// pageOf returns the page of a list that limit and after_id ask for, and the parameters of the next page, with the same
// filters; they are null after the last one. The record that after_id names need not exist any more.
func pageOf[T any](all []T, query url.Values, pageSize int, key func(T) string) (page []T, next any) {
	limit := pageSize
	if n, err := strconv.Atoi(query.Get("limit")); err == nil && n > 0 {
		limit = n
	}
	after := query.Get("after_id")
	start := slices.IndexFunc(all, func(item T) bool { return key(item) > after })
	if start < 0 {
		return nil, nil
	}
	page = all[start:]
	if len(page) <= limit {
		return page, nil
	}
	page = page[:limit]
	parameters := map[string]any{}
	for name, values := range query {
		parameters[name] = values[0]
	}
	parameters["limit"], parameters["after_id"] = limit, key(page[limit-1])
	return page, parameters
}

func bodies[T any](items []T, body func(T) any) []any {
	list := make([]any, 0, len(items))
	for _, item := range items {
		list = append(list, body(item))
	}
	return list
}

// bulkDelete does what CFS does: without a filter it removes every complete session, and with an empty status every
// session, whatever its state.
func (s *Server) bulkDelete(w http.ResponseWriter, query url.Values, v3 bool) {
	if !query.Has("status") {
		query.Set("status", "complete")
	}
	found, err := s.matchingSessions(query)
	if err != nil {
		writeProblem(w, http.StatusInternalServerError, "Internal Server Error", err.Error())
		return
	}
	if !v3 && s.options.V3 && len(found) > s.options.PageSize {
		found = found[:s.options.PageSize]
	}
	names := []string{}
	for _, session := range found {
		if session.Status != "complete" {
			s.killed = append(s.killed, session.Name)
		}
		delete(s.sessions, session.Name)
		names = append(names, session.Name)
	}
	s.danger = append(s.danger, fmt.Sprintf("bulk DELETE of CFS sessions ?%s removed %d", query.Encode(), len(names)))
	if v3 {
		writeJSON(w, http.StatusOK, map[string]any{"session_ids": names})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) serveSession(w http.ResponseWriter, r *http.Request, name string, v3 bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodDelete {
		writeNotAllowed(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	session, ok := s.sessions[name]
	if !ok {
		writeProblem(w, http.StatusNotFound, "Session not found.", "Session "+name+" could not be found")
		return
	}
	if r.Method == http.MethodGet {
		writeJSON(w, http.StatusOK, session.body(v3))
		return
	}
	s.noteKill(session)
	delete(s.sessions, name)
	w.WriteHeader(http.StatusNoContent)
}
