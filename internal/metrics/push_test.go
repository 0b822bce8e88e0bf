package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"bosgc/internal/metrics"
)

func TestPushFollowsNoRedirectAndKeepsNoConnection(t *testing.T) {
	var kept, followed atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics/", func(w http.ResponseWriter, r *http.Request) {
		if !r.Close {
			kept.Add(1)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("/moved/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/login", http.StatusFound)
	})
	mux.HandleFunc("/login", func(http.ResponseWriter, *http.Request) { followed.Add(1) })
	server := httptest.NewServer(mux)
	defer server.Close()
	registry := prometheus.NewRegistry()
	for range 2 {
		if err := metrics.Push(t.Context(), server.URL, "a", registry, true); err != nil {
			t.Error(err)
		}
	}
	if kept.Load() > 0 {
		t.Errorf("%d requests on a connection that is kept", kept.Load())
	}
	if err := metrics.Push(t.Context(), server.URL+"/moved", "a", registry, true); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("a redirect: error %v", err)
	}
	if followed.Load() > 0 {
		t.Error("a redirect was followed")
	}
}
