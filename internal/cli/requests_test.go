package cli

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/lab"
)

// TestRequestsPerObject limits the requests of a sweep. BOS is fragile, and each request is one that somebody else has
// to wait for. "make bench" also measures the time. The test runs alone in its package: an object that has to wait for
// half a second is read again.
func TestRequestsPerObject(t *testing.T) {
	world, err := lab.NewBulk(lab.BulkOptions{CSM: "1.4", Seed: 7, Sessions: 300, Garbage: 50, Foreign: 3000, ForeignBytes: 1 << 10, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	s := startWorld(t, world, lab.ServerOptions{})
	if code, _, stderr := s.run([]string{"sweep"}, "BOSGC_MAX_DELETES=100000", "BOSGC_KUBE_CONCURRENCY=2"); code != gc.ExitDone {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	gone, goes := map[string]int{}, map[string]bool{}
	for _, o := range world.Truth() {
		if o.Goes() {
			gone[o.Kind]++
			goes[o.Name] = true
		}
	}
	for _, o := range s.Objects() {
		if fact := world.Facts()[o.Kind+" "+o.Name]; fact.Goes() {
			t.Errorf("%s %s is still there", o.Kind, o.Name)
		}
	}
	is := map[string]int{}
	for _, r := range s.Requests() {
		parts := strings.Split(strings.Trim(r.Path, "/"), "/")
		last := parts[len(parts)-1]
		if strings.HasPrefix(last, "bosgc") || strings.Contains(r.Query, "bosgc") {
			continue // bosgc's own objects
		}
		switch {
		case r.System == "bos" && len(parts) == 3 && goes[last]:
			is["BOS "+r.Method]++
		case r.System == "bos" && len(parts) == 3:
			is["BOS of one that stays"]++
		case r.System == "bos" && last == "session":
			is["BOS list"]++
		case r.System == "cfs" && len(parts) == 3:
			is["CFS "+r.Method]++
		case r.System == "kube" && len(parts) > 2 && parts[len(parts)-3] == "services":
			is[parts[len(parts)-2]+" "+r.Method]++
		}
	}
	for _, tt := range []struct {
		what        string
		asked, most int
	}{
		{"BOS list", is["BOS list"], 1},
		{"BOS GET", is["BOS GET"], gone[lab.KindSession]},
		{"BOS DELETE", is["BOS DELETE"], gone[lab.KindSession]},
		// For a few that are kept as the newest of their templates, and for estimating the size of the list.
		{"BOS of one that stays", is["BOS of one that stays"], 20},
		{"CFS GET", is["CFS GET"], gone[lab.KindCFSSession]},
		{"CFS DELETE", is["CFS DELETE"], gone[lab.KindCFSSession]},
		// For the plan, which reads the content; the journal uses the same answer.
		{"ConfigMap GET", is["configmaps GET"], gone[lab.KindConfigMap]},
		{"ConfigMap DELETE", is["configmaps DELETE"], gone[lab.KindConfigMap]},
		{"Job GET", is["jobs GET"], gone[lab.KindJob]}, // for the journal and the recheck
		{"Job DELETE", is["jobs DELETE"], gone[lab.KindJob]},
	} {
		t.Logf("%s: %d, at most %d", tt.what, tt.asked, tt.most)
		// An object that waited for half a second is read again. On a slow machine these are some, but not all.
		if tt.asked > tt.most+tt.most/2 || tt.asked > tt.most && strings.HasSuffix(tt.what, "DELETE") {
			t.Errorf("%s: %d, want at most %d", tt.what, tt.asked, tt.most)
		}
	}
}

// TestRequestsOfClean holds that clean asks BOS for the named session and no other, and never for its list: people take
// sessions apart by hand where that hangs.
func TestRequestsOfClean(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Seed: 7, Sessions: 1200}, lab.ServerOptions{})
	id := ""
	for _, o := range s.World.Truth() {
		if o.Kind == lab.KindSession && o.Goes() && o.Story == "finished-expired" {
			id = o.Name
		}
	}
	code, stdout, stderr := s.run([]string{"clean", id, "--unset-config", "--yes"})
	if code != gc.ExitDone {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	asked := 0
	for _, r := range s.Requests() {
		if r.System != "bos" {
			continue
		}
		asked++
		// Once the session has gone, BOS v2 is asked whether the tag is one of its own.
		about := []string{"/v1/session/" + id, "/v1/version", "/v1/healthz", "/v2/sessions"}
		if !slices.ContainsFunc(about, func(path string) bool { return strings.HasPrefix(r.Path, path) }) {
			t.Errorf("%s %s: about no named session", r.Method, r.Path)
		}
	}
	if t.Logf("%d requests", asked); asked > 30 {
		t.Errorf("%d requests to BOS, want at most 30", asked)
	}
}
