package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"bosgc/config"
	"bosgc/gc"
	"bosgc/metrics"
)

// grace is what requests under way get when a run is told to stop. Kubernetes gives a Pod 30
// seconds by default, and the report has to be written within them too.
const grace = 20 * time.Second

func (a *app) plan() *cobra.Command {
	return &cobra.Command{
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
			if err != nil {
				return err
			}
			return a.show(d)
		},
	}
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
}

func (a *app) begin(settings config.Config, log *slog.Logger) *oneRun {
	now := time.Now().UTC()
	return &oneRun{id: gc.RunID(now), begun: now, settings: settings, log: log, metrics: metrics.New(Version, Commit)}
}

// sweepAndReport does one sweep and reports it wherever it is to be reported, whatever became
// of it.
func (a *app) sweepAndReport(ctx context.Context, r *oneRun, ledger *metrics.Ledger) (gc.Document, error) {
	to, err := a.connect(r.settings, r.metrics, r.log)
	if err != nil {
		return gc.Document{}, &exitError{gc.ExitUsage, err}
	}
	d, err := a.connected(ctx, r, to)
	r.report(ctx, to, ledger, d, err)
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
	tooLate := fmt.Errorf("the run took longer than %s (BOSGC_DEADLINE)", settings.Deadline)
	ctx, cancel := context.WithTimeoutCause(ctx, settings.Deadline.D(), tooLate)
	defer cancel()

	waitForMesh(ctx, settings.MeshQuitURL, meshPatience, r.log)
	if err := preflight(ctx, to.systems.Kube, settings, r.log); err != nil {
		return gc.Document{}, &exitError{gc.ExitFailed, err}
	}
	plan, err := gc.MakePlan(ctx, to.systems, gc.Run{
		ID: r.id, Settings: settings.Policy(), Cluster: to.cluster, Now: r.begun, Reading: settings.Deadline.D() / 2,
	})
	if err != nil {
		return gc.Document{}, &exitError{gc.ExitFailed, fmt.Errorf("stopped while reading; nothing was deleted: %w", err)}
	}
	if settings.DryRun {
		return plan.Document, nil
	}
	report, err := plan.Execute(ctx, gc.Limits{MaxDeletes: settings.MaxDeletes, Grace: min(settings.RequestTimeout.D(), grace)})
	if err != nil {
		return gc.Document{}, &exitError{gc.ExitFailed, err}
	}
	r.log.Info("sweep ended", "run", report.Run, "exitCode", report.ExitCode, "outcomes", report.Outcomes, "stopped", report.Stopped)
	return report.Document, nil
}
