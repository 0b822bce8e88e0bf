package cleanup

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"

	"bosgc/gc"
	"bosgc/internal/collect"
	"bosgc/policy"
)

// Resume goes on with procedures that a person began and that did not end, and writes into the report of a sweep what
// became of them. It takes half of a run's time at most: a Pod that does not end must not keep sweeps from everything
// else.
func Resume(
	ctx context.Context, clients collect.Clients, run gc.Run, requested map[string]policy.Request, limits gc.Limits,
	report *gc.Report,
) {
	if len(requested) == 0 {
		return
	}
	tooLate := errors.New("going on with interrupted procedures took half of BOSGC_DEADLINE")
	bounded, cancel := context.WithTimeoutCause(ctx, run.ReadTimeout, tooLate)
	defer cancel()
	resumeAll(bounded, clients, run, requested, limits, report)
	// Whatever became of them: a sweep would take these sessions apart in another order, without stopping anything.
	for i := range report.Objects {
		o := &report.Objects[i]
		if requested[o.Session] != policy.NotRequested && o.Verdict == policy.Delete && o.Outcome == "" {
			o.Outcome = gc.Waiting
		}
	}
	if ctx.Err() != nil && slices.ContainsFunc(report.Procedures, func(p *gc.Procedure) bool { return p.Failed }) {
		report.Stopped = context.Cause(ctx).Error()
	}
}

func resumeAll(
	ctx context.Context, clients collect.Clients, run gc.Run, requested map[string]policy.Request, limits gc.Limits,
	report *gc.Report,
) {
	// A sweep has asked for BOS's list already, and judges CFS sessions without a tag by itself.
	run.Settings.CFSLink = policy.LinkExact
	request := Request{Batcher: run.Batcher}
	for _, id := range slices.Sorted(maps.Keys(requested)) {
		if why := notContinued(requested[id], id); why != "" {
			report.Procedures = append(report.Procedures, &gc.Procedure{
				Session: id, Steps: []gc.Step{}, Refused: why, Failed: true,
			})
			continue
		}
		request.Sessions = append(request.Sessions, id)
	}
	// Where deletes are refused only the first few are tried. They must not be the same ones in every sweep.
	rand.Shuffle(len(request.Sessions), func(a, b int) {
		request.Sessions[a], request.Sessions[b] = request.Sessions[b], request.Sessions[a]
	})
	for len(request.Sessions) > 0 && ctx.Err() == nil {
		plan, err := MakePlan(ctx, clients, run, request)
		if err != nil {
			return // the context has ended
		}
		if plan.Refusal() != nil {
			// One that cannot be gone on with must not keep the others from it.
			request.Sessions = noteRefused(report, plan.Procedures)
			continue
		}
		done, err := plan.Execute(ctx, limits)
		if err != nil {
			clients.Log.Error("an interrupted procedure was not gone on with", "error", err.Error())
			for _, proc := range plan.Procedures {
				proc.Failed = true
			}
			report.Procedures = append(report.Procedures, plan.Procedures...)
			return
		}
		merge(report, done)
		return
	}
}

// notContinued returns why a sweep leaves alone what is noted on a session's Job; empty if it continues.
func notContinued(request policy.Request, id string) string {
	switch request {
	case policy.Unclear:
		return "what is noted on its Job cannot be read"
	case policy.Unconfirmed:
		return "no known run has begun what is noted on its Job; to take the session apart: bosgc clean " + id
	default:
		return ""
	}
}

// noteRefused notes which procedures cannot be gone on with, and returns the sessions of the others.
func noteRefused(report *gc.Report, procedures []*gc.Procedure) (rest []string) {
	for _, proc := range procedures {
		if proc.Refused == "" {
			rest = append(rest, proc.Session)
			continue
		}
		proc.Failed = true
		report.Procedures = append(report.Procedures, proc)
		for i := range report.Objects {
			if o := &report.Objects[i]; o.Session == proc.Session && o.Verdict == policy.Delete {
				o.Outcome, o.Detail = gc.Skipped, proc.Refused
			}
		}
	}
	return rest
}

// merge takes over what became of the objects of a procedure.
func merge(report, done *gc.Report) {
	index := map[gc.Key]int{}
	for i := range report.Objects {
		index[report.Objects[i].Key()] = i
	}
	for _, o := range done.Objects {
		if i, known := index[o.Key()]; known {
			report.Objects[i] = o
		} else {
			report.Objects = append(report.Objects, o)
		}
	}
	report.CountVerdicts()
	report.Procedures = append(report.Procedures, done.Procedures...)
	report.Notes = append(report.Notes, done.Notes...)
	report.Sent += done.Sent
	report.Changed = report.Changed || done.Changed
}
