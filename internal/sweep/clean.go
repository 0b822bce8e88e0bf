package sweep

import (
	"context"
	"fmt"
	"math"
	"slices"

	"bosgc/gc"
	"bosgc/internal/cleanup"
	"bosgc/internal/kube"
	"bosgc/internal/margin"
	"bosgc/internal/state"
)

// PlanCleanup reads all about some sessions. It takes no lease, because nobody knows how long a person thinks.
func (r *Run) PlanCleanup(ctx context.Context, request cleanup.Request) (*cleanup.Plan, error) {
	r.WaitForMesh(ctx)
	r.usesState, r.extra = true, kube.CleanPermissions("")
	if request.Cancel {
		r.extra = kube.CleanPermissions(request.Batcher)
	}
	if err := r.checkPermissions(ctx); err != nil {
		return nil, &Error{gc.ExitFailed, err}
	}
	ctx, cancel := r.WithDeadline(ctx)
	defer cancel()
	return r.readCleanup(ctx, request)
}

func (r *Run) readCleanup(ctx context.Context, request cleanup.Request) (*cleanup.Plan, error) {
	r.deletesByName = true
	run, err := r.startRun(ctx)
	if err != nil {
		return nil, err
	}
	plan, err := cleanup.MakePlan(ctx, r.clients, run, request)
	if err != nil {
		return nil, failed("stopped while reading; nothing was done: %w", err)
	}
	return plan, nil
}

// Refused returns why a procedure cannot be carried out; nil if it can.
func Refused(plan *cleanup.Plan) error {
	why := plan.Refusal()
	if why == nil {
		return nil
	}
	return &Error{plan.ExitCode, fmt.Errorf("nothing was done: %w", why)}
}

// Cleanup reads everything about the sessions of a preview again under the lease, and takes them apart. say tells a
// person what is being done; nil tells nobody.
func (r *Run) Cleanup(ctx context.Context, preview *cleanup.Plan, say func(string)) (gc.Document, error) {
	ctx, cancel := r.WithDeadline(ctx)
	defer cancel()
	defer r.releaseLease(ctx) // also after a repair that failed once the lease was held
	ctx, missing, err := r.acquireLease(ctx)
	if err == nil && missing != nil {
		err = failed("nothing was done: %w", missing)
	}
	if err != nil {
		return gc.Document{}, err
	}
	plan, err := r.readCleanup(ctx, preview.Again(say))
	if err == nil {
		err = Refused(plan)
	}
	if err != nil {
		return gc.Document{}, err
	}
	if err := r.recordBegun(ctx, plan.Begun()); err != nil {
		return gc.Document{}, failed("nothing was done: it could not be recorded in the state what begins here: %w", err)
	}
	j, err := r.openJournal(ctx)
	if err != nil {
		return gc.Document{}, failed("nothing was done: %w", err)
	}
	report, err := plan.Execute(ctx, r.limits(math.MaxInt32, j))
	r.endJournal(ctx, j, report, err)
	if err != nil {
		return gc.Document{}, failed("nothing was done: %w", err)
	}
	r.logEnd("clean ended", report)
	r.countDeletes(ctx, report.Document)
	return report.Document, nil
}

// recordBegun records procedures in the state before anything is noted on a Job: a sweep continues no others.
func (r *Run) recordBegun(ctx context.Context, begun []state.Procedure) error {
	if len(begun) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, margin.StateTimeout)
	defer cancel()
	return r.State().UpdateOutsideRun(ctx, func(s *state.State) {
		s.Procedures = s.Procedures.Begin(r.options.Now().UTC(), begun...)
	})
}

// endedProcedures returns the sessions with which nothing is left to do.
func endedProcedures(d gc.Document) []string {
	var ended []string
	for _, proc := range d.Procedures {
		if proc.Refused == "" && !slices.ContainsFunc(proc.Steps, func(s gc.Step) bool { return s.Outcome != gc.Done }) {
			ended = append(ended, proc.Session)
		}
	}
	return ended
}
