// Package progress tells how far long work has come, and where the time of a run went.
package progress

import (
	"log/slog"
	"sync"
	"time"
)

// logInterval is the time between two lines in the log about the same work, where nobody watches it.
const logInterval = 15 * time.Second

// Update is how far a run has come with one thing.
type Update struct {
	What  string
	Done  int
	Of    int
	Left  time.Duration // estimated; 0 if there is nothing to estimate it by
	Ended bool          // nothing more is done of it
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
	args := []any{"done", update.Done, "of", update.Of}
	if update.Left > 0 {
		args = append(args, "left", update.Left.String())
	}
	t.reporter.Log.Info(update.What, args...)
}

// End ends the task, also if not all of it was done.
func (t *Task) End() {
	if t.total > 0 {
		t.reporter.Timings.Add(t.what, t.begun, t.done)
	}
	if t.reporter.Watch != nil {
		t.reporter.Watch(Update{What: t.what, Ended: true})
	}
}

const (
	// estimateAfter is how long a task must have gone on before the rest of it is estimated.
	estimateAfter = 3 * time.Second
	// estimateFrom is how many steps must have been done: the first one often waits for a connection or a login, and
	// thousands like it would take hours.
	estimateFrom = 20
	// estimateMost is the longest rest that is estimated. A run ends by BOSGC_DEADLINE long before.
	estimateMost = 2 * time.Hour
)

// estimateLeft returns how long the rest takes, as precisely as that can be known; 0 if it cannot be told.
func estimateLeft(done, total int, took time.Duration) time.Duration {
	if done < estimateFrom && done*4 < total || done == 0 || done >= total || took < estimateAfter {
		return 0
	}
	left := took * time.Duration(total-done) / time.Duration(done)
	switch {
	case left > estimateMost:
		return 0
	case left > 2*time.Minute:
		return left.Round(time.Minute)
	}
	return max(left.Round(10*time.Second), 10*time.Second)
}
