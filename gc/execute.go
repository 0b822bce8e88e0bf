package gc

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/inventory"
	"bosgc/kube"
	"bosgc/policy"
)

// Limits bound one execution.
type Limits struct {
	MaxDeletes int
	// Grace is how long a request that is under way may still take once the run has been
	// told to stop.
	Grace time.Duration
}

// unit is what is deleted one after the other: the objects of one session, or a single
// CFS session that names none.
type unit struct {
	group   *inventory.Group // nil for a CFS session that names none
	objects []*Object
}

// Execute carries the plan out, once. In this order:
//
//  1. What exceeds MaxDeletes, counted along the plan, waits for the next sweep.
//  2. Sessions are taken oldest first, several at a time. Each is read again, from Kubernetes
//     and BOS, and judged again by the same rules: what is no longer to go is skipped.
//  3. Its CFS sessions go, each read again directly before; then its ConfigMaps; then the
//     session in BOS; its Jobs last. If a ConfigMap or the session fails, what comes after
//     it waits: it is what the next run will find the rest by.
//
// When the context ends, requests under way are finished and everything else waits.
func (p *Plan) Execute(ctx context.Context, limits Limits) (*Report, error) {
	if p.systems == nil {
		return nil, errors.New("this plan has been carried out already")
	}
	x := &execution{systems: *p.systems, world: p.world, limits: limits}
	p.systems = nil

	report := &Report{Document: p.Document}
	report.Kind, report.ExpiresAt = "Report", nil
	units := x.units(report.Objects)

	var all errgroup.Group
	// As many sessions at a time as Kubernetes, the fastest of the three, takes requests. The
	// clients hold back what the others can bear.
	all.SetLimit(x.systems.KubeConcurrency)
	for _, u := range units {
		all.Go(func() error { x.run(ctx, u); return nil })
	}
	_ = all.Wait() // each object holds its own outcome

	if x.stopped.Load() {
		report.Stopped = context.Cause(ctx).Error()
	}
	report.finish(time.Now().UTC())
	return report, nil
}

// Report is what became of a plan.
type Report struct{ Document }

func (r *Report) finish(now time.Time) {
	r.Outcomes = map[Outcome]int{Deleted: 0, Gone: 0, Skipped: 0, Failed: 0, Waiting: 0}
	for _, o := range r.Objects {
		if o.Outcome != "" {
			r.Outcomes[o.Outcome]++
		}
	}
	r.FinishedAt = &now
	r.ExitCode = r.exitCode()
}

type execution struct {
	systems Systems
	world   *world
	limits  Limits
	stopped atomic.Bool // something was left because the context had ended
}

// units cuts the list of objects where the session changes, and lets wait what exceeds the
// limit. Only units with something to delete are given back.
func (x *execution) units(objects []Object) []unit {
	groups := map[string]*inventory.Group{}
	for _, g := range x.world.snapshot.Groups {
		groups[g.ID] = g
	}
	var units []unit
	budget := x.limits.MaxDeletes
	for i := range objects {
		o := &objects[i]
		if o.Verdict != policy.Delete {
			continue
		}
		if budget == 0 {
			o.Outcome = Waiting
			continue
		}
		budget--
		last := len(units) - 1
		if o.Session == "" || last < 0 || units[last].group == nil || units[last].group.ID != o.Session {
			units = append(units, unit{group: groups[o.Session]})
			last++
		}
		units[last].objects = append(units[last].objects, o)
	}
	return units
}

// run deletes the objects of one unit.
func (x *execution) run(ctx context.Context, u unit) {
	if ctx.Err() != nil {
		x.stop(u.objects)
		return
	}
	// A request under way is not torn off when the run is told to stop: nobody would know
	// then whether it was carried out.
	bounded, cancel := graceful(ctx, x.limits.Grace)
	defer cancel()
	now := u.group
	if now != nil {
		fresh, err := x.live(bounded, now)
		if err != nil {
			x.rest(u.objects, Failed, "not deleted, because it could not be checked again: "+err.Error())
			return
		}
		now = fresh
	}
	for i, o := range u.objects {
		if ctx.Err() != nil {
			x.stop(u.objects[i:])
			return
		}
		x.one(bounded, now, o)
		x.log(ctx, o)
		blocks := o.Kind == policy.ConfigMap || o.Kind == policy.Session
		if blocks && o.Outcome != Deleted && o.Outcome != Gone {
			x.rest(u.objects[i+1:], Waiting, fmt.Sprintf("waits: %s %s could not be deleted, and this is what leads to it", o.Kind, o.Name))
			return
		}
	}
}

// graceful gives a context that outlives ctx by grace.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(longer, func() { timer.Stop() })
	})
	return longer, func() { stop(); cancel() }
}

// stop leaves objects to the next sweep because the run was told to end.
func (x *execution) stop(objects []*Object) {
	x.stopped.Store(true)
	for _, o := range objects {
		o.Outcome = Waiting
	}
}

// rest gives objects that are not tried an outcome and says why.
func (x *execution) rest(objects []*Object, outcome Outcome, why string) {
	for _, o := range objects {
		o.Outcome = outcome
		if outcome == Failed {
			o.Error = why
		} else {
			o.Detail = why
		}
	}
}

// one checks an object once more and deletes it.
func (x *execution) one(ctx context.Context, g *inventory.Group, o *Object) {
	if o.Kind == policy.CFSSession {
		x.cfsSession(ctx, g, o)
		return
	}
	for _, d := range x.world.judge.Group(g) {
		if d.Kind == o.Kind && d.Name == o.Name {
			x.carryOut(ctx, o, d)
			return
		}
	}
	o.Outcome = Gone
}

func (x *execution) cfsSession(ctx context.Context, g *inventory.Group, o *Object) {
	c, presence, err := x.systems.CFS.Session(ctx, o.Name)
	switch {
	case err != nil:
		o.Outcome, o.Error = Failed, err.Error()
	case presence == inventory.Absent:
		o.Outcome = Gone
	default:
		x.carryOut(ctx, o, x.world.judge.CFSSession(g, c))
	}
}

// carryOut deletes an object if the fresh verdict is still to delete it.
func (x *execution) carryOut(ctx context.Context, o *Object, d policy.Decision) {
	if d.Verdict != policy.Delete {
		o.Outcome, o.Detail = Skipped, fmt.Sprintf("now %s (%s): %s", d.Verdict, d.Reason, d.Detail)
		return
	}
	var existed bool
	var err error
	switch o.Kind {
	case policy.CFSSession:
		existed, err = x.systems.CFS.Delete(ctx, o.Name)
	case policy.ConfigMap:
		existed, err = x.systems.Kube.DeleteConfigMap(ctx, o.Name, o.UID, o.ResourceVersion)
	case policy.Session:
		existed, err = x.systems.BOS.Delete(ctx, o.Name)
	case policy.Job:
		existed, err = x.systems.Kube.DeleteJob(ctx, o.Name, o.UID, o.ResourceVersion)
	}
	switch {
	case errors.Is(err, kube.ErrChanged):
		o.Outcome, o.Detail = Skipped, err.Error()
	case err != nil && x.isGone(ctx, o):
		o.Outcome = Deleted
	case err != nil:
		o.Outcome, o.Error = Failed, err.Error()
	case !existed:
		o.Outcome = Gone
	default:
		o.Outcome = Deleted
	}
}

// isGone looks whether a delete was carried out although it was answered by an error: an
// answer can be lost on its way. The Kubernetes client repeats such deletes by itself.
func (x *execution) isGone(ctx context.Context, o *Object) bool {
	switch o.Kind {
	case policy.CFSSession:
		_, presence, err := x.systems.CFS.Session(ctx, o.Name)
		return err == nil && presence == inventory.Absent
	case policy.Session:
		if o.Reason == policy.Ghost {
			// A missing record says nothing of a ghost; a second delete does, and is harmless.
			_, err := x.systems.BOS.Delete(ctx, o.Name)
			return err == nil
		}
		record, err := x.systems.BOS.Get(ctx, o.Name)
		return err == nil && record.Presence == inventory.Absent
	default:
		return false
	}
}
