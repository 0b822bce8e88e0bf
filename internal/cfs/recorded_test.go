package cfs

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"bosgc/internal/inventory"
	recordings "bosgc/internal/lab/wire"
)

// What the recordings call the session of BOS, its configuration, and its first CFS session.
const (
	recordedBOS    = "004e509f-0c3e-42d2-a71f-3fd8e8708128"
	recordedConfig = "cos-config-full-2.3"
	recordedBatch  = "batcher-37e2dbe0-47af-40bd-ad6c-2547bea0a637"
)

// recording is one recorded version of CFS in one version of its API.
type recording struct {
	api       string // v2 or v3
	exchanges map[string]recordings.Exchange
}

// forRecordings runs a test with each recorded version of CFS and of its API.
func forRecordings(t *testing.T, test func(*testing.T, recording)) {
	t.Helper()
	for _, version := range []string{"1.6.35", "1.10.3", "1.11.2", "1.12.9", "1.18.6", "1.20.2"} {
		list, err := recordings.Load("cfs-" + version)
		if err != nil {
			t.Fatal(err)
		}
		exchanges := map[string]recordings.Exchange{}
		for _, e := range list {
			exchanges[e.Case] = e
		}
		for _, api := range []string{"v2", "v3"} {
			if exchanges["v3-options"].Response.Status == http.StatusNotFound && api == "v3" {
				continue
			}
			t.Run(version+" "+api, func(t *testing.T) { test(t, recording{api, exchanges}) })
		}
	}
}

// serve returns a client of a server that answers each method with the recorded answers to some cases, in turn; the
// last one is repeated. The cases lack the version of the API. Served is what the client has asked for, but for its
// look at the options.
func (r recording) serve(t *testing.T, cases ...string) (*Client, *[]string) {
	t.Helper()
	var mu sync.Mutex
	turns, served := map[string][]recordings.Response{}, []string{}
	for _, name := range cases {
		e, ok := r.exchanges[r.api+"-"+name]
		if !ok {
			t.Fatalf("there is no case %s-%s", r.api, name)
		}
		turns[e.Request.Method] = append(turns[e.Request.Method], e.Response)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasSuffix(req.URL.Path, "/options") && !strings.HasPrefix(cases[0], "options") {
			answer := r.exchanges[r.api+"-options-set"].Response
			if !strings.HasPrefix(req.URL.Path, "/"+r.api+"/") {
				answer = r.exchanges["unknown-route"].Response
			}
			writeRecorded(w, answer)
			return
		}
		served = append(served, req.Method+" "+req.URL.RequestURI())
		turn := turns[req.Method]
		if len(turn) == 0 {
			t.Errorf("%s %s was not expected", req.Method, req.URL)
			panic(http.ErrAbortHandler)
		}
		if len(turn) > 1 {
			turns[req.Method] = turn[1:]
		}
		writeRecorded(w, turn[0])
	}))
	t.Cleanup(server.Close)
	return newClient(t, server.URL), &served
}

func writeRecorded(w http.ResponseWriter, answer recordings.Response) {
	if answer.Closed {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", answer.ContentType)
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.RawBody())
}

func TestRecordedSessions(t *testing.T) {
	forRecordings(t, func(t *testing.T, r recording) {
		for name, want := range map[string]inventory.CFSSession{
			"complete": {
				Name: recordedBatch, Limit: "x1000c0s0b0n0,x1000c0s1b0n0,x1000c0s2b0n0,x1000c0s3b0n0", Status: "complete",
				Succeeded: "true", Start: inventory.ParseStamp("2024-03-05T14:32:10"),
				Completion: inventory.ParseStamp("2024-03-05T14:41:08"), Tag: recordedBOS,
			},
			"failed": {
				Name: "batcher-be0b08f9-d2ab-45ac-80a3-1c5fba59f82e", Limit: "x1000c0s2b0n0", Status: "complete",
				Succeeded: "false", Start: inventory.ParseStamp("2024-03-05T14:50:00"),
				Completion: inventory.ParseStamp("2024-03-05T14:55:12"), Tag: recordedBOS,
			},
			"unknown-result": {
				Name: "batcher-92b8154c-9572-4fe8-8097-2946dc84fd39", Limit: "x1000c0s4b0n0", Status: "complete",
				Succeeded: "unknown", Start: inventory.ParseStamp("2024-03-06T08:00:00"),
			},
			"running-tagged": {
				Name: "batcher-6d13b80f-f22e-4b0f-b04d-5bf755b14ad9", Limit: "x1000c0s1b0n0", Status: "running",
				Succeeded: "none", Start: inventory.ParseStamp("2024-03-12T09:20:00"), Tag: recordedBOS,
			},
			"pending-tagged": {
				Name: "batcher-3b56b64f-cc8a-468d-a197-885695974003", Limit: "x1000c0s3b0n0", Status: "pending",
				Succeeded: "none", Start: inventory.ParseStamp("2024-03-12T09:29:30"), Tag: "7df412a1-640a-4c31-8b66-12d36f1de5d8",
			},
			"image": {
				Name: "rebuild-image-2024", Configuration: "csm-config-1.16", Definition: "image", Status: "complete",
				Succeeded: "true", Start: inventory.ParseStamp("2024-02-28T11:00:00"),
				Completion: inventory.ParseStamp("2024-02-28T11:24:40"),
			},
			"untagged": {
				Name: "admin-fix", Limit: "x1000c0s0b0n0", Status: "complete", Succeeded: "true",
				Start: inventory.ParseStamp("2024-02-27T11:00:00"), Completion: inventory.ParseStamp("2024-02-27T11:02:03"),
			},
		} {
			if want.Configuration == "" {
				want.Configuration, want.Definition = recordedConfig, "dynamic"
			}
			client, _ := r.serve(t, "session-get-"+name)
			got, presence, err := client.Session(t.Context(), want.Name)
			if err != nil || presence != inventory.Present || got != want {
				t.Errorf("%s: %+v, %v, error %v", name, got, presence, err)
			}
		}
		client, _ := r.serve(t, "session-without-start-get")
		got, presence, err := client.Session(t.Context(), "without-start")
		if err != nil || presence != inventory.Present || got.Start.Known() || got.Status != "complete" {
			t.Errorf("without a start time: %+v, %v, error %v", got, presence, err)
		}
		for name, absent := range map[string]bool{
			"session-get-unknown": true, "session-get-deleted": true, "session-get-uppercase": true,
			"session-list-trailing-slash": false, "session-get-redis-down": false, "session-wrong-method": false,
		} {
			client, _ := r.serve(t, asGet(r, name))
			_, presence, err := client.Session(t.Context(), "any")
			if absent != (presence == inventory.Absent) || absent == (err != nil) || presence == inventory.Present {
				t.Errorf("%s: %v, error %v", name, presence, err)
			}
		}
	})
}

// asGet makes a recorded answer to another method answer a GET.
func asGet(r recording, name string) string {
	e := r.exchanges[r.api+"-"+name]
	e.Request.Method = http.MethodGet
	r.exchanges[r.api+"-"+name] = e
	return name
}

func TestRecordedSessionMadeByV1(t *testing.T) {
	forRecordings(t, func(t *testing.T, r recording) {
		if _, ok := r.exchanges["v2-session-get-made-by-v1"]; !ok {
			return
		}
		client, _ := r.serve(t, "session-get-made-by-v1")
		got, presence, err := client.Session(t.Context(), "old-style")
		want := inventory.CFSSession{
			Name: "old-style", Limit: "x1000c0s0b0n0", Definition: "dynamic", Status: "pending", Succeeded: "none",
		}
		if err != nil || presence != inventory.Present || got != want {
			t.Errorf("%+v, %v, error %v", got, presence, err)
		}
	})
}

func TestRecordedSessionLists(t *testing.T) {
	forRecordings(t, func(t *testing.T, r recording) {
		client, _ := r.serve(t, "session-list")
		all, err := client.Sessions(t.Context())
		want := []string{
			"admin-fix", "batcher-20302a7b-74d8-4880-911f-e44f20badda7", recordedBatch,
			"batcher-3b56b64f-cc8a-468d-a197-885695974003", "batcher-6d13b80f-f22e-4b0f-b04d-5bf755b14ad9",
			"batcher-92b8154c-9572-4fe8-8097-2946dc84fd39", "batcher-be0b08f9-d2ab-45ac-80a3-1c5fba59f82e",
			"rebuild-image-2024",
		}
		if r.exchanges["v3-options"].Response.Status != http.StatusOK {
			want = slices.Delete(want, 1, 2)
		}
		if err != nil || names(all) != strings.Join(want, " ") {
			t.Errorf("%s, error %v", names(all), err)
		}
		client, _ = r.serve(t, "session-list-empty")
		if all, err := client.Sessions(t.Context()); err != nil || len(all) > 0 {
			t.Errorf("empty: %v, error %v", all, err)
		}
		failing := map[string]string{
			"session-without-start-list-status": "HTTP 500", "session-list-redis-down": "Redis",
			"session-list-tags-malformed": "HTTP 400", "session-list-trailing-slash": "HTTP 404",
		}
		if _, ok := r.exchanges["v2-session-list-above-page-size"]; ok && r.api == "v2" {
			failing["session-list-above-page-size"] = "default_page_size"
		}
		for name, says := range failing {
			client, _ := r.serve(t, name)
			all, err := client.Sessions(t.Context())
			if err == nil || !strings.Contains(err.Error(), says) || all != nil {
				t.Errorf("%s: %d sessions, error %v, expected %q in it", name, len(all), err, says)
			}
		}
	})
}

func TestRecordedDeletes(t *testing.T) {
	forRecordings(t, func(t *testing.T, r recording) {
		for name, want := range map[string]string{
			"session-delete": "true <nil>", "session-delete-running": "true <nil>", "session-delete-pending": "true <nil>",
			"session-delete-unknown": "false <nil>", "session-delete-twice": "false <nil>",
			"session-delete-redis-down": "error", "session-delete-trailing-slash": "error",
			"session-bulk-delete-tags-malformed": "error",
		} {
			status := r.exchanges[r.api+"-"+name].Response.Status
			if name == "session-bulk-delete-tags-malformed" && status == http.StatusNoContent {
				continue // it says that something was deleted
			}
			client, _ := r.serve(t, name)
			existed, err := client.Delete(t.Context(), "any")
			got := fmt.Sprint(existed, " ", err)
			if err != nil {
				got = "error"
			}
			if got != want || err != nil && existed {
				t.Errorf("%s: %v, error %v, expected %s", name, existed, err, want)
			}
		}
	})
}

func TestRecordedTiming(t *testing.T) {
	forRecordings(t, func(t *testing.T, r recording) {
		for _, name := range []string{"options", "options-set"} {
			client, _ := r.serve(t, name)
			client.apiVersion = "/" + r.api
			timing, err := client.Timing(t.Context())
			if err != nil || timing.Window.Seconds() != 60 || timing.Interval.Seconds() != 10 || timing.Disabled {
				t.Errorf("%s: %+v, error %v", name, timing, err)
			}
		}
		client, _ := r.serve(t, "options-redis-down")
		if _, err := client.Timing(t.Context()); err == nil || !strings.Contains(err.Error(), "Redis") {
			t.Errorf("without redis: %v", err)
		}
	})
}
