package gc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/journal"
	"bosgc/internal/progress"
	"bosgc/internal/refusals"
	"bosgc/policy"
)

// Limits bound one execution.
type Limits struct {
	MaxDeletes int
	// Grace is how long a request that is under way may still take once the run has been told to stop.
	Grace time.Duration
	// Journal gets the whole of every object before it is deleted. Only a plan without deletes needs none.
	Journal *journal.Journal
	// Refusals are what the run knows of refused deletes already; nil if it has sent none before.
	Refusals *refusals.Run
}

// errNoObject keeps what no rule judges from being taken for gone.
var errNoObject = errors.New("a desired configuration is no object that can be deleted")

// executor carries out one plan.
type executor struct {
	clients collect.Clients
	world   *collect.World
	checker *rechecker
	limits  Limits
	kinds   map[string][]policy.Kind // that are to be deleted, by session
	abort   context.CancelCauseFunc
	ended   func() error    // of the run's context
	done    <-chan struct{} // of the same
	// deleteSlots are taken by deletes: in the queue of a client they would be carried out after the run was told to
	// stop.
	deleteSlots map[policy.Kind]chan struct{}
	task        *progress.Task
	spent       atomic.Int32 // deletes of this round that were carried out, or may have been
	stopped     atomic.Bool  // something was left because the context had ended
	refusals    *refusals.Run
	lastAside   int // how many objects were tried again the last time

	mu        sync.Mutex // guards what follows
	sources   []inventory.Source
	blockedBy map[string]*Object // by session, what leads to the rest of it and still exists
	aside     []*Object          // to be tried again at the end
}

func newExecutor(ctx context.Context, abort context.CancelCauseFunc, p *Plan, limits Limits, report *Report) *executor {
	x := &executor{
		clients: p.clients, world: p.world, checker: newRechecker(ctx, p.clients, p.world, report.Objects),
		limits: limits, abort: abort, ended: ctx.Err, done: ctx.Done(),
		task:        p.clients.StartTask("deleting", min(p.Summary.Delete, limits.MaxDeletes)),
		deleteSlots: map[policy.Kind]chan struct{}{}, blockedBy: map[string]*Object{},
		sources: slices.Clone(report.Sources), kinds: map[string][]policy.Kind{}, lastAside: math.MaxInt,
		refusals: limits.Refusals,
	}
	if x.refusals == nil {
		x.refusals = refusals.New()
	}
	kube := make(chan struct{}, max(1, p.clients.KubeConcurrency))
	x.deleteSlots[policy.Job], x.deleteSlots[policy.ConfigMap] = kube, kube
	x.deleteSlots[policy.Session] = make(chan struct{}, max(1, p.clients.BOSConcurrency))
	x.deleteSlots[policy.CFSSession] = make(chan struct{}, max(1, p.clients.CFSConcurrency))
	return x
}

// postpone leaves objects to the next sweep, because there was no budget or no time for them.
func (x *executor) postpone(ctx context.Context, objects []*Object) {
	for _, o := range objects {
		if o.due() {
			o.Outcome = Waiting
			if ctx.Err() != nil {
				x.stopped.Store(true)
			}
		}
	}
}

// postponeStopped leaves objects to the next sweep because the run was told to stop.
func (x *executor) postponeStopped(objects []*Object) {
	x.stopped.Store(true)
	for _, o := range objects {
		o.Outcome = Waiting
	}
}

// postponeAfter leaves objects to the next sweep because one that leads to them still exists.
func postponeAfter(objects []*Object, leading *Object) {
	for _, o := range objects {
		o.Outcome = Waiting
		o.Detail = fmt.Sprintf("waits: %s %s is still there, and this is what leads to it", leading.Kind, leading.Name)
	}
}

// postponeUnchecked leaves an object to the next sweep because it could not be read again, and takes back that its
// source was complete.
func (x *executor) postponeUnchecked(o *Object, err error) {
	o.Outcome, o.Detail = Waiting, "could not be checked again directly before its delete: "+err.Error()
	var unread *RecheckError
	if !errors.As(err, &unread) {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.sources {
		if source := &x.sources[i]; source.Name == unread.Source && source.Complete {
			source.Complete, source.Error = false, err.Error()
		}
	}
}

// shared reports whether an object is a CFS session of several sessions.
func (x *executor) shared(o *Object) bool {
	return o.Kind == policy.CFSSession && len(x.world.Judge.Owners(o.Name)) > 0
}

func (x *executor) logOutcome(ctx context.Context, o *Object) {
	level := slog.LevelInfo
	if o.Outcome == Failed {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("kind", string(o.Kind)), slog.String("name", o.Name), slog.String("reason", string(o.Reason)),
	}
	if o.Session != "" {
		attrs = append(attrs, slog.String("session", o.Session))
	}
	if o.Error != "" {
		attrs = append(attrs, slog.String("error", o.Error))
	}
	x.clients.Log.LogAttrs(ctx, level, string(o.Outcome), attrs...)
}

// WithGrace returns a context that outlives ctx by grace: a request under way is not cut off when the run is told to
// stop, because nobody would know then whether it was carried out.
func WithGrace(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(longer, func() { timer.Stop() })
	})
	return longer, func() { stop(); cancel() }
}
