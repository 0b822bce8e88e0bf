package cleanup

import (
	"context"
	"fmt"
	"time"

	"bosgc/gc"
	"bosgc/internal/batcher"
	"bosgc/internal/checkpoint"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// purgeBatcher restarts the batcher once for all sessions of which it may have collected something.
func (r *runner) purgeBatcher(ctx context.Context) {
	var affected []*procedure
	bounded, cancel := gc.WithGrace(ctx, r.limits.Grace)
	defer cancel()
	for _, proc := range r.procedures {
		if !r.includes(checkpoint.PhasePurge, proc) {
			continue
		}
		if !proc.checkpoint.Purge {
			r.endPhase(ctx, checkpoint.PhasePurge, proc, nil) // a restart takes the batcher's time from everybody
			continue
		}
		err := context.Cause(ctx)
		if err == nil {
			err = r.writeCheckpoint(bounded, checkpoint.PhasePurge, proc)
		}
		if err != nil {
			r.endPhase(ctx, checkpoint.PhasePurge, proc, err)
			continue
		}
		affected = append(affected, proc)
	}
	if len(affected) == 0 {
		return
	}
	err := r.restartBatcher(ctx)
	for _, proc := range affected {
		if err != nil && ctx.Err() == nil { // a run that was told to stop, or has lost its lease, begins nothing
			r.deleteComplete(ctx, proc)
		}
		r.endPhase(ctx, checkpoint.PhasePurge, proc, err)
	}
}

// deleteComplete deletes those CFS sessions of a session that are complete, where the batcher could not be restarted.
// It does not start these again; the others wait for the next try. What goes wrong is in the report.
func (r *runner) deleteComplete(ctx context.Context, proc *procedure) {
	w, err := r.readCurrent(ctx, proc.Session)
	if err != nil || !w.Complete(inventory.SourceCFSSessions) {
		return
	}
	pass := gc.NewPlan(w, r.clients, r.run, r.now())
	for _, g := range w.Snapshot.Groups {
		complete := map[string]bool{}
		for _, c := range g.CFS {
			complete[c.Name] = c.Status == "complete"
		}
		for _, d := range w.Judge.Group(g) {
			if d.Kind == policy.CFSSession && complete[d.Name] {
				pass.Add(gc.NewObject(d))
			}
		}
	}
	if _, err := r.executePass(ctx, pass); err != nil {
		r.clients.Log.Warn("complete CFS sessions were left", "session", proc.Session, "error", err.Error())
	}
}

func (r *runner) restartBatcher(ctx context.Context) error {
	if err := r.ensureBatcherSurvives(ctx); err != nil {
		return err
	}
	b := batcher.Batcher{
		Kube: r.clients.Kube, State: r.clients.State, Name: r.request.Batcher, Log: r.clients.Log, Say: r.request.Say,
	}
	if err := b.Restart(ctx, r.Run); err != nil {
		return err
	}
	sessions, err := r.clients.CFS.Sessions(ctx)
	if err != nil {
		return err
	}
	r.restarted, r.known = time.Now(), map[string]bool{}
	for _, s := range sessions {
		r.known[s.Name] = true
	}
	return nil
}

// ensureBatcherSurvives makes sure that the batcher will start again. What of the sessions that are taken apart would
// keep it from that is deleted first: it is deleted anyway.
func (r *runner) ensureBatcherSurvives(ctx context.Context) error {
	fatal, err := batcher.FatalSessions(ctx, r.clients.CFS)
	if err != nil {
		return fmt.Errorf("whether %s would survive a restart is not known: %w", r.request.Batcher, err)
	}
	for _, proc := range r.procedures {
		own := false
		for _, s := range proc.group.CFS {
			own = own || fatal[s.Name] != nil
		}
		if !own {
			continue
		}
		if err := r.deleteKinds(ctx, proc, policy.CFSSession); err != nil {
			return err
		}
		// Not all that has its tag is deleted: one that a person made is kept.
		if fatal, err = batcher.FatalSessions(ctx, r.clients.CFS); err != nil {
			return fmt.Errorf("whether %s would survive a restart is not known: %w", r.request.Batcher, err)
		}
	}
	return batcher.Refusal(fatal, r.request.Batcher)
}
