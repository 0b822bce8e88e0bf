package metrics

import (
	"context"
	"log/slog"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"

	"bosgc/internal/state"
)

const (
	// readWithin is less than the 10 seconds that Prometheus waits for a scrape by default: late
	// metrics are none.
	readWithin = 5 * time.Second
	// readEvery keeps whoever scrapes too often, or in too many copies, from the API server.
	readEvery = time.Second
)

// Exporter shows what the last sweep left in the state, which it never writes. How old that is,
// bosgc_last_sweep_timestamp_seconds says: gauges are those of that time. While the state
// cannot be read it goes on showing what it read last, with bosgc_state_ok at 0.
type Exporter struct {
	store *state.Store
	log   *slog.Logger
	blank []*dto.MetricFamily // before the first sweep
	ill   []*dto.MetricFamily // the same, with bosgc_state_ok at 0

	mu     sync.Mutex // guards what follows
	totals state.Totals
	read   time.Time
	err    error
}

// NewExporter shows the state that is kept in a store.
func NewExporter(store *state.Store, version, commit string, log *slog.Logger) (*Exporter, error) {
	m := New(version, commit)
	blank, err := m.Gather()
	if err != nil {
		return nil, err
	}
	m.StateOK(false)
	ill, err := m.Gather()
	return &Exporter{store: store, log: log, blank: blank, ill: ill}, err
}

// Gather reads the state, at most once a second.
func (e *Exporter) Gather() ([]*dto.MetricFamily, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.read) >= readEvery {
		e.refresh()
	}
	now := e.blank
	if e.err != nil {
		now = e.ill
	}
	shown, err := e.totals.Add(now, func(name string) bool { return name == "bosgc_state_ok" })
	if err != nil {
		return nil, err
	}
	return shown.Gather()
}

func (e *Exporter) refresh() {
	ctx, cancel := context.WithTimeout(context.Background(), readWithin)
	defer cancel()
	kept, err := e.store.Read(ctx)
	if err != nil && (e.err == nil || err.Error() != e.err.Error()) {
		e.log.Error("the state cannot be read", "error", err.Error()) // once, and not at each scrape
	}
	if err == nil {
		e.totals = kept.Totals
	}
	e.read, e.err = time.Now(), err
}
