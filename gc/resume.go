package gc

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"

	"bosgc/internal/inventory"
	"bosgc/policy"
)

// unfinished finds the procedures that a person has begun with "bosgc clean", and that did not end. Those that cancel
// a session are judged as it will be once they have stopped it: what runs now is what they are to end.
func unfinished(s *inventory.Snapshot, log *slog.Logger) map[string]policy.Request {
	requested := map[string]policy.Request{}
	for i, g := range s.Groups {
		jobs, _ := g.Jobs()
		m, _, found, err := readMark(jobs)
		switch {
		case err != nil:
			log.Warn("a procedure cannot be gone on with", "session", g.ID, "error", err.Error())
			requested[g.ID] = policy.Unclear
		case found && m.Cancel:
			requested[g.ID] = policy.Cancel
			s.Groups[i] = stopped(g)
		case found:
			requested[g.ID] = policy.Clean
		}
	}
	return requested
}

// Unfinished says whether there are procedures to go on with.
func (p *Plan) Unfinished() bool { return len(p.world.requested) > 0 }

// resume goes on with unfinished procedures, and writes into the report what became of them. It takes half of a run's
// time at most: a Pod that does not end must not keep sweeps from everything else.
func (p *Plan) resume(ctx context.Context, systems Systems, limits Limits, report *Report) {
	if len(p.world.requested) == 0 {
		return
	}
	bounded, cancel := context.WithTimeoutCause(ctx, p.run.Reading, errors.New("going on with interrupted procedures took half of BOSGC_DEADLINE"))
	defer cancel()
	p.goOn(bounded, systems, limits, report)
	// Whatever has become of it: a sweep would take these sessions apart in another order, without stopping anything.
	for i := range report.Objects {
		o := &report.Objects[i]
		if p.world.requested[o.Session] == policy.NotRequested || o.Verdict != policy.Delete || o.Outcome != "" {
			continue
		}
		o.Outcome = Waiting
	}
	if ctx.Err() != nil && slices.ContainsFunc(report.Procedures, func(p *Procedure) bool { return p.failed }) {
		report.Stopped = context.Cause(ctx).Error()
	}
}

func (p *Plan) goOn(ctx context.Context, systems Systems, limits Limits, report *Report) {
	want := Cleaning{Batcher: p.run.Batcher}
	for _, id := range slices.Sorted(maps.Keys(p.world.requested)) {
		if p.world.requested[id] == policy.Unclear {
			report.Procedures = append(report.Procedures, &Procedure{Session: id, Steps: []Step{}, Refused: "what is noted on its Job cannot be read", failed: true})
			continue
		}
		want.Sessions = append(want.Sessions, id)
	}
	for len(want.Sessions) > 0 && ctx.Err() == nil {
		clean, err := PlanClean(ctx, systems, p.run, want)
		if err != nil {
			return // the context has ended
		}
		if clean.Refusal() != nil {
			// One that cannot be gone on with must not keep the others from it.
			want.Sessions = report.refuse(clean.Procedures)
			continue
		}
		done, err := clean.Carry(ctx, limits)
		if err != nil {
			systems.Log.Error("an interrupted procedure was not gone on with", "error", err.Error())
			for _, procedure := range clean.Procedures {
				procedure.failed = true
			}
			report.Procedures = append(report.Procedures, clean.Procedures...)
			return
		}
		report.merge(done)
		return
	}
}

// refuse notes which procedures cannot be gone on with, and gives the sessions of the others.
func (r *Report) refuse(procedures []*Procedure) (rest []string) {
	for _, procedure := range procedures {
		if procedure.Refused == "" {
			rest = append(rest, procedure.Session)
			continue
		}
		procedure.failed = true
		r.Procedures = append(r.Procedures, procedure)
		for i := range r.Objects {
			if o := &r.Objects[i]; o.Session == procedure.Session && o.Verdict == policy.Delete {
				o.Outcome, o.Detail = Skipped, procedure.Refused
			}
		}
	}
	return rest
}

// merge takes over what became of the objects of a procedure.
func (r *Report) merge(done *Report) {
	at := map[[2]string]int{}
	for i, o := range r.Objects {
		at[[2]string{o.Kind.String(), o.Name}] = i
	}
	for _, o := range done.Objects {
		if i, known := at[[2]string{o.Kind.String(), o.Name}]; known {
			r.Objects[i] = o
		} else {
			r.Objects = append(r.Objects, o)
		}
	}
	r.Summary = Summary{}
	for _, o := range r.Objects {
		r.Summary.add(o.Verdict)
	}
	r.Procedures = append(r.Procedures, done.Procedures...)
	r.sent += done.sent
	r.harmless = r.harmless && done.harmless
}
