package bos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/margin"
	"bosgc/internal/transport"
)

const (
	id      = "5a0df9d1-2c3b-4f5e-8a9b-0123456789ab"
	version = `{"major":"2","minor":"10","patch":"28","links":[]}`
	route   = `{"detail":"The requested URL was not found on the server. If you entered the URL manually please ` +
		`check your spelling and try again.","status":404,"title":"Not Found","type":"about:blank"}`
	page    = "<html><body>Log in</body></html>"
	noV2One = `{"detail":"Session ` + id + ` could not be found","status":404,` +
		`"title":"Session could not found.","type":"about:blank"}`
)

// reply is the answer to one request.
type reply struct {
	status      int
	contentType string
	body        string
}

func jsonReply(status int, body string) reply { return reply{status, "application/json", body} }

func problem(body string) reply { return reply{404, "application/problem+json", body} }

// server answers by "METHOD /escaped/path", and everything else as a missing route. A reply with status 0 never comes.
type server struct {
	mu       sync.Mutex
	replies  map[string]reply
	received []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Method + " " + r.RequestURI
	s.mu.Lock()
	s.received = append(s.received, key)
	answer, known := s.replies[key]
	s.mu.Unlock()
	if !known {
		answer = problem(route)
	}
	if answer.status == 0 {
		<-r.Context().Done()
		return
	}
	w.Header().Set("Content-Type", answer.contentType)
	w.WriteHeader(answer.status)
	_, _ = io.WriteString(w, answer.body)
}

func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.received)
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.received)
}

func start(t *testing.T, replies map[string]reply) (*Client, *server) {
	t.Helper()
	s := &server{replies: replies}
	listener := httptest.NewServer(s)
	t.Cleanup(listener.Close)
	c, err := transport.New(listener.URL, transport.Options{
		RequestTimeout: 500 * time.Millisecond, Concurrency: 2, RetryWait: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(c, 100*time.Millisecond), s
}

func TestList(t *testing.T) {
	tests := []struct {
		name  string
		reply reply
		want  []string // nil: an error
	}{
		{"empty", jsonReply(200, "[]\n"), []string{}},
		{"sorted, each once", jsonReply(200, `["b","a","b","st3-x"]`), []string{"a", "b", "st3-x"}},
		{"null", jsonReply(200, "null"), nil},
		{"an object", jsonReply(200, "{}"), nil},
		{"objects", jsonReply(200, `[{"id":"a"}]`), nil},
		{"a number among them", jsonReply(200, `["a",1]`), nil},
		{"null among them", jsonReply(200, `["a",null]`), nil},
		{"a string", jsonReply(200, `"a"`), nil},
		{"nothing", jsonReply(200, ""), nil},
		{"cut short", jsonReply(200, `["a","b"`), nil},
		{"a comma too many", jsonReply(200, `["a",]`), nil},
		{"something after it", jsonReply(200, `["a"] []`), nil},
		{"a login page", reply{200, "text/html", page}, nil},
		{"a login page called JSON", jsonReply(200, page), nil},
		{"JSON called text", reply{200, "text/plain", "[]"}, nil},
		{"503", jsonReply(503, "[]"), nil},
		{"500", jsonReply(500, "[]"), nil},
		{"401", jsonReply(401, "[]"), nil},
		{"404 of something else", reply{404, "text/html", page}, nil},
		{"404 with a list", jsonReply(404, "[]"), nil},
		{"a redirect", reply{302, "application/json", "[]"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, s := start(t, map[string]reply{"GET /v1/session": tt.reply})
			got, err := c.List(t.Context())
			if (err == nil) != (tt.want != nil) || !slices.Equal(got, tt.want) || got == nil && err == nil {
				t.Fatalf("%q, %v; want %q", got, err, tt.want)
			}
			if errors.Is(err, ErrNoV1) {
				t.Errorf("BOS v1 was taken for removed: %v", err)
			}
			requests := s.count()
			if requests != 1 {
				t.Errorf("requested %q", s.received)
			}
			if got, err := c.List(t.Context()); !errors.Is(err, ErrAlreadyListed) || got != nil || s.count() != requests {
				t.Errorf("a second list: %q, %v, requests %q", got, err, s.received)
			}
		})
	}
}

func TestSessionsAreReadAfterTheListHangs(t *testing.T) {
	const unknownID = "0f0e0d0c-0b0a-4908-8706-050403020100"
	hanging := []string{"00000001-0000-4000-8000-000000000000", "00000002-0000-4000-8000-000000000000"}
	c, s := start(t, map[string]reply{
		"GET /v1/session":               {},
		"GET /v1/healthz":               jsonReply(200, "{}"),
		"GET /v1/session/" + id:         jsonReply(200, `{"job":""}`),
		"GET /v1/session/" + hanging[0]: {},
		"GET /v1/session/" + hanging[1]: {},
		"GET /v1/session/" + unknownID:  jsonReply(404, "{}"),
	})
	_, err := c.List(t.Context())
	if !errors.Is(err, transport.ErrTimeout) || !errors.Is(err, ErrListHangs) || !strings.Contains(err.Error(), "100ms") {
		t.Errorf("%v", err)
	}
	if got, err := c.Get(t.Context(), id); err != nil || got.Presence != inventory.Present {
		t.Errorf("%+v, %v", got, err)
	}
	if s.count() != 3 {
		t.Errorf("requested %q", s.received)
	}
	// The list does not count as a session that hangs: only after three of those no others are asked for.
	for n := range 2 {
		if got, err := c.Get(t.Context(), hanging[n]); err != nil || !got.Broken {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if _, err := c.Get(t.Context(), unknownID); err != nil {
		t.Errorf("after the list and two sessions have hung: %v", err)
	}
}

// A session that hangs costs BOS one worker, whichever of its requests hangs. It counts once towards the three after
// which no others are asked for.
func TestHangingSessionIsNotAskedForAgain(t *testing.T) {
	others := []string{"00000001-0000-4000-8000-000000000000", "00000002-0000-4000-8000-000000000000"}
	c, s := start(t, map[string]reply{
		"GET /v1/healthz":                           jsonReply(200, "{}"),
		"GET /v1/session/" + id:                     {},
		"GET /v1/session/" + id + "/status/compute": {},
		"GET /v1/session/" + others[0]:              {},
		"GET /v1/session/" + others[1]:              jsonReply(404, "{}"),
	})
	if _, err := c.BootSetStatus(t.Context(), id, "compute"); !errors.Is(err, ErrStuck) {
		t.Fatalf("%v", err)
	}
	before := s.count()
	if got, err := c.Get(t.Context(), id); err != nil || !got.Broken || s.count() != before {
		t.Errorf("%+v, %v, requested %q", got, err, s.received)
	}
	if _, _, err := c.Nodes(t.Context(), id, "uan"); !errors.Is(err, ErrStuck) || s.count() != before {
		t.Errorf("%v, requested %q", err, s.received)
	}
	for _, id := range others {
		if _, err := c.Get(t.Context(), id); err != nil {
			t.Errorf("after one session has hung: %v", err)
		}
	}
}

// With its database down BOS answers nothing. Two requests hang in it then, and no third is sent.
func TestListOfASilentBOS(t *testing.T) {
	c, s := start(t, map[string]reply{
		"GET /v1/session": {}, "GET /v1/healthz": {}, "GET /v1/session/" + id: jsonReply(200, `{"job":""}`),
	})
	if _, err := c.List(t.Context()); !errors.Is(err, ErrSilent) || errors.Is(err, ErrListHangs) {
		t.Errorf("%v", err)
	}
	if _, err := c.Get(t.Context(), id); !errors.Is(err, ErrSilent) || s.count() != 2 {
		t.Errorf("%v; requested %q", err, s.received)
	}
}

func TestUnhealthyBOSIsAskedOnce(t *testing.T) {
	c, s := start(t, map[string]reply{"GET /v1/healthz": {}})
	if err := c.CheckHealth(t.Context()); !errors.Is(err, ErrSilent) {
		t.Errorf("%v", err)
	}
	if _, err := c.List(t.Context()); !errors.Is(err, ErrSilent) || s.count() != 1 {
		t.Errorf("%v; requested %q", err, s.received)
	}
}

// A worker that is ended after working on the list for a long time has hung. One that is ended at once was restarted.
func TestListHung(t *testing.T) {
	lost := fmt.Errorf("%w", transport.ErrLost)
	for _, tt := range []struct {
		err  error
		took time.Duration
		want bool
	}{
		{nil, time.Minute, false},
		{transport.ErrTimeout, time.Millisecond, true},
		{&transport.StatusError{Status: 504}, time.Millisecond, true},
		{lost, margin.ListHangs, true},
		{lost, margin.ListHangs - 1, false},
		{&transport.StatusError{Status: 502}, 30 * time.Second, true},
		{&transport.StatusError{Status: 503}, time.Second, false},
		{&transport.StatusError{Status: 500}, time.Minute, false},
	} {
		if got := listHung(tt.err, tt.took); got != tt.want {
			t.Errorf("%v after %s: %v", tt.err, tt.took, got)
		}
	}
}

func TestNoV1IsBelievedOnlyOnProof(t *testing.T) {
	tests := []struct {
		name    string
		replies map[string]reply
		gone    bool
	}{
		{"CSM 1.6", map[string]reply{"GET /v2": jsonReply(200, version)}, true},
		{"CSM 1.6, /v2 alone is not served", map[string]reply{"GET /v2/version": jsonReply(200, version)}, true},
		{"wrong prefix: 404 everywhere", nil, false},
		{"the rest of v1 is there", map[string]reply{
			"GET /v2": jsonReply(200, version), "GET /v1/version": jsonReply(200, version),
		}, false},
		{"the rest of v1 fails", map[string]reply{
			"GET /v2": jsonReply(200, version), "GET /v1/version": jsonReply(503, ""),
		}, false},
		{"v2 is a page", map[string]reply{"GET /v2": {200, "text/html", page}}, false},
		{"v2 is an empty object", map[string]reply{"GET /v2": jsonReply(200, "{}")}, false},
		{"v2 is null", map[string]reply{"GET /v2": jsonReply(200, "null")}, false},
		{"v2 fails", map[string]reply{"GET /v2": jsonReply(500, version)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := start(t, tt.replies)
			got, err := c.List(t.Context())
			if got != nil || errors.Is(err, ErrNoV1) != tt.gone {
				t.Fatalf("%q, %v", got, err)
			}
			if !tt.gone && !strings.Contains(err.Error(), "URL is probably wrong") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestGetTellsAbsenceFromOtherAnswers(t *testing.T) {
	tests := []struct {
		name    string
		reply   reply
		want    inventory.Presence
		broken  bool
		isError bool
	}{
		{"there", jsonReply(200, `{"operation":"boot"}`), inventory.Present, false, false},
		{"not there", jsonReply(404, "{}\n"), inventory.Absent, false, false},
		{"missing route", problem(route), inventory.Unknown, false, true},
		{"another problem", problem(noV2One), inventory.Unknown, false, true},
		{"404 with null", jsonReply(404, "null"), inventory.Unknown, false, true},
		{"404 with []", jsonReply(404, "[]"), inventory.Unknown, false, true},
		{"404 with nothing", jsonReply(404, ""), inventory.Unknown, false, true},
		{"404 page", reply{404, "text/html", page}, inventory.Unknown, false, true},
		{"404 with more than one object", jsonReply(404, "{}{}"), inventory.Unknown, false, true},
		{"its record cannot be read", jsonReply(500, "{}"), inventory.Unknown, true, false},
		{"400", jsonReply(400, `{"title":"Multi-tenancy not supported"}`), inventory.Unknown, false, true},
		{"502", jsonReply(502, "{}"), inventory.Unknown, false, true},
		{"503", jsonReply(503, "{}"), inventory.Unknown, false, true},
		{"204", reply{204, "", ""}, inventory.Unknown, false, true},
		{"null", jsonReply(200, "null"), inventory.Unknown, false, true},
		{"an array", jsonReply(200, `["a"]`), inventory.Unknown, false, true},
		{"cut short", jsonReply(200, `{"operation":"boot"`), inventory.Unknown, false, true},
		{"something after it", jsonReply(200, `{} x`), inventory.Unknown, false, true},
		{"too deep", jsonReply(200, `{"a":`+strings.Repeat("[", 100000)), inventory.Unknown, false, true},
		{"too large", jsonReply(200, `{"a":"`+strings.Repeat("x", 2<<20)+`"}`), inventory.Unknown, false, true},
		{"a login page", reply{200, "text/html", page}, inventory.Unknown, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := start(t, map[string]reply{"GET /v1/session/" + id: tt.reply})
			got, err := c.Get(t.Context(), id)
			if got.Presence != tt.want || got.Broken != tt.broken || (err != nil) != tt.isError {
				t.Fatalf("%+v, %v", got, err)
			}
			if tt.broken != (got.Err != "") {
				t.Errorf("the record says %q", got.Err)
			}
		})
	}
}

// badNames must not reach the server.
var badNames = []string{
	"", ".", "..", "a/b", "/", "?x", "#x", "%2e%2e", "a%2fb", "a\x00b", "a\nb", `a\b`, "a;b", " ",
	strings.Repeat("a", 254),
}

func TestBadIDsAreNotSent(t *testing.T) {
	c, s := start(t, nil)
	ctx := t.Context()
	for _, name := range badNames {
		if got, err := c.Get(ctx, name); err == nil || got.Presence != inventory.Unknown {
			t.Errorf("Get(%q) = %+v, %v", name, got, err)
		}
		if existed, err := c.Delete(ctx, name); err == nil || existed {
			t.Errorf("Delete(%q) = %v, %v", name, existed, err)
		}
		if _, err := c.BootSetStatus(ctx, id, name); err == nil {
			t.Errorf("BootSetStatus(%q): no error", name)
		}
	}
	if s.count() != 0 {
		t.Errorf("requested %q", s.received)
	}
	_, _ = c.Delete(ctx, `st3-"a:b`)
	if want := "DELETE /v1/session/st3-%22a:b"; !slices.Equal(s.received, []string{want}) {
		t.Errorf("requested %q, want %q", s.received, want)
	}
}

func TestDelete(t *testing.T) {
	tests := []struct {
		name    string
		reply   reply
		existed bool
		isError bool
	}{
		{"deleted", reply{204, "", ""}, true, false},
		{"somebody's 200", jsonReply(200, `""`), false, true},
		{"gone already", jsonReply(404, `"Sesssion: `+id+` not found"`+"\n"), false, false},
		{"gone already, as text", reply{404, "text/plain", "Sesssion: " + id + " not found"}, false, false},
		{"missing route", problem(route), false, true},
		{"a problem that names it", problem(noV2One), false, true},
		{"a page that names it", reply{404, "text/html", "<p>" + id + "</p>"}, false, true},
		{"a proxy's text", reply{404, "text/plain", "404 page not found"}, false, true},
		{"404 with nothing", reply{404, "", ""}, false, true},
		{"404 with {}", jsonReply(404, "{}"), false, true},
		{"500", jsonReply(500, ""), false, true},
		{"403", jsonReply(403, ""), false, true},
		{"a redirect", reply{302, "", ""}, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, s := start(t, map[string]reply{"DELETE /v1/session/" + id: tt.reply})
			existed, err := c.Delete(t.Context(), id)
			if existed != tt.existed || (err != nil) != tt.isError || s.count() != 1 {
				t.Fatalf("%v, %v, requests %q", existed, err, s.received)
			}
		})
	}
}

func TestV2Session(t *testing.T) {
	const list = "GET /v2/sessions"
	tests := []struct {
		name    string
		replies map[string]reply
		want    inventory.Presence
		sent    int // requests for two calls: the list is requested only once
	}{
		{"there", map[string]reply{
			list: jsonReply(200, `[{"name":"x"},{"name":"`+id+`","tenant":"t"}]`),
		}, inventory.Present, 1},
		{"not there", map[string]reply{list: jsonReply(200, `[{"name":"x"}]`)}, inventory.Absent, 1},
		{"none at all", map[string]reply{list: jsonReply(200, "[]")}, inventory.Absent, 1},
		{"no v2 (CSM 1.2)", map[string]reply{"GET /v1/version": jsonReply(200, version)}, inventory.Absent, 3},
		{"404 everywhere", nil, inventory.Unknown, 2},
		{"v2 is there, its sessions are not", map[string]reply{
			"GET /v1/version": jsonReply(200, version), "GET /v2": jsonReply(200, version),
		}, inventory.Unknown, 3},
		{"v1 is a page", map[string]reply{"GET /v1/version": {200, "text/html", page}}, inventory.Unknown, 2},
		{"404 with {}", map[string]reply{list: jsonReply(404, "{}")}, inventory.Unknown, 1},
		{"404 page", map[string]reply{list: {404, "text/html", page}}, inventory.Unknown, 1},
		{"500", map[string]reply{list: jsonReply(500, "{}")}, inventory.Unknown, 1},
		{"204", map[string]reply{list: {204, "", ""}}, inventory.Unknown, 1},
		{"an object", map[string]reply{list: jsonReply(200, "{}")}, inventory.Unknown, 1},
		{"null", map[string]reply{list: jsonReply(200, "null")}, inventory.Unknown, 1},
		{"one without a name", map[string]reply{list: jsonReply(200, `[{"name":"x"},{}]`)}, inventory.Unknown, 1},
		{"one is null", map[string]reply{list: jsonReply(200, `[null]`)}, inventory.Unknown, 1},
		{"a name is a number", map[string]reply{list: jsonReply(200, `[{"name":7}]`)}, inventory.Unknown, 1},
		{"cut short", map[string]reply{list: jsonReply(200, `[{"name":"x"}`)}, inventory.Unknown, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, s := start(t, tt.replies)
			for range 2 {
				got, err := c.V2Session(t.Context(), id)
				if got != tt.want || (err != nil) != (tt.want == inventory.Unknown) {
					t.Fatalf("%v, %v", got, err)
				}
			}
			if s.count() != tt.sent {
				t.Errorf("%d requests, want %d: %q", s.count(), tt.sent, s.received)
			}
		})
	}
}

func TestSilentBOSIsNotAskedAgain(t *testing.T) {
	for name, first := range map[string]reply{
		"hangs": {}, "gateway gives up": {504, "text/plain", "upstream request timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := start(t, map[string]reply{"GET /v1/session/" + id: first, "GET /v1/healthz": first})
			ctx := t.Context()
			if _, err := c.Get(ctx, id); !errors.Is(err, ErrSilent) {
				t.Fatal(err)
			}
			_, getErr := c.Get(ctx, "other")
			_, deleteErr := c.Delete(ctx, "other")
			_, v2Err := c.V2Session(ctx, "other")
			_, bootSetErr := c.BootSetStatus(ctx, "other", "compute")
			_, listErr := c.List(ctx)
			for _, err := range []error{getErr, deleteErr, v2Err, bootSetErr, listErr} {
				if !errors.Is(err, ErrSilent) {
					t.Errorf("%v", err)
				}
			}
			if want := []string{"GET /v1/session/" + id, "GET /v1/healthz"}; !slices.Equal(s.requests(), want) {
				t.Errorf("requested %q", s.requests())
			}
		})
	}
}

func TestSilenceStopsQueuedRequests(t *testing.T) {
	c, s := start(t, map[string]reply{"GET /v1/session/" + id: {}, "GET /v1/healthz": {}})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if _, err := c.Get(t.Context(), id); !errors.Is(err, ErrSilent) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if s.count() > 5 { // two under way, those that may get a slot in between, and the health check
		t.Errorf("%d of 20 requests were sent to a silent BOS", s.count())
	}
}

// One session that BOS cannot read must not keep all others from being read.
func TestHangingSessionAloneIsBroken(t *testing.T) {
	replies := map[string]reply{
		"GET /v1/healthz":       jsonReply(200, `{"dbStatus":"ok","apiStatus":"ok"}`),
		"GET /v1/session/other": jsonReply(404, "{}"),
	}
	for _, name := range []string{id, "second", "third"} {
		replies["GET /v1/session/"+name] = reply{}
	}
	c, s := start(t, replies)
	ctx := t.Context()
	for _, name := range []string{id, "second"} {
		if got, err := c.Get(ctx, name); err != nil || !got.Broken || got.Presence != inventory.Unknown {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if got, err := c.Get(ctx, "other"); err != nil || got.Presence != inventory.Absent {
			t.Errorf("another one: %+v, %v", got, err)
		}
	}
	if got, err := c.Get(ctx, "third"); err != nil || !got.Broken {
		t.Errorf("the third: %+v, %v", got, err)
	}
	// Now no further sessions are asked for, except those that have answered.
	before := s.count()
	if _, err := c.Get(ctx, "fourth"); err == nil || errors.Is(err, ErrSilent) || s.count() != before {
		t.Errorf("the fourth: %v", err)
	}
	if got, err := c.Get(ctx, "other"); err != nil || got.Presence != inventory.Absent {
		t.Errorf("one that has answered: %+v, %v", got, err)
	}
}

// If the run's time ends during the health check, that says nothing about BOS.
func TestEndOfTheRunDuringTheHealthCheckIsNotSilence(t *testing.T) {
	c, _ := start(t, map[string]reply{
		"GET /v1/session/" + id: {504, "text/plain", "timeout"},
		"GET /v1/healthz":       {},
		"GET /v1/session/other": jsonReply(404, "{}"),
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx, id); err == nil || errors.Is(err, ErrSilent) {
		t.Errorf("%v", err)
	}
	if _, err := c.Get(t.Context(), "other"); err != nil {
		t.Errorf("with time again: %v", err)
	}
}

func TestFailingBOSIsNotAskedAgain(t *testing.T) {
	c, s := start(t, map[string]reply{
		"GET /v1/session/" + id: jsonReply(403, "{}"), "GET /v1/session/other": jsonReply(404, "{}"),
	})
	ctx := t.Context()
	for range maxFailing - 1 {
		_, _ = c.Get(ctx, id)
	}
	if _, err := c.Get(ctx, "other"); err != nil { // a good answer starts the count again
		t.Fatal(err)
	}
	for range maxFailing {
		if _, err := c.Get(ctx, id); errors.Is(err, ErrFailing) {
			t.Fatal("given up too early")
		}
	}
	before := s.count()
	if _, err := c.Get(ctx, "other"); !errors.Is(err, ErrFailing) || s.count() != before {
		t.Errorf("after %d failures in a row: %v", maxFailing, err)
	}
}

func TestEndOfTheRunIsNotSilence(t *testing.T) {
	c, s := start(t, map[string]reply{"GET /v1/session/" + id: {}, "GET /v1/session/other": jsonReply(404, "{}")})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx, id); errors.Is(err, ErrSilent) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if got, err := c.Get(t.Context(), "other"); err != nil || got.Presence != inventory.Absent || s.count() != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}
