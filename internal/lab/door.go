package lab

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
)

// Door is a way of its own into a world that is served: for one process, whose end can be played by
// shutting it.
type Door struct {
	server     *Server
	kubeconfig string
	urls       map[string]string
	shut       atomic.Bool
}

type doorKey struct{}

// Open opens a door. It is closed with the server; its ports stay taken until then, so that what a dead
// process still sends reaches nobody else's world.
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

// guard lets nothing through a door that is shut.
func (d *Door) guard(serve http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.shut.Load() {
			panic(http.ErrAbortHandler)
		}
		serve.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), doorKey{}, d)))
	})
}

// Shut cuts the connection of every request that comes from now on. What is under way is served.
func (d *Door) Shut() { d.shut.Store(true) }

// Passed says whether a request has come through the door.
func (d *Door) Passed(r *http.Request) bool { return r.Context().Value(doorKey{}) == d }

// Kubeconfig is Server.Kubeconfig through the door.
func (d *Door) Kubeconfig() string { return d.kubeconfig }

// Env is Server.Env through the door.
func (d *Door) Env() []string { return d.server.env(d.kubeconfig, d.urls) }
