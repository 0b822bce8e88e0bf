package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/margin"
)

// View is the due sessions as they are. A watch that is lost makes it useless until it is whole again: what it does not
// show then could be a Pod that has just started.
type View struct {
	kube *kube.Client
	log  *slog.Logger
	cfs  map[string][]inventory.CFSSession // by tag

	watches errgroup.Group
	stop    context.CancelFunc

	mu      sync.Mutex // guards what follows
	view    *view
	health  map[string]*health
	changed chan struct{} // closed whenever a health changes
}

// health is how one watch is.
type health struct {
	begun bool
	whole time.Time // when what had changed before it began is there, if it has begun
	lost  time.Time // since when it is not there
	err   error     // why
}

// watched is one kind that is watched.
type watched struct {
	kind  string
	from  string // version of the list that the plan was made of; empty if it could not be read
	list  func(context.Context) (kube.Listing, error)
	watch func(context.Context, kube.Watcher) (string, error)
}

// Start begins to watch. Versions are those of the lists that the snapshot was made of, by the names of their sources;
// due holds the sessions of which something is to be deleted. Stop has to be called in the end.
func Start(
	ctx context.Context, client *kube.Client, log *slog.Logger, s *inventory.Snapshot, seen inventory.Seen,
	versions map[string]string, due map[string]bool,
) *View {
	v := &View{
		kube: client, log: log, cfs: map[string][]inventory.CFSSession{}, view: newView(s, seen, due),
		health: map[string]*health{}, changed: make(chan struct{}),
	}
	for _, c := range seen.CFS {
		if due[c.Tag] {
			v.cfs[c.Tag] = append(v.cfs[c.Tag], c)
		}
	}
	all := []watched{
		{jobs, versions[inventory.SourceJobs], client.ListJobs, client.WatchJobs},
		{pods, versions[inventory.SourcePods], client.ListPods, client.WatchPods},
		{cronJobs, versions[inventory.SourceCronJobs], client.ListCronJobs, client.WatchCronJobs},
	}
	// Requests under way when the run is told to stop still ask the view.
	ctx, v.stop = context.WithCancel(context.WithoutCancel(ctx))
	now := time.Now()
	for _, w := range all {
		v.health[w.kind] = &health{lost: now, err: errors.New("it has not begun yet")}
	}
	for _, w := range all {
		v.watches.Go(func() error { v.follow(ctx, w); return nil })
	}
	return v
}

// Stop ends the watches.
func (v *View) Stop() {
	v.stop()
	_ = v.watches.Wait() // follow returns no error
}

// Group returns a session as it is; nil if nothing is left of it. It waits for a view that is whole, and fails if
// there has been none for margin.WatchPatience.
func (v *View) Group(ctx context.Context, id string) (*inventory.Group, error) {
	if err := v.wait(ctx); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.view.group(id, v.cfs[id]), nil
}

// wait waits until all watches are whole.
func (v *View) wait(ctx context.Context) error {
	for {
		pause, changed, err := v.check()
		if pause == 0 || err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}

// check returns how long it is worth waiting for a whole view: 0 if it is whole. It fails if a watch has been lost for
// too long.
func (v *View) check() (pause time.Duration, changed <-chan struct{}, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	for kind, h := range v.health {
		switch {
		case h.begun:
			pause = max(pause, h.whole.Sub(now))
		case now.Sub(h.lost) >= margin.WatchPatience:
			return 0, nil, fmt.Errorf("the watch of %ss has been lost since %s: %w", kind, h.lost.UTC().Format(time.RFC3339), h.err)
		default:
			pause = max(pause, h.lost.Add(margin.WatchPatience).Sub(now))
		}
	}
	return pause, v.changed, nil
}

// follow watches one kind until the context ends. Between two watches nothing is missed: the second goes on from where
// the first was. Where the API server does not remember that any more, everything of the kind is listed again.
func (v *View) follow(ctx context.Context, w watched) {
	for failures := 0; ctx.Err() == nil; {
		began := time.Now()
		err := v.followOnce(ctx, &w)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, kube.ErrExpired):
			w.from = ""
		case err == nil && time.Since(began) > time.Second:
			failures = 0
			v.lose(w.kind, errors.New("it is about to go on"))
			continue
		case err == nil:
			err = errors.New("the API server ended it at once")
		}
		v.lose(w.kind, err)
		v.log.Warn("a watch is lost; nothing is deleted until it is there again", "kind", w.kind, "error", err.Error())
		failures++
		select {
		case <-time.After(min(time.Second, 50*time.Millisecond<<min(failures, 10))):
		case <-ctx.Done():
		}
	}
}

// followOnce lists a kind, if it must, and watches it once.
func (v *View) followOnce(ctx context.Context, w *watched) (err error) {
	if w.from == "" {
		listing, err := w.list(ctx)
		if err != nil {
			return err
		}
		v.mu.Lock()
		v.view.replace(w.kind, listing)
		v.mu.Unlock()
		w.from = listing.Version
	}
	var begun time.Time
	w.from, err = w.watch(ctx, kube.Watcher{
		From: w.from,
		Begun: func() {
			begun = time.Now()
			v.mu.Lock()
			defer v.mu.Unlock()
			*v.health[w.kind] = health{begun: true, whole: begun.Add(margin.WatchSettle)}
			v.tell()
		},
		Report: func(c kube.Change) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.view.apply(w.kind, c)
			if h, now := v.health[w.kind], time.Now(); now.Before(h.whole) && now.Sub(begun) < margin.WatchCatchUp {
				h.whole = now.Add(margin.WatchSettle)
			}
		},
	})
	return err
}

func (v *View) lose(kind string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	h := v.health[kind]
	if h.begun {
		*h = health{lost: time.Now()}
	}
	h.err = err
	v.tell()
}

// tell wakes everybody who waits. The caller holds the lock.
func (v *View) tell() {
	close(v.changed)
	v.changed = make(chan struct{})
}
