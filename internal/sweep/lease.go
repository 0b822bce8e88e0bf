package sweep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"bosgc/gc"
	"bosgc/internal/journal"
	"bosgc/internal/lease"
	"bosgc/internal/margin"
)

// acquireLease keeps everybody else from deleting, and then repairs what a run that died has left. A dry run needs no
// lease. The context that it returns ends when the lease is lost. missing is why the lease could not be asked for: then
// everything is read all the same, to tell what else cannot be reached.
func (r *Run) acquireLease(ctx context.Context) (held context.Context, missing, err error) {
	if r.Settings.DryRun {
		return ctx, nil, nil
	}
	host, _ := os.Hostname() // in a Pod its name; without one the run's ID still tells holders apart
	holder := strings.TrimPrefix(host+"_"+r.ID, "_")
	l, held, err := lease.Acquire(ctx, r.own, r.Settings.StateName, holder, r.options.Now, r.Log)
	switch {
	case errors.Is(err, lease.ErrHeld):
		return nil, nil, &Error{gc.ExitLocked, fmt.Errorf("%w; nothing was deleted: wait for its end (Lease %s in namespace %q)",
			err, r.Settings.StateName, r.own.Namespace())}
	case err != nil:
		return ctx, fmt.Errorf("the lock could not be taken: %w", err), nil
	}
	r.lease = l
	if err := r.repairBatcher(held); err != nil {
		return nil, nil, failed("nothing was deleted: %w", err)
	}
	return held, nil, nil
}

// releaseLease frees the lease, if it is held. It comes after the report, so that the next run knows of this one.
func (r *Run) releaseLease(ctx context.Context) {
	if r.lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin.ReportTimeout)
	defer cancel()
	r.lease.Release(ctx)
}

// openJournal opens the journal of the run, without which nothing may be deleted. The caller closes it by endJournal.
func (r *Run) openJournal(ctx context.Context) (*journal.Journal, error) {
	j, err := journal.Open(ctx, journal.Options{
		Store: r.own, Name: r.Settings.StateName, Run: r.ID, Dir: r.Settings.JournalDir, Runs: r.Settings.JournalRuns,
	})
	if err != nil {
		return nil, fmt.Errorf("the journal cannot be written: %w", err)
	}
	return j, nil
}

// endJournal closes the journal, and removes it again if certainly nothing was deleted.
func (r *Run) endJournal(ctx context.Context, j *journal.Journal, report *gc.Report, err error) {
	if err == nil && report.Harmless() && ctx.Err() == nil {
		r.warn("the journal of a run that deleted nothing was not removed", "BOSGC_JOURNAL_RUNS", j.Discard(ctx))
	}
	j.Close()
}

// limits returns the bounds of an execution. The grace is cut to what the lease leaves: what is still under way when it
// is lost must have ended before others begin.
func (r *Run) limits(maxDeletes int, j *journal.Journal) gc.Limits {
	return gc.Limits{MaxDeletes: maxDeletes, Grace: min(r.Settings.RequestTimeout.D(), margin.StopGrace), Journal: j}
}
