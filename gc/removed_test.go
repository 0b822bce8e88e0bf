package gc_test

import (
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/collect"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// Where BOS v1 has been removed, what it left is collected by the sweeps in that cluster, and from outside nothing shows
// that it is that of the BOS that was asked.
func TestWhatARemovedV1LeftIsJudgedFromInside(t *testing.T) {
	t.Parallel()
	world, err := lab.NewWorld(lab.Options{CSM: "1.6", Seed: 7, Sessions: 20, Only: []string{"orphan-configmap"}})
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.Start(world, lab.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for inside, want := range map[bool]policy.Reason{true: policy.AwaitingConfirmation, false: policy.OrphanGuard} {
		clients := systemsOf(t, server)
		clients.SameCluster = inside
		settings := usual
		settings.OrphanSightings = 2
		plan, err := gc.MakePlan(t.Context(), clients, gc.Run{
			ID: "a", Options: collect.Options{Clock: time.Now, ReadTimeout: time.Minute, Settings: settings},
		})
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, o := range plan.Objects {
			if o.Reason == want {
				found++
			}
			if o.Reason == policy.OrphanGuard && inside {
				t.Errorf("from inside: %s %s (%s)", o.Kind, o.Name, o.Detail)
			}
		}
		if found == 0 {
			t.Errorf("from inside: %v: nothing is %s", inside, want)
		}
	}
}
