package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/metrics"
	"bosgc/internal/sweep"
)

func (a *app) sweep() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Delete what is finished or orphaned: what the CronJob runs",
		Long: `Plan and carry out in one go: what the CronJob runs. On a terminal the counts are
shown and a question is asked before anything is deleted; elsewhere it goes on.
--yes does not ask, --dry-run (or BOSGC_DRY_RUN=true) only shows the plan.`,
		Example: `  bosgc sweep --dry-run
  bosgc sweep --max-deletes 100
  bosgc sweep --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.take(a, cmd); err != nil {
				return err
			}
			defer a.quitMesh() // also after a mistake in the settings: otherwise the Pod would never end
			run, err := a.newRun()
			if err != nil {
				return err
			}
			flags.askFirst(a, cmd.InOrStdin(), run)
			return a.sweepAndShow(cmd.Context(), run)
		},
	}
	flags.add(cmd)
	a.addViewFlags(cmd, func() bool { return true })
	return cmd
}

// sweepAndShow does one sweep, and shows what came of it before it lingers for a scrape.
func (a *app) sweepAndShow(ctx context.Context, run *sweep.Run) error {
	ledger, err := metrics.NewLedger(Version, Commit)
	if err != nil {
		return &sweep.Error{Code: gc.ExitFailed, Err: err}
	}
	d, err := run.Sweep(ctx, ledger)
	if err == sweep.ErrDeclined { //nolint:errorlint // wrapped, it is the error of a run that was stopped
		return a.showDeclined(d)
	}
	var exit *sweep.Error
	if errors.As(err, &exit) && exit.Code == gc.ExitUsage {
		return err
	}
	if err == nil {
		err = a.show(d)
	}
	run.Linger(ctx, ledger)
	return err
}
