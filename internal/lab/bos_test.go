package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/internal/lab"
	"bosgc/internal/lab/simbos"
)

type answer struct {
	status int
	kind   string
	text   string
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(a.text), &body); err != nil {
		t.Fatalf("%s: %v", a.text, err)
	}
	return body
}

func ask(ctx context.Context, method, url, body string, header ...string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header.Get("Content-Type"), strings.TrimSpace(string(text))}, err
}

func mustAsk(t *testing.T, method, url string, header ...string) answer {
	t.Helper()
	a, err := ask(t.Context(), method, url, "", header...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// idOf returns the name of an object of a story.
func idOf(t *testing.T, server *lab.Server, kind, story string) string {
	t.Helper()
	for _, o := range server.World.Truth() {
		if o.Kind == kind && o.Story == story {
			return o.Name
		}
	}
	t.Fatalf("no %s of story %s", kind, story)
	return ""
}

// A client tells a session that is gone from a BOS without v1 by the body of the 404.
func TestMissingSessionAndMissingRoute(t *testing.T) {
	forProfiles(t, func(t *testing.T, csm string) {
		server := start(t, lab.Options{CSM: csm, Seed: 1, Sessions: 5}, lab.ServerOptions{})
		bos := server.URL("bos")
		const id = "0b7c4e2a-1a5c-4b5e-9a77-1f2e3d4c5b6a"
		unknown := mustAsk(t, "GET", bos+"/v1/nonsense")
		if unknown.status != 404 || unknown.kind != "application/problem+json" || unknown.json(t)["title"] != "Not Found" {
			t.Errorf("unknown route: %+v", unknown)
		}
		missing := mustAsk(t, "GET", bos+"/v1/session/"+id)
		gone := mustAsk(t, "DELETE", bos+"/v1/session/"+id)
		if csm == "1.6" {
			if missing != unknown {
				t.Errorf("BOS v1 is gone, yet %+v", missing)
			}
			return
		}
		if missing != (answer{404, "application/json", "{}"}) {
			t.Errorf("missing session: %+v", missing)
		}
		if gone != (answer{404, "application/problem+json", `"Sesssion: ` + id + ` not found"`}) {
			t.Errorf("DELETE of a missing session: %+v", gone)
		}
	})
}

func TestVersions(t *testing.T) {
	want := map[string]int{"1.0": 1, "1.2": 1, "1.3.1": 2, "1.4": 2, "1.5": 2, "1.6": 1}
	forProfiles(t, func(t *testing.T, csm string) {
		server := start(t, lab.Options{CSM: csm, Seed: 1}, lab.ServerOptions{})
		var versions []map[string]any
		if err := json.Unmarshal([]byte(mustAsk(t, "GET", server.URL("bos")+"/").text), &versions); err != nil {
			t.Fatal(err)
		}
		if len(versions) != want[csm] {
			t.Errorf("%d versions: %v", len(versions), versions)
		}
		if csm != "1.6" {
			if one := mustAsk(t, "GET", server.URL("bos")+"/v1/version").json(t); one["major"] == "" || one["links"] == nil {
				t.Errorf("version: %v", one)
			}
		}
	})
}

func TestListHasEveryKeyAndNoOrder(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 60}, lab.ServerOptions{})
	var one, two []string
	for _, list := range []*[]string{&one, &two} {
		if err := json.Unmarshal([]byte(mustAsk(t, "GET", server.URL("bos")+"/v1/session").text), list); err != nil {
			t.Fatal(err)
		}
	}
	if slices.Equal(one, two) {
		t.Error("two lists in the same order")
	}
	slices.Sort(one)
	if !slices.Equal(one, server.BOS.IDs()) {
		t.Error("the list is not complete")
	}
	empty := start(t, lab.Options{CSM: "1.0"}, lab.ServerOptions{})
	if mustAsk(t, "GET", empty.URL("bos")+"/v1/session").text != "[]" {
		t.Error("an empty list is []")
	}
}

func TestGhost(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.2", Seed: 1, Sessions: 1, Only: []string{"ghost"}}, lab.ServerOptions{})
	url := server.URL("bos") + "/v1/session/" + idOf(t, server, lab.KindSession, "ghost")
	status := mustAsk(t, "GET", url+"/status")
	if sets, _ := status.json(t)["boot_sets"].([]any); status.status != 200 || len(sets) == 0 {
		t.Errorf("the status of a ghost, which BOA makes, names its boot sets: %+v", status)
	}
	for i, want := range []answer{{404, "application/json", "{}"}, {204, "application/problem+json", ""}, {404, "application/problem+json", ""}} {
		got := mustAsk(t, []string{"GET", "DELETE", "DELETE"}[i], url)
		if i == 2 {
			got.text = ""
		}
		if got != want {
			t.Errorf("step %d: %+v", i, got)
		}
	}
	if len(server.BOS.IDs()) != 0 {
		t.Error("a deleted ghost is still listed")
	}
}

// complete and in_progress mean nothing before BOS 2.0.9.
func TestFieldsThatLie(t *testing.T) {
	forProfiles(t, func(t *testing.T, csm string) {
		if csm == "1.6" {
			return // it has no BOS v1
		}
		stories := []string{"running", "finished-expired"}
		server := start(t, lab.Options{CSM: csm, Seed: 2, Sessions: 4, Only: stories}, lab.ServerOptions{})
		for story, finished := range map[string]bool{"running": false, "finished-expired": true} {
			body := mustAsk(t, "GET", server.URL("bos")+"/v1/session/"+idOf(t, server, lab.KindSession, story)).json(t)
			honest := csm == "1.4" || csm == "1.5"
			complete, inProgress := honest && finished, honest && !finished
			if body["complete"] != complete || body["in_progress"] != inProgress || body["error_count"] != 0.0 {
				t.Errorf("%s: %v", story, body)
			}
			if finished != (body["stop_time"] != nil) {
				t.Errorf("%s: stop_time %v", story, body["stop_time"])
			}
			_, old := body["templateUuid"]
			_, recent := body["templateName"]
			if old != (csm == "1.0") || recent == old {
				t.Errorf("template under the wrong name: %v", body)
			}
		}
	})
}

func TestTimeForms(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.0", Seed: 5, Sessions: 400}, lab.ServerOptions{})
	forms := map[string]*regexp.Regexp{
		"start with Z":             regexp.MustCompile(`^start \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`),
		"start without a fraction": regexp.MustCompile(`^start \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`),
		"start of the plain form":  regexp.MustCompile(`^start \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$`),
		"stop":                     regexp.MustCompile(`^stop \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$`),
		"stop without a fraction":  regexp.MustCompile(`^stop \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$`),
		"stop null":                regexp.MustCompile(`^stop null$`),
		"stop empty":               regexp.MustCompile(`^stop $`),
		"start empty":              regexp.MustCompile(`^start $`),
	}
	for _, id := range server.BOS.IDs() {
		got := mustAsk(t, "GET", server.URL("bos")+"/v1/session/"+id)
		if got.status != 200 {
			continue
		}
		body := got.json(t)
		for field, key := range map[string]string{"start": "start_time", "stop": "stop_time"} {
			text, ok := body[key].(string)
			if !ok {
				text = "null"
			}
			for name, form := range forms {
				if form.MatchString(field + " " + text) {
					delete(forms, name)
				}
			}
		}
	}
	for name := range forms {
		t.Errorf("never seen: %s", name)
	}
}

func TestStatusEndpoints(t *testing.T) {
	for csm, want := range map[string]int{"1.0": 201, "1.2": 200} {
		options := lab.Options{CSM: csm, Seed: 1, Sessions: 1, Only: []string{"finished-expired"}}
		server := start(t, options, lab.ServerOptions{})
		url := server.URL("bos") + "/v1/session/" + server.BOS.IDs()[0] + "/status"
		if status := mustAsk(t, "GET", url); status.status != 200 || status.json(t)["boot_sets"] != nil {
			t.Errorf("%s: status: %+v", csm, status)
		}
		set := mustAsk(t, "GET", url+"/compute")
		if set.status != want || len(set.json(t)["phases"].([]any)) == 0 {
			t.Errorf("%s: boot set: %+v", csm, set)
		}
		if missing := mustAsk(t, "GET", url+"/nonsense"); missing.status != 404 {
			t.Errorf("%s: missing boot set: %+v", csm, missing)
		}
	}
}

func TestTenantHeader(t *testing.T) {
	for csm, want := range map[string]int{"1.4": 200, "1.5": 400} {
		server := start(t, lab.Options{CSM: csm, Seed: 1, Sessions: 1}, lab.ServerOptions{})
		if got := mustAsk(t, "GET", server.URL("bos")+"/v1/session", simbos.TenantHeader, "vcluster"); got.status != want {
			t.Errorf("%s: %+v", csm, got)
		}
	}
}

func TestBrokenRecord(t *testing.T) {
	options := lab.Options{CSM: "1.3.1", Seed: 1, Sessions: 1, Only: []string{"record-broken"}}
	server := start(t, options, lab.ServerOptions{})
	url := server.URL("bos") + "/v1/session/" + server.BOS.IDs()[0]
	if got := mustAsk(t, "GET", url); got.status != 500 {
		t.Errorf("%+v", got)
	}
	if got := mustAsk(t, "DELETE", url); got.status != 204 {
		t.Errorf("a broken record can be deleted: %+v", got)
	}
}

func TestSessionOfV2(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.6", Seed: 1, Sessions: 2, Only: []string{"cfs-of-bos-v2"}}, lab.ServerOptions{})
	missing := mustAsk(t, "GET", server.URL("bos")+"/v2/sessions/nonsense")
	if missing.status != 404 || missing.json(t)["title"] != "Session could not found." {
		t.Errorf("%+v", missing)
	}
	var sessions []map[string]any
	list := mustAsk(t, "GET", server.URL("bos")+"/v2/sessions")
	if err := json.Unmarshal([]byte(list.text), &sessions); err != nil || len(sessions) == 0 {
		t.Fatalf("%v, %d sessions", err, len(sessions))
	}
	if got := mustAsk(t, "GET", server.URL("bos")+"/v2/sessions/"+sessions[0]["name"].(string)); got.status != 200 {
		t.Errorf("%+v", got)
	}
}

// A hanging list never answers, and occupies a worker after its client is gone. Single sessions can still be read and
// deleted.
func TestHangingList(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.3.1", Seed: 1, Sessions: 20, ListBytes: 5 << 20}, lab.ServerOptions{})
	bos := server.URL("bos")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := ask(ctx, "GET", bos+"/v1/session", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the list answered: %v", err)
	}
	before := server.BOS.ListRetries()
	eventually(t, func() bool { return server.BOS.ListRetries() > before+2 })
	if server.BOS.Busy() != 1 {
		t.Errorf("%d workers are stuck", server.BOS.Busy())
	}
	for _, id := range server.BOS.IDs()[:10] {
		if got := mustAsk(t, "DELETE", bos+"/v1/session/"+id); got.status != 204 {
			t.Errorf("%+v", got)
		}
	}
	eventually(t, func() bool { return server.BOS.Busy() == 0 })
	if got := mustAsk(t, "GET", bos+"/v1/session"); got.status != 200 {
		t.Errorf("a list that is small enough again: %+v", got)
	}
}

func TestHarakiri(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 5}, lab.ServerOptions{
		BOSWorkerLife: 100 * time.Millisecond, Faults: []lab.Fault{{Name: "list-hangs"}},
	})
	if _, err := ask(t.Context(), "GET", server.URL("bos")+"/v1/session", ""); !errors.Is(err, io.EOF) {
		t.Errorf("not a broken connection: %v", err)
	}
	eventually(t, func() bool { return server.BOS.Busy() == 0 })
}

// On CSM 1.0 a stuck request stops all others, even those that do not need the database.
func TestOneThread(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.0", Seed: 1, Sessions: 5}, lab.ServerOptions{
		Faults: []lab.Fault{{Name: "etcd-down"}},
	})
	for _, path := range []string{"/v1/session", "/v1/version"} {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		if _, err := ask(ctx, "GET", server.URL("bos")+path, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s answered: %v", path, err)
		}
		cancel()
	}
	server.ClearFaults()
	if got := mustAsk(t, "GET", server.URL("bos")+"/v1/version"); got.status != 200 {
		t.Errorf("%+v", got)
	}
}

func eventually(t *testing.T, what func() bool) {
	t.Helper()
	for range 500 {
		if what() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not happen in five seconds")
}

// Recordings of real servers show that every answer ends the connection, and no header announces it.
func TestBOSAndCFSCloseEachConnection(t *testing.T) {
	for _, csm := range []string{"1.0", "1.2", "1.3.1", "1.4", "1.5", "1.6"} {
		s := start(t, lab.Options{CSM: csm, Seed: 1}, lab.ServerOptions{})
		for _, system := range []string{"bos", "cfs"} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(system), "http://"))
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.WriteString(conn, "GET /v2/sessions?x=1 HTTP/1.1\r\nHost: lab\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(conn) // until the server closes the connection
			_ = conn.Close()
			if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 ") {
				t.Errorf("CSM %s, %s: %.60q, %v", csm, system, text, err)
			}
			head, _, _ := strings.Cut(string(text), "\r\n\r\n")
			if strings.Contains(strings.ToLower(head), "connection: close") {
				t.Errorf("CSM %s, %s announces that it closes the connection", csm, system)
			}
		}
	}
}
