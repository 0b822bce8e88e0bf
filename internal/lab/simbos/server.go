package simbos

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the ways in which one release of BOS differs from another. Those that no field names follow from Version.
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
	ServiceTime time.Duration    // each request occupies a worker for at least this long
	Seed        uint64           // of the order of the list, and of new IDs
	Now         func() time.Time // nil: time.Now
}

// Server is a running BOS, to be served by net/http. Close ends requests that hang.
type Server struct {
	options    Options
	routeTable []route
	store      store
	workers    chan struct{}
	etcdDown   atomic.Bool
	redisDown  atomic.Bool
	hangs      atomic.Bool
	retries    atomic.Int64
	hung       atomic.Int64
	maxHung    atomic.Int64

	mu        sync.Mutex
	v2        map[string]V2Session
	templates map[string]template // by name
	nextIDs   []string
	launch    func(Job) error
	random    *rand.Rand
	restart   chan struct{} // closed to end the requests that hang
}

// New returns a BOS without sessions.
func New(options Options) *Server {
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Server{
		options:   options,
		store:     store{sessions: map[string]map[string]entry{}},
		workers:   make(chan struct{}, max(1, options.Workers)),
		v2:        map[string]V2Session{},
		templates: map[string]template{},
		launch:    func(Job) error { return nil },
		random:    rand.New(rand.NewPCG(options.Seed, 2)),
		restart:   make(chan struct{}),
	}
	s.routeTable = s.routes()
	return s
}

// Add stores a session without going through the API.
func (s *Server) Add(session Session) { s.store.add(session, s.options.TemplateKey) }

// AddTemplate stores a session template without going through the API, unless there is one of this name.
func (s *Server) AddTemplate(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.templates[name]; !exists {
		s.templates[name] = template{body: map[string]any{"boot_sets": map[string]any{}, "enable_cfs": true}}
	}
}

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

// SetRedisDown makes everything that needs redis fail: all of v2, and the session templates from BOS 2.0 on.
func (s *Server) SetRedisDown(down bool) { s.redisDown.Store(down) }

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
