//go:build !race

// The race detector keeps notes of its own on the heap.

package gc_test

import (
	"runtime"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/collect"
	"bosgc/internal/lab"
)

// heldPerObject is what a plan and all that it was made of may hold for each object in it, in bytes; 1,456 are needed.
// A Pod that runs out of memory is killed, sweep after sweep, so this must not grow unnoticed.
const heldPerObject = 1600

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
		ID: "a", Options: collect.Options{Clock: time.Now, ReadTimeout: time.Minute, Settings: usual},
	})
	if err != nil || plan.Summary.Delete == 0 || len(plan.Objects) < 3000 {
		t.Fatalf("%v: not a plan to measure by", err)
	}
	// What else is on the heap, the lab above all, is there before and after.
	with, objects := heapAlive(), len(plan.Objects)
	runtime.KeepAlive(plan)
	plan = nil
	held := (with - heapAlive()) / objects
	t.Logf("%d bytes for each of %d objects", held, objects)
	if held > heldPerObject || held < heldPerObject/4 {
		t.Errorf("a plan holds %d bytes for each of its %d objects; expected between %d and %d",
			held, objects, heldPerObject/4, heldPerObject)
	}
}

// heapAlive returns the bytes that are alive on the heap. The second collection takes what finalizers and weak pointers
// held during the first.
func heapAlive() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
