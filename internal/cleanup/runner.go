package cleanup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bosgc/gc"
	"bosgc/internal/checkpoint"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/refusals"
	"bosgc/policy"
)

// maxPasses is how often what still exists is deleted again: a CFS session that runs changes between being journalled
// and being deleted, and is then left for the next pass.
const maxPasses = 4

// errCapped ends a procedure for this run: the sweep that goes on with it has deleted as much as it may.
var errCapped = errors.New("the rest is left for the next sweep (BOSGC_MAX_DELETES)")

// runner carries out one procedure, for all sessions at once, so that the batcher restarts once.
type runner struct {
	*Plan

	limits    gc.Limits
	report    *gc.Report
	known     map[string]bool // CFS sessions that there were when the batcher had restarted
	restarted time.Time       // when it had; zero if it was not
}

// Execute carries the procedure out, phase by phase. Each phase is noted on the sessions' Jobs before it begins. A
// session with which something goes wrong keeps its note, and what is left of it; whoever comes next goes on from
// there: "bosgc clean" again, or a sweep. When the context ends, the phase under way ends too.
func (p *Plan) Execute(ctx context.Context, limits gc.Limits) (*gc.Report, error) {
	if p.executed {
		return nil, errors.New("this procedure has been carried out already")
	}
	if err := p.Refusal(); err != nil {
		return nil, err
	}
	if limits.Journal == nil {
		return nil, errors.New("there is no journal to write to before something is deleted")
	}
	p.executed = true
	limits.Refusals = refusals.New() // each pass is an execution of its own
	r := &runner{Plan: p, limits: limits, report: gc.NewReport(p.Document)}
	work := map[checkpoint.Phase]func(context.Context, *procedure) error{
		checkpoint.PhaseStop: r.stopJobs, checkpoint.PhaseUnset: r.unsetConfiguration,
		checkpoint.PhaseDelete: r.deleteAllButJobs, checkpoint.PhaseVerify: r.verifyNothingComesBack,
		checkpoint.PhaseFinish: r.deleteJobs,
	}
	for _, phase := range checkpoint.Phases() {
		switch phase {
		case checkpoint.PhasePurge:
			r.purgeBatcher(ctx)
			continue
		case checkpoint.PhaseDelete:
			if err := r.deleteUntagged(ctx); err != nil {
				r.clients.Log.Warn("CFS sessions without a tag were left", "error", err.Error())
			}
		default:
		}
		for _, proc := range r.procedures {
			r.runPhase(ctx, phase, proc, work[phase])
		}
	}
	r.finish(ctx)
	return r.report, nil
}

// includes reports whether a phase is a part of a procedure, and still to be done.
func (r *runner) includes(phase checkpoint.Phase, proc *procedure) bool {
	part := slices.ContainsFunc(proc.Steps, func(s gc.Step) bool { return s.Phase == phase })
	return part && !proc.Failed && !proc.capped
}

// runPhase notes a phase, and carries it out for one session.
func (r *runner) runPhase(
	ctx context.Context, phase checkpoint.Phase, proc *procedure, work func(context.Context, *procedure) error,
) {
	if !r.includes(phase, proc) {
		return
	}
	bounded, cancel := gc.WithGrace(ctx, r.limits.Grace)
	defer cancel()
	err := context.Cause(ctx)
	if err == nil {
		err = r.writeCheckpoint(bounded, phase, proc)
	}
	if err == nil {
		err = work(bounded, proc)
	}
	r.endPhase(ctx, phase, proc, err)
}

func (r *runner) endPhase(ctx context.Context, phase checkpoint.Phase, proc *procedure, err error) {
	for i := range proc.Steps {
		s := &proc.Steps[i]
		switch {
		case s.Phase != phase:
		case err == nil:
			s.Outcome = gc.Done
		case errors.Is(err, errCapped):
			s.Outcome, s.Error, proc.capped = gc.Waiting, err.Error(), true
		case ctx.Err() != nil:
			s.Outcome, s.Error, proc.Failed = gc.Waiting, err.Error(), true
		default:
			s.Outcome, s.Error, proc.Failed = gc.Failed, err.Error(), true
			r.clients.Log.Warn("a phase failed; what is left of the session stays for the next try",
				"session", proc.Session, "phase", phase, "error", err.Error())
		}
	}
}

// writeCheckpoint notes a phase, and what later ones need, on the session's Jobs.
func (r *runner) writeCheckpoint(ctx context.Context, phase checkpoint.Phase, proc *procedure) error {
	jobs, _ := proc.group.Jobs()
	noted := proc.checkpoint
	noted.Phase, noted.At = phase, r.now()
	for _, job := range jobs {
		if job.Fault != "" {
			continue
		}
		annotations, err := noted.Annotations(job.UID, proc.facts)
		if err != nil {
			return err
		}
		_, err = r.clients.Kube.AnnotateJob(ctx, job.Name, job.UID, annotations)
		if err == nil {
			continue
		}
		now, presence, unread := r.clients.Kube.GetJob(ctx, job.Name)
		if unread == nil && (presence == inventory.Absent || now.UID != job.UID) {
			continue // it has gone: Kyverno deletes Jobs by itself (docs/csm.md, "Kyverno removes Jobs")
		}
		return fmt.Errorf("it could not be noted how far this is: %w", err)
	}
	proc.checkpoint.Phase = phase
	return nil
}

func (r *runner) deleteAllButJobs(ctx context.Context, proc *procedure) error {
	return r.deleteKinds(ctx, proc, policy.ConfigMap, policy.Session, policy.CFSSession)
}

// deleteJobs deletes the Jobs, and with them the note of how far this is.
func (r *runner) deleteJobs(ctx context.Context, proc *procedure) error {
	return r.deleteKinds(ctx, proc, policy.Job)
}

// deleteKinds deletes what exists of some kinds, as a sweep does: read again, judged, journalled, rechecked and
// deleted.
func (r *runner) deleteKinds(ctx context.Context, proc *procedure, kinds ...policy.Kind) error {
	for n := 0; ; n++ {
		objects, err := r.deletePass(ctx, proc, kinds)
		if err != nil {
			return err
		}
		left := 0
		for _, o := range objects {
			switch {
			case o.Verdict == policy.Delete && o.Outcome != gc.Deleted && o.Outcome != gc.Gone:
				left++
				err = fmt.Errorf("%s %s: %s", o.Kind, o.Name, describeOutcome(o))
			case o.Verdict != policy.Delete && o.Reason != policy.NotOurs && o.Reason != policy.Foreign:
				left++
				err = fmt.Errorf("%s %s stays: %s", o.Kind, o.Name, o.Detail)
			}
		}
		if left == 0 {
			return nil
		}
		if r.limits.MaxDeletes <= 0 {
			return errCapped
		}
		if n >= maxPasses || ctx.Err() != nil {
			return err
		}
		sleep(ctx, time.Second)
	}
}

func describeOutcome(o gc.Object) string {
	for _, text := range []string{o.Error, o.Detail} {
		if text != "" {
			return string(o.Outcome) + ": " + text
		}
	}
	return string(o.Outcome)
}

// deletePass reads, judges and deletes once.
func (r *runner) deletePass(ctx context.Context, proc *procedure, kinds []policy.Kind) ([]gc.Object, error) {
	w, err := r.readCurrent(ctx, proc.Session)
	if err != nil {
		return nil, err
	}
	// What could not be read is not what does not exist.
	for _, source := range w.Sources {
		if !source.Complete {
			r.report.Sources = w.Sources
			return nil, fmt.Errorf("%s could not be read completely: %s", source.Name, source.Error)
		}
	}
	pass := gc.NewPlan(w, r.clients, r.run, r.now())
	for _, g := range w.Snapshot.Groups {
		for _, d := range sortForDelete(w.Judge.Group(g), proc.checkpoint.Cancel) {
			if slices.Contains(kinds, d.Kind) && (d.Kind != policy.Session || w.HasBOSv1) {
				pass.Add(gc.NewObject(d))
			}
		}
	}
	return r.executePass(ctx, pass)
}

// executePass carries out the plan of one pass, and returns what became of its objects.
func (r *runner) executePass(ctx context.Context, pass *gc.Plan) ([]gc.Object, error) {
	report := gc.NewReport(pass.Document)
	if err := pass.Execute(ctx, r.limits, report); err != nil {
		return pass.Objects, err
	}
	r.limits.MaxDeletes -= report.Sent
	r.report.Sent += report.Sent
	for _, o := range report.Objects {
		r.recordOutcome(o)
	}
	return report.Objects, nil
}

// readCurrent reads sessions as they are now.
func (r *runner) readCurrent(ctx context.Context, ids ...string) (*collect.World, error) {
	return r.clients.Sessions(ctx, r.run.Options, ids, func(g *inventory.Group) (policy.Request, *inventory.Group) {
		for _, proc := range r.procedures {
			if proc.Session == g.ID && proc.checkpoint.Cancel {
				return policy.Cancel, g
			}
		}
		return policy.Clean, g
	})
}

// recordOutcome writes into the report what became of an object; a later pass has the last word.
func (r *runner) recordOutcome(o gc.Object) {
	for i := range r.report.Objects {
		before := &r.report.Objects[i]
		if before.Kind == o.Kind && before.Name == o.Name {
			if o.Outcome != gc.Gone || before.Outcome != gc.Deleted {
				*before = o
			}
			return
		}
	}
	r.report.Objects = append(r.report.Objects, o)
}

// finish counts, and sets the exit code.
func (r *runner) finish(ctx context.Context) {
	r.report.Procedures = r.Procedures
	r.report.Notes = append(r.report.Notes, r.limits.Refusals.Notes()...)
	failed := slices.ContainsFunc(r.Procedures, func(p *gc.Procedure) bool { return p.Failed })
	for i := range r.report.Objects {
		if o := &r.report.Objects[i]; o.Verdict == policy.Delete && o.Outcome == "" {
			o.Outcome = gc.Waiting
		}
	}
	if failed && ctx.Err() != nil {
		r.report.Stopped = context.Cause(ctx).Error()
	}
	r.report.CountVerdicts()
	r.report.Finish(r.run.Clock().UTC())
}

// sleep pauses. It returns false if the run was told to stop meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
