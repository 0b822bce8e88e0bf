// Package progress tells how far long work has come, and where the time of a run went.
package progress

import (
	"log/slog"
	"sync"
	"time"
)

// logInterval is the time between two lines in the log about the same work, where nobody watches it.
const logInterval = 15 * time.Second

// Update is how far a run has come with one thing. The zero Update means that nothing that takes long is under
// way.
type Update struct {
	What string
	Done int
	Of   int
	Left time.Duration // estimated; 0 if there is nothing to estimate it by
}

// Reporter is where progress is told. The zero Reporter needs a Log.
type Reporter struct {
	Log     *slog.Logger
	Watch   func(Update) // called for each step; nil: the log gets a line now and then
	Timings *Timings     // nil: times are not taken
}

// Task is one thing of which there is much to do. It is safe for concurrent use. A nil Task tells nobody.
type Task struct {
	what     string
	total    int
	begun    time.Time
	reporter Reporter

	mu     sync.Mutex // guards what follows
	done   int
	logged time.Time
}

// StartTask begins a task of total steps.
func (r Reporter) StartTask(what string, total int) *Task {
	now := time.Now()
	if r.Watch != nil && total > 0 {
		r.Watch(Update{What: what, Of: total})
	}
	return &Task{what: what, total: total, begun: now, reporter: r, logged: now}
}

// Step counts one step, whatever came of it. The rest is estimated to go as fast as what was done so far.
func (t *Task) Step() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
	now := time.Now()
	update := Update{What: t.what, Done: t.done, Of: max(t.done, t.total), Left: estimateLeft(t.done, t.total, now.Sub(t.begun))}
	if t.reporter.Watch != nil {
		t.reporter.Watch(update)
		return
	}
	if now.Sub(t.logged) < logInterval {
		return
	}
	t.logged = now
	t.reporter.Log.Info(update.What, "done", update.Done, "of", update.Of, "left", update.Left.String())
}

// End ends the task, also if not all of it was done.
func (t *Task) End() {
	if t.total > 0 {
		t.reporter.Timings.Add(t.what, t.begun, t.done)
	}
	if t.reporter.Watch != nil {
		t.reporter.Watch(Update{})
	}
}

func estimateLeft(done, total int, took time.Duration) time.Duration {
	if done <= 0 || done >= total {
		return 0
	}
	return (took * time.Duration(total-done) / time.Duration(done)).Round(time.Second)
}
