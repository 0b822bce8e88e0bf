package simcfs

import (
	"encoding/json"
	"net/http"
)

// problem is an answer that is an error.
type problem struct {
	status        int
	title, detail string
}

func (p *problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "title": p.title, "detail": p.detail, "status": p.status,
	})
}

func badRequest(detail string) *problem {
	return &problem{http.StatusBadRequest, "Bad Request", detail}
}

var (
	noRoute = &problem{
		http.StatusNotFound, "Not Found", "The requested URL was not found on the server. " +
			"If you entered the URL manually please check your spelling and try again.",
	}
	notAllowed = &problem{
		http.StatusMethodNotAllowed, "Method Not Allowed", "The method is not allowed for the requested URL.",
	}
	internalError = &problem{
		http.StatusInternalServerError, "Internal Server Error", "The server encountered an internal error and was " +
			"unable to complete your request. Either the server is overloaded or there is an error in the application.",
	}
	redisDown = &problem{
		http.StatusServiceUnavailable, "Unable to connect to the Redis database",
		"Error 111 connecting to 10.28.14.7:6379. Connection refused.",
	}
	malformedTags = &problem{http.StatusBadRequest, "Error parsing the tags provided.", ""}
	withoutID     = &problem{http.StatusBadRequest, "Error parsing the data provided.", "'id'"}
	// tooLarge is v2's answer for a list that is longer than a page (docs/csm.md, "CFS page size").
	tooLarge = &problem{
		http.StatusBadRequest, "The response size is too large",
		"The response size exceeds the default_page_size.  Use the v3 API to page through the results.",
	}
)

func (s *Server) sessionMissing(name string) *problem {
	return &problem{
		http.StatusNotFound, "Session " + s.release.notFound, "Session " + name + " could not be found",
	}
}

func (s *Server) componentMissing(id string) *problem {
	return &problem{
		http.StatusNotFound, "Component " + s.release.notFound, "Component " + id + " could not be found",
	}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// writeNoContent answers a DELETE. CFS gives the empty body the type of an error.
func writeNoContent(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusNoContent)
}

// decodeBody decodes a JSON body of the type that the request must have.
func decodeBody[T any](r *http.Request) (body T, bad *problem) {
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		return body, badRequest("the body is not of the type that is expected")
	}
	return body, nil
}
