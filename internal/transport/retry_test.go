package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestRetries(t *testing.T) {
	tests := []struct {
		name     string
		request  Request
		statuses []int // of the answers, in turn; the last one repeats
		want     int   // requests sent
		end      int   // status in the end
	}{
		{"GET, 503 passes", Request{Method: "GET"}, []int{503, 503, 200}, 3, 200},
		{"GET, 502 passes", Request{Method: "GET"}, []int{502, 200}, 2, 200},
		{"GET, 429 passes", Request{Method: "GET"}, []int{429, 200}, 2, 200},
		{"GET, 503 stays", Request{Method: "GET"}, []int{503}, 4, 503},
		{"GET, 504 is a timeout", Request{Method: "GET"}, []int{504, 200}, 1, 504},
		{"GET, 504, asked for", Request{Method: "GET", Retry5xx: true}, []int{504, 200}, 2, 200},
		{"GET, 500", Request{Method: "GET"}, []int{500, 200}, 1, 500},
		{"GET, 500, asked for", Request{Method: "GET", Retry5xx: true}, []int{500, 200}, 2, 200},
		{"GET, 501", Request{Method: "GET", Retry5xx: true}, []int{501, 200}, 1, 501},
		{"GET, 404", Request{Method: "GET", Retry5xx: true}, []int{404, 200}, 1, 404},
		{"GET, not to be retried", Request{Method: "GET", NoRetry: true, Retry5xx: true}, []int{503, 200}, 1, 503},
		{"DELETE, 503 passes", Request{Method: "DELETE"}, []int{503, 204}, 2, 204},
		{"DELETE, 429 passes", Request{Method: "DELETE"}, []int{429, 204}, 2, 204},
		{"DELETE, 502 may have been done", Request{Method: "DELETE", Retry5xx: true}, []int{502, 204}, 1, 502},
		{"DELETE, 500", Request{Method: "DELETE", Retry5xx: true}, []int{500, 204}, 1, 500},
		{"PATCH is never repeated", Request{Method: "PATCH", Retry5xx: true}, []int{503, 200}, 1, 503},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int32
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				i := min(int(n.Add(1)), len(tt.statuses)) - 1
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tt.statuses[i])
			})
			c := client(t, server.URL, options())
			tt.request.Path = "/x"
			got, err := c.Do(t.Context(), tt.request)
			end := 0
			var e *StatusError
			if errors.As(err, &e) {
				end = e.Status
			} else if err == nil {
				end = got.Status
			}
			if end != tt.end || c.Requests() != tt.want || int(n.Load()) != tt.want {
				t.Errorf("%d requests (%d counted), in the end %d (%v); want %d and %d",
					n.Load(), c.Requests(), end, err, tt.want, tt.end)
			}
		})
	}
}

func TestObserveSeesEveryTry(t *testing.T) {
	var n atomic.Int32
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			w.WriteHeader(503)
			return
		}
		answer(w, 200, "application/json", "{}")
	})
	var seen []int
	o := options()
	o.Observe = func(method string, status int, took time.Duration) {
		if method != "GET" || took <= 0 {
			t.Errorf("%s took %v", method, took)
		}
		seen = append(seen, status)
	}
	if _, err := client(t, server.URL, o).Do(t.Context(), get("/x")); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 || seen[0] != 503 || seen[1] != 200 {
		t.Errorf("%v", seen)
	}
}

// reset ends the connection the way the kernel does for a worker that was killed.
func reset(t *testing.T, w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func TestResetIsRetriedOnlyForGet(t *testing.T) {
	for method, want := range map[string]int{"GET": 2, "DELETE": 1} {
		var n atomic.Int32
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1) == 1 {
				reset(t, w)
				return
			}
			answer(w, 200, "application/json", "{}")
		})
		c := client(t, server.URL, options())
		_, err := c.Do(t.Context(), Request{Method: method, Path: "/x"})
		if c.Requests() != want || (err == nil) != (want == 2) {
			t.Errorf("%s: %d requests, %v", method, c.Requests(), err)
		}
	}
}

func TestSilenceIsNeverRetried(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	tests := map[string]http.HandlerFunc{
		"no header": hang,
		"no body": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			hang(w, r)
		},
		"half a body": func(w http.ResponseWriter, r *http.Request) {
			answer(w, 200, "application/json", `["a",`)
			w.(http.Flusher).Flush()
			hang(w, r)
		},
		"no body of an error": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			w.(http.Flusher).Flush()
			hang(w, r)
		},
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			c := client(t, serve(t, handler).URL, options())
			r := get("/x")
			r.Timeout, r.Retry5xx = 50*time.Millisecond, true
			_, err := c.Do(t.Context(), r)
			if !errors.Is(err, ErrTimeout) || c.Requests() != 1 || !strings.Contains(err.Error(), "50ms") {
				t.Errorf("%v after %d requests", err, c.Requests())
			}

			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err = c.Do(ctx, get("/x"))
			if errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the end of the run became %v", err)
			}
		})
	}
}

func TestRetryAfterBeyondTheDeadlineGivesUpAtOnce(t *testing.T) {
	for _, after := range []string{"3600", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), "6"} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(503)
		})
		c := client(t, server.URL, options()) // 10 s, of which a retry needs half
		start := time.Now()
		_, err := c.Do(t.Context(), get("/x"))
		if !hasStatus(err, 503) || c.Requests() != 1 || !strings.Contains(err.Error(), "not tried again") {
			t.Errorf("%s: %v after %d requests", after, err, c.Requests())
		}
		if errors.Is(err, ErrTimeout) || time.Since(start) > 3*time.Second {
			t.Errorf("%s: took %v, %v", after, time.Since(start), err)
		}
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	var first time.Time
	var waited time.Duration
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if first.IsZero() {
			first = time.Now()
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(429)
			return
		}
		waited = time.Since(first)
		answer(w, 200, "application/json", "{}")
	})
	if _, err := client(t, server.URL, options()).Do(t.Context(), get("/x")); err != nil {
		t.Fatal(err)
	}
	if waited < 900*time.Millisecond {
		t.Errorf("sent again after %v; the server asked for 1 s", waited)
	}
}

func TestRetryDelayDoublesWithJitter(t *testing.T) {
	after := func(s string) *http.Response {
		return &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {s}}}
	}
	inAMinute := after(time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
	tests := []struct {
		name     string
		n        int
		resp     *http.Response
		min, max time.Duration
	}{
		{"first", 0, nil, 500 * time.Millisecond, time.Second},
		{"third", 2, nil, 2 * time.Second, 4 * time.Second},
		{"many", 30, nil, maxDelay / 2, maxDelay},
		{"asked for", 0, after("5"), 5 * time.Second, 5 * time.Second},
		{"asked for by date", 0, inAMinute, 55 * time.Second, time.Minute},
		{"asked for nothing", 0, after("0"), 500 * time.Millisecond, time.Second},
		{"asked for nonsense", 0, after("soon"), 500 * time.Millisecond, time.Second},
	}
	for _, tt := range tests {
		seen := map[time.Duration]bool{}
		for range 50 {
			got := retryDelay(time.Second, tt.n, tt.resp)
			if got < tt.min || got > tt.max {
				t.Errorf("%s: %v, want %v to %v", tt.name, got, tt.min, tt.max)
			}
			seen[got] = true
		}
		if tt.resp == nil && len(seen) < 10 {
			t.Errorf("%s: no jitter", tt.name)
		}
	}
}

// The server closes each connection shortly after its answer without announcing it, as uWSGI does. A DELETE that
// reuses such a connection fails.
func TestEveryRequestHasAConnectionOfItsOwn(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	server.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			connections.Add(1)
		case http.StateIdle:
			_ = conn.Close()
		default:
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	c := client(t, server.URL, options())
	const n = 200
	for i := range n {
		if _, err := c.Do(t.Context(), Request{Method: http.MethodDelete, Path: "/x"}); err != nil {
			t.Fatalf("DELETE %d: %v", i, err)
		}
	}
	if connections.Load() != n {
		t.Errorf("%d connections for %d requests", connections.Load(), n)
	}
}
