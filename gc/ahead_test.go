package gc_test

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/collect"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// While BOS is asked for records, the ConfigMaps of those that it has answered for are read, each once.
func TestConfigMapsAreReadWhileBOSIsAsked(t *testing.T) {
	world, err := lab.NewWorld(lab.Options{CSM: "1.4", Seed: 5, Sessions: 200})
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.Start(world, lab.ServerOptions{ServiceTime: map[string]time.Duration{"bos": 5 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	plan, err := gc.MakePlan(t.Context(), systemsOf(t, server), gc.Run{ID: "a", Options: collect.Options{Clock: time.Now, ReadTimeout: time.Minute, Settings: usual}})
	if err != nil || plan.Summary.Delete == 0 {
		t.Fatalf("%v, %+v: not a plan to see it by", err, plan)
	}
	record, content := regexp.MustCompile(`^/v1/session/[^/]+$`), regexp.MustCompile(`/configmaps/(.+)$`)
	read, early, last := map[string]int{}, 0, 0
	// A few were read before, to estimate how large BOS's list is.
	requests := server.Requests()
	listed := slices.IndexFunc(requests, func(r lab.Request) bool { return r.System == "bos" && r.Path == "/v1/session" })
	if listed < 0 {
		t.Fatal("BOS was not asked for its list")
	}
	requests = requests[listed:]
	for i, r := range requests {
		if r.System == "bos" && record.MatchString(r.Path) {
			last = i
		}
	}
	for i, r := range requests {
		if r.System != "kube" || r.Method != "GET" {
			continue
		}
		if name := content.FindStringSubmatch(r.Path); name != nil {
			if read[name[1]]++; i < last {
				early++
			}
		}
	}
	for name, n := range read {
		if n > 1 {
			t.Errorf("ConfigMap %s was read %d times", name, n)
		}
	}
	for _, o := range plan.Objects {
		if o.Kind == policy.ConfigMap && o.Verdict == policy.Delete && read[o.Name] != 1 {
			t.Errorf("ConfigMap %s goes, and was read %d times", o.Name, read[o.Name])
		}
	}
	if early < len(read)/2 {
		t.Errorf("of %d ConfigMaps %d were read before BOS had answered its last question", len(read), early)
	}
}
