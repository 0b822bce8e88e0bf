package simbos

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// since reports whether this BOS has at least the given version.
func (o Options) since(version string) bool {
	return slices.Compare(parseVersion(o.Version), parseVersion(version)) >= 0
}

func parseVersion(version string) []int {
	var numbers []int
	for part := range strings.SplitSeq(version, ".") {
		n, _ := strconv.Atoi(part)
		numbers = append(numbers, n)
	}
	return numbers
}

// reads reports whether this BOS can read the status of a boot set that another version wrote. The classes that such a
// record names have other names from 2.0 on, and one of them is gone from 2.10 on (docs/csm.md, "Boot set status").
func (o Options) reads(writer string) bool {
	if writer == "" {
		return true
	}
	written := Options{Version: writer}
	for _, change := range []string{"2.0.0", "2.10.0"} {
		if o.since(change) && !written.since(change) {
			return false
		}
	}
	return true
}

// templateKey returns the attribute in which this BOS keeps the name of a session's template.
func (o Options) templateKey() string {
	if o.since("1.10.0") {
		return "templateName"
	}
	return "templateUuid"
}

// version returns a handler that describes the version of an API.
func (s *Server) version(path string) handler {
	return func(w http.ResponseWriter, _ *http.Request, _ []string) {
		writeJSON(w, http.StatusOK, s.describeVersion(
			map[string]string{"rel": "self", "href": path}, map[string]string{"rel": "versions", "href": "/"}))
	}
}

// root answers with one entry for each API. Nothing else than their number tells which there are.
func (s *Server) root(w http.ResponseWriter, _ *http.Request, _ []string) {
	versions := []any{}
	for _, served := range []bool{s.options.V1, s.options.V2} {
		if served {
			versions = append(versions, s.describeVersion(map[string]string{"rel": "self", "href": "/"}))
		}
	}
	writeJSON(w, http.StatusOK, versions)
}

func (s *Server) describeVersion(links ...map[string]string) map[string]any {
	parts := strings.SplitN(s.options.Version, ".", 3)
	return map[string]any{"major": parts[0], "minor": parts[1], "patch": parts[2], "links": links}
}

// healthV1 writes to etcd and reads back, so it waits as every other request does if etcd is down.
func (s *Server) healthV1(w http.ResponseWriter, _ *http.Request, _ []string) {
	s.awaitDatabase()
	database := "etcdStatus"
	if s.options.since("2.0.0") {
		database = "dbStatus"
	}
	writeJSON(w, http.StatusOK, map[string]string{database: "ok", "apiStatus": "ok"})
}

// healthV2 answers 200 even if redis is down.
func (s *Server) healthV2(w http.ResponseWriter, _ *http.Request, _ []string) {
	database := "ok"
	if s.redisDown.Load() {
		database = "not_available"
	}
	writeJSON(w, http.StatusOK, map[string]string{"dbStatus": database, "apiStatus": "ok"})
}
