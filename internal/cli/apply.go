package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/planfile"
	"bosgc/internal/sweep"
)

func (a *app) apply() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Carry out a plan that was saved: those objects and no others",
		Long: `Carry out a plan that "bosgc plan --save FILE" has written: those objects and no
others. Everything is read again and each object judged again. One that has changed,
or that the rules and settings of now would keep, is skipped and says why.

A plan is refused as a whole, with exit code 2 and before anything is contacted, if
it has expired, is for another cluster or namespace, or was changed by hand.

On a terminal the counts are shown and a question is asked before anything is
deleted; --yes does not ask. --dry-run (or BOSGC_DRY_RUN=true) only shows the plan.`,
		Example: `  bosgc plan --save plan.json
  bosgc apply plan.json --dry-run
  bosgc apply plan.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.take(a, cmd); err != nil {
				return err
			}
			defer a.quitMesh()
			settings, log, err := a.load()
			if err != nil {
				return err
			}
			saved, err := planfile.Read(args[0])
			if err != nil {
				return &sweep.Error{Code: gc.ExitUsage, Err: fmt.Errorf("%s: %w", args[0], err)}
			}
			run, err := sweep.New(a.runOptions(), settings, log)
			if err != nil {
				return err
			}
			flags.askFirst(a, cmd.InOrStdin(), run)
			d, err := run.Apply(cmd.Context(), saved, args[0])
			if err == sweep.ErrDeclined { //nolint:errorlint // wrapped, it is the error of a run that was stopped
				return a.showDeclined(d)
			}
			if err != nil {
				return err
			}
			return a.show(d)
		},
	}
	flags.add(cmd)
	a.addViewFlags(cmd, func() bool { return true })
	return cmd
}
