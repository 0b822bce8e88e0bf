package metrics

import (
	"context"
	"errors"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"

	"bosgc/internal/state"
)

// Ledger adds up the metrics of all runs: in the state, so that counters outlive the process, and in
// this process in any case. It shows the gauges of the last run with the counters of all.
type Ledger struct {
	recording sync.Mutex // one run at a time; a scrape does not wait for it
	unsaved   []record   // runs that the state does not have yet; guarded by recording

	mu       sync.Mutex // guards the fields below
	totals   state.Totals
	complete bool // totals include what earlier processes have counted
}

// maxUnsaved bounds the runs that wait for a state that cannot be written: two days of hourly sweeps.
// The state loses older ones; the totals of this process have them. It must be less than the number
// of runs that the state remembers as counted.
const maxUnsaved = 48

// record is the metrics of one run.
type record struct {
	run      string
	families []*dto.MetricFamily
	fresh    func(name string) bool
}

// NewLedger returns a Ledger whose counters are all zero.
func NewLedger(version, commit string) (*Ledger, error) {
	families, err := New(version, commit).Gather()
	if err != nil {
		return nil, err
	}
	totals, err := state.Totals{}.Add(families, nil)
	return &Ledger{totals: totals}, err
}

// Load takes over the totals of earlier processes from the state.
func (l *Ledger) Load(ctx context.Context, store *state.Store) error {
	saved, err := store.Read(ctx)
	if err != nil {
		return err
	}
	return l.replaceTotals(saved.Totals)
}

// replaceTotals replaces the totals. Series that the saved ones lack start at zero.
func (l *Ledger) replaceTotals(saved state.Totals) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	blank := make([]*dto.MetricFamily, 0, len(l.totals))
	for _, f := range l.totals {
		blank = append(blank, zeroed(f))
	}
	totals, err := saved.Add(blank, func(string) bool { return false })
	if err == nil {
		l.totals, l.complete = totals, true
	}
	return err
}

// Complete reports whether the totals include everything that earlier processes have counted.
func (l *Ledger) Complete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.complete
}

// RecordRun adds a run, in the state and in this process. change makes the other changes to the state
// that are written with it. The error is that of the state; in this process the run counts in any
// case, and the next call writes it to the state.
func (l *Ledger) RecordRun(
	ctx context.Context, store *state.Store, run string, m *Metrics, change func(*state.State),
) error {
	l.recording.Lock()
	defer l.recording.Unlock()
	saved, err := store.Update(ctx, run, func(s *state.State) error {
		m.SetStateSetAside(s.SetAside)
		families, err := m.Gather()
		if err != nil {
			return err
		}
		for _, r := range append(l.unsaved, record{run, families, m.Fresh}) {
			if s.Counted(r.run) {
				continue // it was written, and only the answer was lost
			}
			if s.Totals, err = r.add(s.Totals); err != nil {
				return err
			}
			s.MarkCounted(r.run)
		}
		change(s)
		return nil
	})
	if err != nil {
		return errors.Join(err, l.keepUnsaved(run, m))
	}
	l.unsaved = nil
	l.mu.Lock()
	defer l.mu.Unlock()
	l.totals, l.complete = saved.Totals, true
	return nil
}

// keepUnsaved adds a run that could not be written to the state. The caller holds recording.
func (l *Ledger) keepUnsaved(run string, m *Metrics) error {
	m.SetStateOK(false)
	families, err := m.Gather()
	if err != nil {
		return err
	}
	l.unsaved = append(l.unsaved, record{run, families, m.Fresh})
	if excess := len(l.unsaved) - maxUnsaved; excess > 0 {
		l.unsaved = l.unsaved[excess:]
	}
	return l.add(record{run, families, m.Fresh})
}

// RecordFailure records, in this process alone, a sweep that could not even start.
func (l *Ledger) RecordFailure(exitCode int, now time.Time) error {
	m := New("", "")
	m.RecordFailure(exitCode, now, now)
	families, err := m.Gather()
	if err != nil {
		return err
	}
	return l.add(record{"", families, func(name string) bool {
		return name == "bosgc_last_exit_code" || name == "bosgc_last_sweep_timestamp_seconds" || name == rowsName
	}})
}

func (l *Ledger) add(r record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	totals, err := r.add(l.totals)
	if err == nil {
		l.totals = totals
	}
	return err
}

// Gather returns the metrics of all runs. It implements prometheus.Gatherer.
func (l *Ledger) Gather() ([]*dto.MetricFamily, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.totals.Gather()
}

// zeroed returns a counter or histogram with all series at zero. It returns a gauge as it is.
func zeroed(f *dto.MetricFamily) *dto.MetricFamily {
	if f.GetType() == dto.MetricType_GAUGE {
		return f
	}
	zero := &dto.MetricFamily{Name: f.Name, Help: f.Help, Type: f.Type, Unit: f.Unit}
	for _, m := range f.GetMetric() {
		series := &dto.Metric{Label: m.GetLabel()}
		if f.GetType() == dto.MetricType_COUNTER {
			series.Counter = &dto.Counter{Value: new(float64)}
		} else {
			h := &dto.Histogram{SampleCount: new(uint64), SampleSum: new(float64)}
			for _, b := range m.GetHistogram().GetBucket() {
				h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: b.UpperBound, CumulativeCount: new(uint64)})
			}
			series.Histogram = h
		}
		zero.Metric = append(zero.Metric, series)
	}
	return zero
}
