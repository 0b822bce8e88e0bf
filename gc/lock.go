package gc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
)

// Every command that deletes holds a Lease. CronJob's own "Forbid" knows nothing of a sweep that a
// person starts.
const (
	// leaseLasts is how long a holder is believed that does not renew.
	leaseLasts = 30 * time.Second
	// renewEvery leaves time for several tries before the lock is lost.
	renewEvery = 5 * time.Second
	// tryFor is how long one renewal may take, so that one that hangs is not the last.
	tryFor = 10 * time.Second
	// loseAfter is after how long without renewal a holder gives up by itself: early enough that
	// requests under way, which get another 10 seconds, have ended before others take over.
	loseAfter = 20 * time.Second
	// LockGrace is what is left for them.
	LockGrace = leaseLasts - loseAfter
	// watchFor is how long a lock that is held is watched. A holder that lives renews it within
	// that time; one that has died does not. The time in the Lease alone proves nothing: it is of
	// the holder's clock, and a clock that is wrong must not make a living holder look dead.
	watchFor = leaseLasts + renewEvery
	// longExpired is how long ago a Lease of somebody who has promised less often than that to renew it
	// must have ended besides.
	longExpired = 5 * time.Minute
)

// ErrLocked says that another run holds the lock.
var ErrLocked = errors.New("another run holds the lock")

// ErrLockLost ends a run whose lock could not be renewed: another one may have begun.
var ErrLockLost = errors.New("the lock was lost")

// Lock is a Lease that is held.
type Lock struct {
	store *kube.Store
	name  string
	log   *slog.Logger
	now   func() time.Time

	lose context.CancelCauseFunc
	stop context.CancelFunc // ends the renewing
	done sync.WaitGroup

	held kube.Lease // of the goroutine that renews, while it runs
	sent time.Time  // when the write that took the lock was sent: others count from when it was carried out
}

// TakeLock takes the lock of a name, or gives ErrLocked with who holds it. The context that comes
// with it ends when the lock is lost. A holder that has died is waited for until its time
// is over.
func TakeLock(ctx context.Context, store *kube.Store, name, holder string, now func() time.Time, log *slog.Logger) (*Lock, context.Context, error) {
	l := &Lock{store: store, name: name, log: log, now: now}
	if err := l.take(ctx, holder); err != nil {
		return nil, nil, err
	}
	if err := l.freshen(ctx); err != nil {
		return nil, nil, err
	}
	held, lose := context.WithCancelCause(ctx)
	l.lose = lose
	// Also while a run that was told to stop ends, nobody else may begin.
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	l.done.Go(func() { l.renew(renewing, held) })
	return l, held, nil
}

func (l *Lock) take(ctx context.Context, holder string) error {
	var first kube.Lease
	var seen time.Time // when the first look had been answered, by a clock that nobody sets
	for n := 0; ; n++ {
		lease, presence, err := l.store.GetLease(ctx, l.name)
		if err != nil {
			return err
		}
		if n == 0 {
			first, seen = lease, time.Now()
		}
		if presence == inventory.Absent || lease.Holder == "" || same(lease, first) && time.Since(seen) > leaseLasts && l.over(lease) {
			if lease.Holder != "" {
				l.log.Warn("taking over the lock of a run that has died", "holder", lease.Holder, "lastSeen", lease.Renewed)
			}
			if done, err := l.claim(ctx, &lease, holder); done {
				return err
			}
		}
		locked := fmt.Errorf("%w: %s, since %s", ErrLocked, lease.Holder, lease.Acquired.UTC().Format(time.RFC3339))
		if n > 0 && !same(lease, first) || time.Since(seen) > watchFor {
			return locked
		}
		if n == 0 {
			l.log.Info("another run holds the lock; looking whether it still lives", "holder", lease.Holder)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return fmt.Errorf("%w; the run ended before it was certain that this holder is dead: %w", locked, context.Cause(ctx))
		}
	}
}

// claim writes a Lease that seems to be free. If somebody was faster, lease is theirs afterwards.
func (l *Lock) claim(ctx context.Context, lease *kube.Lease, holder string) (done bool, err error) {
	if err := l.write(ctx, *lease, holder); !errors.Is(err, kube.ErrChanged) {
		return true, err
	}
	// Somebody was faster, or the answer to our own write was lost.
	if *lease, _, err = l.store.GetLease(ctx, l.name); err != nil {
		return true, err
	}
	if lease.Holder == holder {
		l.held = *lease
		return true, nil
	}
	return false, nil
}

// over says that a Lease that nobody renews has ended.
func (l *Lock) over(lease kube.Lease) bool {
	return lease.Duration <= leaseLasts || l.now().After(lease.Renewed.Add(lease.Duration+longExpired))
}

// same says that nobody has touched a lock in between.
func same(a, b kube.Lease) bool {
	return a.Holder == b.Holder && a.Renewed.Equal(b.Renewed) && a.Acquired.Equal(b.Acquired)
}

func (l *Lock) write(ctx context.Context, over kube.Lease, holder string) error {
	l.sent = time.Now()
	next := over.HeldBy(holder, l.now(), leaseLasts)
	written, err := l.store.PutLease(ctx, l.name, next)
	if err == nil {
		l.held = written
	}
	return err
}

// freshen renews a lock at once whose taking was so slow to be answered that others may be about to
// take it for dead.
func (l *Lock) freshen(ctx context.Context) error {
	for range 3 {
		if time.Since(l.sent) < tryFor {
			return nil
		}
		l.sent = time.Now()
		if err := l.again(ctx); err != nil {
			return err
		}
	}
	if time.Since(l.sent) >= tryFor {
		return fmt.Errorf("the API server takes longer than %s for each answer", tryFor)
	}
	return nil
}

// renew keeps the lock until the context ends.
func (l *Lock) renew(ctx, held context.Context) {
	last := l.sent
	late := time.AfterFunc(time.Until(last.Add(loseAfter)), func() {
		l.lose(fmt.Errorf("%w: it could not be renewed for %s", ErrLockLost, loseAfter))
	})
	defer late.Stop()
	for next := last; ; {
		next = next.Add(renewEvery)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(next)):
		}
		sent := time.Now()
		next = sent
		within, cancel := context.WithTimeout(ctx, tryFor)
		err := l.again(within)
		cancel()
		switch {
		case ctx.Err() != nil || errors.Is(context.Cause(held), ErrLockLost):
			return // what was late is lost, whatever became of it in the end
		case err == nil:
			last = sent
			late.Reset(time.Until(last.Add(loseAfter)))
			continue
		}
		l.log.Warn("the lock could not be renewed", "error", err.Error())
		if errors.Is(err, ErrLockLost) {
			l.lose(err)
			return
		}
	}
}

// again renews once.
func (l *Lock) again(ctx context.Context) error {
	err := l.put(ctx, l.held.Holder)
	if !errors.Is(err, kube.ErrChanged) {
		return err
	}
	// The answer to the last try may have been lost, a person may have annotated the Lease, or
	// somebody has taken it.
	lease, presence, err := l.store.GetLease(ctx, l.name)
	switch {
	case err != nil:
		return err
	case presence != inventory.Present:
		return fmt.Errorf("%w: somebody has deleted it", ErrLockLost)
	case lease.Holder != l.held.Holder:
		return fmt.Errorf("%w: %q holds it now", ErrLockLost, lease.Holder)
	}
	// What others watch for is a new time: that it is still ours is no renewal.
	l.held = lease
	return l.put(ctx, lease.Holder)
}

// put writes the lease that is held, with the present time and this holder.
func (l *Lock) put(ctx context.Context, holder string) error {
	next := l.held
	next.Holder, next.Renewed = holder, l.now()
	written, err := l.store.PutLease(ctx, l.name, next)
	if err == nil {
		l.held = written
	}
	return err
}

// Release gives the lock back, so that the next run need not wait for its end. If that fails, it
// ends by itself.
func (l *Lock) Release(ctx context.Context) {
	l.stop()
	l.done.Wait()
	l.lose(nil)
	holder := l.held.Holder
	err := l.put(ctx, "")
	if errors.Is(err, kube.ErrChanged) {
		// A renewal that was under way may have been carried out all the same.
		lease, _, readErr := l.store.GetLease(ctx, l.name)
		if readErr == nil && lease.Holder == holder {
			l.held = lease
			err = l.put(ctx, "")
		} else if readErr == nil {
			err = fmt.Errorf("%q holds it now", lease.Holder)
		}
	}
	if err != nil {
		l.log.Warn("the lock was not given back", "error", err.Error())
	}
}
