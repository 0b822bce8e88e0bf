package simbos

import (
	"errors"
	"net/http"
	"strings"
)

// status returns the status record of a session.
func (s *Server) status(id string) (statusRecord, error) {
	record, ok := s.store.value(id, "status").(statusRecord)
	switch {
	case !ok:
		return statusRecord{}, errMissing
	case record.broken:
		return statusRecord{}, errInternal
	}
	return record, nil
}

// bootSet returns the status record of a boot set.
func (s *Server) bootSet(id, name string) (setRecord, error) {
	record, ok := s.store.value(id, "status/"+name).(setRecord)
	switch {
	case !ok:
		return setRecord{}, errMissing
	case record.broken, !s.options.reads(record.writer):
		return setRecord{}, errInternal
	}
	return record, nil
}

func (s *Server) getStatus(w http.ResponseWriter, _ *http.Request, args []string) {
	record, err := s.status(args[0])
	if err != nil {
		writeMissing(w, err)
		return
	}
	s.writeStatus(w, http.StatusOK, args[0], record)
}

// writeMissing answers where BOS heeds that a status is missing: 404 without a body.
func writeMissing(w http.ResponseWriter, err error) {
	if errors.Is(err, errMissing) {
		writeEmpty(w, http.StatusNotFound)
		return
	}
	writeFailure(w, err)
}

// writeStatus answers with the status of a session. It needs the status of every boot set that the record names. If one
// is missing, the connection ends without an answer, whatever has been written before.
func (s *Server) writeStatus(w http.ResponseWriter, code int, id string, record statusRecord) {
	fields, err := s.metadata(id, record)
	if err != nil {
		writeFailure(w, err)
		return
	}
	self := "/v1/session/" + id + "/status"
	links := []map[string]string{{"rel": "self", "href": self}}
	for _, name := range record.named {
		links = append(links, map[string]string{"rel": "Boot Set", "href": self + "/" + name})
	}
	answer := map[string]any{"id": id, "metadata": withoutNull(fields), "links": links}
	if record.named != nil {
		answer["boot_sets"] = record.named
	}
	writeJSON(w, code, answer)
}

// postStatus makes the status record, unless there is one. BOA posts it when it starts, and does not care that BOS has
// deleted the session: this is how ghosts arise (docs/csm.md, "Ghosts").
func (s *Server) postStatus(w http.ResponseWriter, r *http.Request, args []string) {
	var body struct {
		BootSets []string `json:"boot_sets"`
		Metadata Times    `json:"metadata"`
	}
	if !readBody(w, r, &body) {
		return
	}
	switch record, err := s.status(args[0]); {
	case err == nil:
		s.writeStatus(w, http.StatusConflict, args[0], record)
	case errors.Is(err, errInternal):
		writeInternalError(w)
	default:
		record = statusRecord{start: s.orNow(body.Metadata.Start), named: body.BootSets}
		s.store.write(args[0], "status", record, pickleBase)
		s.writeStatus(w, http.StatusOK, args[0], record)
	}
}

func (s *Server) orNow(start any) any {
	if isUnset(start) {
		return s.options.Now().UTC().Format(agentForm)
	}
	return start
}

func isUnset(value any) bool { return value == nil || value == "" }

// patchStatus keeps a time that is there already.
func (s *Server) patchStatus(w http.ResponseWriter, r *http.Request, args []string) {
	var body Times
	if !readBody(w, r, &body) {
		return
	}
	record, err := s.status(args[0])
	if err != nil {
		writeMissing(w, err)
		return
	}
	if isUnset(record.start) {
		record.start = body.Start
	}
	if isUnset(record.stop) {
		record.stop = body.Stop
	}
	s.store.write(args[0], "status", record, pickleBase)
	s.writeStatus(w, http.StatusOK, args[0], record)
}

// deleteStatus deletes the status of a session or a boot set. Its answer is the status code, but as a number in the
// body of a 200.
func (s *Server) deleteStatus(w http.ResponseWriter, _ *http.Request, args []string) {
	code := http.StatusNotFound
	if s.store.removeKey(args[0], strings.Join(append([]string{"status"}, args[1:]...), "/")) {
		code = http.StatusNoContent
	}
	writeAsProblem(w, http.StatusOK, code)
}
