package transport

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func patch(path, body string) Request {
	return Request{Method: http.MethodPatch, Path: path, Body: []byte(body)}
}

func TestBodyIsSentAsJSON(t *testing.T) {
	var seen []string
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		contentType := r.Header.Get("Content-Type")
		seen = append(seen, fmt.Sprintf("%s %s %q %d %q", r.Method, r.URL.Path, contentType, r.ContentLength, body))
		answer(w, 200, "application/json", "{}")
	})
	c := client(t, server.URL+"/apis/cfs/", options())
	for _, r := range []Request{patch("/x", `{"a":1}`), patch("/x", ""), get("/x")} {
		if _, err := c.Do(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{
		`PATCH /apis/cfs/x "application/json" 7 "{\"a\":1}"`,
		`PATCH /apis/cfs/x "application/json" 0 ""`,
		`GET /apis/cfs/x "" 0 ""`,
	}; !slices.Equal(seen, want) {
		t.Errorf("%q", seen)
	}
}

// Nobody knows what became of a PATCH without an answer. Whoever sends it again must first read the object.
func TestPatchIsSentOnce(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"reset":   func(w http.ResponseWriter, _ *http.Request) { reset(t, w) },
		"silence": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"502":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"429":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"page":    func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "text/html", "<html>") },
		"moved": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/y")
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"reset of a connection that has served before": func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPatch {
				reset(t, w)
				return
			}
			answer(w, 200, "application/json", "{}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int32
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // only then does a server notice that the client has left
				if r.Method == http.MethodPatch {
					n.Add(1)
				}
				handler(w, r)
			})
			o := options()
			o.RequestTimeout = 200 * time.Millisecond
			c := client(t, server.URL, o)
			if name == "reset of a connection that has served before" {
				if _, err := c.Do(t.Context(), get("/x")); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.Do(t.Context(), patch("/x", "{}")); err == nil || n.Load() != 1 {
				t.Errorf("sent %d times, %v", n.Load(), err)
			}
		})
	}
}

// A request that was rejected for its token has changed nothing.
func TestPatchIsSentAgainWithANewToken(t *testing.T) {
	var issued atomic.Int32
	var seen []string
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, r.Header.Get("Authorization")+" "+string(body))
		if r.Header.Get("Authorization") != "Bearer t2" {
			answer(w, 401, "application/json", "{}")
			return
		}
		answer(w, 200, "application/json", "{}")
	})
	c := client(t, server.URL, login(issuer(t, &issued)))
	_, err := c.Do(t.Context(), patch("/x", `{"a":1}`))
	if want := []string{`Bearer t1 {"a":1}`, `Bearer t2 {"a":1}`}; err != nil || !slices.Equal(seen, want) {
		t.Errorf("%q, %v", seen, err)
	}
}
