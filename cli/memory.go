package cli

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// What a run keeps grows with the system that it looks after, and a CronJob's Pod is given its memory once: above its
// limit it is killed, sweep after sweep. So the heap may grow by little before it is collected, by collectAt percent
// (Go's own value is 100), but not before there are heapFloor bytes of it: until then there is nothing to save, and collecting
// a small heap for every few bytes took a third of all CPU time of a sweep of 1,000 sessions.
const (
	collectAt = 20
	heapFloor = 24 << 20
	scarcely  = 400 // percent at most, as long as next to nothing is alive
)

// takeLittle trades some CPU for memory. Whoever has set GOGC or GOMEMLIMIT knows better.
func takeLittle() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(scarcely)
		afterCollection()
	}
}

// afterCollection has each collection say when the next one is due: what nobody holds is cleaned up by it.
func afterCollection() {
	runtime.AddCleanup(new([16]byte), func(struct{}) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetGCPercent(growth(live[0].Value.Uint64()))
		afterCollection()
	}, struct{}{})
}

// growth is by how many percent a heap of which so many bytes are alive may grow.
func growth(live uint64) int {
	if live == 0 {
		return scarcely
	}
	room := (heapFloor - int(min(live, heapFloor))) * 100 / int(live)
	return min(scarcely, max(collectAt, room))
}
