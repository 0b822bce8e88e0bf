package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bosgc/gc"
	"bosgc/internal/report"
	"bosgc/internal/restore"
	"bosgc/internal/sweep"
)

// restoreFlags are how a run is to be restored.
type restoreFlags struct {
	run     string
	dryRun  bool
	yes     bool
	damaged bool
}

func (a *app) restore() *cobra.Command {
	var r restoreFlags
	cmd := &cobra.Command{
		Use:   "restore [RUN]",
		Short: "Put back what a run has deleted, as far as that can be; list the runs",
		Long: `Put back what a run has deleted, from its journal: ConfigMaps, and desired
configurations that are still unset. Nothing that is there is written over or
deleted. Jobs and sessions do not come back: the report says of each why not.

Without RUN, the runs in the journal are listed. On a terminal, what would be done
is shown and asked about first; --dry-run (or BOSGC_DRY_RUN=true) only shows it.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && (r.dryRun || r.yes || r.damaged) {
				return errors.New("no RUN is given; without one, the runs are listed, and no other flags are expected")
			}
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
			r.run, r.dryRun = args[0], r.dryRun || run.Settings.DryRun
			return a.restoreRun(ctx, cmd.InOrStdin(), run, r)
		},
	}
	cmd.Flags().BoolVar(&r.dryRun, "dry-run", false, "show what would be put back, and do nothing")
	cmd.Flags().BoolVar(&r.yes, "yes", false, "do not ask, on a terminal too")
	cmd.Flags().BoolVar(&r.damaged, "damaged", false, "put back what can be read of a damaged journal")
	return cmd
}

func (a *app) restoreRun(ctx context.Context, in io.Reader, run *sweep.Run, r restoreFlags) error {
	plan, err := run.PlanRestore(ctx, r.run, r.damaged)
	if err != nil {
		return err
	}
	if r.dryRun {
		return a.showRestore(plan.Document)
	}
	if open := plan.Summary[restore.Create] + plan.Summary[restore.Set]; open > 0 && !r.yes && a.asks(in) {
		fmt.Fprint(a.stderr, report.Restore(plan.Document))
		if !a.confirmed(ctx, in, fmt.Sprintf("\nPut back %d of them?", open)) {
			if ctx.Err() != nil {
				err := fmt.Errorf("stopped before an answer; nothing was put back: %w", context.Cause(ctx))
				return &sweep.Error{Code: gc.ExitFailed, Err: err}
			}
			fmt.Fprintln(a.stderr, "Nothing was put back.")
			if !a.wantsDocument() {
				return nil // it has just been shown
			}
			return a.showRestore(plan.Document)
		}
	}
	d, err := run.Restore(ctx, plan)
	if err != nil {
		return err
	}
	return a.showRestore(*d)
}

// asks reports whether a person can be asked. Otherwise the caller is a program, and wants it done.
func (a *app) asks(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && isTerminal(a.stderr)
}

func (a *app) confirmed(ctx context.Context, in io.Reader, question string) bool {
	fmt.Fprint(a.stderr, question+" [y/N] ")
	answer := make(chan string, 1)
	go func() { // a read from a terminal knows of no context
		line, _ := bufio.NewReader(in).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case line := <-answer:
		return line == "y" || line == "yes"
	case <-ctx.Done():
		fmt.Fprintln(a.stderr)
		return false
	}
}

func (a *app) showRestore(d restore.Document) error {
	if err := a.writeResult(d, func() string { return report.Restore(d) }); err != nil {
		return err
	}
	return exitWith(d.ExitCode)
}
