package cfs

import (
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
)

const nobody = `{"detail":"Component x1 could not be found","status":404,"title":"Component not found.","type":"about:blank"}`

func TestDecodeComponent(t *testing.T) {
	for _, tt := range []struct {
		version, body string
		want          inventory.Component
		fault         string
	}{
		{
			"/v2", `{"id":"x1","state":[{"sessionName":"b"},{"sessionName":"a"},{"sessionName":"b"},{}],"desiredConfig":"c","configurationStatus":"pending","enabled":true,"tags":{"bos_session":"s","n":7}}`,
			inventory.Component{Desired: "c", Tag: "s", Enabled: true, Status: "pending", CFSSessions: []string{"a", "b"}},
			"",
		},
		{
			"/v3", `{"id":"x1","state":[{"session_name":"a"}],"desired_config":"c","configuration_status":"failed","enabled":false,"tags":{}}`,
			inventory.Component{Desired: "c", Status: "failed", CFSSessions: []string{"a"}},
			"",
		},
		{"/v2", `{"id":"x1","desiredConfig":"","tags":null,"state":null,"enabled":null}`, inventory.Component{}, ""},
		{"/v3", `{"id":"x1","desiredConfig":"","tags":{"bos_session":"s"}}`, inventory.Component{Tag: "s"}, "does not say which"},
		{"/v2", `{"id":"x1","desired_config":""}`, inventory.Component{}, "does not say which"},
		{"/v2", `{"id":"x1","desiredConfig":null}`, inventory.Component{}, "does not say which"},
		{"/v2", `{"id":"x1","desiredConfig":7}`, inventory.Component{}, "its desired configuration cannot"},
		{"/v2", `{"id":"x1","desiredConfig":"c","tags":[]}`, inventory.Component{Desired: "c"}, "its tags cannot"},
		{"/v2", `{"id":"x1","desiredConfig":"c","tags":{"bos_session":["s"]}}`, inventory.Component{Desired: "c"}, "its tag bos_session cannot"},
		{"/v2", `{"id":"x1","desiredConfig":"c","state":"none"}`, inventory.Component{Desired: "c"}, "its state cannot"},
	} {
		got, err := decodeComponent([]byte(tt.body), tt.version)
		if err != nil || got.ID != "x1" || got.Desired != tt.want.Desired || got.Tag != tt.want.Tag ||
			got.Enabled != tt.want.Enabled ||
			got.Status != tt.want.Status || !slices.Equal(got.CFSSessions, tt.want.CFSSessions) ||
			(got.Fault == "") != (tt.fault == "") || !strings.Contains(got.Fault, tt.fault) {
			t.Errorf("%s: %+v, %v", tt.body, got, err)
		}
	}
	for _, body := range []string{"", "null", "{}", "[]", `"x1"`, `{"id":7,"desiredConfig":""}`} {
		if got, err := decodeComponent([]byte(body), "/v2"); err == nil {
			t.Errorf("%s: %+v", body, got)
		}
	}
}

func TestComponentsRejectsWrongLists(t *testing.T) {
	const path2, path3 = "GET /v2/components?ids=x1%2Cx2", "GET /v3/components?ids=x1%2Cx2&state_details=true"
	x1, x2 := `{"id":"x1","desiredConfig":"a"}`, `{"id":"x2","desiredConfig":null}`
	for _, tt := range []struct {
		name    string
		replies map[string][]reply
		want    int
		err     string
	}{
		{"both", v2(map[string][]reply{path2: {ok("[" + x1 + "," + x2 + "]")}}), 2, ""},
		{"one is gone", v2(map[string][]reply{path2: {ok("[" + x1 + "]")}}), 1, ""},
		{"a second try", v2(map[string][]reply{path2: {problem(500, "{}"), ok("[" + x1 + "]")}}), 1, ""},
		{"another", v2(map[string][]reply{path2: {ok(`[{"id":"x3","desiredConfig":"a"}]`)}}), 0, "not asked for"},
		{"one twice", v2(map[string][]reply{path2: {ok("[" + x1 + "," + x1 + "]")}}), 0, "twice"},
		{"one without an ID", v2(map[string][]reply{path2: {ok(`[{"desiredConfig":"a"}]`)}}), 0, "no ID"},
		{"null", v2(map[string][]reply{path2: {ok("null")}}), 0, "expected"},
		{"an object", v2(map[string][]reply{path2: {ok(`{"components":[],"next":null}`)}}), 0, "expected"},
		{"missing route", v2(map[string][]reply{path2: {problem(404, route)}}), 0, "HTTP 404"},
		{"too large", v2(map[string][]reply{path2: {problem(400, tooLarge)}}), 0, "more components than"},
		{"pages that forget what was asked for", v3(map[string][]reply{
			path3: {ok(`{"components":[{"id":"x1","desired_config":""}],"next":{"after_id":"x1","ids":"x3","limit":1}}`)},
			"GET /v3/components?after_id=x1&ids=x1%2Cx2&limit=1&state_details=true": {ok(`{"components":[{"id":"x2","desired_config":""}],"next":null}`)},
		}), 2, ""},
		{"the same page again", v3(map[string][]reply{path3: {ok(`{"components":[],"next":{"after_id":""}}`)}}), 0, "after_id"},
		{"a page of sessions", v3(map[string][]reply{path3: {ok(`{"sessions":[],"next":null}`)}}), 0, "components 0 times"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, s := start(t, tt.replies)
			got, err := c.Components(t.Context(), []string{"x2", "x1", "x2"})
			if len(got) != tt.want || (err == nil) != (tt.err == "") ||
				err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("%v, %v, asked for %q", got, err, s.asked)
			}
		})
	}
	c, s := start(t, v3(map[string][]reply{}))
	for _, id := range []string{"", ".", "a,b", "a=b", "a b", "a\n", "a/b"} {
		if _, err := c.Components(t.Context(), []string{"x1", id}); err == nil {
			t.Errorf("%q", id)
		}
		if _, err := c.TaggedComponents(t.Context(), id); err == nil {
			t.Errorf("%q", id)
		}
	}
	if len(s.asked) != 0 {
		t.Errorf("asked for %q", s.asked)
	}
}

// With a CFS that ignores the filter, all nodes of the machine would pass for a session's.
func TestTaggedComponentsChecksTheFilter(t *testing.T) {
	for body, want := range map[string]string{
		`[{"id":"x2","desiredConfig":"a","tags":{"bos_session":"s"}},{"id":"x1","desiredConfig":null,"tags":{"bos_session":"s"}}]`: "",
		`[{"id":"x1","desiredConfig":"a","tags":{"bos_session":"s"}},{"id":"x2","desiredConfig":"a","tags":{}}]`:                   "not heeded the filter",
		`[{"id":"x1","desiredConfig":"a","tags":{"bos_session":"s2"}}]`:                                                            "not heeded the filter",
		`[{"id":"x1","desiredConfig":"a","tags":7}]`:                                                                               "not heeded the filter",
	} {
		c, _ := start(t, v2(map[string][]reply{"GET /v2/components?tags=bos_session%3Ds": {ok(body)}}))
		got, err := c.TaggedComponents(t.Context(), "s")
		if want == "" &&
			(err != nil || len(got) != 2 || got[0].ID != "x1" || got[0].Fault == "" || got[1].Fault != "") ||
			want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

// startFake starts a CFS that replies to requests for components with answer. sent returns the
// requests that were not GETs.
func startFake(
	t *testing.T, version string, answer func(method, path, body string) reply,
) (c *Client, sent func() []string) {
	t.Helper()
	var mu sync.Mutex
	var patches []string
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		a := problem(404, route)
		switch {
		case r.URL.Path == version+"/options":
			a = ok("{}")
		case strings.HasPrefix(r.URL.Path, version+"/components"):
			a = answer(r.Method, r.URL.Path, string(body))
			if r.Method != http.MethodGet {
				patches = append(patches, r.Method+" "+r.RequestURI+" "+r.Header.Get("Content-Type")+" "+string(body))
			}
		}
		w.Header().Set("Content-Type", a.kind)
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	t.Cleanup(h.Close)
	return newClient(t, h.URL), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(patches)
	}
}

// The bodies are compared byte for byte: any other field would change what must stay.
func TestUnsetRequestBodies(t *testing.T) {
	record := func([]inventory.Component) error { return nil }
	set, tag := map[string]string{"x1": "c", "x2": "c"}, map[string]string{"x1": "s", "x2": "s", "x3": "s"}
	wire := func(key string) string {
		var all []string
		for _, id := range []string{"x1", "x2", "x3"} {
			if config, there := set[id]; there {
				all = append(all, `{"id":"`+id+`","`+key+`":"`+config+`","tags":{"bos_session":"`+tag[id]+`"}}`)
			}
		}
		return strings.Join(all, ",")
	}
	c, sent := startFake(t, "/v3", func(method, _, _ string) reply {
		if method == http.MethodPatch {
			set["x1"], set["x2"] = "", ""
			return ok(`{"component_ids":["x1","x2"]}`)
		}
		return ok(`{"components":[` + wire("desired_config") + `],"next":null}`)
	})
	got := c.Unset(t.Context(), "s", "c", []string{"x2", "x1"}, record)
	want := `PATCH /v3/components application/json {"filters":{"config_name":"c","ids":"x1,x2","tags":"bos_session=s"},"patch":{"desired_config":""}}`
	if got["x1"].Outcome != Unset || got["x2"].Outcome != Unset || !slices.Equal(sent(), []string{want}) {
		t.Errorf("%+v, %q", got, sent())
	}

	set = map[string]string{"x1": "c", "x2": "c", "x3": "c"}
	c, sent = startFake(t, "/v2", func(method, path, body string) reply {
		switch {
		case method == http.MethodPatch && strings.HasPrefix(body, "["):
			delete(set, "x1") // removed in between
			tag["x3"] = "s2"  // claimed in between
			return problem(404, nobody)
		case method == http.MethodPatch:
			set[strings.TrimPrefix(path, "/v2/components/")] = ""
			return ok("{}")
		case path == "/v2/components/x1":
			return problem(404, nobody)
		case path == "/v2/components/x2":
			return ok(`{"id":"x2","desiredConfig":"c","tags":{"bos_session":"s"}}`)
		case path == "/v2/components/x3":
			return ok(`{"id":"x3","desiredConfig":"c","tags":{"bos_session":"s2"}}`)
		}
		return ok("[" + wire("desiredConfig") + "]")
	})
	got = c.Unset(t.Context(), "s", "c", []string{"x1", "x2", "x3"}, record)
	if got["x3"].Outcome != UnsetClaimed || got["x1"].Outcome != UnsetGone || got["x2"].Outcome != Unset ||
		!slices.Equal(sent(), []string{
			`PATCH /v2/components application/json [{"desiredConfig":"","id":"x1"},{"desiredConfig":"","id":"x2"},{"desiredConfig":"","id":"x3"}]`,
			`PATCH /v2/components/x2 application/json {"desiredConfig":""}`,
		}) {
		t.Errorf("%+v, %q", got, sent())
	}
}

// A CFS that changes more than it was asked to gets no second chance.
func TestUnsetStopsAfterAStrayChange(t *testing.T) {
	ids := []string{}
	for i := range filteredChunkSize + 10 {
		ids = append(ids, fmt.Sprint("x", i))
	}
	down, patched := false, false // CFS goes down after the PATCH
	c, sent := startFake(t, "/v3", func(method, _, _ string) reply {
		if method == http.MethodPatch {
			patched = true
			return ok(`{"component_ids":["x0","y1"]}`)
		}
		if down && patched {
			return problem(500, "")
		}
		var all []string
		for _, id := range ids {
			all = append(all, `{"id":"`+id+`","desired_config":"c","tags":{"bos_session":"s"}}`)
		}
		return ok(`{"components":[` + strings.Join(all, ",") + `],"next":null}`)
	})
	got := c.Unset(t.Context(), "s", "c", ids, func([]inventory.Component) error { return nil })
	for _, id := range ids {
		if r := got[id]; r.Outcome != UnsetFailed ||
			!strings.Contains(r.Err.Error(), `"y1", which it was not asked to change`) {
			t.Errorf("%s: %+v", id, r)
		}
	}
	if len(sent()) != 1 {
		t.Errorf("%q", sent())
	}
	down, patched = true, false
	if got := c.Unset(t.Context(), "s", "c", ids, func([]inventory.Component) error { return nil }); len(got) != len(ids) {
		t.Errorf("%d of %d components have a result, if CFS then goes down", len(got), len(ids))
	}
}

func TestTiming(t *testing.T) {
	usual := Timing{Window: time.Minute, Interval: 10 * time.Second}
	for _, tt := range []struct {
		version, body string
		want          Timing
		err           string
	}{
		{"/v2", `{}`, usual, ""},
		{"/v2", `{"batchWindow":null,"batcherCheckInterval":null,"batcherDisable":null}`, usual, ""},
		{"/v2", `{"batch_window":7}`, usual, ""},
		{"/v2", `{"batchWindow":5,"batcherCheckInterval":3600,"batcherDisable":true}`, Timing{5 * time.Second, time.Hour, true}, ""},
		{"/v3", `{"batch_window":0,"batcher_check_interval":1.5,"batcher_disable":false}`, Timing{0, 1500 * time.Millisecond, false}, ""},
		{"/v3", `{"batch_window":-1}`, Timing{}, "option batch_window: -1 is no number of seconds"},
		{"/v3", `{"batch_window":3601}`, Timing{}, "between 0 and 3600"},
		{"/v3", `{"batcher_check_interval":"10"}`, Timing{}, "batcher_check_interval"},
		{"/v3", `{"batch_window":1e999}`, Timing{}, "batch_window"},
		{"/v2", `{"batcherDisable":"no"}`, Timing{}, "true or false"},
	} {
		c, _ := start(t, map[string][]reply{"GET " + tt.version + "/options": {ok(tt.body)}})
		got, err := c.Timing(t.Context())
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %+v, %v", tt.body, got, err)
		}
	}
}

func TestIsBatcher(t *testing.T) {
	for name, want := range map[string]bool{"batcher-5a0df9d1": true, "my-batcher-test": true, "sat-1": false, "": false} {
		if got := IsBatcher(inventory.CFSSession{Name: name}); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
