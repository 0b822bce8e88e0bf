package progress

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Timing is one phase of a run. Times are in seconds.
type Timing struct {
	Name    string  `json:"phase"`
	Begun   float64 `json:"begun"`   // since the first phase began
	Seconds float64 `json:"seconds"` // from its first beginning to its last end
	Busy    float64 `json:"busy"`    // the sum of all that went on in it at once
	Count   int     `json:"count"`   // how many things it dealt with
}

// Timings tell where the time of one run went. The nil Timings takes none. It is safe for concurrent use.
type Timings struct {
	mu     sync.Mutex
	begun  time.Time
	phases []*Timing
}

// Add adds to a phase something that began at since, has just ended, and dealt with count things.
func (t *Timings) Add(phase string, since time.Time, count int) {
	if t == nil {
		return
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begun.IsZero() || since.Before(t.begun) {
		for _, p := range t.phases {
			p.Begun += t.begun.Sub(since).Seconds()
		}
		t.begun = since
	}
	from, until := since.Sub(t.begun).Seconds(), now.Sub(t.begun).Seconds()
	p := t.phase(phase, from)
	end := max(p.Begun+p.Seconds, until)
	p.Begun = min(p.Begun, from)
	p.Seconds = end - p.Begun
	p.Busy += until - from
	p.Count += count
}

func (t *Timings) phase(name string, from float64) *Timing {
	for _, p := range t.phases {
		if p.Name == name {
			return p
		}
	}
	p := &Timing{Name: name, Begun: from}
	t.phases = append(t.phases, p)
	return p
}

// Phases returns all phases in the order in which they began.
func (t *Timings) Phases() []Timing {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Timing, 0, len(t.phases))
	for _, p := range t.phases {
		all = append(all, *p)
	}
	slices.SortStableFunc(all, func(a, b Timing) int { return cmp.Compare(a.Begun, b.Begun) })
	return all
}
