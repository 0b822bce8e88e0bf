// Package sweep is one run, from its deadline to its report: lease, state, collecting, plan, journal, execution, and
// whoever is told of it. Every command that reads or changes a system is a method of Run.
package sweep

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"bosgc/gc"
	"bosgc/internal/batcher"
	"bosgc/internal/collect"
	"bosgc/internal/config"
	"bosgc/internal/kube"
	"bosgc/internal/lease"
	"bosgc/internal/margin"
	"bosgc/internal/metrics"
	"bosgc/internal/progress"
	"bosgc/internal/state"
)

// Options are what all runs of a process have in common.
type Options struct {
	Version, Commit string // of this program
	Kubeconfig      string // file that says how to reach Kubernetes; empty: the usual places
	Context         string // of the kubeconfig; empty: the current one
	Now             func() time.Time
	Watch           func(progress.Update) // is told how far long work has come; nil: the log is
	Timings         *progress.Timings     // nil: times are not taken
	AskEverySession bool                  // see collect.Options

	Environ     []string     // from which the settings were read
	Serving     bool         // sweeps on an interval, which is a schedule too
	OwnSettings bool         // what scheduled sweeps have recorded of theirs is left out
	Say         func(string) // tells a person which settings are used; may be nil
}

// Error is the end of a run that came to no result. Err is nil where everything has been said already.
type Error struct {
	Code int // see the exit codes of package gc
	Err  error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

func failed(format string, args ...any) error {
	return &Error{gc.ExitFailed, fmt.Errorf(format, args...)}
}

// Run is one run, from its settings to its end.
type Run struct {
	ID       string
	Settings config.Config
	Log      *slog.Logger
	// Confirm asks a person whether a plan is to be carried out, before anything of it is deleted; may be nil.
	Confirm func(context.Context, gc.Document) bool

	options Options
	begun   time.Time
	metrics *metrics.Metrics

	clients collect.Clients
	cluster string      // where the API server is
	own     *kube.Store // the namespace with the state, the lease and the journal
	release *kube.Store // the namespace of the Pod that this runs in, where its CronJob is

	deletesByName bool              // it deletes what a person has named, whatever its age
	told          bool              // which settings hold has been said
	usesState     bool              // it is told of in the state
	extra         []kube.Permission // that it needs besides those of a sweep
	lease         *lease.Lease      // while it is held
}

// New begins a run and makes its clients. Nothing is sent yet; an error is one of configuration.
func New(options Options, settings config.Config, log *slog.Logger) (*Run, error) {
	now := options.Now().UTC()
	r := &Run{
		ID: gc.NewRunID(now), Settings: settings, Log: log, options: options, begun: now,
		metrics: metrics.New(options.Version, options.Commit),
	}
	if err := r.connect(); err != nil {
		return nil, &Error{gc.ExitUsage, err}
	}
	return r, nil
}

// Cluster returns the address of the API server.
func (r *Run) Cluster() string { return r.cluster }

// Kube returns the client of the namespace with BOA's Jobs.
func (r *Run) Kube() *kube.Client { return r.clients.Kube }

// Store returns the namespace with the state, the lease and the journal.
func (r *Run) Store() *kube.Store { return r.own }

// WaitForMesh waits until the Pod's mesh proxy is ready, if there is one.
func (r *Run) WaitForMesh(ctx context.Context) {
	waitForMesh(ctx, r.Settings.MeshQuitURL, meshPatience, r.Log)
}

// State returns the state that the last sweep left.
func (r *Run) State() *state.Store { return state.NewStore(r.own, r.Settings.StateName) }

// WithDeadline returns a context that ends at BOSGC_DEADLINE.
func (r *Run) WithDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	tooLate := fmt.Errorf("the run took longer than %s (BOSGC_DEADLINE)", r.Settings.Deadline)
	return context.WithTimeoutCause(ctx, r.Settings.Deadline.D(), tooLate)
}

// gcRun returns what package gc needs to know of a run.
func (r *Run) gcRun() gc.Run {
	return gc.Run{
		ID: r.ID, SettingsByName: r.Settings.PolicyByName(), Cluster: r.cluster, Namespace: r.Settings.Namespace,
		Batcher: r.Settings.Batcher,
		Options: collect.Options{
			Settings: r.Settings.Policy(), Clock: r.options.Now, ReadTimeout: r.Settings.Deadline.D() / 2,
			RecordHang: r.recordHang, AskEverySession: r.options.AskEverySession,
		},
	}
}

// startRun reads what earlier sweeps leave for the rules, how BOS's list did, which procedures have begun, and by which
// settings scheduled sweeps judge. If that is not known, nothing counts as seen, and no procedure is continued.
func (r *Run) startRun(ctx context.Context) (gc.Run, error) {
	ctx, cancel := context.WithTimeout(ctx, margin.StateTimeout)
	defer cancel()
	remembered, err := r.State().Read(ctx)
	if err != nil {
		r.Log.Warn("what earlier sweeps have seen cannot be read; nothing counts as seen before", "error", err.Error())
	}
	if err := r.adoptSettings(remembered, err); err != nil {
		return gc.Run{}, err
	}
	run := r.gcRun()
	run.MemoryErr = err
	run.Memory, run.List, run.Procedures = remembered.Memory, remembered.List, remembered.Procedures
	return run, nil
}

// recordHang writes down at once that BOS's list hangs, or may: a command that only looks, or is killed, would forget
// it, and the next one would cost BOS another worker.
func (r *Run) recordHang(hang *state.Hang) {
	ctx, cancel := context.WithTimeout(context.Background(), margin.StateTimeout)
	defer cancel()
	err := r.State().UpdateOutsideRun(ctx, func(s *state.State) { s.List.Hang = hang })
	r.warn("how BOS's list did was not noted", "BOSGC_STATE_NAMESPACE", err)
}

func (r *Run) warn(what, setting string, err error) {
	if err != nil {
		r.Log.Warn(what, "setting", setting, "error", err.Error())
	}
}

// repairBatcher scales up a batcher that a run which died has left down. Where that is not permitted, another run has
// to.
func (r *Run) repairBatcher(ctx context.Context) error {
	reading, cancel := context.WithTimeout(ctx, margin.StateTimeout)
	defer cancel()
	left, err := r.State().ReadBatcher(reading)
	if err != nil {
		r.Log.Warn("whether a run that died has left the batcher down is not known", "error", err.Error())
		return nil
	}
	b := batcher.Batcher{Kube: r.clients.Kube, State: r.State(), Log: r.Log}
	repaired, err := b.Repair(ctx, left)
	switch {
	case kube.IsForbidden(err):
		r.Log.Error("the batcher is not looked after, because that is not permitted", "error", err.Error())
		return nil
	case repaired:
		r.Log.Warn("the batcher of CFS was left down by a run that died, and is up again", "deployment", left.Deployment)
	}
	return err
}
