package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/cleanup"
	"bosgc/internal/inventory"
	"bosgc/internal/report"
	"bosgc/internal/sweep"
)

// cleanFlags are how sessions are to be taken apart.
type cleanFlags struct {
	cleanup.Request

	dryRun bool
	yes    bool
}

func (a *app) clean() *cobra.Command {
	var c cleanFlags
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
			run, err := sweep.New(a.runOptions(), settings, log)
			if err != nil {
				return err
			}
			return a.cleanSessions(cmd.Context(), cmd.InOrStdin(), run, c)
		},
	}
	cmd.Flags().BoolVar(&c.Unset, "unset-config", false, "also unset the desired configuration that they set")
	cmd.Flags().BoolVar(&c.Cancel, "cancel", false, "also if they still run: stop them, and undo what they set going")
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "show what would be done, and do nothing")
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask")
	return cmd
}

// check takes the sessions over, each once.
func (c *cleanFlags) check(args []string) error {
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

func (a *app) cleanSessions(ctx context.Context, in io.Reader, run *sweep.Run, c cleanFlags) error {
	preview, err := run.PlanCleanup(ctx, c.Request)
	if err != nil {
		return err
	}
	if err := sweep.Refused(preview); err != nil {
		if !a.structured() {
			fmt.Fprint(a.stderr, report.Procedures(preview.Document))
		}
		return err
	}
	if c.dryRun {
		if !a.structured() {
			fmt.Fprintln(a.stderr, "This is what would be done; nothing has been.")
		}
		return a.showClean(preview.Document)
	}
	if !c.yes {
		fmt.Fprint(a.stderr, report.Procedures(preview.Document))
		if !a.confirmed(ctx, in, "\nDo this?") {
			fmt.Fprintln(a.stderr, "Nothing was done.")
			if a.wantsDocument() {
				return a.showClean(preview.Document)
			}
			return nil
		}
	}
	d, err := run.Cleanup(ctx, preview, func(text string) {
		if isTerminal(a.stderr) {
			fmt.Fprintln(a.stderr, report.Clean(text))
		}
	})
	if err != nil {
		return err
	}
	return a.showClean(d)
}

func (a *app) showClean(d gc.Document) error {
	if err := a.writeResult(d, func() string { return report.Procedures(d) }); err != nil {
		return err
	}
	return exitWith(d.ExitCode)
}
