package gc

import (
	"context"
	"log/slog"
	"slices"

	"bosgc/inventory"
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

// resume goes on with unfinished procedures, and writes into the report what became of them.
func (p *Plan) resume(ctx context.Context, systems Systems, limits Limits, report *Report) {
	// Whatever becomes of it: a sweep would take these sessions apart in another order, without stopping anything.
	defer func() {
		for i := range report.Objects {
			if o := &report.Objects[i]; p.world.requested[o.Session] != policy.NotRequested && o.Verdict == policy.Delete && o.Outcome == "" {
				o.Outcome = Waiting
			}
		}
	}()
	want := Cleaning{Batcher: p.run.Batcher}
	for id, request := range p.world.requested {
		if request != policy.Unclear {
			want.Sessions = append(want.Sessions, id)
		}
	}
	slices.Sort(want.Sessions)
	for len(want.Sessions) > 0 && ctx.Err() == nil {
		clean, err := PlanClean(ctx, systems, p.run, want)
		if err != nil {
			return
		}
		if clean.Refusal() != nil {
			// One that cannot be gone on with must not keep the others from it.
			want.Sessions = report.refuse(clean.Procedures)
			continue
		}
		done, err := clean.Carry(ctx, limits)
		if err != nil {
			systems.Log.Error("an interrupted procedure was not gone on with", "error", err.Error())
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
		at[[2]string{string(o.Kind), o.Name}] = i
	}
	for _, o := range done.Objects {
		if i, known := at[[2]string{string(o.Kind), o.Name}]; known {
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
