// Package simcfs simulates the Configuration Framework Service of one CSM release: sessions, components and options, in
// v2 and (from CSM 1.5) v3.
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

// Session is a CFS session. Start and Completion are texts as in the API, or nil. NoStart leaves the field out, as in
// records that were created through v1.
type Session struct {
	Name, Configuration string
	Limit               string // Ansible limit; empty: null
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

	setBy string // session whose BOA set the desired configuration
}

// Layer is a configuration layer that was applied to a component.
type Layer struct {
	CloneURL, Playbook, Commit, LastUpdated, SessionName string

	Failed bool
}

// Options are the ways in which one release of CFS differs from another.
type Options struct {
	V3             bool // serves v3
	V2PageLimit    bool // a list of v2 that is longer than PageSize is a 400
	PageSize       int  // option default_page_size; 0: 1000
	FilterPatch    bool // accepts a patch with filters
	TagsStick      bool // a patch that removes a tag is a 500, and changes nothing
	RebuildCrashes bool // a batcher that cannot rebuild is dead; otherwise it tries for ever
	Batcher        BatcherOptions
}

// Server is a running CFS, to be served by net/http.
type Server struct {
	options Options

	mu         sync.Mutex
	sessions   map[string]Session
	components map[string]Component
	danger     []string

	active       map[string]time.Time // pending and running sessions, with the time of their last change
	made         []Made
	killed       []string
	killsAllowed bool
}

// New returns an empty CFS.
func New(options Options) *Server {
	if options.PageSize <= 0 {
		options.PageSize = 1000
	}
	options.Batcher = options.Batcher.withDefaults()
	return &Server{
		options: options, sessions: map[string]Session{}, components: map[string]Component{},
		active: map[string]time.Time{},
	}
}

// Add stores a session without going through the API.
func (s *Server) Add(session Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[session.Name] = session
}

// Remove removes a session without going through the API.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, name)
}

// AddComponent stores a component without going through the API.
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

// Component returns a component. It returns false if there is none with this ID.
func (s *Server) Component(id string) (Component, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	component, ok := s.components[id]
	return component, ok
}

// Danger returns the requests that no careful client sends, such as a bulk DELETE, each with what it did.
func (s *Server) Danger() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.danger)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func writeProblem(w http.ResponseWriter, status int, title, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "title": title, "detail": detail, "status": status,
	})
}

func writeNoRoute(w http.ResponseWriter) {
	writeProblem(w, http.StatusNotFound, "Not Found", "The requested URL was not found on the server. "+
		"If you entered the URL manually please check your spelling and try again.")
}

func writeNotAllowed(w http.ResponseWriter) {
	writeProblem(w, http.StatusMethodNotAllowed, "Method Not Allowed", "The method is not allowed for the requested URL.")
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	v3 := parts[0] == "v3"
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") ||
		parts[0] != "v2" && (!v3 || !s.options.V3) {
		writeNoRoute(w)
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
		writeNoRoute(w)
	}
}

// writeTooLarge answers as v2 does if a list is longer than a page (docs/csm.md, "CFS page size").
func (s *Server) writeTooLarge(w http.ResponseWriter) {
	writeProblem(w, http.StatusBadRequest, "The response size is too large",
		fmt.Sprintf("The response size exceeds the default_page_size of %d. "+
			"Use the v3 API with paging, or raise the default_page_size option.", s.options.PageSize))
}
