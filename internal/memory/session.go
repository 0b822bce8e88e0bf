package memory

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Session is what objects of a session have shown that may be gone by now: Kyverno removes Jobs after three days, and
// sessions are kept for longer.
type Session struct {
	Failed time.Time  `json:"failed,omitzero"` // when its Job failed; zero if none is known to have
	Keep   Protection `json:"keep,omitzero"`
}

// Protection is an annotation that protects a session.
type Protection struct {
	Kind  string    `json:"kind"` // of the object that has it
	Name  string    `json:"name"`
	Says  string    `json:"says"`           // the annotation, as name: value
	Until time.Time `json:"until,omitzero"` // zero: for ever
	Bad   bool      `json:"bad,omitempty"`  // it cannot be understood
	Seen  time.Time `json:"seen,omitzero"`  // by the last sweep that saw it
}

// Shows reports whether there is anything to remember.
func (s Session) Shows() bool { return s != Session{} }

// Limit returns the sessions that are remembered where there is room for n. Failures are forgotten first, the oldest
// before the others: they have an effect for some weeks only. Then protections, the one that was seen longest ago first.
func Limit(sessions map[string]Session, n int) map[string]Session {
	if len(sessions) <= n {
		return sessions
	}
	ids := slices.SortedFunc(maps.Keys(sessions), func(a, b string) int {
		x, y := sessions[a], sessions[b]
		return cmp.Or(
			y.Keep.Seen.Compare(x.Keep.Seen), y.Failed.Compare(x.Failed), cmp.Compare(a, b),
		)
	})
	kept := make(map[string]Session, n)
	for _, id := range ids[:n] {
		kept[id] = sessions[id]
	}
	return kept
}
