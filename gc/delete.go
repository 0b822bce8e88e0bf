package gc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/margin"
	"bosgc/internal/transport"
	"bosgc/policy"
)

// deleteObject checks an object and its session once more, and deletes it.
func (x *executor) deleteObject(ctx context.Context, s *sessionRun, o *Object) {
	if x.shared(o) {
		x.deleteShared(ctx, s, o, x.world.Judge.Owners(o.Name))
		return
	}
	var now *inventory.Group
	if s.id != "" {
		fresh, err := x.checker.recheck(ctx, s, o)
		if err != nil {
			x.postponeUnchecked(o, err)
			return
		}
		if fresh == nil {
			o.Outcome = Gone
			return
		}
		now = fresh
	}
	if o.Kind == policy.CFSSession {
		x.deleteCFSSession(ctx, s, o, func(c inventory.CFSSession) policy.Decision { return x.world.Judge.CFSSession(now, c) })
		return
	}
	for _, d := range x.world.Judge.Group(now) {
		if d.Kind == o.Kind && d.Name == o.Name {
			x.deleteIfStillDue(ctx, s, o, d, s.recordText)
			return
		}
	}
	if o.Kind != policy.Job {
		// Its Job, which tied it to this session, has gone. That it is not among the session's objects does not mean
		// that it does not exist.
		o.Outcome, o.Detail = Skipped, "it no longer belongs to its session"
		return
	}
	o.Outcome = Gone
}

// deleteShared checks once more all sessions that a CFS session is linked to, then itself, and deletes it.
func (x *executor) deleteShared(ctx context.Context, s *sessionRun, o *Object, owners []string) {
	groups := map[string]*inventory.Group{}
	for _, id := range owners {
		owner := &sessionRun{batch: batch{id: id}}
		x.begin(owner)
		g, err := x.checker.recheck(ctx, owner, o)
		if err != nil {
			x.postponeUnchecked(o, err)
			return
		}
		groups[id] = g
	}
	x.deleteCFSSession(ctx, s, o, func(c inventory.CFSSession) policy.Decision { return x.world.Judge.SharedCFS(groups, c) })
}

func (x *executor) deleteCFSSession(
	ctx context.Context, s *sessionRun, o *Object, judge func(inventory.CFSSession) policy.Decision,
) {
	e := s.evidence[o]
	if e == nil || time.Since(e.at) > margin.RecheckLife {
		e = x.readEvidence(ctx, s, o)
	}
	switch {
	case e.err != nil:
		o.Outcome, o.Error = Failed, e.err.Error()
	case e.presence == inventory.Absent:
		o.Outcome = Gone
	default:
		x.deleteIfStillDue(ctx, s, o, judge(e.cfs), e.content)
	}
}

// deleteIfStillDue deletes an object if the fresh verdict is still to delete it and the journal has it as it is. now is
// what BOS or CFS has just answered about it, if it is theirs.
func (x *executor) deleteIfStillDue(
	ctx context.Context, s *sessionRun, o *Object, d policy.Decision, now json.RawMessage,
) {
	if d.Verdict != policy.Delete {
		o.Outcome, o.Detail = Skipped, fmt.Sprintf("now %s (%s): %s", d.Verdict, d.Reason, d.Detail)
		return
	}
	if e := s.evidence[o]; e != nil && e.err != nil {
		x.postponeUnchecked(o, e.err)
		return
	}
	if why := s.unjournaled(o, now); why != "" {
		o.Outcome, o.Detail = Skipped, why
		return
	}
	// The recheck may have taken a while, and others wait for the same system. A run that has been told to stop, or has
	// lost its lease, finishes what is under way and begins nothing.
	slot, stopped := x.deleteSlots[o.Kind], x.done
	if s.finishing {
		stopped = nil
	}
	select {
	case slot <- struct{}{}:
		defer func() { <-slot }()
	case <-stopped:
	case <-ctx.Done(): // the grace is over as well
	}
	if ctx.Err() != nil || x.ended() != nil && !s.finishing {
		x.postponeStopped([]*Object{o})
		return
	}
	// A session that has lost something already is tried to its end: what others were refused may be deleted for it, and
	// left alone the rest would be orphans. If it is refused, too, nothing more of the session goes.
	if x.refusals.Holds(o.Kind, s.key()) && !s.begun && !s.finishing {
		return // it stays due, and deleteSession sets it aside
	}
	x.sendDelete(ctx, s, o)
}

// sendDelete sends the one request that all of this is about, and notes what became of it.
func (x *executor) sendDelete(ctx context.Context, s *sessionRun, o *Object) {
	var existed bool
	var err error
	defer x.clients.Timings.Add("deleting: "+string(o.Kind), time.Now(), 1)
	switch o.Kind {
	case policy.CFSSession:
		existed, err = x.clients.CFS.Delete(ctx, o.Name)
	case policy.ConfigMap:
		existed, err = x.clients.Kube.DeleteConfigMap(ctx, o.Name, o.UID, o.ResourceVersion)
	case policy.Session:
		existed, err = x.clients.BOS.Delete(ctx, o.Name)
	case policy.Job:
		existed, err = x.clients.Kube.DeleteJob(ctx, o.Name, o.UID, o.ResourceVersion)
	case policy.Component:
		err = errNoObject
	}
	var held *kube.HeldError
	switch {
	case errors.As(err, &held):
		o.Outcome, o.Detail = Terminating, err.Error()
	case errors.Is(err, kube.ErrChanged):
		o.Outcome, o.Detail = Skipped, err.Error()
	case err != nil && x.goneAfterError(ctx, s, o):
		o.Outcome = Deleted
	case err != nil:
		o.Outcome, o.Error = Failed, err.Error()
	case !existed:
		o.Outcome = Gone
	default:
		o.Outcome = Deleted
	}
	x.noteAnswer(s, o, err)
	// What may have been carried out, or may still be, counts against the limit; a clear refusal does not.
	if o.Outcome == Deleted || o.Outcome == Terminating || outcomeUnknown(err) {
		x.spent.Add(1)
	}
}

// noteAnswer notes whether a system deletes objects of a kind. That one has gone, or changed, says nothing about others.
func (x *executor) noteAnswer(s *sessionRun, o *Object, err error) {
	switch o.Outcome {
	case Deleted, Terminating:
		s.begun = true
		x.refusals.Note(o.Kind, s.key(), nil)
	case Failed:
		x.refusals.Note(o.Kind, s.key(), err)
	default:
	}
}

// outcomeUnknown reports whether a request was sent of which nobody knows what became.
func outcomeUnknown(err error) bool {
	var status *transport.StatusError
	if errors.As(err, &status) { // a gateway's, which had no answer itself
		return status.Status == http.StatusBadGateway || status.Status == http.StatusGatewayTimeout
	}
	for _, kind := range []error{
		context.DeadlineExceeded, transport.ErrTimeout, transport.ErrLost, io.ErrUnexpectedEOF, kube.ErrLost,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// goneAfterError reports whether a delete was carried out although it was answered by an error: an answer can be lost
// on its way. The Kubernetes client repeats such deletes by itself.
func (x *executor) goneAfterError(ctx context.Context, s *sessionRun, o *Object) bool {
	switch o.Kind {
	case policy.CFSSession:
		_, presence, err := x.clients.CFS.Session(ctx, o.Name)
		return err == nil && presence == inventory.Absent
	case policy.Session:
		if s.record.Presence != inventory.Present {
			// That it has no record proves nothing for a session that had none before; a second delete does, and is
			// harmless.
			_, err := x.clients.BOS.Delete(ctx, o.Name)
			return err == nil
		}
		record, err := x.clients.BOS.Get(ctx, o.Name)
		return err == nil && record.Presence == inventory.Absent
	default:
		return false
	}
}
