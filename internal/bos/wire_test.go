package bos

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/internal/lab/wire"
	"bosgc/internal/transport"
)

var wireVersions = []string{"bos-1.7.109", "bos-1.10.23", "bos-2.0.5", "bos-2.0.47", "bos-2.10.28", "bos-2.30.5"}

// hasV1 reports whether a version has the v1 API.
func hasV1(version string) bool { return version != "bos-2.30.5" }

// always are the exchanges that a BOS in good health answers, whatever the case is. Where etcd is down, its health check
// does not.
var always = []string{"version", "v1-base", "healthz", "v2-base", "v2-version", "session-list-empty"}

// replay serves recorded answers by method and path.
func replay(t *testing.T, exchanges []wire.Exchange, one wire.Exchange) *Client {
	t.Helper()
	answers := map[string]wire.Response{}
	for _, e := range exchanges {
		if slices.Contains(always, e.Case) {
			answers[e.Request.Method+" "+e.Request.Path] = e.Response
		}
	}
	if strings.HasSuffix(one.Case, "-etcd-down") {
		if i := indexCase(exchanges, "healthz-etcd-down"); i >= 0 {
			answers["GET /v1/healthz"] = exchanges[i].Response
		}
	}
	answers[one.Request.Method+" "+one.Request.Path] = one.Response
	unknown := exchanges[indexCase(exchanges, "unknown-route")]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.Method+" "+r.RequestURI]
		switch {
		case !ok:
			answer = unknown.Response
		case answer.Hung:
			<-r.Context().Done()
			return
		case answer.Closed:
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", answer.ContentType)
		w.WriteHeader(answer.Status)
		_, _ = w.Write(answer.RawBody())
	}))
	t.Cleanup(server.Close)
	c, err := transport.New(server.URL, transport.Options{
		RequestTimeout: 150 * time.Millisecond, Concurrency: 2, RetryWait: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(c, 150*time.Millisecond)
}

func indexCase(exchanges []wire.Exchange, name string) int {
	return slices.IndexFunc(exchanges, func(e wire.Exchange) bool { return e.Case == name })
}

// TestWhatTheClientMakesOfRecordedAnswers feeds the client each recorded answer to a request that it sends.
func TestWhatTheClientMakesOfRecordedAnswers(t *testing.T) {
	for _, version := range wireVersions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			exchanges, err := wire.Load(version)
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			for _, e := range exchanges {
				check := checkOf(e)
				if check == nil {
					continue
				}
				asked++
				if wrong := check(t.Context(), replay(t, exchanges, e), e); wrong != "" {
					t.Errorf("%s (%s): %s", e.Case, e.Given, wrong)
				}
			}
			if want := map[bool]int{true: 50, false: 10}[hasV1(version)]; asked < want {
				t.Errorf("%d recorded answers were tried, expected at least %d", asked, want)
			}
		})
	}
}

type check = func(ctx context.Context, c *Client, e wire.Exchange) string

// checkOf returns the check of an exchange whose request the client sends, or nil. The client sends no header that
// changes the answer, and no ID or name that PathElement refuses.
func checkOf(e wire.Exchange) check {
	path := strings.Split(strings.TrimPrefix(e.Request.Path, "/"), "/")
	if e.Request.Headers["Cray-Tenant-Name"] != "" || strings.ContainsAny(e.Request.Path, "%?") {
		return nil
	}
	for _, element := range path {
		if _, err := transport.PathElement("element", element); err != nil {
			return nil
		}
	}
	switch e.Request.Method + " " + path[0] + " " + path[min(1, len(path)-1)] + fmt.Sprintf(" %d", len(path)) {
	case "GET v1 session 2":
		return checkList
	case "GET v1 sessiontemplate 2":
		return checkTemplates
	case "GET v1 session 3":
		return checkGet
	case "DELETE v1 session 3":
		return checkDelete
	case "GET v1 session 5":
		return checkBootSet
	case "GET v1 healthz 2":
		return checkHealth
	case "GET v1 version 2":
		return checkV1
	case "GET v2 sessions 2":
		return checkV2
	}
	return nil
}
