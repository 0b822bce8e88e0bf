// Package simcfs plays the Configuration Framework Service of one CSM release: sessions,
// components and options, in v2 and (from CSM 1.5) v3.
package simcfs

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Session is one CFS session. Start and Completion are texts as the API gives them, or
// nil; NoStart leaves the field out altogether, as records made through v1 have it.
type Session struct {
	Name, Configuration string
	Limit               string // ansible limit; empty is null
	Definition          string // dynamic, image, repo, spec
	Groups              []string
	Status, Succeeded   string
	Start, Completion   any
	NoStart             bool
	Job                 string
	Tags                map[string]string
}

// Component is a node as CFS knows it.
type Component struct {
	ID, DesiredConfig, Status string
	Layers                    []Layer
	ErrorCount                int
	Enabled                   bool
	Tags                      map[string]string

	setBy string // the session whose BOA set the desired configuration
}

// Layer is one configuration layer that was applied to a component.
type Layer struct {
	CloneURL, Playbook, Commit, LastUpdated, SessionName string

	Failed bool
}

// Options are the ways in which one release of CFS differs from another.
type Options struct {
	V3 bool
	// V2PageLimit: a list of v2 that is longer than the page size is a 400.
	V2PageLimit bool
	PageSize    int // option default_page_size
	FilterPatch bool
	// TagsStick: a patch that takes a tag away is a 500, and changes nothing.
	TagsStick bool
	// RebuildCrashes: a batcher that cannot rebuild is dead for ever; else it tries for ever.
	RebuildCrashes bool
	Batcher        BatcherOptions
}

// Server is a running CFS, to be served by net/http.
type Server struct {
	options Options

	mu         sync.Mutex
	sessions   map[string]Session
	components map[string]Component
	danger     []string

	alive        map[string]time.Time // sessions that run, since they changed last
	made         []Made
	killed       []string
	killsAllowed bool
}

// New makes a CFS without anything in it.
func New(options Options) *Server {
	if options.PageSize <= 0 {
		options.PageSize = 1000
	}
	options.Batcher = options.Batcher.filled()
	return &Server{
		options: options, sessions: map[string]Session{}, components: map[string]Component{},
		alive: map[string]time.Time{},
	}
}

// Add puts a session into the database.
func (s *Server) Add(session Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[session.Name] = session
}

// Remove takes a session out of the database, behind the back of the API.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, name)
}

// AddComponent puts a component into the database.
func (s *Server) AddComponent(component Component) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.components[component.ID] = component
}

// Names returns the names of all sessions, sorted.
func (s *Server) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.sessions))
}

// Component returns one component.
func (s *Server) Component(id string) (Component, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	component, ok := s.components[id]
	return component, ok
}

// Danger lists the requests that no careful client makes, such as a bulk DELETE, each with
// what it did.
func (s *Server) Danger() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.danger)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func problem(w http.ResponseWriter, status int, title, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "title": title, "detail": detail, "status": status,
	})
}

func noRoute(w http.ResponseWriter) {
	problem(w, http.StatusNotFound, "Not Found", "The requested URL was not found on the server. "+
		"If you entered the URL manually please check your spelling and try again.")
}

func notAllowed(w http.ResponseWriter) {
	problem(w, http.StatusMethodNotAllowed, "Method Not Allowed", "The method is not allowed for the requested URL.")
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	v3 := parts[0] == "v3"
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") ||
		parts[0] != "v2" && (!v3 || !s.options.V3) {
		noRoute(w)
		return
	}
	switch {
	case parts[1] == "options" && len(parts) == 2:
		s.serveOptions(w, r, v3)
	case parts[1] == "sessions" && len(parts) == 2:
		s.serveSessions(w, r, v3)
	case parts[1] == "sessions":
		s.serveSession(w, r, parts[2], v3)
	case parts[1] == "components" && len(parts) == 2:
		s.serveComponents(w, r, v3)
	case parts[1] == "components":
		s.serveComponent(w, r, parts[2], v3)
	default:
		noRoute(w)
	}
}

// tooLarge is what v2 says of a list over the page size (docs/csm.md, "CFS page size").
func (s *Server) tooLarge(w http.ResponseWriter) {
	problem(w, http.StatusBadRequest, "The response size is too large",
		fmt.Sprintf("The response size exceeds the default_page_size of %d. "+
			"Use the v3 API with paging, or raise the default_page_size option.", s.options.PageSize))
}
