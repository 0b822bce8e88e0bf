package wire_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bosgc/internal/lab/wire"
)

func TestLoad(t *testing.T) {
	total := 0
	for version, want := range map[string]int{
		"bos-1.7.109": 140, "bos-1.10.23": 145, "bos-2.0.5": 187, "bos-2.0.47": 201, "bos-2.10.28": 208, "bos-2.30.5": 67,
		"cfs-1.6.35": 158, "cfs-1.10.3": 154, "cfs-1.11.2": 154, "cfs-1.12.9": 154, "cfs-1.18.6": 293, "cfs-1.20.2": 293,
	} {
		exchanges, err := wire.Load(version)
		if err != nil || len(exchanges) != want {
			t.Errorf("%s: %d exchanges, error %v; expected %d", version, len(exchanges), err, want)
		}
		for _, e := range exchanges {
			if e.Case == "" || e.Request.Method == "" || !strings.HasPrefix(e.Request.Path, "/") {
				t.Errorf("%s: incomplete exchange %+v", version, e)
			}
		}
		total += len(exchanges)
	}
	if total != 2154 {
		t.Errorf("%d exchanges, expected 2154", total)
	}
}

func TestPlayAndCompare(t *testing.T) {
	type answer = wire.Response
	body := func(v any) answer { return answer{Status: 200, ContentType: "application/json", Body: v} }
	object := func(key string, v any) answer { return body(map[string]any{key: v}) }
	for name, test := range map[string]struct {
		recorded answer
		handler  http.HandlerFunc
		want     string // part of the first difference; empty: none
	}{
		"the same": {object("stop_time", "x"), write(200, `{"stop_time":"y"}`), ""},
		"status":   {object("a", "x"), write(201, `{"a":"y"}`), "status: recorded 200, got 201"},
		"null":     {object("a", nil), write(200, `{"a":""}`), "missing:.a null"},
		"empty":    {object("a", ""), write(200, `{"a":"x"}`), "missing:.a empty string"},
		"missing":  {object("a", ""), write(200, `{}`), "missing:.a empty string"},
		"added":    {body(map[string]any{}), write(200, `{"a":1}`), "added:.a number"},
		"bool":     {object("a", true), write(200, `{"a":false}`), "missing:.a true"},
		"length":   {body([]any{"x"}), write(200, `["x","y"]`), "missing: list of 1"},
		"order":    {body([]any{"x", 1.0}), write(200, `[2,"y"]`), ""},
		"text":     {answer{Status: 200, ContentType: "application/json", Body: "", BodyIsText: true}, write(200, `{}`), "body is JSON"},
		"closed":   {answer{Closed: true}, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ""},
		"not closed": {
			answer{Closed: true},
			write(200, `{}`),
			"recorded: connection closed without an answer; got: status 200",
		},
		"hung": {answer{Hung: true}, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ""},
		"path": {
			body("/v1/session/%2Fstatus/ "),
			func(w http.ResponseWriter, r *http.Request) {
				if r.RequestURI != "/v1/session//%2Fstatus/%20" {
					t.Errorf("the path arrived as %q", r.RequestURI)
				}
				write(200, `"x"`)(w, r)
			}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(test.handler)
			defer server.Close()
			address := strings.TrimPrefix(server.URL, "http://")
			request := wire.Request{Method: http.MethodGet, Path: "/v1/session//%2Fstatus/ "}
			got, err := wire.Play(t.Context(), address, request, 200*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			first := strings.Join(wire.Compare(test.recorded, got), "\n")
			if !strings.HasPrefix(first, test.want) || (first != "") != (test.want != "") {
				t.Errorf("differences %q, expected %q", first, test.want)
			}
		})
	}
}

// TestConnectionBehaviour holds that a server that keeps its connections differs from the recorded ones, which do not.
func TestConnectionBehaviour(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{}`))
	}))
	defer server.Close()
	got, err := wire.Play(t.Context(), strings.TrimPrefix(server.URL, "http://"), wire.Request{Method: "GET", Path: "/"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	recorded := wire.Response{Status: 200, ContentType: "application/json", Body: map[string]any{}}
	differences := wire.Compare(recorded, got)
	if len(differences) != 1 || !strings.HasPrefix(differences[0], "connection kept open") {
		t.Errorf("differences %q, expected one about the connection", differences)
	}
}

func write(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Connection", "close")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}
