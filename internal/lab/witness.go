package lab

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Deletion is a delete that a system has carried out.
type Deletion struct {
	System  string
	Kind    string // one of those that are judged, or the resource of Kubernetes
	Name    string
	Content []byte // the object as its API gave it directly before; what was said instead if it gave none
	Given   bool   // whether it gave one
}

// changes keeps apart, in each system, a delete and what a test changes at the same time: else nobody
// could say what it was that went.
type changes struct {
	kube, cfs, bos sync.Mutex
}

func (c *changes) of(system string) *sync.Mutex {
	switch system {
	case "kube":
		return &c.kube
	case "cfs":
		return &c.cfs
	}
	return &c.bos
}

// witnessed tells of each delete that was carried out, and of what it took.
func (s *Server) witnessed(system string, serve http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodDelete {
			serve.ServeHTTP(w, r)
			return
		}
		change := s.changes.of(system)
		change.Lock()
		defer change.Unlock()
		look := r.Clone(r.Context())
		look.Method, look.Body, look.ContentLength = http.MethodGet, http.NoBody, 0
		look.Header.Del("Content-Type")
		look.Header.Set("Accept", "application/json")
		before, after := &kept{header: http.Header{}}, &kept{header: http.Header{}}
		serve.ServeHTTP(before, look)
		serve.ServeHTTP(after, r)
		if after.status/100 == 2 {
			kind, name := deleted(system, r.URL.Path)
			s.options.OnDelete(Deletion{
				System: system, Kind: kind, Name: name,
				Content: slices.Clone(before.body.Bytes()), Given: before.status == http.StatusOK,
			})
		}
		maps.Copy(w.Header(), after.header)
		w.WriteHeader(after.status)
		if after.status != http.StatusNoContent {
			_, _ = w.Write(after.body.Bytes())
		}
	})
}

func deleted(system, path string) (kind, name string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	name = parts[len(parts)-1]
	switch {
	case system == "bos":
		return KindSession, name
	case system == "cfs":
		return KindCFSSession, name
	case len(parts) < 2:
		return path, ""
	}
	switch resource := parts[len(parts)-2]; resource {
	case "jobs":
		return KindJob, name
	case "configmaps":
		return KindConfigMap, name
	default:
		return resource, name
	}
}
