package cli

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// What a run keeps grows with the system that it looks after, and a CronJob's Pod is given its memory once: above its
// limit it is killed, sweep after sweep. So Go gets a limit of its own: up to it garbage is left lying, which costs no time,
// and near it it is collected and given back. The limit grows with what is alive, or collecting would never end.
const (
	leastMemory = 43 << 20 // bytes; all but the program itself, some 18 MiB
	slack       = 50       // percent of what is alive: for garbage, gaps, and what is not on the heap
)

// takeLittle bounds the memory. Whoever has set GOGC or GOMEMLIMIT knows better.
func takeLittle() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(leastMemory)
		afterCollection()
	}
}

// afterCollection has each collection say how much there may be until the next one: what nobody holds is cleaned up by it.
func afterCollection() {
	runtime.AddCleanup(new([16]byte), func(struct{}) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetMemoryLimit(limitFor(int64(live[0].Value.Uint64())))
		afterCollection()
	}, struct{}{})
}

// limitFor gives the limit for a heap of which so many bytes are alive.
func limitFor(live int64) int64 { return max(leastMemory, live+live*slack/100) }
