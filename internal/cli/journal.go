package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/journal"
	"bosgc/internal/report"
	"bosgc/internal/sweep"
)

func (a *app) journal() *cobra.Command {
	return &cobra.Command{
		Use:   "journal [RUN]",
		Short: "Show what a run has deleted, when and why; list the runs",
		Long: `Show the journal of a run: each object that it has deleted, or was about to
delete, when and why. With -o json also the whole of each object, as its API
returned it. Without RUN, the runs in the journal are listed.

An object is written to the journal before it is deleted. One that changed in the
last moment is in the journal, and still exists.`,
		Example: `  bosgc journal
  bosgc journal 20261129t070950z-44826f3f
  bosgc journal 20261129t070950z-44826f3f -o json | jq '.entries[].object'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			defer a.quitMesh()
			run, err := a.newRun()
			if err != nil {
				return err
			}
			ctx, cancel := run.WithDeadline(cmd.Context())
			defer cancel()
			run.WaitForMesh(ctx)
			if len(args) == 0 {
				return a.listRuns(ctx, run)
			}
			return a.showJournal(ctx, run, args[0])
		},
	}
}

func (a *app) showJournal(ctx context.Context, run *sweep.Run, name string) error {
	d, err := run.Journal(ctx, name)
	if err != nil {
		return err
	}
	if err := a.writeResult(d, func() string { return report.Journal(*d, a.output == "wide") }); err != nil {
		return err
	}
	return exitWith(d.ExitCode)
}

// runs is the document of a list of runs.
type runs struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"` // Runs
	Runs       []journal.Info `json:"runs"` // the newest first
	ExitCode   int            `json:"exitCode"`
}

func (a *app) listRuns(ctx context.Context, run *sweep.Run) error {
	all, err := run.Journals(ctx)
	if err != nil {
		return err
	}
	if a.output == "name" {
		for _, run := range all {
			fmt.Fprintln(a.stdout, report.Clean(run.Run))
		}
		return nil
	}
	if len(all) == 0 && !a.structured() {
		fmt.Fprintf(a.stderr, "Namespace %q (BOSGC_STATE_NAMESPACE) has no journal.\n", run.Store().Namespace())
		return nil
	}
	d := runs{gc.APIVersion, "Runs", append([]journal.Info{}, all...), gc.ExitDone}
	return a.writeResult(d, func() string { return report.Journals(all) })
}
