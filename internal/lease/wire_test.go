package lease

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/lab/simkube"
)

const (
	lockName  = "bosgc"
	lockSpace = "services"
	lockToken = "let-me-in"
)

// cluster is an API server without a network, so that in a bubble of synctest nothing but the
// test's own clock passes.
type cluster struct{ *simkube.Server }

func newCluster() cluster {
	return cluster{simkube.New(simkube.Options{GitVersion: "1.21.12", Token: lockToken, Namespaces: []string{lockSpace}, Born: time.Now()})}
}

// wire is the way of one machine to the API server. What happens on it is decided anew for each
// request.
type wire struct {
	server http.Handler

	mu     sync.Mutex
	before func(*http.Request) error // on the way there
	after  func(*http.Request) error // on the way back

	dead      bool
	confirmed time.Time // when the last write that was answered well was sent
}

// RoundTrip carries one request.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	w.mu.Lock()
	before, after, dead := w.before, w.after, w.dead
	w.mu.Unlock()
	if dead {
		return nil, errNoRoute
	}
	if before != nil {
		if err := before(r); err != nil {
			return nil, err
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	answer := httptest.NewRecorder()
	w.server.ServeHTTP(answer, r)
	if after != nil {
		if err := after(r); err != nil {
			return nil, err
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.Method != http.MethodGet && answer.Code < http.StatusMultipleChoices {
		w.mu.Lock()
		w.confirmed = sent
		w.mu.Unlock()
	}
	return answer.Result(), nil
}

// kill lets nothing through any more, whatever the weather, as if nobody were there.
func (w *wire) kill(dead bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = dead
}

func (w *wire) lastConfirmed() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.confirmed
}

func (w *wire) set(before, after func(*http.Request) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before, w.after = before, after
}

// What can happen on a wire.
var (
	errNoRoute = &netError{syscall.EHOSTUNREACH}
	errRefused = &netError{syscall.ECONNREFUSED}
	errReset   = &netError{syscall.ECONNRESET}
)

type netError struct{ error }

func (e *netError) Unwrap() error { return e.error }

// fails lets every request fail at once.
func fails(err error) func(*http.Request) error { return func(*http.Request) error { return err } }

// hangs lets a request wait until nobody waits for it any more.
func hangs(r *http.Request) error {
	<-r.Context().Done()
	return r.Context().Err()
}

// slow delays a request.
func slow(by time.Duration) func(*http.Request) error {
	return func(r *http.Request) error {
		select {
		case <-time.After(by):
			return nil
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
}

// times does one thing so often, and then no more.
func times(n int, do func(*http.Request) error, when ...string) func(*http.Request) error {
	var mu sync.Mutex
	return func(r *http.Request) error {
		mu.Lock()
		hit := n > 0
		for _, method := range when {
			hit = hit && r.Method == method
		}
		if hit {
			n--
		}
		mu.Unlock()
		if hit {
			return do(r)
		}
		return nil
	}
}

// machine is where a run would be: with its own way to the API server and its own clock.
type machine struct {
	t *testing.T
	*wire

	name  string
	ahead time.Duration // of its clock
	store *kube.Store
}

// machine gives one whose requests are given up after so long.
func (c cluster) machine(t *testing.T, name string, patience ...time.Duration) *machine {
	t.Helper()
	m := &machine{t: t, wire: &wire{server: c}, name: name}
	timeout := 30 * time.Second
	for _, p := range patience {
		timeout = p
	}
	client, err := kube.New(
		&rest.Config{Host: "https://kubernetes", BearerToken: lockToken, Transport: m.wire},
		kube.Options{Namespace: lockSpace, Concurrency: 8, RequestTimeout: timeout, ListTimeout: timeout},
	)
	if err != nil {
		t.Fatal(err)
	}
	m.store = client.Store(lockSpace)
	return m
}

func (m *machine) now() time.Time { return time.Now().Add(m.ahead) }

// grip is a lock that is given back once: by the test, or at its end.
type grip struct {
	*Lease

	once sync.Once
}

func (g *grip) Release(ctx context.Context) { g.once.Do(func() { g.Lease.Release(ctx) }) }

// take takes the lock, and says how long that took.
func (m *machine) take() (*grip, context.Context, time.Duration, error) {
	begun := time.Now()
	l, held, err := Acquire(context.Background(), m.store, lockName, m.name, m.now, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, time.Since(begun), err
	}
	g := &grip{Lease: l}
	m.t.Cleanup(func() {
		m.kill(true) // without a word, and without waiting for one
		g.Release(context.Background())
	})
	return g, held, time.Since(begun), nil
}

func (m *machine) mustTake() (*grip, context.Context) {
	m.t.Helper()
	l, held, _, err := m.take()
	if err != nil {
		m.t.Fatalf("%s: %v", m.name, err)
	}
	return l, held
}

func (m *machine) lease() kube.Lease {
	m.t.Helper()
	lease, presence, err := m.store.GetLease(context.Background(), lockName)
	if err != nil || presence == inventory.Unknown {
		m.t.Fatalf("lease: %v, %v", presence, err)
	}
	return lease
}

// put writes the lease as somebody else, over whatever is there.
func (m *machine) put(change func(*kube.Lease)) {
	m.t.Helper()
	for {
		lease := m.lease()
		change(&lease)
		_, err := m.store.PutLease(context.Background(), lockName, lease)
		if err == nil {
			return
		}
		if !errors.Is(err, kube.ErrChanged) {
			m.t.Fatal(err)
		}
	}
}

// dead leaves the lock as a run does that was killed so long ago.
func (m *machine) dead(holder string, ago, lasts time.Duration) {
	m.t.Helper()
	m.put(func(l *kube.Lease) { *l = l.HeldBy(holder, m.now().Add(-ago), lasts) })
}

// annotate does what kubectl annotate does.
func (m *machine) annotate(value string) {
	m.t.Helper()
	path := "/apis/coordination.k8s.io/v1/namespaces/" + lockSpace + "/leases/" + lockName
	r := httptest.NewRequest(http.MethodPatch, path, strings.NewReader(`{"metadata":{"annotations":{"note":"`+value+`"}}}`))
	r.Header.Set("Authorization", "Bearer "+lockToken)
	r.Header.Set("Content-Type", "application/merge-patch+json")
	answer := httptest.NewRecorder()
	m.server.ServeHTTP(answer, r)
	if answer.Code != http.StatusOK && answer.Code != http.StatusNotFound {
		m.t.Errorf("annotate: %d %s", answer.Code, answer.Body)
	}
}
