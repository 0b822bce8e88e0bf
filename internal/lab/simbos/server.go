package simbos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the ways in which one release of BOS differs from another.
type Options struct {
	Version     string // such as 2.0.47
	V1, V2      bool   // which APIs are served
	TemplateKey string // templateUuid or templateName
	// HonestComplete means that complete follows stop_time. Otherwise complete, in_progress and error_count are false,
	// false and 0 whatever happens.
	HonestComplete bool
	Created201     bool // boot set status answers 201
	RefuseTenants  bool // a tenant header is a 400
	Workers        int  // requests served at once
	// WorkerLife is how long a worker may be stuck before it and its connection are killed; 0: for ever.
	WorkerLife  time.Duration
	ServiceTime time.Duration // each request occupies a worker for at least this long
	Seed        uint64        // of the order of the list
}

// Server is a running BOS, to be served by net/http. Close ends requests that hang.
type Server struct {
	options  Options
	store    store
	workers  chan struct{}
	etcdDown atomic.Bool
	hangs    atomic.Bool
	retries  atomic.Int64
	hung     atomic.Int64
	maxHung  atomic.Int64

	mu      sync.Mutex
	v2      map[string]V2Session
	random  *rand.Rand
	restart chan struct{} // closed to end the requests that hang
}

// New returns a BOS without sessions.
func New(options Options) *Server {
	return &Server{
		options: options,
		store:   store{sessions: map[string]map[string]entry{}},
		workers: make(chan struct{}, max(1, options.Workers)),
		v2:      map[string]V2Session{},
		random:  rand.New(rand.NewPCG(options.Seed, 2)),
		restart: make(chan struct{}),
	}
}

// Add stores a session without going through the API.
func (s *Server) Add(session Session) { s.store.add(session, s.options.TemplateKey) }

// AddV2 stores a session of BOS v2 without going through the API.
func (s *Server) AddV2(session V2Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.v2[session.Name] = session
}

// Remove removes a session without going through the API.
func (s *Server) Remove(id string) { s.store.remove(id) }

// IDs returns all session IDs, ghosts included, sorted.
func (s *Server) IDs() []string { return s.store.ids() }

// ListBytes returns the size of all keys and values, which the list has to carry.
func (s *Server) ListBytes() int { return s.store.size() }

// ScaleList scales the sizes of all keys, so that the list has to carry this many bytes.
func (s *Server) ScaleList(bytes int) { s.store.scale(bytes) }

// SetEtcdDown makes every request that needs the database wait until it is up again.
func (s *Server) SetEtcdDown(down bool) { s.etcdDown.Store(down) }

// SetListHangs makes the list hang whatever its size.
func (s *Server) SetListHangs(hangs bool) { s.hangs.Store(hangs) }

// ListRetries returns how often hanging lists have asked the database again, whether or not a client still waited.
func (s *Server) ListRetries() int64 { return s.retries.Load() }

// Hung returns the number of workers that wait for the database in vain.
func (s *Server) Hung() int { return int(s.hung.Load()) }

// MaxHung returns the highest value of Hung so far.
func (s *Server) MaxHung() int { return int(s.maxHung.Load()) }

// Busy returns the number of workers at work or stuck.
func (s *Server) Busy() int { return len(s.workers) }

// Restart ends every request under way without an answer, as a restarted BOS does.
func (s *Server) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.restart)
	s.restart = make(chan struct{})
}

// Close ends every request under way, and the connection to etcd.
func (s *Server) Close() {
	s.Restart()
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if s.store.etcd != nil {
		_ = s.store.etcd.Close()
	}
}

func (s *Server) restarted() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restart
}

// ServeHTTP occupies a worker for as long as the request is worked on. A stuck one outlasts its client: net/http does
// not end a handler when the client leaves.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case s.workers <- struct{}{}:
		defer func() { <-s.workers }()
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	case <-s.restarted():
		panic(http.ErrAbortHandler)
	}
	if s.options.ServiceTime > 0 {
		select {
		case <-time.After(s.options.ServiceTime):
		case <-s.restarted():
			panic(http.ErrAbortHandler)
		}
	}
	s.route(w, r)
}

// awaitWhile waits as BOS's database client does: for ever, and without checking whether the client is still there.
func (s *Server) awaitWhile(stuck func() bool, count *atomic.Int64) {
	if !stuck() {
		return
	}
	n := s.hung.Add(1)
	defer s.hung.Add(-1)
	for most := s.maxHung.Load(); n > most && !s.maxHung.CompareAndSwap(most, n); most = s.maxHung.Load() {
	}
	restarted := s.restarted()
	ticker := time.NewTicker(33 * time.Millisecond)
	defer ticker.Stop()
	for began := time.Now(); stuck(); {
		if count != nil {
			count.Add(1)
		}
		select {
		case <-ticker.C:
		case <-restarted:
			panic(http.ErrAbortHandler)
		}
		if life := s.options.WorkerLife; life > 0 && time.Since(began) > life {
			panic(http.ErrAbortHandler)
		}
	}
}

func (s *Server) awaitDatabase() { s.awaitWhile(s.etcdDown.Load, nil) }

func (s *Server) shuffled(ids []string) []string {
	ids = append([]string{}, ids...) // not nil: an empty list is []
	s.mu.Lock()
	defer s.mu.Unlock()
	s.random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids
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

// writeNoRoute answers as the web framework does for an unknown path. By this body a BOS without v1 differs from one
// without the session.
func writeNoRoute(w http.ResponseWriter) {
	writeProblem(w, http.StatusNotFound, "Not Found", "The requested URL was not found on the server. "+
		"If you entered the URL manually please check your spelling and try again.")
}

func (s *Server) version(path string, details bool) map[string]any {
	parts := strings.SplitN(s.options.Version, ".", 3)
	links := []map[string]string{{"rel": "self", "href": path}}
	if details {
		links = append(links, map[string]string{"rel": "versions", "href": "/"})
	}
	return map[string]any{"major": parts[0], "minor": parts[1], "patch": parts[2], "links": links}
}

func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/" && r.Method == http.MethodGet:
		versions := []any{}
		if s.options.V1 {
			versions = append(versions, s.version("/v1", false))
		}
		if s.options.V2 {
			versions = append(versions, s.version("/v2", false))
		}
		writeJSON(w, http.StatusOK, versions)
	case slices.Contains(parts[1:], ""):
		writeNoRoute(w)
	case parts[0] == "v1" && s.options.V1:
		s.routeV1(w, r, parts[1:])
	case parts[0] == "v2" && s.options.V2:
		s.routeV2(w, r, parts[1:])
	default:
		writeNoRoute(w)
	}
}

func allowMethods(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if slices.Contains(methods, r.Method) {
		return true
	}
	writeProblem(w, http.StatusMethodNotAllowed, "Method Not Allowed",
		"The method is not allowed for the requested URL.")
	return false
}

func (s *Server) routeV2(w http.ResponseWriter, r *http.Request, parts []string) {
	if len(parts) <= 2 && !allowMethods(w, r, http.MethodGet) {
		return
	}
	switch {
	case len(parts) == 0, len(parts) == 1 && parts[0] == "version":
		writeJSON(w, http.StatusOK, s.version("/v2", true))
	case len(parts) == 1 && parts[0] == "healthz":
		writeJSON(w, http.StatusOK, map[string]string{"dbStatus": "ok", "apiStatus": "ok"})
	case len(parts) == 1 && parts[0] == "sessions":
		s.mu.Lock()
		sessions := make([]any, 0, len(s.v2))
		for _, session := range s.v2 {
			sessions = append(sessions, session.body())
		}
		s.mu.Unlock()
		writeJSON(w, http.StatusOK, sessions)
	case len(parts) == 2 && parts[0] == "sessions":
		s.mu.Lock()
		session, ok := s.v2[parts[1]]
		s.mu.Unlock()
		if !ok || session.Tenant != "" {
			writeProblem(w, http.StatusNotFound, "Session could not found.",
				fmt.Sprintf("Session %s could not be found", parts[1]))
			return
		}
		writeJSON(w, http.StatusOK, session.body())
	default:
		writeNoRoute(w)
	}
}

func (v V2Session) body() map[string]any {
	return map[string]any{
		"name": v.Name, "operation": v.Operation, "template_name": v.Template,
		"limit": "", "stage": false, "components": strings.Join(v.Nodes, ","), "include_disabled": false,
		"status": map[string]any{"start_time": v.Start, "end_time": v.End, "status": v.Status, "error": nil},
	}
}
