// Package simcfs simulates the Configuration Framework Service of one CSM release: sessions, components, configurations
// and options, in v2 and (from CSM 1.5) v3. The records of what real versions answer are in internal/lab/wire.
package simcfs

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Session is a CFS session. Start and Completion are texts as in the API, or nil. NoStart leaves the field out, as
// nothing but a hand in the database does.
type Session struct {
	Name, Configuration string
	Limit               string // Ansible limit; empty: none
	Definition          string // dynamic, image, repo, spec
	Groups              []string
	Status, Succeeded   string
	Start, Completion   any
	NoStart             bool
	Job                 string // empty: none yet
	Artifacts           []any
	Tags                map[string]string
	MadeByV2            bool   // made through v2 of a CFS that has v3; otherwise through the newest version of the API
	Branch              string // made through v1, which has a branch instead of a configuration
}

// Component is a node as CFS knows it.
type Component struct {
	ID, DesiredConfig, Status string
	Layers                    []Layer
	ErrorCount                int
	RetryPolicy               int // 0: the option of the batcher
	Enabled                   bool
	Tags                      map[string]string

	setBy string // session whose BOA set the desired configuration
}

// Layer is a configuration layer that was applied to a component.
type Layer struct {
	CloneURL, Playbook, Commit, LastUpdated, SessionName string

	Failed bool
}

// Options describe one CFS.
type Options struct {
	Version        string // of the CFS API, such as 1.12.9
	PageSize       int    // option default_page_size; 0: 1000
	RebuildCrashes bool   // a batcher that cannot rebuild is dead; otherwise it tries for ever
	Batcher        BatcherOptions
	// RealCosts makes lists, filters and patches with filters take as long as on CSM 1.5 and later, where each reads every
	// record of its kind. Older releases cost nothing.
	RealCosts bool
}

// Server is a running CFS, to be served by net/http.
type Server struct {
	options Options
	release release

	mu             sync.Mutex
	now            func() time.Time
	redisDown      bool
	settings       map[string]any // options that were set, by their name in v3
	sessions       map[string]Session
	components     map[string]Component
	configurations map[string]configuration
	danger         []string
	recordsRead    int
	readingTime    time.Duration

	active       map[string]time.Time // pending and running sessions, with the time of their last change
	made         []Made
	killed       []string
	killsAllowed bool
}

// New returns a CFS with the options that CSM's installation sets, and without any record.
func New(options Options) *Server {
	s := &Server{options: options, release: releaseOf(options.Version), now: time.Now}
	s.Empty()
	s.settings["session_ttl"] = "7d"
	s.settings["batch_size"], s.settings["batch_window"] = 25, 60
	s.set(options.Batcher)
	if options.PageSize > 0 {
		s.settings["default_page_size"] = options.PageSize
	}
	return s
}

// Empty empties the database: there are no records, and no option was ever set.
func (s *Server) Empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings, s.sessions, s.components = map[string]any{}, map[string]Session{}, map[string]Component{}
	s.configurations, s.active = map[string]configuration{}, map[string]time.Time{}
}

// SetClock sets the clock of the API; it is time.Now otherwise.
func (s *Server) SetClock(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}

// SetRedisDown sets whether CFS reaches its database.
func (s *Server) SetRedisDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redisDown = down
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

// request is a request for something in the database.
type request struct {
	*http.Request

	v3   bool
	name string // last element of the path, if the request is for one record
}

type handler func(*Server, http.ResponseWriter, request)

// resources holds the handlers by what is asked for and method.
var resources = map[string]map[string]handler{
	"options":            {http.MethodGet: (*Server).getOptions, http.MethodPatch: (*Server).patchOptions},
	"sessions":           {http.MethodGet: (*Server).listSessions, http.MethodPost: (*Server).postSession, http.MethodDelete: (*Server).bulkDelete},
	"sessions/":          {http.MethodGet: (*Server).getSession, http.MethodPatch: (*Server).patchSession, http.MethodDelete: (*Server).deleteSession},
	"components":         {http.MethodGet: (*Server).listComponents, http.MethodPatch: (*Server).patchComponents},
	"components/":        {http.MethodGet: (*Server).getComponent, http.MethodPut: (*Server).putComponent, http.MethodPatch: (*Server).patchComponent},
	"configurations":     {http.MethodGet: (*Server).listConfigurations},
	"configurations/":    {http.MethodGet: (*Server).getConfiguration, http.MethodPut: (*Server).putConfiguration},
	"before/v2/options":  {http.MethodGet: (*Server).getOptionsV1},
	"before/v2/sessions": {http.MethodGet: (*Server).listSessions, http.MethodPost: (*Server).postSessionV1},
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(r.RequestURI) > s.release.urlLimit {
		panic(http.ErrAbortHandler)
	}
	if s.serveUnversioned(w, r) {
		return
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	request := request{Request: r, v3: parts[0] == "v3"}
	var resource string
	switch {
	case slices.Contains(parts, "") || request.v3 && !s.release.v3:
	case len(parts) == 1 && s.release.v1:
		resource = "before/v2/" + parts[0]
	case parts[0] != "v2" && parts[0] != "v3":
	case len(parts) == 2:
		resource = parts[1]
	case len(parts) == 3:
		resource, request.name = parts[1]+"/", parts[2]
	}
	methods, ok := resources[resource]
	if !ok {
		noRoute.write(w)
		return
	}
	serve, ok := methods[r.Method]
	if !ok {
		notAllowed.write(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.redisDown {
		redisDown.write(w)
		return
	}
	serve(s, w, request)
}

// serveUnversioned serves what needs no database, and reports whether that was asked for.
func (s *Server) serveUnversioned(w http.ResponseWriter, r *http.Request) bool {
	switch path := r.URL.Path; {
	case path == "/healthz":
		s.serveHealth(w)
	case path == "/" || path == "/versions" || path == "/v2" || path == "/v3" && s.release.v3:
		if !s.release.versionRoutes {
			return false
		}
		number := strings.SplitN(s.options.Version, ".", 3)
		writeJSON(w, http.StatusOK, map[string]string{"major": number[0], "minor": number[1], "patch": number[2]})
	default:
		return false
	}
	return true
}

func (s *Server) serveHealth(w http.ResponseWriter) {
	s.mu.Lock()
	down := s.redisDown
	s.mu.Unlock()
	database, queue := "dbStatus", "kafkaStatus"
	if s.release.snakeHealth {
		database, queue = "db_status", "kafka_status"
	}
	if down {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{database: "not_available", queue: "not_available"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{database: "ok", queue: "ok"})
}
