// Package lease holds the Lease that every command needs which deletes. A CronJob's own concurrencyPolicy knows
// nothing of a sweep that a person starts.
//
// It is not client-go's leader election: that measures its renewal deadline from the last answer, so that a
// holder may go on for 25 seconds and more after others could take over; it releases the lease as soon as its
// context ends, while requests are still under way; and it waits for ever instead of naming the holder.
package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/margin"
)

// ErrHeld is the error of Acquire when another run holds the lease.
var ErrHeld = errors.New("another run holds the lock")

// ErrLost is the cause with which the context of a holder ends whose lease could not be renewed: another run may
// have begun.
var ErrLost = errors.New("the lock was lost")

// Lease is a Lease that is held.
type Lease struct {
	store *kube.Store
	name  string
	log   *slog.Logger
	now   func() time.Time

	held          context.Context // ends when the lease is lost
	lose          context.CancelCauseFunc
	stopRenewing  context.CancelFunc
	renewingEnded sync.WaitGroup

	current kube.Lease // owned by the goroutine that renews, while it runs
	sent    time.Time  // when the write that acquired it was sent: others count from when it was carried out
}

// Acquire takes the lease of a name, or returns ErrHeld with the name of its holder. The context that it returns
// ends when the lease is lost. It waits for a holder that has died until that holder's time is over.
func Acquire(
	ctx context.Context, store *kube.Store, name, holder string, now func() time.Time, log *slog.Logger,
) (*Lease, context.Context, error) {
	l := &Lease{store: store, name: name, log: log, now: now}
	if err := l.acquire(ctx, holder); err != nil {
		return nil, nil, err
	}
	if err := l.renewIfLate(ctx); err != nil {
		return nil, nil, err
	}
	held, lose := context.WithCancelCause(ctx)
	l.held, l.lose = held, lose
	// While a run that was told to stop ends, nobody else may begin either.
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stopRenewing = stop
	l.renewingEnded.Go(func() { l.keepRenewing(renewing, held) })
	return l, held, nil
}

func (l *Lease) acquire(ctx context.Context, holder string) error {
	var first kube.Lease
	var seen time.Time // when the first read was answered, by a clock that nobody sets
	for n := 0; ; n++ {
		lease, presence, err := l.store.GetLease(ctx, l.name)
		if err != nil {
			return err
		}
		if n == 0 {
			first, seen = lease, time.Now()
		}
		watched := time.Since(seen)
		dead := untouched(lease, first) && watched > margin.LeaseDuration && l.expired(lease)
		if presence == inventory.Absent || lease.Holder == "" || dead {
			if lease.Holder != "" {
				l.log.Warn("taking over the lock of a run that has died", "holder", lease.Holder, "lastSeen", lease.Renewed)
			}
			if done, err := l.claim(ctx, &lease, holder); done {
				return err
			}
		}
		since := lease.Acquired.UTC().Format(time.RFC3339)
		locked := fmt.Errorf("%w: %s, since %s", ErrHeld, lease.Holder, since)
		if n > 0 && !untouched(lease, first) || time.Since(seen) > margin.HolderWatch {
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

// claim writes a lease that seems to be free. If somebody was faster, lease is theirs afterwards.
func (l *Lease) claim(ctx context.Context, lease *kube.Lease, holder string) (done bool, err error) {
	if err := l.write(ctx, *lease, holder); !errors.Is(err, kube.ErrChanged) {
		return true, err
	}
	// Somebody was faster, or the answer to our own write was lost.
	if *lease, _, err = l.store.GetLease(ctx, l.name); err != nil {
		return true, err
	}
	if lease.Holder == holder {
		l.current = *lease
		return true, nil
	}
	return false, nil
}

// expired reports whether a lease that nobody renews may be taken over.
func (l *Lease) expired(lease kube.Lease) bool {
	return lease.Duration <= margin.LeaseDuration || l.now().After(lease.Renewed.Add(lease.Duration+margin.LongExpired))
}

// untouched reports whether nobody has written a lease in between.
func untouched(a, b kube.Lease) bool {
	return a.Holder == b.Holder && a.Renewed.Equal(b.Renewed) && a.Acquired.Equal(b.Acquired)
}

func (l *Lease) write(ctx context.Context, over kube.Lease, holder string) error {
	l.sent = time.Now()
	next := over.HeldBy(holder, l.now(), margin.LeaseDuration)
	written, err := l.store.PutLease(ctx, l.name, next)
	if err == nil {
		l.current = written
	}
	return err
}

// renewIfLate renews at once a lease whose write was answered so late that others may be about to take its
// holder for dead.
func (l *Lease) renewIfLate(ctx context.Context) error {
	for range 3 {
		if time.Since(l.sent) < margin.RenewTimeout {
			return nil
		}
		l.sent = time.Now()
		if err := l.renew(ctx); err != nil {
			return err
		}
	}
	if time.Since(l.sent) >= margin.RenewTimeout {
		return fmt.Errorf("the API server takes longer than %s for each answer", margin.RenewTimeout)
	}
	return nil
}

// keepRenewing renews the lease until ctx ends or the lease is lost.
func (l *Lease) keepRenewing(ctx, held context.Context) {
	last := l.sent
	late := time.AfterFunc(time.Until(last.Add(margin.LoseAfter)), func() {
		l.lose(fmt.Errorf("%w: it could not be renewed for %s", ErrLost, margin.LoseAfter))
	})
	defer late.Stop()
	for next := last; ; {
		next = next.Add(margin.RenewInterval)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(next)):
		}
		sent := time.Now()
		next = sent
		bounded, cancel := context.WithTimeout(ctx, margin.RenewTimeout)
		err := l.renew(bounded)
		cancel()
		switch {
		case ctx.Err() != nil || errors.Is(context.Cause(held), ErrLost):
			return // a renewal that came too late changes nothing, whatever its answer
		case err == nil:
			last = sent
			late.Reset(time.Until(last.Add(margin.LoseAfter)))
			continue
		}
		l.log.Warn("the lock could not be renewed", "error", err.Error())
		if errors.Is(err, ErrLost) {
			l.lose(err)
			return
		}
	}
}

// renew renews once.
func (l *Lease) renew(ctx context.Context) error {
	err := l.writeCurrent(ctx, l.current.Holder)
	if !errors.Is(err, kube.ErrChanged) {
		return err
	}
	// The answer to the last try may have been lost, a person may have annotated the Lease, or somebody has
	// taken it.
	lease, presence, err := l.store.GetLease(ctx, l.name)
	switch {
	case err != nil:
		return err
	case presence != inventory.Present:
		return fmt.Errorf("%w: somebody has deleted it", ErrLost)
	case lease.Holder != l.current.Holder:
		return fmt.Errorf("%w: %q holds it now", ErrLost, lease.Holder)
	}
	// What others watch for is a new time: that it is still ours does not renew it.
	l.current = lease
	return l.writeCurrent(ctx, lease.Holder)
}

// writeCurrent writes the lease that is held, with the present time and this holder.
func (l *Lease) writeCurrent(ctx context.Context, holder string) error {
	next := l.current
	next.Holder, next.Renewed = holder, l.now()
	written, err := l.store.PutLease(ctx, l.name, next)
	if err == nil {
		l.current = written
	}
	return err
}

// Lost reports whether another run may have begun.
func (l *Lease) Lost() bool { return errors.Is(context.Cause(l.held), ErrLost) }

// Release frees the lease, so that the next run need not wait until it expires. If that fails, it expires by
// itself.
func (l *Lease) Release(ctx context.Context) {
	l.stopRenewing()
	l.renewingEnded.Wait()
	l.lose(nil)
	holder := l.current.Holder
	err := l.writeCurrent(ctx, "")
	if errors.Is(err, kube.ErrChanged) {
		// A renewal that was under way may have been carried out all the same.
		lease, _, readErr := l.store.GetLease(ctx, l.name)
		if readErr == nil && lease.Holder == holder {
			l.current = lease
			err = l.writeCurrent(ctx, "")
		} else if readErr == nil {
			err = fmt.Errorf("%q holds it now", lease.Holder)
		}
	}
	if err != nil {
		l.log.Warn("could not release the lock", "error", err.Error())
	}
}
