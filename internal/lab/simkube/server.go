// Package simkube plays as much of a Kubernetes API server as a program needs that reads,
// writes and deletes a few kinds of object: client-go's typed and metadata clients and
// kubectl work against it. There are no controllers behind it but the garbage collection
// of a Job's Pods; nothing starts, runs or ends by itself, unless Control makes the cluster live.
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

// Options are what differs from one cluster to another.
type Options struct {
	GitVersion string // such as 1.21.12
	CronJobV1  bool   // batch/v1 has CronJobs: from Kubernetes 1.21
	Token      string // the bearer token that is let in
	Namespaces []string
	Born       time.Time        // when the namespaces were made
	Now        func() time.Time // time.Now if it is nil
	PageLimit  int              // objects in one page of a list at most, whatever is asked for; 0 is no limit
}

// Server is a running API server, to be served by net/http.
type Server struct {
	options   Options
	resources []resource
	expire    atomic.Int64 // continue tokens to call expired

	mu        sync.Mutex
	objects   map[key]object
	stock     stock                   // more of them
	owned     map[string]map[key]bool // by the UID of the owner
	version   int64
	snapshots map[int64]snapshot
	danger    []string
	denied    map[string]bool // "verb resource", for access reviews
	live      *Controllers    // nil where nothing happens by itself
}

type snapshot struct {
	items []item
	taken time.Time
}

// New makes an API server that has nothing but namespaces.
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
	for _, name := range options.Namespaces {
		s.put(key{resource: "namespaces", name: name}, object{
			"metadata": map[string]any{"name": name, "creationTimestamp": options.Born.UTC().Format(time.RFC3339), "labels": map[string]any{"kubernetes.io/metadata.name": name}},
			"spec":     map[string]any{"finalizers": []any{"kubernetes"}},
			"status":   map[string]any{"phase": "Active"},
		})
	}
	return s
}

// ExpireContinue makes the next n lists that are continued fail with 410 Expired.
func (s *Server) ExpireContinue(n int) { s.expire.Store(int64(n)) }

// Danger lists the requests that no careful client makes, such as a DELETE of a whole
// collection, each with what it did.
func (s *Server) Danger() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.danger...)
}

// request is one API request, taken apart.
type request struct {
	*http.Request

	w           http.ResponseWriter
	resource    resource
	version     schema.GroupVersion
	namespace   string
	name        string
	subresource string

	later *func() // what is still to be written when others may go on
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.options.Token)) != 1 {
		fail(w, r, errUnauthorized())
		return
	}
	if s.discovery(w, r) || s.access(w, r) {
		return
	}
	q, ok := s.parse(w, r)
	if !ok {
		fail(w, r, errNoResource())
		return
	}
	var later func()
	q.later = &later
	if err := s.locked(q); err != nil {
		fail(w, r, err)
	} else if later != nil {
		later()
	}
}

func (s *Server) locked(q request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serve(q)
}

// parse takes a path apart: group and version, namespace, resource, name, subresource.
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
