package simcfs

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// sessionFilter is what a list or a bulk DELETE asks for. Empty values match every session.
type sessionFilter struct {
	status, succeeded, nameContains string
	tags                            map[string]string
	minAge, maxAge                  time.Time
}

// sessionFilterOf returns the filter in a query. v3 ignores age.
func (s *Server) sessionFilterOf(r request, query url.Values) (f sessionFilter, bad *problem) {
	if s.release.checksStatus {
		bad = checkEnum(r, "status", "pending", "running", "complete")
	}
	if bad == nil {
		bad = checkEnum(r, "succeeded", "none", "true", "false", "unknown")
	}
	minAge := query.Get("min_age")
	if !r.v3 {
		minAge = cmp.Or(minAge, query.Get("age"))
	}
	for _, age := range []struct {
		text string
		at   *time.Time
	}{{minAge, &f.minAge}, {query.Get("max_age"), &f.maxAge}} {
		if bad == nil && age.text != "" {
			*age.at, bad = s.parseAge(age.text)
		}
	}
	if bad == nil {
		f.tags, bad = parseTags(query.Get("tags"))
	}
	f.status, f.succeeded, f.nameContains = query.Get("status"), query.Get("succeeded"), query.Get("name_contains")
	return f, bad
}

func (f sessionFilter) isEmpty() bool {
	return f.status == "" && f.succeeded == "" && f.nameContains == "" && len(f.tags) == 0 &&
		f.minAge.IsZero() && f.maxAge.IsZero()
}

// matches reports whether a session passes the filter. A record that lacks the key of the start time fails every
// filter, whatever it is for: in CFS that is a 500. One whose start time is null has no age.
func (f sessionFilter) matches(c Session) (bool, *problem) {
	switch {
	case f.isEmpty():
		return true, nil
	case c.NoStart:
		return false, internalError
	case f.status != "" && c.Status != f.status, f.succeeded != "" && c.Succeeded != f.succeeded,
		!strings.Contains(c.Name, f.nameContains), !hasTags(c.Tags, f.tags):
		return false, nil
	case f.minAge.IsZero() && f.maxAge.IsZero():
		return true, nil
	case c.Start == nil:
		return false, nil
	}
	text, _ := c.Start.(string)
	start, err := time.Parse(timeForm, text)
	if err != nil {
		return false, internalError
	}
	return (f.minAge.IsZero() || !start.After(f.minAge)) && (f.maxAge.IsZero() || !start.Before(f.maxAge)), nil
}

// nextSession holds the parameters of a list of sessions in next.
var nextSession = map[string]any{
	"age": nil, "max_age": nil, "min_age": nil, "name_contains": nil, "status": nil, "succeeded": nil, "tags": nil,
}

func (s *Server) listSessions(w http.ResponseWriter, r request) {
	query := r.URL.Query()
	p, bad := s.pageOf(r)
	var filter sessionFilter
	if bad == nil {
		filter, bad = s.sessionFilterOf(r, query)
	}
	var found []Session
	var more bool
	if bad == nil {
		found, more, bad = collect(s, s.sessions, p, filter.matches)
	}
	if bad == nil && more && !r.v3 {
		bad = tooLarge
	}
	if bad != nil {
		bad.write(w)
		return
	}
	list := bodies(found, func(c Session) any { return s.sessionBody(c, r.v3) })
	if !r.v3 {
		writeJSON(w, http.StatusOK, list)
		return
	}
	var last string
	if more {
		last = found[len(found)-1].Name
	}
	writeJSON(w, http.StatusOK, map[string]any{"sessions": list, "next": nextOf(more, query, p, last, nextSession)})
}

// bulkDelete does what CFS does: without a filter it removes every complete session, and with an empty status, where
// that is allowed, every session whatever its state. In v2 it takes one page only. No careful client sends it, whether
// or not it removes anything.
func (s *Server) bulkDelete(w http.ResponseWriter, r request) {
	names, bad := s.deleteMatching(r)
	s.danger = append(s.danger, fmt.Sprintf("bulk DELETE of CFS sessions ?%s removed %d", r.URL.RawQuery, len(names)))
	switch {
	case bad == malformedTags && s.release.ignoresBadTags:
		writeNoContent(w)
	case bad != nil:
		bad.write(w)
	case r.v3:
		writeJSON(w, http.StatusOK, map[string]any{"session_ids": names})
	default:
		writeNoContent(w)
	}
}

func (s *Server) deleteMatching(r request) (names []string, bad *problem) {
	query := r.URL.Query()
	filter, bad := s.sessionFilterOf(r, query)
	if bad != nil {
		return nil, bad
	}
	if !query.Has("status") {
		filter.status = "complete"
	}
	var p page
	if s.release.v3 && !r.v3 {
		p.limit = s.pageSize()
	}
	found, _, bad := collect(s, s.sessions, p, filter.matches)
	names = []string{}
	for _, session := range found {
		if session.Status != "complete" {
			s.killed = append(s.killed, session.Name)
		}
		delete(s.sessions, session.Name)
		names = append(names, session.Name)
	}
	return names, bad
}

// readSession returns the session that a request names. If there is none, it answers, and returns false.
func (s *Server) readSession(w http.ResponseWriter, r request) (Session, bool) {
	s.recordsRead++
	session, ok := s.sessions[r.name]
	if !ok {
		s.sessionMissing(r.name).write(w)
	}
	return session, ok
}

func (s *Server) getSession(w http.ResponseWriter, r request) {
	if session, ok := s.readSession(w, r); ok {
		writeJSON(w, http.StatusOK, s.sessionBody(session, r.v3))
	}
}

func (s *Server) deleteSession(w http.ResponseWriter, r request) {
	if session, ok := s.readSession(w, r); ok {
		s.noteKill(session)
		delete(s.sessions, r.name)
		writeNoContent(w)
	}
}
