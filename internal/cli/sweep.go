package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/config"
	"bosgc/internal/journal"
	"bosgc/internal/kube"
	"bosgc/internal/metrics"
	"bosgc/internal/state"
)

// grace is what requests under way get when a run is told to stop, or has lost its lock. Kubernetes
// gives a Pod 30 seconds by default, and the report has to be written within them too.
const grace = gc.LockGrace

func (a *app) plan() *cobra.Command {
	save := ""
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what a sweep would delete, and why; delete nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer a.quitMesh()
			settings, log, err := a.load()
			if err != nil {
				return err
			}
			settings.DryRun = true
			d, err := a.once(cmd.Context(), a.begin(settings, log))
			if err == nil && save != "" {
				err = a.save(save, d, settings)
			}
			if err != nil {
				return err
			}
			return a.show(d)
		},
	}
	cmd.Flags().StringVar(&save, "save", "", "file to write the plan to, for bosgc apply")
	a.viewed(cmd)
	return cmd
}

func (a *app) sweep() *cobra.Command {
	maxDeletes := 0
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Delete what is finished or orphaned: what the CronJob runs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("max-deletes") && maxDeletes < 1 {
				return fmt.Errorf("--max-deletes is %d; expected at least 1", maxDeletes)
			}
			defer a.quitMesh() // also after a mistake in the settings: else the Pod would never end
			settings, log, err := a.load()
			if err != nil {
				return err
			}
			if maxDeletes > 0 {
				settings.MaxDeletes = maxDeletes
			}
			return a.sweepAndShow(cmd.Context(), settings, log)
		},
	}
	cmd.Flags().IntVar(&maxDeletes, "max-deletes", 0, "objects to delete at most in this run (default: BOSGC_MAX_DELETES)")
	a.viewed(cmd)
	return cmd
}

// sweepAndShow does one sweep, and shows what came of it before it lingers for a scrape.
func (a *app) sweepAndShow(ctx context.Context, settings config.Config, log *slog.Logger) error {
	ledger, err := metrics.NewLedger(Version, Commit)
	if err != nil {
		return &exitError{gc.ExitFailed, err}
	}
	d, err := a.sweepAndReport(ctx, a.begin(settings, log), ledger)
	var exit *exitError
	if errors.As(err, &exit) && exit.code == gc.ExitUsage {
		return err
	}
	if err == nil {
		err = a.show(d)
	}
	a.linger(ctx, settings, ledger, log)
	return err
}

// oneRun is one run, from its settings to its end.
type oneRun struct {
	id       string
	begun    time.Time
	settings config.Config
	log      *slog.Logger
	metrics  *metrics.Metrics
	reported bool              // it is told of in the state
	besides  []kube.Permission // that it needs besides those of a sweep
	lock     *gc.Lock          // while it is held
	saved    *gc.Saved         // the plan that is carried out; nil: what is found
}

func (a *app) begin(settings config.Config, log *slog.Logger) *oneRun {
	now := a.now().UTC()
	return &oneRun{id: gc.RunID(now), begun: now, settings: settings, log: log, metrics: metrics.New(Version, Commit)}
}

// sweepAndReport does one sweep and reports it wherever it is to be reported, whatever became
// of it.
func (a *app) sweepAndReport(ctx context.Context, r *oneRun, ledger *metrics.Ledger) (gc.Document, error) {
	to, err := a.connect(r.settings, r.metrics, r.log)
	if err != nil {
		return gc.Document{}, &exitError{gc.ExitUsage, err}
	}
	r.reported = true
	d, err := a.connected(ctx, r, to)
	r.report(ctx, to, ledger, a.now().UTC(), d, err)
	// Only now: the next run is to know of this one.
	r.unlock(ctx)
	return d, err
}

// once is a run that nobody is told of but who started it.
func (a *app) once(ctx context.Context, r *oneRun) (gc.Document, error) {
	to, err := a.connect(r.settings, r.metrics, r.log)
	if err != nil {
		return gc.Document{}, &exitError{gc.ExitUsage, err}
	}
	return a.connected(ctx, r, to)
}

// connected plans and, unless told to look only, carries out. A plan and a sweep differ in one
// call.
func (a *app) connected(ctx context.Context, r *oneRun, to *connection) (gc.Document, error) {
	settings := r.settings
	ctx, cancel := r.withDeadline(ctx)
	defer cancel()

	waitForMesh(ctx, settings.MeshQuitURL, meshPatience, r.log)
	begun := time.Now()
	if err := preflight(ctx, to, r); err != nil {
		return gc.Document{}, &exitError{gc.ExitFailed, err}
	}
	to.systems.Timings.Took("asking for permissions", begun)
	begun = time.Now()
	ctx, unlocked, err := a.takeLock(ctx, r, to)
	if err != nil {
		return gc.Document{}, err
	}
	if unlocked == nil && !settings.DryRun {
		if err := r.repair(ctx, to); err != nil {
			return gc.Document{}, &exitError{gc.ExitFailed, fmt.Errorf("nothing was deleted: %w", err)}
		}
	}
	run := r.gc(a, to)
	run.Sightings, run.List = r.remembered(ctx, to)
	to.systems.Timings.Took("taking the lock, reading the state", begun)
	plan, err := gc.MakePlan(ctx, to.systems, run)
	if err != nil {
		return gc.Document{}, &exitError{gc.ExitFailed, fmt.Errorf("stopped while reading; nothing was deleted: %w", err)}
	}
	if r.saved != nil {
		plan.Only(r.saved)
	}
	if settings.DryRun {
		return plan.Document, nil
	}
	report, err := r.execute(ctx, to, plan, unlocked)
	if err != nil {
		return gc.Document{}, &exitError{gc.ExitFailed, err}
	}
	what := "sweep ended"
	if r.saved != nil {
		what = "apply ended"
	}
	r.log.Info(what, "run", report.Run, "exitCode", report.ExitCode, "outcomes", report.Outcomes, "stopped", report.Stopped)
	return report.Document, nil
}

// execute carries a plan out, unless something is missing without which nothing may be deleted.
func (r *oneRun) execute(ctx context.Context, to *connection, plan *gc.Plan, missing error) (*gc.Report, error) {
	limits := gc.Limits{MaxDeletes: r.settings.MaxDeletes, Grace: min(r.settings.RequestTimeout.D(), grace)}
	if missing == nil && (plan.Summary.Delete > 0 || plan.Unfinished()) {
		if limits.Journal, missing = r.openJournal(ctx, to); missing == nil {
			defer limits.Journal.Close()
		}
	}
	if missing != nil {
		r.log.Error("nothing is deleted", "error", missing.Error())
		return plan.Postpone(missing), nil
	}
	report, err := plan.Execute(ctx, limits)
	if err == nil && limits.Journal != nil && report.Harmless() && ctx.Err() == nil {
		r.warn("the journal of a run that deleted nothing was not removed", "BOSGC_JOURNAL_RUNS", limits.Journal.Discard(ctx))
	}
	return report, err
}

// takeLock keeps everybody else from deleting. Who only looks needs no lock. The context that comes
// back ends when the lock is lost. unlocked is why it could not be asked for: then everything
// is looked at all the same, to tell what else cannot be reached.
func (a *app) takeLock(ctx context.Context, r *oneRun, to *connection) (held context.Context, unlocked, err error) {
	if r.settings.DryRun {
		return ctx, nil, nil
	}
	host, _ := os.Hostname() // in a Pod its name; without one the run's ID still tells holders apart
	lock, held, err := gc.TakeLock(ctx, to.own, r.settings.StateName, strings.TrimPrefix(host+"_"+r.id, "_"), a.now, r.log)
	switch {
	case errors.Is(err, gc.ErrLocked):
		return nil, nil, &exitError{gc.ExitLocked, fmt.Errorf("%w; nothing was deleted: wait for its end (Lease %s in namespace %q)", err, r.settings.StateName, to.own.Namespace())}
	case err != nil:
		return ctx, fmt.Errorf("the lock could not be taken: %w", err), nil
	}
	r.lock = lock
	return held, nil, nil
}

func (r *oneRun) unlock(ctx context.Context) {
	if r.lock == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), toldWithin)
	defer cancel()
	r.lock.Release(ctx)
}

// remembered reads how often earlier sweeps have seen what looks orphaned, and how BOS's list did. If that is
// not known, nothing counts as seen.
func (r *oneRun) remembered(ctx context.Context, to *connection) (map[string]int, state.SessionList) {
	ctx, cancel := context.WithTimeout(ctx, stateWithin)
	defer cancel()
	kept, err := state.NewStore(to.own, r.settings.StateName).Read(ctx)
	if err != nil {
		r.log.Warn("what earlier sweeps have seen cannot be read; nothing counts as seen before", "error", err.Error())
	}
	times := map[string]int{}
	for uid, s := range kept.Sightings {
		times[uid] = s.Times
	}
	return times, kept.List
}

func (r *oneRun) openJournal(ctx context.Context, to *connection) (*journal.Journal, error) {
	j, err := journal.Open(ctx, journal.Options{
		Store: to.own, Name: r.settings.StateName, Run: r.id, Dir: r.settings.JournalDir, Runs: r.settings.JournalRuns,
	})
	if err != nil {
		return nil, fmt.Errorf("the journal cannot be written: %w", err)
	}
	return j, nil
}
