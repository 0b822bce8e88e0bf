package gc

import (
	"log/slog"
	"sync"
	"time"
)

// sayEvery is how often long work says how far it has come, where nobody watches it.
const sayEvery = 15 * time.Second

// Progress is how far a run has come with one thing. The zero Progress says that nothing that takes
// long is under way.
type Progress struct {
	What string // what is done
	Done int
	Of   int
	Left time.Duration // estimated; 0 if there is nothing to estimate it by
}

// pace is how fast one thing goes that there is much of. Who watches is told of each step; the log gets
// a line now and then if nobody does.
type pace struct {
	what  string
	total int
	begun time.Time
	watch func(Progress) // nil: nobody does
	log   *slog.Logger
	times *Timings

	mu   sync.Mutex // guards what follows
	done int
	said time.Time
}

// pace begins something of which so much is to be done.
func (s Systems) pace(what string, total int) *pace {
	now := time.Now()
	p := &pace{what: what, total: total, begun: now, watch: s.Watch, log: s.Log, times: s.Timings, said: now}
	if p.watch != nil && total > 0 {
		p.watch(Progress{What: what, Of: total})
	}
	return p
}

// step counts something that was dealt with, whatever became of it. The rest is taken to go as fast as what
// was done so far.
func (p *pace) step() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	now := time.Now()
	far := Progress{What: p.what, Done: p.done, Of: max(p.done, p.total), Left: left(p.done, p.total, now.Sub(p.begun))}
	if p.watch != nil {
		p.watch(far)
		return
	}
	if now.Sub(p.said) < sayEvery {
		return
	}
	p.said = now
	p.log.Info(far.What, "done", far.Done, "of", far.Of, "left", far.Left.String())
}

// end says that it is over, also if not all of it was done.
func (p *pace) end() {
	if p.total > 0 {
		p.times.took(p.what, p.begun, p.done)
	}
	if p.watch != nil {
		p.watch(Progress{})
	}
}

// left estimates how long the rest takes.
func left(done, total int, took time.Duration) time.Duration {
	if done <= 0 || done >= total {
		return 0
	}
	return (took * time.Duration(total-done) / time.Duration(done)).Round(time.Second)
}
