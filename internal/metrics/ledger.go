package metrics

import (
	"context"
	"errors"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"

	"bosgc/internal/state"
)

// Ledger adds sweeps up: in the state, so that counters outlive the process, and in this process
// in any case. Its metrics are those of the last sweep, with the totals of all.
type Ledger struct {
	booking sync.Mutex // one sweep at a time; a scrape does not wait for it
	unsaved []entry    // sweeps that could not be written to the state yet; guarded by booking

	mu     sync.Mutex // guards what follows
	totals state.Totals
	whole  bool // totals have what earlier processes counted
}

// maxUnsaved bounds what waits for a state that cannot be written: two days of sweeps. Older ones are
// lost to the state; the totals of this process have them.
const maxUnsaved = 48

// entry is one sweep.
type entry struct {
	run      string
	families []*dto.MetricFamily
	fresh    func(name string) bool
}

// NewLedger begins with nothing but zeros.
func NewLedger(version, commit string) (*Ledger, error) {
	families, err := New(version, commit).Gather()
	if err != nil {
		return nil, err
	}
	totals, err := state.Totals{}.Add(families, nil)
	return &Ledger{totals: totals}, err
}

// Begin takes over what earlier processes have counted, if it can be read.
func (l *Ledger) Begin(ctx context.Context, store *state.Store) error {
	kept, err := store.Read(ctx)
	if err != nil {
		return err
	}
	return l.take(kept.Totals)
}

// take puts kept totals in the place of the present ones. Series that they lack begin at zero.
func (l *Ledger) take(kept state.Totals) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	blank := make([]*dto.MetricFamily, 0, len(l.totals))
	for _, f := range l.totals {
		blank = append(blank, zeroed(f))
	}
	totals, err := kept.Add(blank, func(string) bool { return false })
	if err == nil {
		l.totals, l.whole = totals, true
	}
	return err
}

// Whole says whether the totals have everything that earlier processes counted.
func (l *Ledger) Whole() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.whole
}

// Book counts a sweep in, and lets change do the rest of what is to be written with it. The
// error is that of the state; the ledger has the sweep in any case, and writes it with the
// next one.
func (l *Ledger) Book(ctx context.Context, store *state.Store, run string, m *Metrics, change func(*state.State)) error {
	l.booking.Lock()
	defer l.booking.Unlock()
	kept, err := store.Update(ctx, run, func(s *state.State) error {
		m.SetAside(s.SetAside)
		families, err := m.Gather()
		if err != nil {
			return err
		}
		for _, e := range append(l.unsaved, entry{run, families, m.Fresh}) {
			if s.Counted(e.run) {
				continue // the answer to its write was lost, and the write was not
			}
			if s.Totals, err = s.Totals.Add(e.families, e.fresh); err != nil {
				return err
			}
			s.MarkCounted(e.run)
		}
		change(s)
		return nil
	})
	if err == nil {
		l.unsaved = nil
		l.mu.Lock()
		defer l.mu.Unlock()
		l.totals, l.whole = kept.Totals, true
		return nil
	}
	m.StateOK(false)
	families, gatherErr := m.Gather()
	if gatherErr != nil {
		return errors.Join(err, gatherErr)
	}
	l.unsaved = append(l.unsaved, entry{run, families, m.Fresh})
	if over := len(l.unsaved) - maxUnsaved; over > 0 {
		l.unsaved = l.unsaved[over:]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	totals, addErr := l.totals.Add(families, m.Fresh)
	if addErr == nil {
		l.totals = totals
	}
	return errors.Join(err, addErr)
}

// Failed notes, in this process alone, a sweep that could not even begin.
func (l *Ledger) Failed(exitCode int, now time.Time) error {
	m := New("", "")
	m.Failed(exitCode, now, now)
	families, err := m.Gather()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	totals, err := l.totals.Add(families, func(name string) bool {
		return name == "bosgc_last_exit_code" || name == "bosgc_last_sweep_timestamp_seconds"
	})
	if err == nil {
		l.totals = totals
	}
	return err
}

// Gather gives all metrics as they stand.
func (l *Ledger) Gather() ([]*dto.MetricFamily, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.totals.Gather()
}

// zeroed is a counter or histogram at zero, with all its series; a gauge is itself.
func zeroed(f *dto.MetricFamily) *dto.MetricFamily {
	if f.GetType() == dto.MetricType_GAUGE {
		return f
	}
	zero := &dto.MetricFamily{Name: f.Name, Help: f.Help, Type: f.Type, Unit: f.Unit}
	for _, m := range f.GetMetric() {
		at := &dto.Metric{Label: m.GetLabel()}
		if f.GetType() == dto.MetricType_COUNTER {
			at.Counter = &dto.Counter{Value: new(float64)}
		} else {
			at.Histogram = &dto.Histogram{SampleCount: new(uint64), SampleSum: new(float64)}
			for _, b := range m.GetHistogram().GetBucket() {
				at.Histogram.Bucket = append(at.Histogram.Bucket, &dto.Bucket{UpperBound: b.UpperBound, CumulativeCount: new(uint64)})
			}
		}
		zero.Metric = append(zero.Metric, at)
	}
	return zero
}
