package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bosgc/gc"
	"bosgc/internal/journal"
	"bosgc/internal/restore"
	"bosgc/internal/transport"
)

// Journals returns the runs in the journal, the newest first.
func (r *Run) Journals(ctx context.Context) ([]journal.Info, error) {
	all, err := journal.Runs(ctx, r.own, r.Settings.StateName)
	if err != nil {
		return nil, &Error{gc.ExitFailed, err}
	}
	return all, nil
}

// Journal returns the journal of a run. Of a damaged one it returns what can be read, and the exit code
// gc.ExitIncomplete.
func (r *Run) Journal(ctx context.Context, run string) (*journal.Document, error) {
	entries, damage, err := r.readJournal(ctx, run, true)
	if err != nil {
		return nil, &Error{gc.ExitFailed, err}
	}
	d := &journal.Document{
		APIVersion: gc.APIVersion, Kind: "Journal", Run: run, Damage: damage, Entries: append([]journal.Entry{}, entries...),
	}
	if damage != "" {
		d.ExitCode = gc.ExitIncomplete
	}
	return d, nil
}

// PlanRestore compares the journal of a run with what exists now. A damaged journal is accepted only where damaged is
// set, so that nobody takes a part for the whole.
func (r *Run) PlanRestore(ctx context.Context, run string, damaged bool) (*restore.Plan, error) {
	entries, damage, err := r.readJournal(ctx, run, damaged)
	if err != nil {
		return nil, &Error{gc.ExitFailed, err}
	}
	plan, err := restore.MakePlan(ctx, r.clients, restore.Request{
		Run: run, Entries: entries, Cluster: r.cluster, Namespace: r.Settings.Namespace, Now: r.options.Now().UTC(),
	})
	if err != nil {
		return nil, failed("stopped while reading; nothing was put back: %w", err)
	}
	plan.Damage = damage
	return plan, nil
}

// Restore puts back what can be put back.
func (r *Run) Restore(ctx context.Context, plan *restore.Plan) (*restore.Document, error) {
	d, err := plan.Execute(ctx, r.options.Now)
	if err != nil {
		return nil, &Error{gc.ExitFailed, err}
	}
	r.Log.Info("restore ended", "run", d.Run, "exitCode", d.ExitCode, "outcomes", d.Outcomes, "stopped", d.Stopped)
	return d, nil
}

func (r *Run) readJournal(ctx context.Context, run string, damaged bool) (entries []journal.Entry, damage string, err error) {
	entries, err = journal.Read(ctx, r.own, r.Settings.StateName, run)
	var damageErr *journal.DamageError
	switch {
	case errors.Is(err, journal.ErrNoRun):
		return nil, "", r.unknownRun(ctx, run)
	case errors.As(err, &damageErr) && damaged:
		return entries, err.Error(), nil
	case errors.As(err, &damageErr):
		return nil, "", fmt.Errorf("%w; nothing was put back: --damaged puts back the %d entries that can be read", err, len(entries))
	}
	return entries, "", err
}

// unknownRun names the runs that are known, those with a similar name first.
func (r *Run) unknownRun(ctx context.Context, run string) error {
	all, err := journal.Runs(ctx, r.own, r.Settings.StateName)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("%w: %q; there is no journal at all in namespace %q (BOSGC_STATE_NAMESPACE)",
			journal.ErrNoRun, run, r.own.Namespace())
	}
	slices.SortStableFunc(all, func(x, y journal.Info) int {
		return cmp.Compare(commonLength(y.Run, run), commonLength(x.Run, run))
	})
	var names []string
	for _, info := range all[:min(len(all), 5)] {
		names = append(names, transport.Printable(info.Run, 80))
	}
	return fmt.Errorf("%w: %q; known are %s; \"bosgc journal\" lists all %d", journal.ErrNoRun, run, strings.Join(names, ", "), len(all))
}

// commonLength returns how many characters two texts have in common at their beginning or end.
func commonLength(a, b string) int {
	front, back := 0, 0
	for front < min(len(a), len(b)) && a[front] == b[front] {
		front++
	}
	for back < min(len(a), len(b)) && a[len(a)-1-back] == b[len(b)-1-back] {
		back++
	}
	return max(front, back)
}
