package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/report"
	"bosgc/internal/sweep"
)

// runFlags are the flags of a command that deletes what the rules allow.
type runFlags struct {
	maxDeletes  int
	dryRun, yes bool
}

func (f *runFlags) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.maxDeletes, "max-deletes", 0, "objects to delete at most in this run (default: BOSGC_MAX_DELETES)")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "show what would be deleted, and delete nothing (default: BOSGC_DRY_RUN)")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask, on a terminal too")
}

// take puts the flags into the environment, where they come before what scheduled sweeps have recorded.
func (f *runFlags) take(a *app, cmd *cobra.Command) error {
	a.environ = slices.Clone(a.environ)
	if cmd.Flags().Changed("dry-run") {
		a.environ = append(a.environ, fmt.Sprintf("BOSGC_DRY_RUN=%t", f.dryRun))
	}
	if !cmd.Flags().Changed("max-deletes") {
		return nil
	}
	if f.maxDeletes < 1 {
		return fmt.Errorf("--max-deletes is %d; expected at least 1", f.maxDeletes)
	}
	a.environ = append(a.environ, fmt.Sprintf("BOSGC_MAX_DELETES=%d", f.maxDeletes))
	return nil
}

// askFirst has a person at a terminal asked before anything is deleted.
func (f *runFlags) askFirst(a *app, in io.Reader, run *sweep.Run) {
	if f.yes || !a.asks(in) {
		return
	}
	run.Confirm = func(ctx context.Context, plan gc.Document) bool {
		fmt.Fprint(a.stderr, report.Counts(plan))
		question := fmt.Sprintf("\nDelete %d objects?", plan.Summary.Delete)
		if most := run.Settings.MaxDeletes; plan.Summary.Delete > most {
			question = fmt.Sprintf("\nDelete %d of %d objects (BOSGC_MAX_DELETES)?", most, plan.Summary.Delete)
		}
		return a.confirmed(ctx, in, question)
	}
}

// showDeclined ends a command whose question was answered with no. A program that listens gets the plan.
func (a *app) showDeclined(plan gc.Document) error {
	fmt.Fprintln(a.stderr, "Nothing was deleted.")
	if !a.wantsDocument() {
		return nil
	}
	return a.show(plan)
}
