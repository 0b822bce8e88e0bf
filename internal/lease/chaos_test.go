package lease

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"bosgc/internal/margin"
)

// work notes who may be deleting. Nobody else may be then.
type work struct {
	t     *testing.T
	begun time.Time

	mu   sync.Mutex
	held map[string]bool
	runs int
}

func (w *work) begin(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs++
	for other := range w.held {
		w.t.Errorf("after %s: %s begins, and %s has not ended", time.Since(w.begun), name, other)
	}
	w.held[name] = true
}

func (w *work) end(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.held, name)
}

// dice draws durations. It belongs to one goroutine.
type dice struct{ *rand.Rand }

func (d dice) below(most time.Duration) time.Duration { return time.Duration(d.Int64N(int64(most))) }

// weather is what a machine's wire may be like for a while.
func (d dice) weather() (before, after func(*http.Request) error) {
	switch d.IntN(12) {
	case 0:
		return fails(errNoRoute), nil
	case 1:
		return nil, fails(errNoRoute)
	case 2:
		return fails(errRefused), nil
	case 3:
		return nil, times(1+d.IntN(3), fails(errReset))
	case 4:
		return hangs, nil
	case 5:
		return nil, hangs
	case 6:
		return slow(d.below(6 * time.Second)), slow(d.below(6 * time.Second))
	case 7:
		return nil, times(1, slow(d.below(40*time.Second)))
	case 8:
		return times(1, slow(d.below(40*time.Second))), nil
	}
	return slow(d.below(time.Second)), slow(d.below(time.Second))
}

// change lets the weather change, until the end of the test.
func (m *machine) change(d dice, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			m.set(nil, nil)
			return
		case <-time.After(d.below(time.Minute)):
			m.set(d.weather())
		}
	}
}

// runs takes the lock again and again, until the end of the test. A run comes to its end, loses its
// lock, or is killed.
func (m *machine) runs(d dice, w *work, stop <-chan struct{}) {
	name := m.name
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(d.below(20 * time.Second)):
		}
		m.name = fmt.Sprintf("%s run %d", name, n) // no two runs are of one name
		l, held, _, err := m.take()
		if err != nil {
			continue
		}
		w.begin(m.name)
		select {
		case <-held.Done(): // what is under way goes on for a while
			time.Sleep(d.below(margin.StopGrace))
			w.end(m.name)
		case <-time.After(d.below(2 * time.Minute)):
			if d.IntN(3) == 0 {
				m.kill(true) // from here on nothing of it arrives
			}
			w.end(m.name)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		l.Release(ctx)
		cancel()
		m.kill(false)
	}
}

// Whatever happens to four machines and their ways to the API server, no two of them ever work at
// the same time.
func TestLockInAnyWeather(t *testing.T) {
	for seed := range uint64(4) {
		bubble(t, fmt.Sprint("seed ", seed), func(t *testing.T, c cluster) {
			w := &work{t: t, begun: time.Now(), held: map[string]bool{}}
			stop := make(chan struct{})
			var all sync.WaitGroup
			for i := range uint64(4) {
				d := func(n uint64) dice { return dice{rand.New(rand.NewPCG(seed, 10*i+n))} }
				m := c.machine(t, fmt.Sprint("m", i), time.Duration(30+30*(seed%3))*time.Second)
				m.ahead = d(0).below(2*time.Minute) - time.Minute
				all.Go(func() { m.change(d(1), stop) })
				all.Go(func() { m.runs(d(2), w, stop) })
			}
			all.Go(func() { annotator(t, c, dice{rand.New(rand.NewPCG(seed, 99))}, stop) })
			time.Sleep(time.Hour)
			close(stop)
			all.Wait()
			if w.runs < 10 {
				t.Errorf("only %d runs: this test shows nothing", w.runs)
			}
		})
	}
}

// annotator is somebody who cannot leave the lease alone, now and then for minutes.
func annotator(t *testing.T, c cluster, d dice, stop <-chan struct{}) {
	m := c.machine(t, "annotator")
	for n := 0; ; n++ {
		pause := d.below(4 * time.Second)
		if n%50 == 0 {
			pause = 10 * time.Minute
		}
		select {
		case <-stop:
			return
		case <-time.After(pause):
			m.annotate(fmt.Sprint(n))
		}
	}
}
