// Package simkube simulates as much of a Kubernetes API server as a program needs that reads, writes and deletes a few
// kinds of object: client-go's typed and metadata clients and kubectl work against it. The only controller behind it is
// the garbage collector; nothing starts, runs or ends by itself until StartControllers is called.
package simkube

import (
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Options are the ways in which one cluster differs from another.
type Options struct {
	GitVersion string // such as 1.21.12
	CronJobV1  bool   // batch/v1 has CronJobs: from Kubernetes 1.21
	Token      string // the only bearer token that is accepted
	Namespaces []string
	Born       time.Time        // creation time of the namespaces
	Now        func() time.Time // nil: time.Now
	PageLimit  int              // most objects in a page of a list, whatever the client asks for; 0: no limit
}

// Server is a running API server, to be served by net/http.
type Server struct {
	options   Options
	resources []resource
	expiring  atomic.Int64 // how many continue tokens to refuse as expired

	mu          sync.Mutex
	objects     map[key]object
	bulk        bulkView                // more objects
	owned       map[string]map[key]bool // dependents by the UID of their owner
	version     int64
	snapshots   map[int64]snapshot
	danger      []string
	denied      map[string]bool // "verb resource", for access reviews
	controllers *Controllers    // nil: nothing happens by itself
	log         changeLog
}

type snapshot struct {
	items []item
	taken time.Time
}

// New returns an API server that has nothing but namespaces.
func New(options Options) *Server {
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Server{
		options:   options,
		resources: resources(options.CronJobV1),
		objects:   map[key]object{},
		owned:     map[string]map[key]bool{},
		version:   100000,
		snapshots: map[int64]snapshot{},
		denied:    map[string]bool{},
	}
	s.log = newChangeLog(s.version)
	for _, name := range options.Namespaces {
		s.put(key{resource: "namespaces", name: name}, object{
			"metadata": map[string]any{
				"name": name, "creationTimestamp": options.Born.UTC().Format(time.RFC3339),
				"labels": map[string]any{"kubernetes.io/metadata.name": name},
			},
			"spec":   map[string]any{"finalizers": []any{"kubernetes"}},
			"status": map[string]any{"phase": "Active"},
		})
	}
	return s
}

// ExpireContinue makes the next n requests with a continue token fail with 410 Expired.
func (s *Server) ExpireContinue(n int) { s.expiring.Store(int64(n)) }

// Danger returns the requests that no careful client sends, such as a DELETE of a collection, each with what it did.
func (s *Server) Danger() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.danger...)
}

// request is a parsed API request.
type request struct {
	*http.Request

	w           http.ResponseWriter
	resource    resource
	version     schema.GroupVersion
	namespace   string
	name        string
	subresource string

	afterUnlock *func() // writes the rest of the answer once the lock is free
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.options.Token)) != 1 {
		sendError(w, r, errUnauthorized())
		return
	}
	if s.serveDiscovery(w, r) || s.serveAccessReview(w, r) {
		return
	}
	q, ok := s.parse(w, r)
	if !ok {
		sendError(w, r, errNoResource())
		return
	}
	var afterUnlock func()
	q.afterUnlock = &afterUnlock
	if err := s.serveLocked(q); err != nil {
		sendError(w, r, err)
	} else if afterUnlock != nil {
		afterUnlock()
	}
}

func (s *Server) serveLocked(q request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serve(q)
}

// parse splits a path into group and version, namespace, resource, name and subresource. It returns false if no such
// resource is served.
func (s *Server) parse(w http.ResponseWriter, r *http.Request) (request, bool) {
	q := request{Request: r, w: w}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		q.version, parts = schema.GroupVersion{Version: parts[1]}, parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		q.version, parts = schema.GroupVersion{Group: parts[1], Version: parts[2]}, parts[3:]
	default:
		return q, false
	}
	if parts[0] == "namespaces" && len(parts) >= 3 {
		q.namespace, parts = parts[1], parts[2:]
	}
	found := false
	for _, candidate := range s.resources {
		if candidate.plural == parts[0] && candidate.served(q.version) {
			q.resource, found = candidate, true
		}
	}
	if len(parts) > 1 {
		q.name = parts[1]
	}
	if len(parts) > 2 {
		q.subresource = parts[2]
	}
	return q, found && len(parts) <= 3
}

func (s *Server) serve(q request) error {
	if q.subresource == "scale" && q.resource.plural == "deployments" {
		return s.serveScale(q)
	}
	if q.subresource != "" && q.subresource != "status" {
		return errNoResource()
	}
	if q.name == "" {
		switch q.Method {
		case http.MethodGet:
			return s.list(q)
		case http.MethodPost:
			return s.create(q)
		case http.MethodDelete:
			return s.deleteCollection(q)
		}
		return errMethod(q)
	}
	switch q.Method {
	case http.MethodGet:
		return s.get(q)
	case http.MethodPut:
		return s.update(q)
	case http.MethodPatch:
		return s.patch(q)
	case http.MethodDelete:
		return s.delete(q)
	}
	return errMethod(q)
}

func (q request) group() schema.GroupResource {
	return schema.GroupResource{Group: q.version.Group, Resource: q.resource.plural}
}

func (q request) dryRun() bool { return q.URL.Query().Get("dryRun") == metav1.DryRunAll }
