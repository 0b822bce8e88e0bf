package cfs

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

const (
	route    = `{"detail":"The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.","status":404,"title":"Not Found","type":"about:blank"}`
	notFound = `{"detail":"Session s1 could not be found","status":404,"title":"Session not found.","type":"about:blank"}`
	tooLarge = `{"detail":"The response size exceeds the default_page_size.  Use the v3 API to page through the results.","status":400,"title":"The response size is too large"}`
	htmlPage = "<html>Log in</html>"

	v2One = `{"name":"batcher-1","configuration":{"name":"compute","limit":""},"ansible":{"limit":"x1,x2","config":"c","verbosity":0},"target":{"definition":"dynamic","groups":null},
 "status":{"artifacts":[],"session":{"status":"complete","succeeded":"true","startTime":"2023-06-23T21:24:14","completionTime":"2023-06-23T21:30:00","job":"cfs-1"}},"tags":{"bos_session":"b1","other":7}}`
	v3One = `{"name":"batcher-1","configuration":{"name":"compute","limit":""},"ansible":{"limit":"x1,x2"},"target":{"definition":"dynamic"},"debug_on_failure":false,"logs":"ara",
 "status":{"session":{"status":"complete","succeeded":"true","start_time":"2023-06-23T21:24:14","completion_time":"2023-06-23T21:30:00"}},"tags":{"bos_session":"b1"}}`
)

var one = inventory.CFSSession{
	Name: "batcher-1", Configuration: "compute", Definition: "dynamic", Limit: "x1,x2",
	Status: "complete", Succeeded: "true", Tag: "b1",
	Start: inventory.ParseStamp("2023-06-23T21:24:14"), Completion: inventory.ParseStamp("2023-06-23T21:30:00"),
}

type reply struct {
	status int
	kind   string
	body   string
}

func ok(body string) reply { return reply{200, "application/json", body} }

func problem(status int, body string) reply { return reply{status, "application/problem+json", body} }

// server answers "METHOD /path?query" with its replies in turn and repeats the last one; anything
// else is a missing route. A reply with status 0 never comes.
type server struct {
	mu      sync.Mutex
	replies map[string][]reply
	asked   []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Method + " " + r.RequestURI
	s.mu.Lock()
	s.asked = append(s.asked, key)
	answer := problem(404, route)
	if turn := s.replies[key]; len(turn) > 0 {
		answer = turn[0]
		if len(turn) > 1 {
			s.replies[key] = turn[1:]
		}
	}
	s.mu.Unlock()
	if answer.status == 0 {
		<-r.Context().Done()
		return
	}
	w.Header().Set("Content-Type", answer.kind)
	w.WriteHeader(answer.status)
	_, _ = io.WriteString(w, answer.body)
}

func start(t *testing.T, replies map[string][]reply) (*Client, *server) {
	t.Helper()
	s := &server{replies: replies}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return newClient(t, h.URL), s
}

func newClient(t *testing.T, url string) *Client {
	t.Helper()
	c, err := transport.New(url, transport.Options{
		RequestTimeout: 5 * time.Second, Concurrency: 2, RetryWait: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(c, 5*time.Second)
}

func v2(replies map[string][]reply) map[string][]reply {
	replies["GET /v2/options"] = []reply{ok(`{"sessionTTL":"7d"}`)}
	return replies
}

func v3(replies map[string][]reply) map[string][]reply {
	replies["GET /v3/options"] = []reply{ok(`{"session_ttl":"7d"}`)}
	replies["GET /v2/options"] = []reply{ok(`{"sessionTTL":"7d"}`)}
	return replies
}

func names(sessions []inventory.CFSSession) string {
	var all []string
	for _, s := range sessions {
		all = append(all, s.Name)
	}
	return strings.Join(all, " ")
}

// A session with a tag belongs to the session that the tag names, so one component is enough. A
// session without a tag is linked by all of its components.
func TestOverviewTrimsTheLimitsOfTaggedSessions(t *testing.T) {
	loose := strings.Replace(strings.Replace(v2One, "batcher-1", "batcher-2", 1), `"bos_session":"b1",`, "", 1)
	list := "[" + v2One + "," + loose + "]"
	c, _ := start(t, v2(map[string][]reply{"GET /v2/sessions": {ok(list)}}))
	all, err := c.Overview(t.Context())
	if err != nil || len(all) != 2 || all[0].Limit != "x1" || all[0].Tag != "b1" || all[1].Limit != "x1,x2" {
		t.Errorf("%v, %+v", err, all)
	}
	all, err = c.Sessions(t.Context())
	if err != nil || len(all) != 2 || all[0].Limit != "x1,x2" || all[1].Limit != "x1,x2" {
		t.Errorf("%v, %+v", err, all)
	}
}

func TestVersionIsNeverGuessed(t *testing.T) {
	tests := []struct {
		name    string
		replies map[string][]reply
		want    string // the path of the list that is asked for; empty: an error
	}{
		{"v3", map[string][]reply{"GET /v3/options": {ok("{}")}}, "GET /v3/sessions"},
		{"v2", map[string][]reply{"GET /v2/options": {ok("{}")}}, "GET /v2/sessions"},
		{"v3 after a hiccup", map[string][]reply{"GET /v3/options": {problem(503, "{}"), problem(500, "{}"), ok("{}")}}, "GET /v3/sessions"},
		{"v3 fails", map[string][]reply{"GET /v3/options": {problem(500, "{}")}, "GET /v2/options": {ok("{}")}}, ""},
		{"v3 is a page", map[string][]reply{"GET /v3/options": {{200, "text/html", htmlPage}}, "GET /v2/options": {ok("{}")}}, ""},
		{"v3 is null", map[string][]reply{"GET /v3/options": {ok("null")}, "GET /v2/options": {ok("{}")}}, ""},
		{"v2 is an array", map[string][]reply{"GET /v2/options": {ok("[]")}}, ""},
		{"v2 is a page", map[string][]reply{"GET /v2/options": {{200, "text/html", htmlPage}}}, ""},
		{"neither", map[string][]reply{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, s := start(t, tt.replies)
			_, _ = c.Sessions(t.Context())
			_, err := c.Sessions(t.Context())
			lists := slices.Clone(s.asked)
			lists = slices.DeleteFunc(lists, func(a string) bool { return !strings.HasSuffix(a, "/sessions") })
			if tt.want == "" {
				if err == nil || len(lists) != 0 {
					t.Fatalf("%v, asked for %q", err, s.asked)
				}
				return
			}
			if !slices.Equal(lists, []string{tt.want, tt.want}) {
				t.Fatalf("asked for %q", s.asked)
			}
			if strings.Count(strings.Join(s.asked, " "), "/options") > 3 {
				t.Errorf("the version was asked for again: %q", s.asked)
			}
		})
	}
}

func TestSessionsV2(t *testing.T) {
	tests := []struct {
		name    string
		replies []reply
		want    string
		err     string // part of the error; empty: none
	}{
		{"empty", []reply{ok("[]")}, "", ""},
		{"by name, each once", []reply{ok(`[{"name":"b"},{"name":"a"},{"name":"b"}]`)}, "a b", ""},
		{"a record vanished while the list was read", []reply{problem(500, "{}"), ok("[]")}, "", ""},
		{"Redis was away", []reply{problem(503, "{}"), ok("[]")}, "", ""},
		{"500 for good", []reply{problem(500, "{}")}, "", "HTTP 500"},
		{"too many", []reply{problem(400, tooLarge)}, "", "raise default_page_size"},
		{"null", []reply{ok("null")}, "", "expected"},
		{"an object", []reply{ok(`{"sessions":[],"next":null}`)}, "", "expected"},
		{"null among them", []reply{ok(`[{"name":"a"},null]`)}, "", "element 2: a CFS session has no name"},
		{"no name", []reply{ok(`[{"name":"a"},{}]`)}, "", "element 2"},
		{"a string among them", []reply{ok(`["a"]`)}, "", "element 1"},
		{"cut short", []reply{ok(`[{"name":"a"}`)}, "", "unexpected EOF"},
		{"cut short within a session", []reply{ok(`[{"name":"a"`)}, "", "unexpected EOF"},
		{"something after it", []reply{ok(`[] []`)}, "", "follows"},
		{"nothing", []reply{ok("")}, "", "unexpected EOF"},
		{"a page", []reply{{200, "text/html", htmlPage}}, "", "not JSON"},
		{"404", []reply{problem(404, route)}, "", "HTTP 404"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := start(t, v2(map[string][]reply{"GET /v2/sessions": tt.replies}))
			got, err := c.Sessions(t.Context())
			if names(got) != tt.want || (err == nil) != (tt.err == "") {
				t.Fatalf("%q, %v", names(got), err)
			}
			if err != nil && (got != nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Misread as untagged, such a session would be deleted for its age. As an error of the whole list,
// it would keep all others for ever.
func TestMalformedSessionsHaveAFault(t *testing.T) {
	for _, odd := range []string{
		`{"name":"a","tags":{"bos_session":["b"]}}`, `{"name":"a","tags":["bos_session"]}`, `{"name":"a","tags":{"bos_session":7}}`,
		`{"name":"a","target":"image"}`, `{"name":"a","ansible":{"limit":{}}}`,
	} {
		c, _ := start(t, v2(map[string][]reply{"GET /v2/sessions": {ok(`[` + odd + `,{"name":"z"}]`)}}))
		got, err := c.Sessions(t.Context())
		if err != nil || len(got) != 2 || got[0].Fault == "" || got[0].Tag != "" || got[1].Fault != "" {
			t.Errorf("%s: %+v, %v", odd, got, err)
		}
	}
}

func TestDecodeSession(t *testing.T) {
	tests := []struct {
		name, body string
		want       inventory.CFSSession
	}{
		{"v2", v2One, one},
		{"v3", v3One, one},
		{"nulls", `{"name":"a","configuration":null,"ansible":null,"target":null,"status":null,"tags":null}`, inventory.CFSSession{Name: "a"}},
		{"nulls further in", `{"name":"a","configuration":{"name":null},"ansible":{"limit":null},"status":{"session":null},"tags":{"bos_session":null}}`, inventory.CFSSession{Name: "a"}},
		{"complete without a time", `{"name":"a","status":{"session":{"status":"complete","succeeded":"unknown","completionTime":null}}}`, inventory.CFSSession{Name: "a", Status: "complete", Succeeded: "unknown"}},
		{"a bool", `{"name":"a","status":{"session":{"succeeded":false,"start_time":7}}}`, inventory.CFSSession{Name: "a", Succeeded: "false", Start: inventory.Stamp{Raw: "7"}}},
		{"null as success", `{"name":"a","status":{"session":{"succeeded":null}}}`, inventory.CFSSession{Name: "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeSession([]byte(tt.body))
			if err != nil || got != tt.want {
				t.Errorf("%+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestSessionsV3FollowsNext(t *testing.T) {
	next := func(body string) reply { return ok(`{"sessions":[{"name":"a"},{"name":"b"}],"next":` + body + `}`) }
	tests := []struct {
		name    string
		replies map[string][]reply
		want    string
		err     string
		asked   int // without the requests for the version
	}{
		{"one page", map[string][]reply{"GET /v3/sessions": {ok(`{"next":null,"new":[{"x":1}],"sessions":[` + v3One + `]}`)}}, "batcher-1", "", 1},
		{"empty", map[string][]reply{"GET /v3/sessions": {ok(`{"next":null,"sessions":[]}`)}}, "", "", 1},
		{"three pages, one session on two of them", map[string][]reply{
			"GET /v3/sessions": {next(`{"limit":2,"after_id":"b","age":null,"tags":"k=v,l=w","deep":true}`)},
			"GET /v3/sessions?after_id=b&deep=true&limit=2&tags=k%3Dv%2Cl%3Dw": {problem(500, "{}"), ok(`{"sessions":[{"name":"b"},{"name":"c"}],"next":{"after_id":"c"}}`)},
			"GET /v3/sessions?after_id=c":                                      {ok(`{"sessions":[],"next":null}`)},
		}, "a b c", "", 4},
		{"next points at itself", map[string][]reply{
			"GET /v3/sessions":            {next(`{"after_id":"b"}`)},
			"GET /v3/sessions?after_id=b": {next(`{"after_id":"b"}`)},
		}, "", "not further on", 2},
		{"next points back", map[string][]reply{
			"GET /v3/sessions":            {next(`{"after_id":"b"}`)},
			"GET /v3/sessions?after_id=b": {next(`{"after_id":"a"}`)},
		}, "", "not further on", 2},
		{"next without a place", map[string][]reply{"GET /v3/sessions": {next(`{"limit":2}`)}}, "", "after_id", 1},
		{"next with null as a place", map[string][]reply{"GET /v3/sessions": {next(`{"after_id":null}`)}}, "", "after_id", 1},
		{"next is a text", map[string][]reply{"GET /v3/sessions": {next(`"b"`)}}, "", "next", 1},
		{"next holds a list", map[string][]reply{"GET /v3/sessions": {next(`{"after_id":["b"]}`)}}, "", "no single value", 1},
		{"no next", map[string][]reply{"GET /v3/sessions": {ok(`{"sessions":[]}`)}}, "", "next 0 times", 1},
		{"no sessions", map[string][]reply{"GET /v3/sessions": {ok(`{"next":null}`)}}, "", "sessions 0 times", 1},
		{"sessions twice", map[string][]reply{"GET /v3/sessions": {ok(`{"sessions":[],"sessions":[],"next":null}`)}}, "", "sessions 2 times", 1},
		{"null sessions", map[string][]reply{"GET /v3/sessions": {ok(`{"sessions":null,"next":null}`)}}, "", "expected", 1},
		{"a bare array", map[string][]reply{"GET /v3/sessions": {ok(`[]`)}}, "", "expected", 1},
		{"cut short after the sessions", map[string][]reply{"GET /v3/sessions": {ok(`{"sessions":[],"next":null`)}}, "", "unexpected EOF", 1},
		{"something after it", map[string][]reply{"GET /v3/sessions": {ok(`{"sessions":[],"next":null}}`)}}, "", "follows", 1},
		{"the second page fails", map[string][]reply{
			"GET /v3/sessions":            {next(`{"after_id":"b"}`)},
			"GET /v3/sessions?after_id=b": {problem(403, "{}")},
		}, "", "HTTP 403", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, s := start(t, v3(tt.replies))
			got, err := c.Sessions(t.Context())
			if names(got) != tt.want || (err == nil) != (tt.err == "") || len(s.asked)-1 != tt.asked {
				t.Fatalf("%q, %v, asked for %q", names(got), err, s.asked)
			}
			if err != nil && (got != nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestListHasItsOwnDeadline(t *testing.T) {
	c, _ := start(t, v2(map[string][]reply{"GET /v2/sessions": {{}}}))
	c.listTimeout = 50 * time.Millisecond
	if got, err := c.Sessions(t.Context()); got != nil || !errors.Is(err, transport.ErrTimeout) ||
		!strings.Contains(err.Error(), "50ms") {
		t.Errorf("%v, %v", got, err)
	}
}

func TestSession(t *testing.T) {
	tests := []struct {
		name  string
		reply reply
		want  inventory.Presence
	}{
		{"there", ok(`{"name":"s1"}`), inventory.Present},
		{"not there", problem(404, notFound), inventory.Absent},
		{"missing route", problem(404, route), inventory.Unknown},
		{"404 page", reply{404, "text/html", htmlPage}, inventory.Unknown},
		{"404 with {}", problem(404, "{}"), inventory.Unknown},
		{"another session", ok(v2One), inventory.Unknown},
		{"a list", ok("[" + v2One + "]"), inventory.Unknown},
		{"null", ok("null"), inventory.Unknown},
		{"500", problem(500, "{}"), inventory.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for prefix, replies := range map[string]map[string][]reply{"/v2": v2(map[string][]reply{}), "/v3": v3(map[string][]reply{})} {
				replies["GET "+prefix+"/sessions/s1"] = []reply{tt.reply}
				c, _ := start(t, replies)
				got, presence, err := c.Session(t.Context(), "s1")
				if presence != tt.want || (err != nil) != (tt.want == inventory.Unknown) ||
					(got.Name == "s1") != (tt.want == inventory.Present) {
					t.Errorf("%s: %+v, %v, %v", prefix, got, presence, err)
				}
			}
		})
	}
}

func TestDelete(t *testing.T) {
	tests := []struct {
		name    string
		replies []reply
		existed bool
		isError bool
	}{
		{"deleted", []reply{{204, "", ""}}, true, false},
		{"somebody's 200", []reply{ok("null")}, false, true},
		{"deleted at the second try", []reply{problem(503, "{}"), {204, "", ""}}, true, false},
		{"gone already", []reply{problem(404, notFound)}, false, false},
		{"missing route", []reply{problem(404, route)}, false, true},
		{"404 page", []reply{{404, "text/html", htmlPage}}, false, true},
		{"404 with nothing", []reply{{404, "", ""}}, false, true},
		{"500", []reply{problem(500, "{}"), {204, "", ""}}, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for prefix, replies := range map[string]map[string][]reply{"/v2": v2(map[string][]reply{}), "/v3": v3(map[string][]reply{})} {
				replies["DELETE "+prefix+"/sessions/s1"] = slices.Clone(tt.replies)
				c, _ := start(t, replies)
				if existed, err := c.Delete(t.Context(), "s1"); existed != tt.existed || (err != nil) != tt.isError {
					t.Errorf("%s: %v, %v", prefix, existed, err)
				}
			}
		})
	}
}

func TestNoNameReachesTheBulkDelete(t *testing.T) {
	c, s := start(t, v3(map[string][]reply{}))
	for _, name := range []string{"", ".", "..", "a/b", "/", "?status=complete", "#x", "%2e%2e", "a%2fb", "a\x00b", `a\b`, "a;b", " ", strings.Repeat("a", 254)} {
		if existed, err := c.Delete(t.Context(), name); err == nil || existed {
			t.Errorf("Delete(%q) = %v, %v", name, existed, err)
		}
		if _, presence, err := c.Session(t.Context(), name); err == nil || presence != inventory.Unknown {
			t.Errorf("Session(%q) = %v, %v", name, presence, err)
		}
	}
	if len(s.asked) != 0 {
		t.Errorf("asked for %q", s.asked)
	}
	_, _ = c.Delete(t.Context(), `a"b`)
	if want := "DELETE /v3/sessions/a%22b"; s.asked[len(s.asked)-1] != want {
		t.Errorf("asked for %q", s.asked)
	}
}

func FuzzDecodeList(f *testing.F) {
	for _, s := range []string{"[]", "[" + v2One + "]", "null", `[{"name":"a"},null]`, "[] x", `[{"name":"a","status":{"session":{"succeeded":true}}}]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data string) {
		n := 0
		err := sessionListing(func(s inventory.CFSSession) {
			if n++; s.Name == "" {
				t.Fatal("a session without a name")
			}
		}).decodeList(strings.NewReader(data))
		if err == nil && !strings.HasPrefix(strings.TrimLeft(data, " \t\r\n"), "[") {
			t.Fatalf("%q is a list of %d", data, n)
		}
	})
}

func FuzzDecodePage(f *testing.F) {
	for _, s := range []string{`{"sessions":[` + v3One + `],"next":null}`, `{"sessions":[],"next":{"after_id":"b","limit":2,"age":null}}`, `{"next":null}`, "{}", "null", `{"sessions":null,"next":null}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data string) {
		next, err := sessionListing(func(s inventory.CFSSession) {
			if s.Name == "" {
				t.Fatal("a session without a name")
			}
		}).decodePage(strings.NewReader(data))
		if err != nil && next != nil {
			t.Fatalf("%v with %v", next, err)
		}
		if next != nil && next.Get("after_id") == "" {
			t.Fatalf("%q: a next page without a place: %v", data, next)
		}
		if err == nil && !strings.Contains(data, "[") {
			t.Fatalf("%q is a page", data)
		}
	})
}

func FuzzDecodeSession(f *testing.F) {
	for _, s := range []string{v2One, v3One, "{}", "null", `{"name":"a","tags":null}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data string) {
		if s, err := decodeSession([]byte(data)); (err == nil) != (s.Name != "") {
			t.Fatalf("%q became %+v, %v", data, s, err)
		}
	})
}
