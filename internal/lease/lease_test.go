package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bosgc/internal/kube"
	"bosgc/internal/margin"
)

// bubble runs a test in which nothing but the test's clock passes.
func bubble(t *testing.T, name string, test func(*testing.T, cluster)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, newCluster()) })
	})
}

func between(t *testing.T, what string, got, least, most time.Duration) {
	t.Helper()
	if got < least || got > most {
		t.Errorf("%s after %s, want %s to %s", what, got, least, most)
	}
}

// endsLost waits until a context ends, which it has to do because of the lock, and says how long
// that took.
func endsLost(held context.Context, t *testing.T) time.Duration {
	t.Helper()
	begun := time.Now()
	select {
	case <-held.Done():
	case <-time.After(time.Hour):
		t.Fatal("the run was never told that its lock is lost")
	}
	if err := context.Cause(held); !errors.Is(err, ErrLost) {
		t.Errorf("it ended with %v", err)
	}
	return time.Since(begun)
}

func alive(held context.Context, t *testing.T) {
	t.Helper()
	if held.Err() != nil {
		t.Errorf("the lock is lost: %v", context.Cause(held))
	}
}

func TestLockThatIsFree(t *testing.T) {
	bubble(t, "nobody ever had it", func(t *testing.T, c cluster) {
		a := c.machine(t, "a")
		l, held, took, err := a.take()
		if err != nil || took != 0 {
			t.Fatalf("took %s, %v", took, err)
		}
		if lease := a.lease(); lease.Holder != "a" || lease.Duration != margin.LeaseDuration || !lease.Renewed.Equal(lease.Acquired) {
			t.Errorf("%+v", lease)
		}
		time.Sleep(10 * time.Minute)
		alive(held, t)
		if lease := a.lease(); time.Since(lease.Renewed) > margin.RenewInterval || time.Since(lease.Acquired) != 10*time.Minute {
			t.Errorf("after ten minutes: %+v", lease)
		}
		l.Release(context.Background())
		if lease := a.lease(); lease.Holder != "" || held.Err() == nil || errors.Is(context.Cause(held), ErrLost) {
			t.Errorf("released: %+v, context %v", lease, context.Cause(held))
		}
	})
	bubble(t, "released", func(t *testing.T, c cluster) {
		a, b := c.machine(t, "a"), c.machine(t, "b")
		l, _ := a.mustTake()
		l.Release(context.Background())
		l, held, took, err := b.take()
		if err != nil || took != 0 {
			t.Fatalf("took %s, %v", took, err)
		}
		alive(held, t)
		l.Release(context.Background())
	})
	bubble(t, "released while another waits", func(t *testing.T, c cluster) {
		a, b := c.machine(t, "a"), c.machine(t, "b")
		l, _ := a.mustTake()
		time.AfterFunc(2500*time.Millisecond, func() { l.Release(context.Background()) })
		l, _, took, err := b.take()
		if err != nil {
			t.Fatal(err)
		}
		between(t, "taken", took, 2500*time.Millisecond, 4*time.Second)
		l.Release(context.Background())
	})
}

// Within the minute by which either clock may be off, nobody's clock matters.
func TestLockOfAHolderThatLives(t *testing.T) {
	for _, a := range []time.Duration{-time.Minute, 0, time.Minute} {
		for _, b := range []time.Duration{-time.Minute, 0, time.Minute} {
			bubble(t, fmt.Sprintf("its clock %s, ours %s", a, b), func(t *testing.T, c cluster) {
				first, second := c.machine(t, "a-pod_20260101t000000z-1"), c.machine(t, "b")
				first.ahead, second.ahead = a, b
				l, held := first.mustTake()
				defer l.Release(context.Background())
				for range 3 {
					time.Sleep(3300 * time.Millisecond)
					_, _, took, err := second.take()
					if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "a-pod_20260101t000000z-1") {
						t.Fatalf("error %v", err)
					}
					between(t, "refused", took, 0, margin.RenewInterval+2*time.Second)
				}
				alive(held, t)
				if lease := first.lease(); lease.Holder != first.name {
					t.Errorf("%+v", lease)
				}
			})
		}
	}
}

func TestLockOfAHolderThatHasDied(t *testing.T) {
	tests := []struct {
		name        string
		ago, lasts  time.Duration // since it was last renewed, by a clock
		ahead       time.Duration // that was so far ahead
		least, most time.Duration // until it is taken; 0 is never
	}{
		{"just now", 0, margin.LeaseDuration, 0, margin.LeaseDuration, margin.LeaseDuration + 2*time.Second},
		{"a minute ago, and nobody looked", time.Minute, margin.LeaseDuration, 0, margin.LeaseDuration, margin.LeaseDuration + 2*time.Second},
		{"its clock was behind", time.Second, margin.LeaseDuration, -2 * time.Minute, margin.LeaseDuration, margin.LeaseDuration + 2*time.Second},
		{"its clock was a day ahead", time.Second, margin.LeaseDuration, 24 * time.Hour, margin.LeaseDuration, margin.LeaseDuration + 2*time.Second},
		{"an hour ago", time.Hour, margin.LeaseDuration, 0, margin.LeaseDuration, margin.LeaseDuration + 2*time.Second},
		{"it promised ten seconds", 0, 10 * time.Second, 0, margin.LeaseDuration, margin.LeaseDuration + 2*time.Second},
		{"it promised two minutes", 0, 2 * time.Minute, 0, -1, -1},
		{"it promised two minutes, long ago", 8 * time.Minute, 2 * time.Minute, 0, margin.LeaseDuration, margin.LeaseDuration + 2*time.Second},
		{"it promised nothing", 0, 0, 0, margin.LeaseDuration, margin.LeaseDuration + 2*time.Second},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T, c cluster) {
			a, b := c.machine(t, "dead"), c.machine(t, "b")
			a.ahead = tt.ahead
			a.dead("dead", tt.ago, tt.lasts)
			l, held, took, err := b.take()
			if tt.least < 0 {
				if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "dead") {
					t.Errorf("error %v", err)
				}
				between(t, "refused", took, 0, margin.HolderWatch+2*time.Second)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			between(t, "taken", took, tt.least, tt.most)
			alive(held, t)
			l.Release(context.Background())
		})
	}
}

// However many begin at the same moment, one gets it.
func TestLockForWhichManyCome(t *testing.T) {
	many := func(t *testing.T, c cluster, n int) {
		var mu sync.Mutex
		var locks []*grip
		var all sync.WaitGroup
		for i := range n {
			m := c.machine(t, fmt.Sprint("m", i))
			m.set(slow(time.Duration(i%7)*3*time.Millisecond), slow(time.Duration(i%5)*2*time.Millisecond))
			all.Go(func() {
				l, _, _, err := m.take()
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					locks = append(locks, l)
				case !errors.Is(err, ErrHeld):
					t.Errorf("%s: %v", m.name, err)
				}
			})
		}
		all.Wait()
		if len(locks) != 1 {
			t.Errorf("%d have it", len(locks))
		}
		for _, l := range locks {
			l.Release(context.Background())
		}
	}
	bubble(t, "free", func(t *testing.T, c cluster) { many(t, c, 30) })
	bubble(t, "of a holder that has died", func(t *testing.T, c cluster) {
		c.machine(t, "dead").dead("dead", time.Second, margin.LeaseDuration)
		many(t, c, 30)
	})
	bubble(t, "of a holder that died long ago", func(t *testing.T, c cluster) {
		c.machine(t, "dead").dead("dead", time.Hour, margin.LeaseDuration)
		many(t, c, 30)
	})
}

func TestLockThatSomebodyTakesAway(t *testing.T) {
	for name, take := range map[string]func(m *machine){
		"written over": func(m *machine) { m.put(func(l *kube.Lease) { *l = l.HeldBy("thief", time.Now(), time.Minute) }) },
		"emptied":      func(m *machine) { m.put(func(l *kube.Lease) { l.Holder = "" }) },
	} {
		bubble(t, name, func(t *testing.T, c cluster) {
			a, other := c.machine(t, "a"), c.machine(t, "other")
			l, held := a.mustTake()
			time.Sleep(12 * time.Second)
			take(other)
			theirs := other.lease()
			between(t, "lost", endsLost(held, t), 0, margin.RenewInterval)
			if want := fmt.Sprintf("%q", theirs.Holder); !strings.Contains(context.Cause(held).Error(), want) {
				t.Errorf("%v does not name %s", context.Cause(held), want)
			}
			l.Release(context.Background())
			if now := other.lease(); now != theirs {
				t.Errorf("the loser has written %+v over %+v", now, theirs)
			}
		})
	}
	bubble(t, "deleted", func(t *testing.T, c cluster) {
		a := c.machine(t, "a")
		l, held := a.mustTake()
		c.Remove("leases", lockSpace, lockName)
		between(t, "lost", endsLost(held, t), 0, margin.RenewInterval)
		l.Release(context.Background())
		if c.Has("leases", lockSpace, lockName) {
			t.Error("the loser has made it again")
		}
	})
}

// What cannot be renewed is given up so early that requests under way have ended before
// anybody else may begin; and whoever waits for it gets it then.
func TestLockThatCannotBeRenewed(t *testing.T) {
	for name, cut := range map[string]func(m *machine){
		"silence":          func(m *machine) { m.set(hangs, nil) },
		"refused":          func(m *machine) { m.set(fails(errRefused), nil) },
		"no route":         func(m *machine) { m.set(fails(errNoRoute), nil) },
		"answers are lost": func(m *machine) { m.set(nil, hangs) },
		"too slow":         func(m *machine) { m.set(slow(time.Minute), nil) },
	} {
		for _, lag := range []time.Duration{0, 2 * time.Second, 7 * time.Second, 9 * time.Second} {
			bubble(t, fmt.Sprintf("%s, after answers that took %s", name, lag), func(t *testing.T, c cluster) {
				a, b := c.machine(t, "a"), c.machine(t, "b")
				l, held := a.mustTake()
				a.set(nil, slow(lag))
				time.Sleep(time.Minute + 11*time.Second)
				alive(held, t)
				cut(a)
				var lost time.Time
				context.AfterFunc(held, func() { lost = time.Now() })
				theirs, _, _, err := b.take()
				for errors.Is(err, ErrHeld) { // it saw one more renewal
					theirs, _, _, err = b.take()
				}
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if held.Err() == nil || time.Since(lost) < margin.StopGrace {
					t.Errorf("it was given up %s before another took it, want at least %s", time.Since(lost), margin.StopGrace)
				}
				if late := lost.Sub(a.lastConfirmed()); late > margin.LoseAfter {
					t.Errorf("it was given up %s after the last renewal that it knows of, want at most %s", late, margin.LoseAfter)
				}
				l.Release(context.Background())
				theirs.Release(context.Background())
			})
		}
	}
}

// An answer that is lost on its way takes nobody's lock away.
func TestLockWhoseAnswersAreLost(t *testing.T) {
	for name, lost := range map[string]error{"reset": errReset, "no route": errNoRoute} {
		bubble(t, name+" at renewing", func(t *testing.T, c cluster) {
			a := c.machine(t, "a")
			l, held := a.mustTake()
			for range 5 {
				a.set(nil, times(1, fails(lost), http.MethodPut))
				time.Sleep(3 * margin.RenewInterval)
			}
			alive(held, t)
			l.Release(context.Background())
			if lease := a.lease(); lease.Holder != "" {
				t.Errorf("%+v", lease)
			}
		})
	}
	for name, prepare := range map[string]func(m *machine){
		"making it":      func(*machine) {},
		"taking it over": func(m *machine) { m.dead("dead", time.Hour, margin.LeaseDuration) },
	} {
		bubble(t, "reset at "+name, func(t *testing.T, c cluster) {
			a := c.machine(t, "a")
			prepare(a)
			a.set(nil, times(1, fails(errReset), ""))
			a.set(nil, func() func(*http.Request) error {
				post, put := times(1, fails(errReset), http.MethodPost), times(1, fails(errReset), http.MethodPut)
				return func(r *http.Request) error { return errors.Join(post(r), put(r)) }
			}())
			l, held, took, err := a.take()
			if err != nil {
				t.Fatal(err)
			}
			between(t, "taken", took, 0, margin.LeaseDuration+2*time.Second)
			time.Sleep(time.Minute)
			alive(held, t)
			l.Release(context.Background())
		})
	}
}

// Who looks at the lease, or notes something on it, does not take it.
func TestLockThatAPersonAnnotates(t *testing.T) {
	bubble(t, "now and then", func(t *testing.T, c cluster) {
		a := c.machine(t, "a")
		l, held := a.mustTake()
		for i := range 20 {
			time.Sleep(7 * time.Second)
			a.annotate(fmt.Sprint(i))
		}
		alive(held, t)
		l.Release(context.Background())
		if lease := a.lease(); lease.Holder != "" {
			t.Errorf("%+v", lease)
		}
	})
}

func TestLockThatCannotBeAskedFor(t *testing.T) {
	for name, err := range map[string]error{"refused": errRefused, "no route": errNoRoute} {
		bubble(t, name, func(t *testing.T, c cluster) {
			a := c.machine(t, "a")
			a.set(fails(err), nil)
			if _, _, _, err := a.take(); err == nil || errors.Is(err, ErrHeld) {
				t.Errorf("error %v", err)
			}
		})
	}
	bubble(t, "told to stop while it holds it", func(t *testing.T, c cluster) {
		a, b := c.machine(t, "a"), c.machine(t, "b")
		ctx, stop := context.WithCancel(context.Background())
		l, held, err := Acquire(ctx, a.store, lockName, "a", a.now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		stop() // what is under way goes on, and nobody else may begin before its end
		time.Sleep(time.Minute)
		if _, _, _, err := b.take(); !errors.Is(err, ErrHeld) || !errors.Is(context.Cause(held), context.Canceled) {
			t.Errorf("error %v, context %v", err, context.Cause(held))
		}
		l.Release(context.Background())
		if _, _, took, err := b.take(); err != nil || took != 0 {
			t.Errorf("released: took %s, %v", took, err)
		}
	})
	bubble(t, "told to stop while it waits", func(t *testing.T, c cluster) {
		c.machine(t, "dead").dead("dead", 0, margin.LeaseDuration)
		a := c.machine(t, "a")
		ctx, stop := context.WithCancelCause(context.Background())
		why := errors.New("told to stop")
		time.AfterFunc(5*time.Second, func() { stop(why) })
		begun := time.Now()
		_, _, err := Acquire(ctx, a.store, lockName, "a", a.now, slog.New(slog.DiscardHandler))
		if !errors.Is(err, why) {
			t.Errorf("error %v", err)
		}
		between(t, "stopped", time.Since(begun), 5*time.Second, 5*time.Second)
		if lease := a.lease(); lease.Holder != "dead" {
			t.Errorf("%+v", lease)
		}
	})
}
