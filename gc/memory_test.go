//go:build !race

// The race detector keeps notes of its own on the heap.

package gc_test

import (
	"runtime"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// heldPerObject is what a plan and all that it was made of hold for each object in it, in bytes: 1010 are needed now, so
// that 10,000 sessions with 50,000 objects take about 50 MiB of the 128 MiB that a sweep may have. A Pod that runs out of
// memory is killed, sweep after sweep, so this must not creep up.
const heldPerObject = 1110

func TestAPlanHoldsLittleOfWhatWasRead(t *testing.T) {
	world, err := lab.NewWorld(lab.Options{CSM: "1.4", Seed: 1, Sessions: 1500, ListBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.Start(world, lab.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	plan, err := gc.MakePlan(t.Context(), systemsOf(t, server), gc.Run{
		ID: "a", Clock: time.Now, Reading: time.Minute, Settings: policy.Settings{
			SessionTTL: 168 * time.Hour, FailedTTL: 336 * time.Hour, AbandonedTTL: 720 * time.Hour, KeepLast: 3, OrphanGrace: 24 * time.Hour,
			OrphanSightings: 3, MaxOrphanPercent: 50, CFS: policy.CFSLinked, CFSTTL: 720 * time.Hour, CFSLink: policy.LinkExact,
		},
	})
	if err != nil || plan.Summary.Delete == 0 || len(plan.Objects) < 3000 {
		t.Fatalf("%v: not a plan to measure by", err)
	}
	// What else is on the heap, the lab above all, is there before and after.
	with, objects := live(), len(plan.Objects)
	runtime.KeepAlive(plan)
	plan = nil
	held := (with - live()) / objects
	t.Logf("%d bytes for each of %d objects", held, objects)
	if held > heldPerObject || held < heldPerObject/4 {
		t.Errorf("a plan holds %d bytes for each of its %d objects; expected no more than %d, and not next to nothing", held, objects, heldPerObject)
	}
}

// live is what is alive on the heap. The second collection takes what finalizers and weak pointers held during the first.
func live() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
