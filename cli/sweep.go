package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"bosgc/gc"
)

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

// run plans and, unless told to look only, carries out. A plan and a sweep differ in one call.
func (a *app) run(ctx context.Context, maxDeletes int, lookOnly bool) error {
	settings, log, err := a.load()
	if err != nil {
		return err
	}
	systems, cluster, err := a.connect(settings, log)
	if err != nil {
		return &exitError{gc.ExitUsage, err}
	}
	defer quitMesh(settings.MeshQuitURL, log)

	tooLate := fmt.Errorf("the run took longer than %s (BOSGC_DEADLINE)", settings.Deadline)
	ctx, cancel := context.WithTimeoutCause(ctx, settings.Deadline.D(), tooLate)
	defer cancel()

	waitForMesh(ctx, settings.MeshQuitURL, meshPatience, log)
	if err := preflight(ctx, systems.Kube, settings.Namespace, lookOnly || settings.DryRun, log); err != nil {
		return &exitError{gc.ExitFailed, err}
	}
	plan, err := gc.MakePlan(ctx, systems, settings.Policy(), cluster, time.Now().UTC())
	if err != nil {
		return &exitError{gc.ExitFailed, fmt.Errorf("stopped while reading; nothing was deleted: %w", err)}
	}
	if lookOnly || settings.DryRun {
		return a.show(plan.Document)
	}
	if maxDeletes == 0 {
		maxDeletes = settings.MaxDeletes
	}
	report, err := plan.Execute(ctx, gc.Limits{MaxDeletes: maxDeletes, Grace: settings.RequestTimeout.D()})
	if err != nil {
		return &exitError{gc.ExitFailed, err}
	}
	log.Info("sweep ended", "run", report.Run, "exitCode", report.ExitCode, "outcomes", report.Outcomes, "stopped", report.Stopped)
	return a.show(report.Document)
}
