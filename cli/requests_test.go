package cli

import (
	"strings"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/lab"
)

// TestRequestsPerObject counts what a sweep asks for. BOS is fragile, and each request is one that somebody else has to
// wait for. "make bench" measures the time besides.
func TestRequestsPerObject(t *testing.T) {
	t.Parallel()
	world, err := lab.NewBulk(lab.BulkOptions{CSM: "1.4", Seed: 7, Sessions: 300, Garbage: 50, Foreign: 3000, ForeignBytes: 1 << 10, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	s := startWorld(t, world, lab.ServerOptions{})
	if code, _, stderr := s.run([]string{"sweep"}, "BOSGC_MAX_DELETES=100000"); code != gc.ExitDone {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	gone := map[string]int{}
	for _, o := range world.Truth() {
		if o.Goes() {
			gone[o.Kind]++
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
			continue // what it keeps for itself
		}
		switch {
		case r.System == "bos" && len(parts) == 3:
			is["BOS "+r.Method]++
		case r.System == "bos" && last == "session":
			is["BOS list"]++
		case r.System == "cfs" && len(parts) == 3:
			is["CFS "+r.Method]++
		case r.System == "kube" && len(parts) > 2 && parts[len(parts)-3] == "services":
			is[parts[len(parts)-2]+" "+r.Method]++
		}
	}
	for _, tt := range []struct {
		what  string
		asked int
		goal  int
		more  int // what it is allowed above its goal today; whoever lowers the figure lowers this
	}{
		{"BOS list", is["BOS list"], 1, 0},
		{"BOS DELETE", is["BOS DELETE"], gone[lab.KindSession], 0},
		{"BOS GET", is["BOS GET"], gone[lab.KindSession], 74},
		{"CFS DELETE", is["CFS DELETE"], gone[lab.KindCFSSession], 0},
		{"CFS GET", is["CFS GET"], gone[lab.KindCFSSession], 0},
		{"ConfigMap DELETE", is["configmaps DELETE"], gone[lab.KindConfigMap], 0},
		{"ConfigMap GET", is["configmaps GET"], gone[lab.KindConfigMap], 156},
		{"Job DELETE", is["jobs DELETE"], gone[lab.KindJob], 0},
		{"Job GET", is["jobs GET"], 0, 76},
	} {
		t.Logf("%s: %d, the goal is %d", tt.what, tt.asked, tt.goal)
		if tt.asked > tt.goal+tt.more {
			t.Errorf("%s: %d, the goal is %d, and %d more are allowed", tt.what, tt.asked, tt.goal, tt.more)
		}
	}
}
