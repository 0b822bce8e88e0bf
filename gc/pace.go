package gc

import (
	"log/slog"
	"sync"
	"time"
)

// sayEvery is how often a long execution says how far it has come.
const sayEvery = 15 * time.Second

// pace is how fast an execution goes.
type pace struct {
	total int // objects that are to go in this run
	begun time.Time

	mu   sync.Mutex // guards what follows
	done int
	said time.Time
}

func newPace(deletes, atMost int) *pace {
	now := time.Now()
	return &pace{total: min(deletes, atMost), begun: now, said: now}
}

// step counts an object that was dealt with, whatever became of it. The rest is taken to go as fast as what
// was done so far.
func (p *pace) step(log *slog.Logger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	now := time.Now()
	if now.Sub(p.said) < sayEvery {
		return
	}
	p.said = now
	log.Info("deleting", "done", p.done, "of", max(p.done, p.total), "left", left(p.done, p.total, now.Sub(p.begun)).String())
}

// left estimates how long the rest takes.
func left(done, total int, took time.Duration) time.Duration {
	if done <= 0 || done >= total {
		return 0
	}
	return (took * time.Duration(total-done) / time.Duration(done)).Round(time.Second)
}
