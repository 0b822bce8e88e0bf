package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bosgc/gc"
	"bosgc/internal/config"
	"bosgc/internal/journal"
	"bosgc/internal/metrics"
	"bosgc/internal/report"
)

// restoring is how a run is to be restored.
type restoring struct {
	run     string
	dryRun  bool
	yes     bool
	damaged bool
}

func (a *app) restore() *cobra.Command {
	var r restoring
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
			settings, log, err := a.load()
			if err != nil {
				return err
			}
			to, err := a.connect(settings, metrics.New(Version, Commit), log)
			if err != nil {
				return &exitError{gc.ExitUsage, err}
			}
			tooLate := fmt.Errorf("it took longer than %s (BOSGC_DEADLINE)", settings.Deadline)
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), settings.Deadline.D(), tooLate)
			defer cancel()
			waitForMesh(ctx, settings.MeshQuitURL, meshPatience, log)
			if len(args) == 0 {
				return a.listRuns(ctx, settings, to)
			}
			r.run, r.dryRun = args[0], r.dryRun || settings.DryRun
			return a.restoreRun(ctx, cmd.InOrStdin(), settings, to, r, log)
		},
	}
	cmd.Flags().BoolVar(&r.dryRun, "dry-run", false, "show what would be put back, and do nothing")
	cmd.Flags().BoolVar(&r.yes, "yes", false, "do not ask, on a terminal too")
	cmd.Flags().BoolVar(&r.damaged, "damaged", false, "put back what can be read of a damaged journal")
	return cmd
}

// runs is the document of a list of runs.
type runs struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"` // Runs
	Runs       []journal.Info `json:"runs"` // the newest first
	ExitCode   int            `json:"exitCode"`
}

func (a *app) listRuns(ctx context.Context, settings config.Config, to *connection) error {
	all, err := journal.Runs(ctx, to.own, settings.StateName)
	if err != nil {
		return &exitError{gc.ExitFailed, err}
	}
	if a.output == "json" {
		return written(report.JSON(a.stdout, runs{gc.APIVersion, "Runs", append([]journal.Info{}, all...), gc.ExitDone}))
	}
	if len(all) == 0 {
		fmt.Fprintf(a.stderr, "There is no journal in namespace %q (BOSGC_STATE_NAMESPACE).\n", to.own.Namespace())
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-28s %-20s %8s %7s %9s\n", "RUN", "CREATED", "ENTRIES", "CHUNKS", "KIB")
	for _, r := range all {
		fmt.Fprintf(&b, "%-28s %-20s %8d %7d %9.1f\n", report.Clean(r.Run), r.Created.UTC().Format(time.RFC3339), r.Entries, r.Chunks, float64(r.Bytes)/1024)
	}
	_, err = io.WriteString(a.stdout, b.String())
	return written(err)
}

func (a *app) restoreRun(ctx context.Context, in io.Reader, settings config.Config, to *connection, r restoring, log *slog.Logger) error {
	entries, damage, err := readJournal(ctx, settings, to, r)
	if err != nil {
		return &exitError{gc.ExitFailed, err}
	}
	plan, err := gc.PlanRestore(ctx, to.systems, gc.Restoring{
		Run: r.run, Entries: entries, Cluster: to.cluster, Namespace: settings.Namespace, Now: a.now().UTC(),
	})
	if err != nil {
		return &exitError{gc.ExitFailed, fmt.Errorf("stopped while reading; nothing was put back: %w", err)}
	}
	plan.Damage = damage
	if r.dryRun {
		return a.showRestore(plan.RestoreDocument)
	}
	if open := plan.Summary[gc.RestoreCreate] + plan.Summary[gc.RestoreSet]; open > 0 && !r.yes && a.asks(in) {
		fmt.Fprint(a.stderr, restoreTable(plan.RestoreDocument))
		if !a.confirmed(ctx, in, fmt.Sprintf("\nPut back %d of them?", open)) {
			if ctx.Err() != nil {
				return &exitError{gc.ExitFailed, fmt.Errorf("stopped before an answer; nothing was put back: %w", context.Cause(ctx))}
			}
			fmt.Fprintln(a.stderr, "Nothing was put back.")
			if a.output != "json" {
				return nil // it has just been shown
			}
			return a.showRestore(plan.RestoreDocument)
		}
	}
	d, err := plan.Carry(ctx, a.now)
	if err != nil {
		return &exitError{gc.ExitFailed, err}
	}
	log.Info("restore ended", "run", d.Run, "exitCode", d.ExitCode, "outcomes", d.Outcomes, "stopped", d.Stopped)
	return a.showRestore(*d)
}

// readJournal gives the entries of a run. A damaged journal is one only for those who ask for it,
// so that nobody takes a part for the whole.
func readJournal(ctx context.Context, settings config.Config, to *connection, r restoring) (entries []journal.Entry, damage string, err error) {
	entries, err = journal.Read(ctx, to.own, settings.StateName, r.run)
	var damaged *journal.DamageError
	switch {
	case errors.Is(err, journal.ErrNoRun):
		return nil, "", noRun(ctx, settings, to, r.run)
	case errors.As(err, &damaged) && r.damaged:
		return entries, err.Error(), nil
	case errors.As(err, &damaged):
		return nil, "", fmt.Errorf("%w; nothing was put back: --damaged puts back the %d entries that can be read", err, len(entries))
	}
	return entries, "", err
}

// noRun says which runs there are instead, those with a similar name first.
func noRun(ctx context.Context, settings config.Config, to *connection, run string) error {
	all, err := journal.Runs(ctx, to.own, settings.StateName)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("%w: %q; there is no journal at all in namespace %q (BOSGC_STATE_NAMESPACE)", journal.ErrNoRun, run, to.own.Namespace())
	}
	slices.SortStableFunc(all, func(x, y journal.Info) int { return cmp.Compare(alike(y.Run, run), alike(x.Run, run)) })
	var names []string
	for _, r := range all[:min(len(all), 5)] {
		names = append(names, report.Clean(r.Run))
	}
	return fmt.Errorf("%w: %q; known are %s; \"bosgc restore\" lists all %d", journal.ErrNoRun, run, strings.Join(names, ", "), len(all))
}

// alike is how many characters two texts have in common at their beginning or end.
func alike(a, b string) int {
	front, back := 0, 0
	for front < min(len(a), len(b)) && a[front] == b[front] {
		front++
	}
	for back < min(len(a), len(b)) && a[len(a)-1-back] == b[len(b)-1-back] {
		back++
	}
	return max(front, back)
}

// asks says whether somebody is there to be asked. Whoever is not is a program, and wants it done.
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

func (a *app) showRestore(d gc.RestoreDocument) error {
	var err error
	if a.output == "json" {
		err = report.JSON(a.stdout, d)
	} else {
		_, err = io.WriteString(a.stdout, restoreTable(d))
	}
	if err := written(err); err != nil {
		return err
	}
	if d.ExitCode != gc.ExitDone {
		return &exitError{code: d.ExitCode}
	}
	return nil
}

// fates are the parts of the table, in its order.
var fates = []struct {
	title string
	is    func(gc.RestoreStep) bool
}{
	{"Failed", func(s gc.RestoreStep) bool { return s.Outcome == gc.Failed }},
	{"Left alone, because somebody was faster", func(s gc.RestoreStep) bool { return s.Outcome == gc.Skipped }},
	{"Not done, because it was stopped", func(s gc.RestoreStep) bool { return s.Outcome == gc.Waiting }},
	{"Put back", func(s gc.RestoreStep) bool { return s.Outcome == gc.Restored }},
	{"To put back", func(s gc.RestoreStep) bool {
		return s.Outcome == "" && (s.Action == gc.RestoreCreate || s.Action == gc.RestoreSet)
	}},
	{"Left alone", func(s gc.RestoreStep) bool {
		return s.Outcome == "" && (s.Action == gc.RestoreDiffers || s.Action == gc.RestoreKept)
	}},
	{"There already", func(s gc.RestoreStep) bool { return s.Action == gc.RestoreExists }},
}

// plain says whether an object's part of the table has said everything about it.
func plain(s gc.RestoreStep) bool {
	switch s.Action {
	case gc.RestoreCreate:
		return s.Outcome != gc.Failed && s.Outcome != gc.Skipped
	case gc.RestoreSet:
		return s.Outcome == gc.Restored || s.Outcome == gc.Waiting
	default:
		return s.Action == gc.RestoreExists
	}
}

// restoreTable shows a restore to a person. Names and texts are data, from a journal that anybody
// may have written to.
func restoreTable(d gc.RestoreDocument) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Restore of run %s\n", report.Clean(d.Run))
	if d.DryRun {
		b.WriteString("Nothing has been done.\n")
	}
	for _, text := range []string{d.Damage, d.Stopped} {
		if text != "" {
			fmt.Fprintln(&b, report.Clean(text))
		}
	}
	for _, fate := range fates {
		var objects []string
		for _, s := range d.Steps {
			if !fate.is(s) {
				continue
			}
			object := fmt.Sprintf("%-10s  %s\n", report.Clean(s.Kind), report.Clean(s.Name))
			if !plain(s) {
				object += "    " + report.Clean(cmp.Or(s.Error, s.Detail)) + "\n"
			}
			objects = append(objects, object)
		}
		if len(objects) > 0 {
			fmt.Fprintf(&b, "\n%s (%d)\n%s", fate.title, len(objects), strings.Join(objects, ""))
		}
	}
	impossible(&b, d.Steps)
	for _, note := range d.Notes {
		fmt.Fprintf(&b, "\nNote: %s\n", note)
	}
	return b.String()
}

// impossible gathers under each reason what does not come back for it.
func impossible(b *strings.Builder, steps []gc.RestoreStep) {
	names := map[string][]string{}
	var reasons []string
	for _, s := range steps {
		if s.Action != gc.RestoreImpossible {
			continue
		}
		if _, known := names[s.Detail]; !known {
			reasons = append(reasons, s.Detail)
		}
		names[s.Detail] = append(names[s.Detail], fmt.Sprintf("%-10s  %s\n", report.Clean(s.Kind), report.Clean(s.Name)))
	}
	for _, reason := range reasons {
		fmt.Fprintf(b, "\nNot put back (%d): %s\n%s", len(names[reason]), report.Clean(reason), strings.Join(names[reason], ""))
	}
}
