package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/metrics"
	"bosgc/internal/sweep"
)

func (a *app) sweep() *cobra.Command {
	var maxDeletes maxDeletesFlag
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Delete what is finished or orphaned: what the CronJob runs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := maxDeletes.take(a, cmd); err != nil {
				return err
			}
			defer a.quitMesh() // also after a mistake in the settings: otherwise the Pod would never end
			run, err := a.newRun()
			if err != nil {
				return err
			}
			return a.sweepAndShow(cmd.Context(), run)
		},
	}
	maxDeletes.add(cmd)
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

// maxDeletesFlag is the flag --max-deletes, which takes the place of BOSGC_MAX_DELETES.
type maxDeletesFlag struct{ n int }

func (f *maxDeletesFlag) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.n, "max-deletes", 0, "objects to delete at most in this run (default: BOSGC_MAX_DELETES)")
}

// take puts the flag into the environment, where it comes before what scheduled sweeps have recorded.
func (f *maxDeletesFlag) take(a *app, cmd *cobra.Command) error {
	if !cmd.Flags().Changed("max-deletes") {
		return nil
	}
	if f.n < 1 {
		return fmt.Errorf("--max-deletes is %d; expected at least 1", f.n)
	}
	a.environ = append(slices.Clone(a.environ), fmt.Sprintf("BOSGC_MAX_DELETES=%d", f.n))
	return nil
}
