package gc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
	"bosgc/internal/journal"
	"bosgc/policy"
)

// Limits bound one execution.
type Limits struct {
	MaxDeletes int
	// Grace is how long a request that is under way may still take once the run has been
	// told to stop.
	Grace time.Duration
	// Journal gets the whole of every object before it is deleted. Only a plan without deletes
	// needs none.
	Journal *journal.Journal
}

// maxUnits is how many sessions are taken at a time at most: what was read of each is held until it has gone.
const maxUnits = 32

// Execute carries the plan out, once. In this order:
//
//  0. Procedures that a person began with "bosgc clean" and that did not end are gone on with.
//  1. What exceeds MaxDeletes, counted along the plan, waits for the next sweep. What could not be
//     deleted does not count.
//  2. Sessions are taken oldest first, several at a time. Of each, its ConfigMaps go, then its
//     CFS sessions, then the session in BOS, its Jobs last. If a ConfigMap or the session
//     fails, what comes after it waits: it is what the next run will find the rest by.
//  3. Before the first of them all of them are written to the journal. If that fails, the execution
//     ends: no journal, no delete.
//  4. Directly before each of them its session is read again, from Kubernetes and BOS, and it is judged
//     again by the same rules: what is no longer to go is skipped.
//
// When the context ends, requests under way are finished and everything else waits.
func (p *Plan) Execute(ctx context.Context, limits Limits) (*Report, error) {
	if p.systems == nil {
		return nil, errors.New("this plan has been carried out already")
	}
	if p.Summary.Delete > 0 && limits.Journal == nil {
		return nil, errors.New("there is no journal to write to before something is deleted")
	}
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	x := newExecution(ctx, abort, p, limits)
	defer x.pace.end()
	p.systems = nil

	report := &Report{Document: p.Document}
	report.Kind, report.ExpiresAt = "Report", nil
	x.sources = slices.Clone(report.Sources)
	report.harmless = true
	p.resume(ctx, x.systems, limits, report)
	x.live = newLive(x.systems, x.world, report.Objects)
	for rest, budget := 0, limits.MaxDeletes-report.sent; ; {
		var bundles []bundle
		bundles, rest = x.bundles(report.Objects, rest, budget)
		var all errgroup.Group
		all.SetLimit(x.systems.atOnce())
		for _, b := range bundles {
			all.Go(func() error { x.run(ctx, &unit{bundle: b}); return nil })
		}
		_ = all.Wait() // each object holds its own outcome
		// What could not be deleted leaves its place to the next: else the same old failures
		// would keep all that is younger from ever being collected.
		spent := x.spent.Swap(0)
		x.sent.Add(spent)
		if budget -= int(spent); budget <= 0 || len(bundles) == 0 || ctx.Err() != nil {
			x.leave(ctx, report.Objects[rest:])
			break
		}
	}
	report.Sources, report.sent = x.sources, report.sent+int(x.sent.Load())
	report.harmless = report.harmless && report.sent == 0
	if x.stopped.Load() && report.Stopped == "" {
		report.Stopped = context.Cause(ctx).Error()
	}
	report.finish(time.Now().UTC())
	return report, nil
}

// Postpone leaves everything to the next sweep, because of something without which nothing may be
// deleted. A plan that had a source that is incomplete says so by its exit code; otherwise the run
// has failed.
func (p *Plan) Postpone(why error) *Report {
	report := &Report{Document: p.Document}
	report.Kind, report.ExpiresAt = "Report", nil
	for i := range report.Objects {
		if o := &report.Objects[i]; o.Verdict == policy.Delete {
			o.Outcome, o.Detail = Waiting, why.Error()
		}
	}
	if report.complete() {
		report.Stopped = why.Error()
	}
	report.finish(time.Now().UTC())
	return report
}

// Report is what became of a plan.
type Report struct {
	Document

	harmless bool
	sent     int // deletes that were carried out, or may have been
}

// Harmless says that nothing was deleted for certain.
func (r *Report) Harmless() bool { return r.harmless && r.Outcomes[Deleted]+r.Outcomes[Gone] == 0 }

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
	live    *live
	limits  Limits
	abort   context.CancelCauseFunc
	ended   func() error    // of the run's context
	done    <-chan struct{} // the same
	// turns are taken by deletes: in the queue of a client they would be carried out after the run was told to stop.
	turns   map[policy.Kind]chan struct{}
	pace    *pace
	spent   atomic.Int32 // deletes that were carried out, or may have been
	sent    atomic.Int32 // the same, of the rounds before
	stopped atomic.Bool  // something was left because the context had ended

	mu      sync.Mutex // guards what follows
	sources []inventory.Source
	held    map[string]*Object // by session, what leads to the rest of it and is still there
}

func newExecution(ctx context.Context, abort context.CancelCauseFunc, p *Plan, limits Limits) *execution {
	x := &execution{
		systems: *p.systems, world: p.world, limits: limits, abort: abort, ended: ctx.Err, done: ctx.Done(),
		pace:  p.systems.pace("deleting", min(p.Summary.Delete, limits.MaxDeletes)),
		turns: map[policy.Kind]chan struct{}{}, held: map[string]*Object{},
	}
	kube := make(chan struct{}, max(1, p.systems.KubeConcurrency))
	x.turns[policy.Job], x.turns[policy.ConfigMap] = kube, kube
	x.turns[policy.Session] = make(chan struct{}, max(1, p.systems.BOSConcurrency))
	x.turns[policy.CFSSession] = make(chan struct{}, max(1, p.systems.CFSConcurrency))
	return x
}

// atOnce is how many sessions are taken at a time. Each asks one system after the other, and some systems are slow:
// with so many none of them is idle for long. The clients hold back what each can bear.
func (s Systems) atOnce() int {
	return min(maxUnits, max(1, s.BOSConcurrency)*max(1, s.CFSConcurrency)*max(1, s.KubeConcurrency))
}

// leave lets wait what there was no budget or no time for.
func (x *execution) leave(ctx context.Context, objects []Object) {
	for i := range objects {
		if objects[i].Verdict == policy.Delete && objects[i].Outcome == "" {
			objects[i].Outcome = Waiting
			if ctx.Err() != nil {
				x.stopped.Store(true)
			}
		}
	}
}

// run deletes the objects of one unit.
func (x *execution) run(ctx context.Context, u *unit) {
	x.world.begin(u)
	// A request under way is not torn off when the run is told to stop: nobody would know
	// then whether it was carried out.
	bounded, cancel := graceful(ctx, x.limits.Grace)
	defer cancel()
	if ctx.Err() == nil {
		if err := x.record(bounded, u); err != nil && ctx.Err() == nil {
			x.systems.Log.Error("the journal cannot be written; nothing more is deleted", "error", err.Error())
			x.abort(fmt.Errorf("the journal cannot be written, and nothing is deleted without it: %w", err))
		}
	}
	for i, o := range u.objects {
		u.finishing = i > 0 && finishes(ctx, u.objects[i-1], o)
		if ctx.Err() != nil && !u.finishing {
			x.stop(u.objects[i:])
			return
		}
		x.one(bounded, u, o)
		x.log(ctx, o)
		x.pace.step()
		if ctx.Err() != nil && (o.Outcome == Failed || o.Outcome == Waiting) {
			x.stopped.Store(true)
		}
		gone := o.Outcome == Deleted || o.Outcome == Gone
		switch {
		case o.Kind == policy.ConfigMap && gone:
			u.deleted[o.Name] = true
		case (o.Kind == policy.ConfigMap || o.Kind == policy.Session) && !gone:
			x.wait(u.objects[i+1:], o)
			x.mu.Lock()
			x.held[u.id] = o
			x.mu.Unlock()
			return
		}
	}
}

// finishes says whether a ConfigMap is to go although the run was told to stop: its session has gone before it, because the
// ConfigMap alone tells how old that was, and nothing would lead to it any more. But who has lost the lock begins
// nothing, whatever is left then.
func finishes(ctx context.Context, before, o *Object) bool {
	gone := before.Kind == policy.Session && (before.Outcome == Deleted || before.Outcome == Gone)
	return gone && o.Kind == policy.ConfigMap && !errors.Is(context.Cause(ctx), ErrLockLost)
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

// wait leaves objects to the next sweep because one that leads to them is still there.
func (x *execution) wait(objects []*Object, because *Object) {
	for _, o := range objects {
		o.Outcome = Waiting
		o.Detail = fmt.Sprintf("waits: %s %s is still there, and this is what leads to it", because.Kind, because.Name)
	}
}

// one looks at an object and its session once more, and deletes it.
func (x *execution) one(ctx context.Context, u *unit, o *Object) {
	if x.shared(o) {
		x.sharedCFS(ctx, u, o, x.world.judge.Owners(o.Name))
		return
	}
	var now *inventory.Group
	if u.id != "" {
		fresh, err := x.live.again(ctx, u, o)
		if err != nil {
			x.notTried(o, err)
			return
		}
		if fresh == nil {
			o.Outcome = Gone
			return
		}
		now = fresh
	}
	if o.Kind == policy.CFSSession {
		x.cfsSession(ctx, u, o, func(c inventory.CFSSession) policy.Decision { return x.world.judge.CFSSession(now, c) })
		return
	}
	for _, d := range x.world.judge.Group(now) {
		if d.Kind == o.Kind && d.Name == o.Name {
			x.carryOut(ctx, u, o, d, u.recordText)
			return
		}
	}
	if o.Kind != policy.Job {
		// Its Job, which tied it to this session, has gone. That it is not among the
		// session's does not mean that it is not there.
		o.Outcome, o.Detail = Skipped, "it no longer belongs to its session"
		return
	}
	o.Outcome = Gone
}

// notTried leaves an object to the next sweep, because it could not be looked at again, and
// takes back that its source was complete.
func (x *execution) notTried(o *Object, err error) {
	o.Outcome, o.Detail = Waiting, "could not be checked again directly before its delete: "+err.Error()
	var u *unsure
	if !errors.As(err, &u) {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.sources {
		if source := &x.sources[i]; source.Name == u.source && source.Complete {
			source.Complete, source.Error = false, err.Error()
		}
	}
}

func (x *execution) cfsSession(ctx context.Context, u *unit, o *Object, judge func(inventory.CFSSession) policy.Decision) {
	r := u.readings[o]
	if r == nil || time.Since(r.at) > lookLife {
		r = x.read(ctx, u, o)
	}
	switch {
	case r.err != nil:
		o.Outcome, o.Error = Failed, r.err.Error()
	case r.presence == inventory.Absent:
		o.Outcome = Gone
	default:
		x.carryOut(ctx, u, o, judge(r.cfs), r.content)
	}
}

func (x *execution) log(ctx context.Context, o *Object) {
	level := slog.LevelInfo
	if o.Outcome == Failed {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("kind", o.Kind.String()), slog.String("name", o.Name), slog.String("reason", o.Reason.String())}
	if o.Session != "" {
		attrs = append(attrs, slog.String("session", o.Session))
	}
	if o.Error != "" {
		attrs = append(attrs, slog.String("error", o.Error))
	}
	x.systems.Log.LogAttrs(ctx, level, string(o.Outcome), attrs...)
}
