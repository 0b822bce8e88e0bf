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
	// readTimeout is less than the 10 seconds that Prometheus waits for a scrape by default: metrics
	// that come later are lost.
	readTimeout = 5 * time.Second
	// readInterval protects the API server from whoever scrapes too often, or from many replicas.
	readInterval = time.Second
)

// Exporter shows the metrics in the state, which it never writes. bosgc_last_sweep_timestamp_seconds
// says how old they are: gauges have the values of that time. While the state cannot be read, Exporter
// shows what it read last, with bosgc_state_ok at 0.
type Exporter struct {
	store  *state.Store
	log    *slog.Logger
	blank  []*dto.MetricFamily // metrics before the first sweep
	failed []*dto.MetricFamily // the same, with bosgc_state_ok at 0

	mu       sync.Mutex // guards the fields below
	current  state.State
	lastRead time.Time
	err      error
}

// NewExporter returns an Exporter of the state in a store.
func NewExporter(store *state.Store, version, commit string, log *slog.Logger) (*Exporter, error) {
	m := New(version, commit)
	blank, err := m.Gather()
	if err != nil {
		return nil, err
	}
	m.SetStateOK(false)
	failed, err := m.Gather()
	return &Exporter{store: store, log: log, blank: blank, failed: failed}, err
}

// Gather returns the metrics.
func (e *Exporter) Gather() ([]*dto.MetricFamily, error) {
	current, err := e.State()
	blank := e.blank
	if err != nil {
		blank = e.failed
	}
	shown, err := current.Totals.Add(blank, func(name string) bool { return name == "bosgc_state_ok" })
	if err != nil {
		return nil, err
	}
	return shown.Gather()
}

// State returns the state that was read last, and why it cannot be read now. It reads it at most once a second.
func (e *Exporter) State() (state.State, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.lastRead) >= readInterval {
		e.read()
	}
	return e.current, e.err
}

func (e *Exporter) read() {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	current, err := e.store.Read(ctx)
	if err != nil && (e.err == nil || err.Error() != e.err.Error()) { // log it once, not at each scrape
		e.log.Error("the state cannot be read", "error", err.Error())
	}
	if err == nil {
		e.current = current
	}
	e.lastRead, e.err = time.Now(), err
}
