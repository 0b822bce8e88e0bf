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

// filter is what the query of a list or a bulk DELETE asks for. Age filters compare start
// times as texts of one form, so a record without one cannot be filtered by age: that
// panics, as it does in CFS, into a 500.
func (s *Server) filter(query url.Values) func(Session) bool {
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
		if minAge != "" && started(c).After(time.Now().Add(-age(minAge))) {
			return false
		}
		if maxAge != "" && started(c).Before(time.Now().Add(-age(maxAge))) {
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

func started(c Session) time.Time {
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

// age reads 7d, 12h and the like; anything it does not understand is no age at all, which
// then matches everything, as in CFS.
func age(text string) time.Duration {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text[:len(text)-1])
	if err != nil {
		return 0
	}
	return time.Duration(n) * units[text[len(text)-1]]
}

// matching returns the sessions that a query asks for, by name.
func (s *Server) matching(query url.Values) (found []Session, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%v", cause)
		}
	}()
	keep := s.filter(query)
	for _, name := range slices.Sorted(maps.Keys(s.sessions)) {
		if keep(s.sessions[name]) {
			found = append(found, s.sessions[name])
		}
	}
	return found, nil
}

func (s *Server) serveSessions(w http.ResponseWriter, r *http.Request, v3 bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodDelete {
		notAllowed(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.URL.Query()
	if r.Method == http.MethodDelete {
		s.bulkDelete(w, query, v3)
		return
	}
	found, err := s.matching(query)
	if err != nil {
		problem(w, http.StatusInternalServerError, "Internal Server Error", err.Error())
		return
	}
	if v3 {
		page, next := pageOf(found, query, s.options.PageSize, func(c Session) string { return c.Name })
		answer(w, http.StatusOK, map[string]any{"sessions": bodies(page, func(c Session) any { return c.body(true) }), "next": next})
		return
	}
	if s.options.V2PageLimit && len(found) > s.options.PageSize {
		s.tooLarge(w)
		return
	}
	answer(w, http.StatusOK, bodies(found, func(c Session) any { return c.body(false) }))
}

// pageOf cuts one page out of a list: limit and after_id. The next page's parameters repeat
// the filters; there is none (null) after the last one. The record that after_id names
// need not exist any more.
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

// bulkDelete does what the real one does: with nothing asked, it removes every complete
// session there is; with an empty status, every one whatever it is doing.
func (s *Server) bulkDelete(w http.ResponseWriter, query url.Values, v3 bool) {
	if !query.Has("status") {
		query.Set("status", "complete")
	}
	found, err := s.matching(query)
	if err != nil {
		problem(w, http.StatusInternalServerError, "Internal Server Error", err.Error())
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
		answer(w, http.StatusOK, map[string]any{"session_ids": names})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) serveSession(w http.ResponseWriter, r *http.Request, name string, v3 bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodDelete {
		notAllowed(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	session, ok := s.sessions[name]
	if !ok {
		problem(w, http.StatusNotFound, "Session not found.", "Session "+name+" could not be found")
		return
	}
	if r.Method == http.MethodGet {
		answer(w, http.StatusOK, session.body(v3))
		return
	}
	s.kill(session)
	delete(s.sessions, name)
	w.WriteHeader(http.StatusNoContent)
}
