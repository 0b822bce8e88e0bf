package gc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"bosgc/inventory"
	"bosgc/kube"
)

// Every command that deletes holds a Lease. CronJob's own "Forbid" knows nothing of a sweep that a
// person starts.
const (
	// leaseLasts is how long a holder is believed that does not renew.
	leaseLasts = 30 * time.Second
	// renewEvery leaves time for several tries before the lock is lost.
	renewEvery = 5 * time.Second
	// loseAfter is after how long without renewal a holder gives up by itself: early enough that
	// requests under way, which get another 10 seconds, have ended before others take over.
	loseAfter = 20 * time.Second
	// LockGrace is what is left for them.
	LockGrace = leaseLasts - loseAfter
	// watchFor is how long a lock that is held is watched. A holder that lives renews it within
	// that time; one that has died does not. So nobody's clock has to be trusted.
	watchFor = leaseLasts + renewEvery
	// longExpired is how long ago a lock must have expired, by this machine's clock, to be taken
	// without watching it. Two clocks may each be a minute off before ages are doubted.
	longExpired = 5 * time.Minute
)

// ErrLocked says that another run holds the lock.
var ErrLocked = errors.New("another run holds the lock")

// ErrLockLost ends a run whose lock could not be renewed: another one may have begun.
var ErrLockLost = errors.New("the lock was lost, because it could not be renewed")

// Lock is a Lease that is held.
type Lock struct {
	store *kube.Store
	name  string
	log   *slog.Logger
	now   func() time.Time

	lose context.CancelCauseFunc
	stop chan struct{}
	done sync.WaitGroup

	held kube.Lease // of the goroutine that renews, while it runs
}

// TakeLock takes the lock of a name, or gives ErrLocked with who holds it. The context that comes
// with it ends when the lock is lost. A holder that has died is waited for until its time
// is over.
func TakeLock(ctx context.Context, store *kube.Store, name, holder string, now func() time.Time, log *slog.Logger) (*Lock, context.Context, error) {
	l := &Lock{store: store, name: name, log: log, now: now, stop: make(chan struct{})}
	if err := l.take(ctx, holder); err != nil {
		return nil, nil, err
	}
	held, lose := context.WithCancelCause(ctx)
	l.lose = lose
	l.done.Go(l.renew)
	return l, held, nil
}

func (l *Lock) take(ctx context.Context, holder string) error {
	// Counted by the one clock that nobody sets: from before the first look, because the
	// holder may have died just after it.
	begun := time.Now()
	var first kube.Lease
	for n := 0; ; n++ {
		lease, presence, err := l.store.Lease(ctx, l.name)
		if err != nil {
			return err
		}
		if n == 0 {
			first = lease
		}
		if presence == inventory.Absent || l.free(lease) || same(lease, first) && time.Since(begun) > lease.Lasts && lease.Lasts > 0 {
			if lease.Holder != "" {
				l.log.Warn("taking over the lock of a run that has died", "holder", lease.Holder, "lastSeen", lease.Renewed)
			}
			err := l.write(ctx, lease, holder)
			if !errors.Is(err, kube.ErrChanged) {
				return err
			}
			// Somebody was faster, or the answer to our own write was lost.
			if lease, _, err = l.store.Lease(ctx, l.name); err != nil {
				return err
			}
			if lease.Holder == holder {
				l.held = lease
				return nil
			}
		}
		if n > 0 && !same(lease, first) || time.Since(begun) > watchFor {
			return fmt.Errorf("%w: %s, since %s", ErrLocked, lease.Holder, lease.Acquired.UTC().Format(time.RFC3339))
		}
		if n == 0 {
			l.log.Info("another run holds the lock; looking whether it still lives", "holder", lease.Holder)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// same says that nobody has touched a lock in between.
func same(a, b kube.Lease) bool {
	return a.Holder == b.Holder && a.Renewed.Equal(b.Renewed) && a.Acquired.Equal(b.Acquired)
}

func (l *Lock) free(lease kube.Lease) bool {
	return lease.Holder == "" || l.now().After(lease.Renewed.Add(lease.Lasts+longExpired))
}

func (l *Lock) write(ctx context.Context, over kube.Lease, holder string) error {
	now := l.now()
	next := over.For(holder, now, leaseLasts)
	written, err := l.store.PutLease(ctx, l.name, next)
	if err == nil {
		l.held = written
	}
	return err
}

// renew keeps the lock until Release.
func (l *Lock) renew() {
	last := time.Now()
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		}
		sent := time.Now()
		// A context of its own: also while a run that was told to stop ends, nobody else may begin.
		ctx, cancel := context.WithTimeout(context.Background(), time.Until(last.Add(loseAfter)))
		err := l.again(ctx)
		cancel()
		if err == nil {
			last = sent
			continue
		}
		l.log.Warn("the lock could not be renewed", "error", err.Error())
		if errors.Is(err, ErrLockLost) || time.Since(last) >= loseAfter {
			l.lose(fmt.Errorf("%w: %w", ErrLockLost, err))
			return
		}
	}
}

// again renews once.
func (l *Lock) again(ctx context.Context) error {
	next := l.held
	next.Renewed = l.now()
	written, err := l.store.PutLease(ctx, l.name, next)
	if errors.Is(err, kube.ErrChanged) {
		// The answer to the last try may have been lost, or somebody has taken the lock.
		lease, presence, readErr := l.store.Lease(ctx, l.name)
		switch {
		case readErr != nil:
			return readErr
		case presence != inventory.Present || lease.Holder != l.held.Holder:
			return fmt.Errorf("%w: %q holds it now", ErrLockLost, lease.Holder)
		}
		written, err = lease, nil
	}
	if err == nil {
		l.held = written
	}
	return err
}

// Release gives the lock back, so that the next run need not wait for its end. If that fails, it
// ends by itself.
func (l *Lock) Release(ctx context.Context) {
	close(l.stop)
	l.done.Wait()
	l.lose(nil)
	next := l.held
	next.Holder, next.Renewed = "", l.now()
	if _, err := l.store.PutLease(ctx, l.name, next); err != nil {
		l.log.Warn("the lock was not given back", "error", err.Error())
	}
}
