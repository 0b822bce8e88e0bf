package lab_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bosgc/internal/lab"
)

func TestCFSVersions(t *testing.T) {
	forProfiles(t, func(t *testing.T, csm string) {
		server := start(t, lab.Options{CSM: csm, Seed: 1, Sessions: 40}, lab.ServerOptions{})
		want := 404
		if csm == "1.5" || csm == "1.6" {
			want = 200
		}
		if got := mustAsk(t, "GET", server.URL("cfs")+"/v3/options"); got.status != want {
			t.Errorf("%+v", got)
		}
		if got := mustAsk(t, "GET", server.URL("cfs")+"/v2/options"); got.status != 200 || got.json(t)["sessionTTL"] != "7d" {
			t.Errorf("%+v", got)
		}
		var list []map[string]any
		if err := json.Unmarshal([]byte(mustAsk(t, "GET", server.URL("cfs")+"/v2/sessions").text), &list); err != nil {
			t.Fatal(err)
		}
		naive := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$`)
		for _, item := range list {
			session := item["status"].(map[string]any)["session"].(map[string]any)
			if _, ok := session["succeeded"].(string); !ok {
				t.Errorf("succeeded is no text: %v", session)
			}
			if start, ok := session["startTime"].(string); ok && !naive.MatchString(start) {
				t.Errorf("startTime %q", start)
			}
		}
	})
}

func TestCFSPaging(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.5", Seed: 1, Sessions: 60}, lab.ServerOptions{PageSize: 10})
	tooLarge := mustAsk(t, "GET", server.URL("cfs")+"/v2/sessions")
	if tooLarge.status != 400 || tooLarge.json(t)["title"] != "The response size is too large" {
		t.Errorf("%+v", tooLarge)
	}
	var names []string
	query := ""
	for pages := 0; ; pages++ {
		body := mustAsk(t, "GET", server.URL("cfs")+"/v3/sessions"+query).json(t)
		for _, item := range body["sessions"].([]any) {
			names = append(names, item.(map[string]any)["name"].(string))
		}
		next, ok := body["next"].(map[string]any)
		if !ok || pages > 100 {
			break
		}
		query = fmt.Sprintf("?limit=%v&after_id=%v", next["limit"], next["after_id"])
	}
	if !slices.Equal(names, server.CFS.Names()) {
		t.Errorf("pages gave %d of %d", len(names), len(server.CFS.Names()))
	}
	old := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 60}, lab.ServerOptions{PageSize: 10})
	if got := mustAsk(t, "GET", old.URL("cfs")+"/v2/sessions"); got.status != 200 {
		t.Errorf("1.4 has no pages: %+v", got)
	}
}

func TestCFSDelete(t *testing.T) {
	for csm, api := range map[string]string{"1.2": "/v2", "1.5": "/v3"} {
		server := start(t, lab.Options{CSM: csm, Seed: 2, Sessions: 80}, lab.ServerOptions{})
		cfs := server.URL("cfs") + api
		name := server.CFS.Names()[0]
		for i, want := range []int{204, 404} {
			if got := mustAsk(t, "DELETE", cfs+"/sessions/"+name); got.status != want {
				t.Errorf("%s: DELETE %d: %+v", csm, i, got)
			}
		}
		title := map[string]string{"1.2": "Session could not found.", "1.5": "Session not found."}[csm]
		if got := mustAsk(t, "GET", cfs+"/sessions/"+name); got.json(t)["title"] != title {
			t.Errorf("%s: %+v", csm, got)
		}
		for _, session := range server.CFS.Sessions() {
			if session.NoStart { // one of them fails every filter
				server.CFS.Remove(session.Name)
			}
		}
		before := len(server.CFS.Names())
		mustAsk(t, "DELETE", cfs+"/sessions")
		left := len(server.CFS.Names())
		if left == 0 || left >= before || len(server.Danger()) == 0 {
			t.Errorf("%s: a bulk DELETE left %d of %d, noted as %v", csm, left, before, server.Danger())
		}
	}
}

func TestCFSTagFilter(t *testing.T) {
	options := lab.Options{CSM: "1.0", Seed: 1, Sessions: 1, Only: []string{"running-with-cfs"}}
	server := start(t, options, lab.ServerOptions{})
	id := server.BOS.IDs()[0]
	got := mustAsk(t, "GET", server.URL("cfs")+"/v2/sessions?status=complete&tags=bos_session="+id)
	if strings.Count(got.text, `"name":"batcher-`) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestComponents(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.5", Seed: 1, Sessions: 60, Nodes: 30}, lab.ServerOptions{PageSize: 7})
	var tagged string
	query := "?state_details=true"
	for seen := 0; ; {
		body := mustAsk(t, "GET", server.URL("cfs")+"/v3/components"+query).json(t)
		for _, item := range body["components"].([]any) {
			component := item.(map[string]any)
			seen++
			if len(component["state"].([]any)) > 0 && component["desired_config"] != "" {
				tagged = component["id"].(string)
			}
		}
		next, ok := body["next"].(map[string]any)
		if !ok {
			if seen != 30 {
				t.Errorf("%d of 30 components", seen)
			}
			break
		}
		query = fmt.Sprintf("?state_details=%v&limit=%v&after_id=%v", next["state_details"], next["limit"], next["after_id"])
	}
	patch := `[{"id":"` + tagged + `","desired_config":""}]`
	got, err := ask(t.Context(), "PATCH", server.URL("cfs")+"/v3/components", patch)
	if err != nil || got.status != 200 {
		t.Fatalf("%+v, %v", got, err)
	}
	if component, _ := server.CFS.Component(tagged); component.DesiredConfig != "" || component.Status != "configured" {
		t.Errorf("%+v", component)
	}
	half := `[{"id":"` + tagged + `","desired_config":"x"},{"id":"nonsense","desired_config":"x"}]`
	got, err = ask(t.Context(), "PATCH", server.URL("cfs")+"/v3/components", half)
	if component, _ := server.CFS.Component(tagged); err != nil || got.status != 404 || component.DesiredConfig != "" {
		t.Errorf("a list with an unknown component was applied in part: %+v, %v", got, err)
	}
}
