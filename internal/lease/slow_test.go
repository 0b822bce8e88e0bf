package lease

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"bosgc/internal/kube"
	"bosgc/internal/margin"
)

// The time of a lock runs from when the server wrote it, and not from when it said so.
func TestLockThatIsSlowToGet(t *testing.T) {
	for name, slow := range map[string]func(m *machine, by time.Duration){
		"the answer is slow":           func(m *machine, by time.Duration) { m.set(nil, times(1, slow(by), http.MethodPost)) },
		"it is lost, the look is slow": func(m *machine, by time.Duration) { m.set(nil, lostThenSlow(http.MethodPost, by)) },
	} {
		for _, by := range []time.Duration{9 * time.Second, 19 * time.Second, 28 * time.Second, 50 * time.Second, 118 * time.Second} {
			bubble(t, fmt.Sprintf("%s by %s", name, by), func(t *testing.T, c cluster) {
				a, b := c.machine(t, "a", 2*time.Minute), c.machine(t, "b")
				slow(a, by)
				var taken atomic.Int64
				time.AfterFunc(time.Millisecond, func() {
					for taken.Load() == 0 {
						if _, _, _, err := b.take(); err == nil {
							taken.Store(time.Now().UnixNano())
						}
					}
				})
				_, held, _, err := a.take()
				if err == nil && held.Err() == nil {
					if taken.Load() != 0 {
						t.Error("two hold it")
					}
					a.set(fails(errNoRoute), nil)
					endsLost(held, t)
					lost := time.Now()
					time.Sleep(10 * time.Minute)
					if after := time.Unix(0, taken.Load()).Sub(lost); after < margin.StopGrace {
						t.Errorf("it was given up %s before another took it", after)
					}
				}
				time.Sleep(10 * time.Minute)
				if taken.Load() == 0 {
					t.Error("nobody ever got it")
				}
			})
		}
	}
}

// lostThenSlow loses the answer to the next write, and then delays that to the next look.
func lostThenSlow(write string, by time.Duration) func(*http.Request) error {
	lose, delay := times(1, fails(errReset), write), times(1, slow(by), http.MethodGet)
	written := false
	return func(r *http.Request) error {
		written = written || r.Method == write
		if !written {
			return nil
		}
		return errors.Join(lose(r), delay(r))
	}
}

// A holder is watched from when it was seen, and not from when somebody began to look.
func TestLockOfAHolderThatIsSlowToSee(t *testing.T) {
	for _, by := range []time.Duration{10 * time.Second, 29500 * time.Millisecond, 31 * time.Second, 50 * time.Second} {
		bubble(t, by.String(), func(t *testing.T, c cluster) {
			a, b := c.machine(t, "a"), c.machine(t, "b", time.Minute)
			l, held := a.mustTake()
			b.set(times(1, slow(by)), nil)
			_, _, took, err := b.take()
			if !errors.Is(err, ErrHeld) {
				t.Errorf("error %v", err)
			}
			between(t, "refused", took, by, by+margin.RenewInterval+2*time.Second)
			time.Sleep(time.Minute)
			alive(held, t)
			l.Release(context.Background())
		})
	}
}

// Others go by the time of renewal alone, so it has to be written also when a person's note came
// between.
func TestLockThatIsAnnotatedAllTheTime(t *testing.T) {
	for _, every := range []time.Duration{time.Second, 4 * time.Second, 5 * time.Second, 7 * time.Second} {
		bubble(t, every.String(), func(t *testing.T, c cluster) {
			a, b := c.machine(t, "a"), c.machine(t, "b")
			l, held := a.mustTake()
			a.set(nil, slow(10*time.Millisecond)) // so that a note can come between a look and a write
			ctx, stop := context.WithCancel(t.Context())
			go func() {
				for n := 0; ; n++ {
					select {
					case <-ctx.Done():
						return
					case <-time.After(every):
						b.annotate(fmt.Sprint(n))
					}
				}
			}()
			for range 4 {
				if _, _, _, err := b.take(); !errors.Is(err, ErrHeld) {
					t.Fatalf("error %v", err)
				}
				if age := time.Since(b.lease().Renewed); age > margin.RenewInterval+time.Second {
					t.Errorf("last renewed %s ago", age)
				}
			}
			alive(held, t)
			stop()
			time.Sleep(every)
			l.Release(context.Background())
			if lease := b.lease(); lease.Holder != "" {
				t.Errorf("not given back: %+v", lease)
			}
		})
	}
}

// One renewal that nobody answers is not the last.
func TestLockOfWhichOneRenewalHangs(t *testing.T) {
	for name, hang := range map[string]func(m *machine){
		"it is lost":        func(m *machine) { m.set(times(1, hangs), nil) },
		"its answer is":     func(m *machine) { m.set(nil, times(1, hangs)) },
		"the look after it": func(m *machine) { m.set(nil, lostThenSlow(http.MethodPut, time.Hour)) },
	} {
		bubble(t, name, func(t *testing.T, c cluster) {
			a, b := c.machine(t, "a"), c.machine(t, "b")
			l, held := a.mustTake()
			for range 5 {
				hang(a)
				time.Sleep(time.Minute)
			}
			alive(held, t)
			if age := time.Since(b.lease().Renewed); age > margin.RenewInterval+time.Second {
				t.Errorf("last renewed %s ago", age)
			}
			l.Release(context.Background())
		})
	}
}

// Giving the lock back takes no longer than it may, and a renewal under way does not hold it up.
func TestLockThatIsReleasedWhileItIsRenewed(t *testing.T) {
	for name, cut := range map[string]func(m *machine){
		"silence":          func(m *machine) { m.set(hangs, nil) },
		"answers are lost": func(m *machine) { m.set(nil, hangs) },
		"one is slow":      func(m *machine) { m.set(nil, times(1, hangs)) },
	} {
		bubble(t, name, func(t *testing.T, c cluster) {
			a, b := c.machine(t, "a"), c.machine(t, "b")
			l, _ := a.mustTake()
			time.Sleep(2 * time.Second)
			cut(a)
			time.Sleep(4 * time.Second)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			begun := time.Now()
			l.Release(ctx)
			between(t, "it came back", time.Since(begun), 0, 5*time.Second)
			if lease := b.lease(); name == "one is slow" && lease.Holder != "" {
				t.Errorf("not given back: %+v", lease)
			}
		})
	}
}

// What a loser has still on the way does not touch what others have written since.
func TestLockThatIsReleasedAfterItsLoss(t *testing.T) {
	bubble(t, "another holds it", func(t *testing.T, c cluster) {
		a, b := c.machine(t, "a"), c.machine(t, "b")
		l, held := a.mustTake()
		a.set(hangs, nil)
		endsLost(held, t)
		theirs, held := b.mustTake()
		a.set(nil, nil)
		before := b.lease()
		l.Release(context.Background())
		if now := b.lease(); now != before {
			t.Errorf("%+v, was %+v", now, before)
		}
		time.Sleep(time.Minute)
		alive(held, t)
		theirs.Release(context.Background())
	})
	bubble(t, "nobody holds it yet", func(t *testing.T, c cluster) {
		a, b := c.machine(t, "a"), c.machine(t, "b")
		l, held := a.mustTake()
		a.set(hangs, nil)
		endsLost(held, t)
		a.set(nil, nil)
		l.Release(context.Background())
		theirs, _, took, err := b.take()
		if err != nil || took != 0 {
			t.Errorf("the next took it after %s, %v", took, err)
		}
		theirs.Release(context.Background())
	})
	bubble(t, "another is of the same name", func(t *testing.T, c cluster) {
		a := c.machine(t, "a")
		l, held := a.mustTake()
		c.Remove("leases", lockSpace, lockName)
		a.put(func(l *kube.Lease) { *l = l.HeldBy("somebody", time.Now(), margin.LeaseDuration) })
		before := a.lease()
		endsLost(held, t)
		l.Release(context.Background())
		if now := a.lease(); now != before {
			t.Errorf("%+v, was %+v", now, before)
		}
	})
}
