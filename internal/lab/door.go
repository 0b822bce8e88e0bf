package lab

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
)

// Door is a set of ports of its own for a running world. It is for one process, whose death is played by shutting it.
type Door struct {
	server     *Server
	kubeconfig string
	urls       map[string]string
	shut       atomic.Bool
}

type doorKey struct{}

// Open opens a door. Its ports stay open until the server is closed, so that what a dead process still sends does not
// reach another world.
func (s *Server) Open() (*Door, error) {
	d := &Door{server: s, urls: map[string]string{}}
	d.kubeconfig = filepath.Join(s.dir, fmt.Sprintf("kubeconfig-%d", len(s.servers)))
	for _, h := range s.handlers {
		behind := h.name == "bos" || h.name == "cfs"
		if h.name == "lab" || s.options.Gateway && behind || !s.options.Gateway && h.name == "gateway" {
			continue
		}
		var err error
		if d.urls[h.name], err = s.serve(h.name, loopback, d.guard(h.handler), h.tls); err != nil {
			return nil, err
		}
	}
	return d, s.writeKubeconfig(d.kubeconfig, d.urls)
}

// guard returns a handler that aborts every request once the door is shut.
func (d *Door) guard(serve http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.shut.Load() {
			panic(http.ErrAbortHandler)
		}
		serve.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), doorKey{}, d)))
	})
}

// Shut makes every later request fail without an answer. Requests under way are served.
func (d *Door) Shut() { d.shut.Store(true) }

// Passed reports whether a request came through the door.
func (d *Door) Passed(r *http.Request) bool { return r.Context().Value(doorKey{}) == d }

// Kubeconfig returns the kubeconfig for clients behind the door.
func (d *Door) Kubeconfig() string { return d.kubeconfig }

// Env returns the environment for a bosgc behind the door.
func (d *Door) Env() []string { return d.server.env(d.kubeconfig, d.urls) }
