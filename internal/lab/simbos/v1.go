package simbos

import (
	"fmt"
	"net/http"
)

// TenantHeader is the header with which CSM 1.5 refuses every request to v1.
const TenantHeader = "Cray-Tenant-Name"

func (s *Server) routeV1(w http.ResponseWriter, r *http.Request, parts []string) {
	if s.options.RefuseTenants && r.Header.Get(TenantHeader) != "" {
		writeProblem(w, http.StatusBadRequest, "Multi-tenancy not supported",
			"BOS v1 does not support multi-tenancy; use BOS v2.")
		return
	}
	switch {
	case len(parts) == 0, len(parts) == 1 && parts[0] == "version":
		if allowMethods(w, r, http.MethodGet) {
			writeJSON(w, http.StatusOK, s.version("/v1", true))
		}
	case len(parts) == 1 && parts[0] == "healthz":
		if allowMethods(w, r, http.MethodGet) {
			s.awaitDatabase()
			writeJSON(w, http.StatusOK, map[string]string{"dbStatus": "ok", "apiStatus": "ok"})
		}
	case parts[0] == "session":
		s.routeSession(w, r, parts[1:])
	default:
		writeNoRoute(w)
	}
}

func (s *Server) routeSession(w http.ResponseWriter, r *http.Request, parts []string) {
	switch {
	case len(parts) == 0:
		if allowMethods(w, r, http.MethodGet) {
			s.list(w)
		}
	case len(parts) == 1 && r.Method == http.MethodDelete:
		s.delete(w, parts[0])
	case len(parts) == 1:
		if allowMethods(w, r, http.MethodGet, http.MethodDelete) {
			s.get(w, parts[0])
		}
	case parts[1] != "status" || len(parts) > 3:
		writeNoRoute(w)
	case len(parts) == 2:
		if allowMethods(w, r, http.MethodGet) {
			s.status(w, parts[0])
		}
	default:
		if allowMethods(w, r, http.MethodGet) {
			s.bootSetStatus(w, parts[0], parts[2])
		}
	}
}

// list answers with the IDs of all keys, in any order, once the database sends all keys in one answer. If they are too
// many it asks again for ever (docs/csm.md, "The list that hangs").
func (s *Server) list(w http.ResponseWriter) {
	s.awaitDatabase()
	var ids []string
	s.awaitWhile(func() (stuck bool) {
		if s.hangs.Load() {
			return true
		}
		var err error
		ids, err = s.store.listIDs()
		return err != nil
	}, &s.retries)
	writeJSON(w, http.StatusOK, s.shuffled(ids))
}

// get answers with the attributes and the fields of the status record. A session without attributes, which may be a
// ghost, is a 404 with an empty object.
func (s *Server) get(w http.ResponseWriter, id string) {
	s.awaitDatabase()
	session, status := s.store.get(id)
	if len(session) == 0 {
		writeJSON(w, http.StatusNotFound, session)
		return
	}
	for _, field := range []string{"start_time", "stop_time", "complete", "in_progress", "error_count"} {
		session[field] = ""
	}
	if status != nil {
		if status.broken {
			writeInternalError(w)
			return
		}
		for field, value := range s.metadata(*status) {
			session[field] = value
		}
	}
	writeJSON(w, http.StatusOK, session)
}

func (s *Server) metadata(status statusRecord) map[string]any {
	complete, inProgress := false, false
	if s.options.HonestComplete {
		complete = status.stop != nil && status.stop != ""
		inProgress = !complete
	}
	return map[string]any{
		"start_time": status.start, "stop_time": status.stop,
		"complete": complete, "in_progress": inProgress, "error_count": 0,
	}
}

func writeInternalError(w http.ResponseWriter) {
	writeProblem(w, http.StatusInternalServerError, "Internal Server Error",
		"The server encountered an internal error and was unable to complete your request. "+
			"Either the server is overloaded or there is an error in the application.")
}

// delete answers 204 if there was any key, even if only those of a ghost. The three s are BOS's own.
func (s *Server) delete(w http.ResponseWriter, id string) {
	s.awaitDatabase()
	if s.store.remove(id) == 0 {
		writeJSON(w, http.StatusNotFound, fmt.Sprintf("Sesssion: %s not found", id))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func withoutNull(m map[string]any) map[string]any {
	for key, value := range m {
		if value == nil {
			delete(m, key)
		}
	}
	return m
}

// status answers without boot sets: the record is made before BOS knows them.
func (s *Server) status(w http.ResponseWriter, id string) {
	s.awaitDatabase()
	_, status := s.store.get(id)
	if status == nil {
		writeProblem(w, http.StatusNotFound, "The Session status was not found.", "Session "+id+" has no status")
		return
	}
	if status.broken {
		writeInternalError(w)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"id":       id,
		"metadata": withoutNull(s.metadata(*status)),
		"links":    []map[string]string{{"rel": "self", "href": "/v1/session/" + id + "/status"}},
	})
}

func (s *Server) bootSetStatus(w http.ResponseWriter, id, name string) {
	s.awaitDatabase()
	record, ok := s.store.bootSet(id, name)
	if !ok {
		writeProblem(w, http.StatusNotFound, "The Boot Set was not found.", "Session "+id+" has no Boot Set "+name)
		return
	}
	self := "/v1/session/" + id + "/status/" + name
	links := []map[string]string{{"rel": "self", "href": self}}
	list := []any{}
	for _, phase := range Phases(record.operation) {
		links = append(links, map[string]string{"rel": "Phase", "href": self + "/" + phase})
		list = append(list, record.phase(phase))
	}
	status := http.StatusOK
	if s.options.Created201 {
		status = http.StatusCreated
	}
	writeJSON(w, status, map[string]any{
		"name": name, "session": id, "links": links, "phases": list, "metadata": record.metadata(),
	})
}

func (r setRecord) metadata() map[string]any {
	done := r.stop != nil
	return withoutNull(map[string]any{
		"start_time": r.start, "stop_time": r.stop,
		"complete": done, "in_progress": !done, "error_count": r.set.Failed,
	})
}

func (r setRecord) phase(name string) map[string]any {
	nodes := r.nodesByCategory(name)
	failed := nodes["failed"]
	categories := []any{}
	for _, category := range []string{"not_started", "in_progress", "succeeded", "failed", "excluded"} {
		list := nodes[category]
		if list == nil {
			list = []string{}
		}
		categories = append(categories, map[string]any{"name": category, "node_list": list})
	}
	errors := map[string][]string{}
	if len(failed) > 0 {
		errors["Node failed to reach the "+name+" state."] = failed
	}
	return map[string]any{"name": name, "metadata": r.metadata(), "categories": categories, "errors": errors}
}
