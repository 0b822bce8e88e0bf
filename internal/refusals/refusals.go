// Package refusals finds out that a system deletes nothing of a kind, before more is deleted than that takes.
package refusals

import (
	"fmt"
	"sync"

	"bosgc/policy"
)

// maxRefusals is how many sessions find out that no object of a kind can be deleted. Each of them has lost by then what
// goes before that object.
const maxRefusals = 3

// Run notes for one run of which kinds deletes are refused, or fail, while everything can be read: a permission was
// taken back, an admission webhook forbids them, a database is full. Without it every session would lose what goes
// before the object that cannot be deleted, and stay half deleted.
//
// What fails may be the oldest objects alone, in every run. So a kind is not given up before one more session has been
// tried, which is drawn at random (see package gc): the same few failures cannot block all others in every run,
// whichever they are, and nothing has to be remembered for that.
type Run struct {
	mu      sync.Mutex
	changed sync.Cond
	kinds   map[policy.Kind]*streak
}

// streak is what is known of one kind.
type streak struct {
	accepted bool            // the last delete was
	failed   map[string]bool // the sessions of which one failed since a delete was accepted
	last     string          // error
	running  int             // sessions under way that have such an object
	retried  bool            // one more session may be tried, or was
}

// New returns the Run that knows of no delete yet.
func New() *Run {
	r := &Run{kinds: map[policy.Kind]*streak{}}
	r.changed.L = &r.mu
	for _, kind := range policy.Kinds() {
		r.kinds[kind] = &streak{failed: map[string]bool{}}
	}
	return r
}

// full reports whether deletes of the kind are refused, as far as is known.
func (s *streak) full() bool { return len(s.failed) >= maxRefusals }

// holds reports whether a session has to wait. One that has failed already says nothing new.
func (s *streak) holds(session string) bool {
	return s.full() && (!s.retried || len(s.failed) > maxRefusals || s.failed[session])
}

// Admit reports whether a session may be begun of which such kinds are to be deleted. It waits as long as others are
// under way to find that out: as long as the last delete of a kind was not accepted, sessions are begun few at once.
func (r *Run) Admit(session string, kinds []policy.Kind) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		wait := false
		for _, kind := range kinds {
			s := r.kinds[kind]
			if s.holds(session) {
				return false
			}
			most := maxRefusals - len(s.failed)
			if s.full() {
				most = 1
			}
			wait = wait || !s.accepted && s.running >= most
		}
		if !wait {
			break
		}
		r.changed.Wait()
	}
	for _, kind := range kinds {
		r.kinds[kind].running++
	}
	return true
}

// Leave ends a session that was admitted.
func (r *Run) Leave(kinds []policy.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, kind := range kinds {
		r.kinds[kind].running--
	}
	r.changed.Broadcast()
}

// Note notes what became of a delete: err is nil if it was accepted.
func (r *Run) Note(kind policy.Kind, session string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.kinds[kind]
	if s.accepted = err == nil; s.accepted {
		s.failed, s.retried = map[string]bool{}, false
	} else {
		s.failed[session], s.last = true, err.Error()
	}
	r.changed.Broadcast()
}

// Holds reports whether nothing of a kind is to be deleted for a session any more.
func (r *Run) Holds(kind policy.Kind, session string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kinds[kind].holds(session)
}

// Retry allows one more session for each kind that is held back, once. It returns false if no kind is held back.
func (r *Run) Retry() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	allowed := false
	for _, s := range r.kinds {
		if s.full() && !s.retried {
			s.retried, allowed = true, true
		}
	}
	return allowed
}

// Why returns why something of these kinds waits; empty if nothing of them is held back.
func (r *Run) Why(kinds ...policy.Kind) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, kind := range kinds {
		if s := r.kinds[kind]; s.full() {
			return fmt.Sprintf("%s did not delete the %s of %d sessions in a row, so that no more are tried in this run; the last "+
				"error: %s", systemOf(kind), kind, len(s.failed), s.last)
		}
	}
	return ""
}

// Notes returns what a person should know, for each kind that is held back.
func (r *Run) Notes() []string {
	var notes []string
	for _, kind := range policy.Kinds() {
		if why := r.Why(kind); why != "" {
			notes = append(notes, why+"; what needs it waits for the next sweep")
		}
	}
	return notes
}

func systemOf(kind policy.Kind) string {
	switch kind {
	case policy.Session:
		return "BOS"
	case policy.CFSSession:
		return "CFS"
	default:
		return "Kubernetes"
	}
}
