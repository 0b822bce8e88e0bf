package simbos

import (
	"errors"
	"fmt"
	"net/http"
)

// list answers with the IDs of all keys, in any order, once the database sends all keys in one answer. If they are too
// many it asks again for ever (docs/csm.md, "The list that hangs").
func (s *Server) list(w http.ResponseWriter, _ *http.Request, _ []string) {
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
// ghost, is a 404 with an empty object. Each field for which a status is missing is "".
func (s *Server) get(w http.ResponseWriter, _ *http.Request, args []string) {
	session := s.store.get(args[0])
	if len(session) == 0 {
		writeJSON(w, http.StatusNotFound, session)
		return
	}
	for _, field := range []string{"start_time", "stop_time", "complete", "in_progress", "error_count"} {
		session[field] = ""
	}
	status, err := s.status(args[0])
	if err == nil {
		var fields map[string]any
		fields, err = s.metadata(args[0], status)
		for field, value := range fields {
			session[field] = value
		}
	}
	if errors.Is(err, errInternal) {
		writeInternalError(w)
		return
	}
	writeJSON(w, http.StatusOK, session)
}

// metadata returns the fields of a session's status. Those that need the status of a boot set that has none are left
// out, and the error is then errMissing.
func (s *Server) metadata(id string, status statusRecord) (map[string]any, error) {
	stopped := status.stop != nil && status.stop != ""
	fields := map[string]any{"start_time": status.start, "stop_time": status.stop, "complete": false}
	if s.options.HonestComplete {
		fields["complete"], fields["in_progress"] = stopped, !stopped
	}
	all := progress{}
	for _, name := range status.named {
		record, err := s.bootSet(id, name)
		if err != nil {
			return fields, err
		}
		one, err := record.progress()
		if err != nil {
			return fields, err
		}
		all.inProgress = all.inProgress || one.inProgress
		all.errorCount += one.errorCount
	}
	if !s.options.HonestComplete {
		fields["in_progress"] = all.inProgress
	}
	fields["error_count"] = all.errorCount
	return fields, nil
}

// delete answers 204 if there was any key, even if only those of a ghost. The three s are BOS's own.
func (s *Server) delete(w http.ResponseWriter, _ *http.Request, args []string) {
	if s.store.remove(args[0]) == 0 {
		writeAsProblem(w, http.StatusNotFound, fmt.Sprintf("Sesssion: %s not found", args[0]))
		return
	}
	writeAsProblem(w, http.StatusNoContent, nil)
}
