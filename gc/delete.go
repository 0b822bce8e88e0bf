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
	"bosgc/internal/transport"
	"bosgc/policy"
)

// errNoObject keeps what no rule judges from being taken for gone.
var errNoObject = errors.New("a desired configuration is no object that can be deleted")

// carryOut deletes an object if the fresh verdict is still to delete it, and the journal has it as
// it is; now is what BOS or CFS has just said of it, if it is of theirs.
func (x *execution) carryOut(ctx context.Context, u *unit, o *Object, d policy.Decision, now json.RawMessage) {
	if d.Verdict != policy.Delete {
		o.Outcome, o.Detail = Skipped, fmt.Sprintf("now %s (%s): %s", d.Verdict, d.Reason, d.Detail)
		return
	}
	if r := u.readings[o]; r != nil && r.err != nil {
		x.notTried(o, r.err)
		return
	}
	if why := u.unrecorded(o, now); why != "" {
		o.Outcome, o.Detail = Skipped, why
		return
	}
	// The look before it may have taken a while, and others are waiting for the same system. Who has been told to stop,
	// or has lost the lock, finishes what is under way and begins nothing.
	turn, stopped := x.turns[o.Kind], x.done
	if u.finishing {
		stopped = nil
	}
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-stopped:
	case <-ctx.Done(): // the grace is over as well
	}
	if ctx.Err() != nil || x.ended() != nil && !u.finishing {
		x.stop([]*Object{o})
		return
	}
	x.delete(ctx, u, o)
}

// delete sends the one request that all of this is about, and notes what became of it.
func (x *execution) delete(ctx context.Context, u *unit, o *Object) {
	var existed bool
	var err error
	defer x.systems.Timings.took("deleting: "+o.Kind.String(), time.Now(), 1)
	switch o.Kind {
	case policy.CFSSession:
		existed, err = x.systems.CFS.Delete(ctx, o.Name)
	case policy.ConfigMap:
		existed, err = x.systems.Kube.DeleteConfigMap(ctx, o.Name, o.UID, o.ResourceVersion)
	case policy.Session:
		existed, err = x.systems.BOS.Delete(ctx, o.Name)
	case policy.Job:
		existed, err = x.systems.Kube.DeleteJob(ctx, o.Name, o.UID, o.ResourceVersion)
	case policy.Component:
		err = errNoObject
	}
	switch {
	case errors.Is(err, kube.ErrChanged):
		o.Outcome, o.Detail = Skipped, err.Error()
	case err != nil && x.isGone(ctx, u, o):
		o.Outcome = Deleted
	case err != nil:
		o.Outcome, o.Error = Failed, err.Error()
	case !existed:
		o.Outcome = Gone
	default:
		o.Outcome = Deleted
	}
	// What may have been carried out, or still be, counts against the limit; a clear refusal does not.
	if o.Outcome == Deleted || unanswered(err) {
		x.spent.Add(1)
	}
}

// unanswered says that a request was sent, and that nobody knows what became of it.
func unanswered(err error) bool {
	var status *transport.StatusError
	if errors.As(err, &status) { // a gateway's, which had no answer itself
		return status.Status == http.StatusBadGateway || status.Status == http.StatusGatewayTimeout
	}
	for _, kind := range []error{context.DeadlineExceeded, transport.ErrTimeout, transport.ErrLost, io.ErrUnexpectedEOF, kube.ErrLost} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// isGone looks whether a delete was carried out although it was answered by an error: an
// answer can be lost on its way. The Kubernetes client repeats such deletes by itself.
func (x *execution) isGone(ctx context.Context, u *unit, o *Object) bool {
	switch o.Kind {
	case policy.CFSSession:
		_, presence, err := x.systems.CFS.Session(ctx, o.Name)
		return err == nil && presence == inventory.Absent
	case policy.Session:
		if u.record.Presence != inventory.Present {
			// That it has no record says nothing of a session that had none before; a second
			// delete does, and is harmless.
			_, err := x.systems.BOS.Delete(ctx, o.Name)
			return err == nil
		}
		record, err := x.systems.BOS.Get(ctx, o.Name)
		return err == nil && record.Presence == inventory.Absent
	default:
		return false
	}
}
