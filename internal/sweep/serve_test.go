package sweep

import (
	"log/slog"
	"runtime"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/config"
	"bosgc/internal/lab"
	"bosgc/internal/metrics"
)

// A process that sweeps for months holds no more connections and goroutines after many sweeps than after few. A
// connection costs goroutines at both of its ends, and both are in this process.
func TestNothingGrowsWithSweeps(t *testing.T) {
	world, err := lab.NewWorld(lab.Options{CSM: "1.4", Sessions: 10, Seed: 7, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.Start(world, lab.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ledger, err := metrics.NewLedger("test", "test")
	if err != nil {
		t.Fatal(err)
	}
	options := Options{Version: "test", Kubeconfig: server.Kubeconfig(), Now: time.Now}
	serving := Serving{
		Load: func() (config.Config, error) { return config.Load(server.Env()) },
		Show: func(gc.Document) {},
	}
	sweeps := func(n int) (goroutines int) {
		for range n {
			sweepOnce(t.Context(), options, serving, ledger, slog.New(slog.DiscardHandler))
			runtime.GC() // ends what only a finalizer ends
		}
		goroutines = runtime.NumGoroutine()
		for range 20 { // what a sweep leaves to end by itself ends within a moment
			time.Sleep(50 * time.Millisecond)
			goroutines = min(goroutines, runtime.NumGoroutine())
		}
		return goroutines
	}
	few := sweeps(3)
	asked := len(server.Requests())
	many := sweeps(100)
	if many > few {
		t.Errorf("%d goroutines after 3 sweeps, %d after 103", few, many)
	}
	if asked = len(server.Requests()) - asked; asked < 100*10 {
		t.Errorf("only %d requests in 100 sweeps: they failed", asked)
	}
}
