package sweep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bosgc/gc"
	"bosgc/internal/cleanup"
	"bosgc/internal/explain"
	"bosgc/internal/journal"
	"bosgc/internal/metrics"
	"bosgc/internal/planfile"
	"bosgc/policy"
)

// ErrDeclined is returned where a person was asked first, and has not said yes.
var ErrDeclined = errors.New("nothing was deleted")

// Sweep does one sweep and reports it wherever it is to be reported, whatever became of it.
func (r *Run) Sweep(ctx context.Context, ledger *metrics.Ledger) (gc.Document, error) {
	defer r.releaseLease(ctx)
	r.usesState = true
	d, err := r.planAndExecute(ctx, nil)
	if errors.Is(err, ErrDeclined) {
		return d, err // it was no sweep: told as one, it would hide that those have stopped
	}
	r.tell(ctx, ledger, r.options.Now().UTC(), d, err)
	return d, err
}

// Plan returns what a sweep would do. Nobody is told of it but who started it.
func (r *Run) Plan(ctx context.Context) (gc.Document, error) {
	r.Settings.DryRun = true
	return r.planAndExecute(ctx, nil)
}

// Apply carries out a saved plan: those objects and no others.
func (r *Run) Apply(ctx context.Context, saved *planfile.Plan, file string) (gc.Document, error) {
	if err := saved.CheckPlace(r.cluster, r.Settings.Namespace, r.begun); err != nil {
		return gc.Document{}, &Error{gc.ExitUsage, fmt.Errorf("%s cannot be applied: %w", file, err)}
	}
	defer r.releaseLease(ctx)
	r.usesState = !r.Settings.DryRun
	d, err := r.planAndExecute(ctx, saved)
	if err == nil && !r.Settings.DryRun {
		// Only the totals of all runs. It is no sweep: it must not hide that those have stopped, it says nothing of
		// what a sweep would leave, and no orphan is confirmed by applying a plan twice.
		r.countDeletes(ctx, d)
	}
	return d, err
}

// nameDifferences names the settings that differ from those that a plan was made with.
func (r *Run) nameDifferences(saved *planfile.Plan) {
	for _, c := range saved.Differences(r.Settings.PolicyByName()) {
		r.Log.Warn("a setting differs from the one that the plan was made with; an object is deleted only if both allow it",
			"setting", c.Name, "then", c.Then, "now", c.Now)
	}
}

// planAndExecute plans and, unless it is a dry run, carries out. A plan and a sweep differ in one call. saved restricts
// it to the objects of a saved plan; nil: to nothing.
func (r *Run) planAndExecute(ctx context.Context, saved *planfile.Plan) (gc.Document, error) {
	ctx, cancel := r.WithDeadline(ctx)
	defer cancel()
	if err := r.prepare(ctx); err != nil {
		return gc.Document{}, err
	}
	begun := time.Now()
	ctx, missing, err := r.acquireLease(ctx)
	if err != nil {
		return gc.Document{}, err
	}
	run, err := r.startRun(ctx)
	if err != nil {
		return gc.Document{}, err
	}
	if saved != nil {
		r.nameDifferences(saved)
	}
	r.clients.Timings.Add("taking the lock, reading the state", begun, 1)
	plan, err := gc.MakePlan(ctx, r.clients, run)
	if err != nil {
		return gc.Document{}, failed("stopped while reading; nothing was deleted: %w", err)
	}
	if saved != nil {
		saved.Restrict(plan)
	}
	if r.Settings.DryRun {
		return plan.Document, nil
	}
	if missing == nil && !r.confirmed(ctx, plan.Document) {
		if ctx.Err() != nil {
			return gc.Document{}, failed("stopped before an answer; %w: %w", ErrDeclined, context.Cause(ctx))
		}
		return plan.Document, ErrDeclined
	}
	report, err := r.execute(ctx, run, plan, missing)
	if err != nil {
		return gc.Document{}, &Error{gc.ExitFailed, err}
	}
	what := "sweep ended"
	if saved != nil {
		what = "apply ended"
	}
	r.logEnd(what, report)
	return report.Document, nil
}

func (r *Run) confirmed(ctx context.Context, plan gc.Document) bool {
	return r.Confirm == nil || plan.Summary.Delete == 0 || r.Confirm(ctx, plan)
}

// prepare waits for the mesh proxy and checks the permissions.
func (r *Run) prepare(ctx context.Context) error {
	r.WaitForMesh(ctx)
	begun := time.Now()
	if err := r.checkPermissions(ctx); err != nil {
		return &Error{gc.ExitFailed, err}
	}
	r.clients.Timings.Add("asking for permissions", begun, 1)
	return nil
}

func (r *Run) logEnd(what string, report *gc.Report) {
	r.Log.Info(what, "run", report.Run, "exitCode", report.ExitCode, "outcomes", report.Outcomes, "stopped", report.Stopped)
}

// execute goes on with interrupted procedures and then carries a plan out, unless something is missing without which
// nothing may be deleted.
func (r *Run) execute(ctx context.Context, run gc.Run, plan *gc.Plan, missing error) (*gc.Report, error) {
	requested := plan.World().Requested
	report := gc.NewReport(plan.Document)
	var j *journal.Journal
	if missing == nil && (plan.Summary.Delete > 0 || len(requested) > 0) {
		j, missing = r.openJournal(ctx)
	}
	if missing != nil {
		r.Log.Error("nothing is deleted", "error", missing.Error())
		return gc.Postpone(plan.Document, missing), nil
	}
	limits := r.limits(r.Settings.MaxDeletes, j)
	cleanup.Resume(ctx, r.clients, run, requested, limits, report)
	err := plan.Execute(ctx, limits, report)
	if j != nil {
		r.endJournal(ctx, j, report, err)
	}
	return report, err
}

// Explain returns everything that is known about one object, of one that is gone from the journal. The error is an
// *explain.NotFoundError within an *Error if nothing of that name is known.
func (r *Run) Explain(ctx context.Context, kind policy.Kind, name string) (*explain.Explanation, error) {
	r.Settings.DryRun = true
	ctx, cancel := r.WithDeadline(ctx)
	defer cancel()
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	run, err := r.startRun(ctx)
	if err != nil {
		return nil, err
	}
	e, err := explain.Explain(ctx, r.clients, run, kind, name)
	var unknown *explain.NotFoundError
	switch {
	case errors.As(err, &unknown):
		deletion, session, journalErr := r.findDeletion(ctx, kind, name)
		switch {
		case journalErr != nil:
			err = fmt.Errorf("%w\nWhether a run has deleted it is not known: %w", err, journalErr)
		case deletion != nil:
			return explain.OfDeleted(run, r.begun, unknown, session, deletion), nil
		}
		return nil, &Error{gc.ExitFailed, err}
	case err != nil:
		return nil, failed("stopped while reading: %w", err)
	}
	if e.Object.Verdict == "" { // of the session itself nothing is left
		e.Deletion, _, err = r.findDeletion(ctx, kind, name)
		r.warn("whether a run has deleted it is not known", "BOSGC_STATE_NAMESPACE", err)
	}
	return e, nil
}
