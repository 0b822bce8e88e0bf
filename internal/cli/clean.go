package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/batcher"
	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/metrics"
	"bosgc/internal/report"
	"bosgc/internal/state"
)

// cleaning is how sessions are to be taken apart.
type cleaning struct {
	gc.Cleaning

	dryRun bool
	yes    bool
}

func (a *app) clean() *cobra.Command {
	var c cleaning
	cmd := &cobra.Command{
		Use:   "clean SESSION...",
		Short: "Take named sessions apart now, whatever their age; --cancel also if they run",
		Long: `Take named sessions apart now, whatever their age: the procedure that CSM has
administrators do by hand. First what there is of them is read and shown; then their
ConfigMap, their session in BOS, their CFS sessions and at last their Job go.

A session that still runs is refused. --cancel stops it first, unsets the
configuration that it set and nobody has changed since, and restarts the batcher
of CFS so that none of it starts again. --unset-config unsets the configuration of
sessions that have ended, so that it does not run at the next boot.

How far it has come is noted on the Job. If it is interrupted, the same command
again goes on from there, and so does the next sweep.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.check(args); err != nil {
				return err
			}
			defer a.quitMesh()
			settings, log, err := a.load()
			if err != nil {
				return err
			}
			c.dryRun = c.dryRun || settings.DryRun
			settings.DryRun = c.dryRun
			c.Batcher = settings.Batcher
			if !c.dryRun && !c.yes && !a.asks(cmd.InOrStdin()) {
				return errors.New("nobody is there to be asked; give --yes to do it without, or --dry-run to see what would be done")
			}
			return a.cleanSessions(cmd.Context(), cmd.InOrStdin(), a.begin(settings, log), c)
		},
	}
	cmd.Flags().BoolVar(&c.Unset, "unset-config", false, "also unset the desired configuration that they set")
	cmd.Flags().BoolVar(&c.Cancel, "cancel", false, "also if they still run: stop them, and undo what they set going")
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "show what would be done, and do nothing")
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask")
	return cmd
}

// check takes the sessions over, each once.
func (c *cleaning) check(args []string) error {
	for _, id := range args {
		id = strings.TrimPrefix(strings.TrimPrefix(id, "session/"), "boa-")
		if !inventory.IsSessionID(id) {
			return fmt.Errorf("%.80q is no ID of a session; expected one like 5a2f1c1e-3b9d-4c55-9e39-0f6d6c1b7a10", id)
		}
		if !slices.Contains(c.Sessions, id) {
			c.Sessions = append(c.Sessions, id)
		}
	}
	return nil
}

func (a *app) cleanSessions(ctx context.Context, in io.Reader, r *oneRun, c cleaning) error {
	to, err := a.connect(r.settings, r.metrics, r.log)
	if err != nil {
		return &exitError{gc.ExitUsage, err}
	}
	waitForMesh(ctx, r.settings.MeshQuitURL, meshPatience, r.log)
	r.reported, r.besides = true, kube.CleanPermissions("")
	if c.Cancel {
		r.besides = kube.CleanPermissions(c.Batcher)
	}
	if err := preflight(ctx, to, r); err != nil {
		return &exitError{gc.ExitFailed, err}
	}
	preview, err := a.planClean(ctx, r, to, c)
	if err != nil {
		return err
	}
	if err := refused(preview); err != nil {
		if a.output != "json" {
			fmt.Fprint(a.stderr, report.Procedures(preview.Document))
		}
		return err
	}
	if c.dryRun {
		if a.output != "json" {
			fmt.Fprintln(a.stderr, "This is what would be done; nothing has been.")
		}
		return a.showClean(preview.Document)
	}
	if !c.yes {
		fmt.Fprint(a.stderr, report.Procedures(preview.Document))
		if !a.confirmed(ctx, in, "\nDo this?") {
			fmt.Fprintln(a.stderr, "Nothing was done.")
			if a.output == "json" {
				return a.showClean(preview.Document)
			}
			return nil
		}
	}
	d, err := a.carryClean(ctx, r, to, c)
	if err != nil {
		return err
	}
	return a.showClean(d)
}

// planClean reads all about the sessions. It takes no lock, because nobody knows how long a person thinks.
func (a *app) planClean(ctx context.Context, r *oneRun, to *connection, c cleaning) (*gc.Clean, error) {
	ctx, cancel := r.withDeadline(ctx)
	defer cancel()
	plan, err := gc.PlanClean(ctx, to.systems, r.gc(a, to), c.Cleaning)
	if err != nil {
		return nil, &exitError{gc.ExitFailed, fmt.Errorf("stopped while reading; nothing was done: %w", err)}
	}
	return plan, nil
}

// refused says why nothing can be done.
func refused(plan *gc.Clean) error {
	why := plan.Refusal()
	if why == nil {
		return nil
	}
	return &exitError{plan.ExitCode, fmt.Errorf("nothing was done: %w", why)}
}

// carryClean reads everything again under the lock, and does it.
func (a *app) carryClean(ctx context.Context, r *oneRun, to *connection, c cleaning) (gc.Document, error) {
	ctx, cancel := r.withDeadline(ctx)
	defer cancel()
	ctx, unlocked, err := a.takeLock(ctx, r, to)
	if err == nil && unlocked != nil {
		err = &exitError{gc.ExitFailed, fmt.Errorf("nothing was done: %w", unlocked)}
	}
	if err != nil {
		return gc.Document{}, err
	}
	defer r.unlock(ctx)
	if err := r.repair(ctx, to); err != nil {
		return gc.Document{}, &exitError{gc.ExitFailed, fmt.Errorf("nothing was done: %w", err)}
	}
	c.Say = func(text string) {
		if isTerminal(a.stderr) {
			fmt.Fprintln(a.stderr, report.Clean(text))
		}
	}
	plan, err := a.planClean(ctx, r, to, c)
	if err == nil {
		err = refused(plan)
	}
	if err != nil {
		return gc.Document{}, err
	}
	j, err := r.openJournal(ctx, to)
	if err != nil {
		return gc.Document{}, &exitError{gc.ExitFailed, fmt.Errorf("nothing was done: %w", err)}
	}
	defer j.Close()
	done, err := plan.Carry(ctx, gc.Limits{MaxDeletes: math.MaxInt32, Grace: min(r.settings.RequestTimeout.D(), grace), Journal: j})
	if err != nil {
		return gc.Document{}, &exitError{gc.ExitFailed, err}
	}
	if done.Harmless() && ctx.Err() == nil {
		r.warn("the journal of a run that deleted nothing was not removed", "BOSGC_JOURNAL_RUNS", j.Discard(ctx))
	}
	r.log.Info("clean ended", "run", done.Run, "exitCode", done.ExitCode, "outcomes", done.Outcomes, "stopped", done.Stopped)
	r.count(ctx, to, done.Document)
	return done.Document, nil
}

// count adds what was deleted to the totals of all runs. Everything else that the state tells is of sweeps.
func (r *oneRun) count(ctx context.Context, to *connection, d gc.Document) {
	ledger, err := metrics.NewLedger(Version, Commit)
	if err != nil {
		r.log.Warn("what was deleted is not counted", "error", err.Error())
		return
	}
	r.metrics.RecordCleanup(d)
	r.keep(context.WithoutCancel(ctx), to, ledger, func(*state.State) {})
}

// repair brings up a batcher that a run which died has left down. Where that is not permitted, another run has to.
func (r *oneRun) repair(ctx context.Context, to *connection) error {
	b := batcher.Batcher{Kube: to.systems.Kube, Name: r.settings.Batcher, Log: r.log}
	repaired, err := b.Repair(ctx)
	switch {
	case kube.Forbidden(err):
		// Where it may not even be read, nobody here has ever left it down.
		r.log.Log(ctx, map[bool]slog.Level{true: slog.LevelError, false: slog.LevelDebug}[errors.Is(err, batcher.ErrDown)], "the batcher is not looked after, because that is not permitted", "error", err.Error())
		return nil
	case repaired:
		r.log.Warn("the batcher of CFS was left down by a run that died, and is up again", "deployment", r.settings.Batcher)
	}
	return err
}

func (r *oneRun) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	tooLate := fmt.Errorf("the run took longer than %s (BOSGC_DEADLINE)", r.settings.Deadline)
	return context.WithTimeoutCause(ctx, r.settings.Deadline.D(), tooLate)
}

// remember writes down at once that BOS's list hangs, or may: a command that only looks, or is killed, would forget it,
// and the next one would cost BOS another worker.
func (r *oneRun) remember(to *connection) func(*state.Hang) {
	return func(hang *state.Hang) {
		ctx, cancel := context.WithTimeout(context.Background(), stateWithin)
		defer cancel()
		err := state.NewStore(to.own, r.settings.StateName).UpdateOutsideRun(ctx, func(s *state.State) { s.List.Hang = hang })
		r.warn("how BOS's list did was not noted", "BOSGC_STATE_NAMESPACE", err)
	}
}

// gc is what package gc is to know of a run.
func (r *oneRun) gc(a *app, to *connection) gc.Run {
	return gc.Run{
		ID: r.id, Settings: r.settings.Policy(), Named: judging(r.settings), Cluster: to.cluster, Namespace: r.settings.Namespace, Clock: a.now, Reading: r.settings.Deadline.D() / 2, Batcher: r.settings.Batcher,
		Hung: r.remember(to), AskAll: a.view.html != "" || a.view.filter.ByTemplate(),
	}
}

func (a *app) showClean(d gc.Document) error {
	if a.output == "json" {
		return a.show(d)
	}
	if _, err := io.WriteString(a.stdout, report.Procedures(d)); err != nil {
		return written(err)
	}
	if d.ExitCode != gc.ExitDone {
		return &exitError{code: d.ExitCode}
	}
	return nil
}
