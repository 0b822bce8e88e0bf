package cli

import (
	"context"
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
			return a.run(cmd.Context(), 0, true)
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
			return a.run(cmd.Context(), maxDeletes, false)
		},
	}
	cmd.Flags().IntVar(&maxDeletes, "max-deletes", 0, "objects to delete at most in this run (default: BOSGC_MAX_DELETES)")
	return cmd
}

// run does one sweep and shows what came of it.
func (a *app) run(ctx context.Context, maxDeletes int, lookOnly bool) error {
	defer a.quitMesh() // also after a mistake in the settings: else the Pod would never end
	settings, log, err := a.load()
	if err != nil {
		return err
	}
	if maxDeletes > 0 {
		settings.MaxDeletes = maxDeletes
	}
	settings.DryRun = settings.DryRun || lookOnly
	d, err := a.once(ctx, settings, metrics.New(Version, Commit), log)
	if err != nil {
		return err
	}
	return a.show(d)
}

// once plans and, unless told to look only, carries out. A plan and a sweep differ in one call.
func (a *app) once(ctx context.Context, settings config.Config, m *metrics.Metrics, log *slog.Logger) (gc.Document, error) {
	systems, cluster, err := a.connect(settings, m, log)
	if err != nil {
		return gc.Document{}, &exitError{gc.ExitUsage, err}
	}
	tooLate := fmt.Errorf("the run took longer than %s (BOSGC_DEADLINE)", settings.Deadline)
	ctx, cancel := context.WithTimeoutCause(ctx, settings.Deadline.D(), tooLate)
	defer cancel()

	waitForMesh(ctx, settings.MeshQuitURL, meshPatience, log)
	if err := preflight(ctx, systems.Kube, settings, log); err != nil {
		return gc.Document{}, &exitError{gc.ExitFailed, err}
	}
	plan, err := gc.MakePlan(ctx, systems, settings.Policy(), cluster, time.Now().UTC(), settings.Deadline.D()/2)
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
	log.Info("sweep ended", "run", report.Run, "exitCode", report.ExitCode, "outcomes", report.Outcomes, "stopped", report.Stopped)
	return report.Document, nil
}
