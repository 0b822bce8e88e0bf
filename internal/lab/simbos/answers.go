package simbos

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"
)

var (
	// errMissing stands for the exceptions with which BOS reports a missing status. They do not derive from Exception,
	// so that nothing in its web framework catches them.
	errMissing = errors.New("no such status")
	// errInternal stands for any other exception.
	errInternal = errors.New("internal error")
)

// writeFailure answers with what an exception inside BOS comes to: the end of the connection for those of errMissing,
// and 500 for all others.
func writeFailure(w http.ResponseWriter, err error) {
	if errors.Is(err, errInternal) {
		writeInternalError(w)
		return
	}
	panic(http.ErrAbortHandler)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// writeEmpty answers without a body, but with the content type of one.
func writeEmpty(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
}

const problemType = "application/problem+json"

// writeAsProblem answers with a body that is no problem under the content type of one, as the handlers of DELETE do.
// They are the only ones for which BOS's specification names no other type. A nil body is left out.
func writeAsProblem(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(status)
	if body != nil {
		_ = json.NewEncoder(w).Encode(body)
	}
}

func writeProblem(w http.ResponseWriter, status int, title, detail string) {
	writeAsProblem(w, status, map[string]any{
		"type": "about:blank", "title": title, "detail": detail, "status": status,
	})
}

func writeInternalError(w http.ResponseWriter) {
	writeProblem(w, http.StatusInternalServerError, "Internal Server Error",
		"The server encountered an internal error and was unable to complete your request. "+
			"Either the server is overloaded or there is an error in the application.")
}

func writeBadRequest(w http.ResponseWriter, detail string) {
	writeProblem(w, http.StatusBadRequest, "Bad Request", detail)
}

// writeNoRoute answers as the web framework does for an unknown path. By this body a BOS without v1 differs from one
// without the session.
func writeNoRoute(w http.ResponseWriter) {
	writeProblem(w, http.StatusNotFound, "Not Found", "The requested URL was not found on the server. "+
		"If you entered the URL manually please check your spelling and try again.")
}

// readBody decodes the JSON body of a request. If it cannot, it answers and returns false.
func readBody(w http.ResponseWriter, r *http.Request, body any) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		writeProblem(w, http.StatusUnsupportedMediaType, "Unsupported Media Type",
			"Invalid Content-type ("+kind+"), expected JSON data")
		return false
	}
	if err := json.NewDecoder(r.Body).Decode(body); err != nil {
		writeBadRequest(w, err.Error())
		return false
	}
	return true
}
