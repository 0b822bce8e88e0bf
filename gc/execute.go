package gc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
	"bosgc/internal/lease"
	"bosgc/policy"
)

// maxSessionsAtOnce bounds how many sessions are deleted at a time: what was read of each is held until it is gone.
const maxSessionsAtOnce = 32

// Execute carries the plan out, once, and fills in its report. In this order:
//
//  1. What exceeds MaxDeletes, counted along the plan, waits for the next sweep. What could not be deleted does not
//     count.
//  2. Sessions are taken oldest first, several at a time. Of each, its ConfigMaps are deleted, then its CFS sessions,
//     then the session in BOS, and its Jobs last. If a ConfigMap or the session fails, what comes after it waits: the
//     next run finds the rest by it.
//  3. Before the first of them all of them are written to the journal. If that fails, the execution ends: no journal,
//     no delete.
//  4. If deletes of a kind fail for several sessions in a row, sessions with such an object are not begun any more (see
//     package refusals).
//  5. Directly before each of them its session is read again, from Kubernetes and BOS, and it is judged again by the
//     same rules: what is no longer to be deleted is skipped.
//
// Objects of the report that have an outcome already are left as they are. When the context ends, requests under way
// are finished and everything else waits.
func (p *Plan) Execute(ctx context.Context, limits Limits, report *Report) error {
	if p.executed {
		return errors.New("this plan has been carried out already")
	}
	if p.Summary.Delete > 0 && limits.Journal == nil {
		return errors.New("there is no journal to write to before something is deleted")
	}
	p.executed = true
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	x := newExecutor(ctx, abort, p, limits, report)
	defer x.checker.stop()
	// The rechecker has what is due; the rest is a large part of the memory.
	p.world.Snapshot, p.world.Seen = nil, inventory.Seen{}
	defer x.task.End()
	queue := x.dueObjects(report.Objects)
	for budget := limits.MaxDeletes - report.Sent; ; {
		var batches []batch
		batches, queue = x.cutBatches(queue, budget)
		x.deleteSessions(ctx, batches)
		// What could not be deleted leaves its place to the next: otherwise the same old failures would keep all that
		// is younger from ever being collected.
		spent := int(x.spent.Swap(0))
		report.Sent += spent
		if budget -= spent; budget <= 0 || len(batches) == 0 && len(queue) > 0 || ctx.Err() != nil {
			break
		}
		if len(queue) == 0 {
			queue = x.retryAside()
		}
		if len(queue) == 0 {
			break
		}
	}
	x.postpone(ctx, queue)
	x.postponeAside(ctx)
	report.Notes = append(report.Notes, x.refusals.Notes()...)
	report.Sources = x.sources
	if x.stopped.Load() && report.Stopped == "" {
		report.Stopped = context.Cause(ctx).Error()
	}
	report.Finish(time.Now().UTC())
	return nil
}

// sessionsAtOnce returns how many sessions are deleted at a time. Each asks one system after the other, and some
// systems are slow: with so many none of them is idle for long. The clients hold back what each can bear.
func (x *executor) sessionsAtOnce() int {
	c := x.clients
	return min(maxSessionsAtOnce, max(1, c.BOSConcurrency)*max(1, c.CFSConcurrency)*max(1, c.KubeConcurrency))
}

// deleteSessions deletes the objects of several sessions.
func (x *executor) deleteSessions(ctx context.Context, batches []batch) {
	var all errgroup.Group
	all.SetLimit(x.sessionsAtOnce())
	for _, b := range batches {
		kinds := x.kindsOf(b)
		if !x.refusals.Admit(b.key(), kinds) {
			x.setAside(b.objects)
			continue
		}
		all.Go(func() error {
			defer x.refusals.Leave(kinds)
			x.deleteSession(ctx, &sessionRun{batch: b})
			return nil
		})
	}
	_ = all.Wait() // each object holds its own outcome
}

// deleteSession deletes the objects of one session.
func (x *executor) deleteSession(ctx context.Context, s *sessionRun) {
	x.begin(s)
	bounded, cancel := WithGrace(ctx, x.limits.Grace)
	defer cancel()
	if ctx.Err() == nil {
		if err := x.writeJournal(bounded, s); err != nil && ctx.Err() == nil {
			x.clients.Log.Error("the journal cannot be written; nothing more is deleted", "error", err.Error())
			x.abort(fmt.Errorf("the journal cannot be written, and nothing is deleted without it: %w", err))
		}
	}
	for i, o := range s.objects {
		s.finishing = mustFinish(ctx, s.objects, i)
		if ctx.Err() != nil && !s.finishing {
			x.postponeStopped(s.objects[i:])
			return
		}
		x.deleteObject(bounded, s, o)
		if o.due() { // its kind is held back by now
			x.setAside(s.objects[i:])
			return
		}
		x.logOutcome(ctx, o)
		x.task.Step()
		if ctx.Err() != nil && (o.Outcome == Failed || o.Outcome == Waiting) {
			x.stopped.Store(true)
		}
		switch {
		case o.Kind == policy.ConfigMap && o.gone():
			s.deleted[o.Name] = true
		case (o.Kind == policy.ConfigMap || o.Kind == policy.Session) && !o.gone():
			postponeAfter(s.objects[i+1:], o)
			x.mu.Lock()
			x.blockedBy[s.id] = o
			x.mu.Unlock()
			return
		case o.Kind == policy.CFSSession && o.Outcome == Failed:
			// Whether CFS deletes nothing now, or this one never, the others tell: in the one case the session waits, in the
			// other it goes.
			x.setAside(s.objects[i+1:])
			return
		}
	}
}

// mustFinish reports whether a ConfigMap is deleted although the run was told to stop: its session has been deleted
// before it, because the ConfigMap alone tells how old that was, and nothing would lead to it any more. But a run that
// has lost its lease begins nothing, whatever is left then.
func mustFinish(ctx context.Context, objects []*Object, i int) bool {
	if i == 0 {
		return false
	}
	before, o := objects[i-1], objects[i]
	return before.Kind == policy.Session && before.gone() && o.Kind == policy.ConfigMap &&
		!errors.Is(context.Cause(ctx), lease.ErrLost)
}
