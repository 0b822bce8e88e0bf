package kill

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"syscall"
	"testing"
)

// gate passes on all requests of one process to all three systems and counts them. It kills the
// process at one of them.
type gate struct {
	mu     sync.Mutex
	n      int
	at     int                    // 0 is never
	after  bool                   // after the server has answered, not before it is asked
	only   func(what string) bool // the requests that count; nil for all
	pid    int
	struck string   // the request at which it was killed
	log    []string // requests that have passed
	under  sync.WaitGroup
}

// arm starts a new count. Nothing passes until launch has returned the process.
func (g *gate) arm(at int, after bool, launch func() (pid int)) {
	g.under.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n, g.at, g.after, g.struck, g.log = 0, at, after, "", nil
	g.pid = launch()
}

// passes counts a request. A dead process sends none: what arrives after the kill was already on its
// way.
func (g *gate) passes(what string) (kill, dead bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.struck != "" {
		return false, true
	}
	if g.only == nil || g.only(what) {
		g.n++
		kill = g.n == g.at
	}
	if kill && !g.after {
		g.strike(what)
		return false, true
	}
	g.log = append(g.log, what)
	return kill, false
}

// strike kills the process. The caller holds the lock.
func (g *gate) strike(what string) {
	g.struck = what
	_ = syscall.Kill(g.pid, syscall.SIGKILL) // whoever started it waits for its end and checks it
}

// front returns the address at which a process finds a system.
func (g *gate) front(t *testing.T, system string, via http.RoundTripper, target func() string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") == "true" {
			stream(w, r, target(), via) // it changes nothing, and lasts as long as the process
			return
		}
		g.under.Add(1)
		defer g.under.Done()
		kill, dead := g.passes(system + " " + r.Method + " " + r.URL.RequestURI())
		if dead {
			panic(http.ErrAbortHandler)
		}
		answer, body, err := forward(r, target(), via)
		if kill {
			g.mu.Lock()
			g.strike(system + " " + r.Method + " " + r.URL.RequestURI())
			g.mu.Unlock()
		}
		if kill || err != nil {
			panic(http.ErrAbortHandler)
		}
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// stream passes a watch on, event by event.
func stream(w http.ResponseWriter, r *http.Request, target string, via http.RoundTripper) {
	to, err := url.Parse(target)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(out *httputil.ProxyRequest) { out.SetURL(to) },
		Transport:     via,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
	}
	proxy.ServeHTTP(w, r)
}

// forward sends a request to the server. A server does not notice that its client has died: it carries
// out what has reached it.
func forward(r *http.Request, target string, via http.RoundTripper) (*http.Response, []byte, error) {
	to, badURL := url.Parse(target)
	text, unread := io.ReadAll(r.Body)
	if err := errors.Join(badURL, unread); err != nil {
		return nil, nil, err
	}
	out := r.Clone(context.WithoutCancel(r.Context()))
	out.RequestURI, out.Host = "", to.Host
	out.URL.Scheme, out.URL.Host = to.Scheme, to.Host
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	out.Header.Del("Connection")
	answer, err := via.RoundTrip(out)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer, body, err
}
