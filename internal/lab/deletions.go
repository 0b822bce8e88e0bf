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
	Kind    string // KindJob and so on, or else the resource of Kubernetes
	Name    string
	Content []byte // the answer of its API to a GET directly before
	Found   bool   // the GET returned the object
}

// changeLocks separate, in each system, a delete from what a test changes at the same time. Otherwise the object could
// change between the look at it and the delete.
type changeLocks struct {
	kube, cfs, bos sync.Mutex
}

func (c *changeLocks) of(system string) *sync.Mutex {
	switch system {
	case "kube":
		return &c.kube
	case "cfs":
		return &c.cfs
	}
	return &c.bos
}

// reportDeletes returns a handler that reports each delete that was carried out, and what it deleted.
func (s *Server) reportDeletes(system string, serve http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodDelete {
			serve.ServeHTTP(w, r)
			return
		}
		change := s.locks.of(system)
		change.Lock()
		defer change.Unlock()
		lookup := r.Clone(r.Context())
		lookup.Method, lookup.Body, lookup.ContentLength = http.MethodGet, http.NoBody, 0
		lookup.Header.Del("Content-Type")
		lookup.Header.Set("Accept", "application/json")
		before, after := &bufferedAnswer{header: http.Header{}}, &bufferedAnswer{header: http.Header{}}
		serve.ServeHTTP(before, lookup)
		serve.ServeHTTP(after, r)
		if after.status/100 == 2 {
			kind, name := deletedObject(system, r.URL.Path)
			s.options.OnDelete(Deletion{
				System: system, Kind: kind, Name: name,
				Content: slices.Clone(before.body.Bytes()), Found: before.status == http.StatusOK,
			})
		}
		maps.Copy(w.Header(), after.header)
		w.WriteHeader(after.status)
		if after.status != http.StatusNoContent {
			_, _ = w.Write(after.body.Bytes())
		}
	})
}

func deletedObject(system, path string) (kind, name string) {
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
