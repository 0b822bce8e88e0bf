// Package memory is what earlier runs leave for the rules, as plain data: how often they have seen what looks orphaned,
// which kinds the orphan guard holds back, and what objects have shown that are gone by now. Package state stores it.
package memory

import "time"

// Memory is what earlier runs leave for the rules. The zero Memory is that of the first run.
type Memory struct {
	Sightings map[string]Sighting // of what looks orphaned, by UID: another object may have the same name
	Guards    map[string]Guard    // by kind
	Sessions  map[string]Session  // by ID
}

// Sighting says in how many sweeps in a row an object looked like an orphan. A sweep that could not
// judge the object does not end the row.
type Sighting struct {
	Times int       `json:"n"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last,omitzero"` // the last that counted
}

// Again returns the sighting after one more. It counts if the last that counted is at least interval ago: two sweeps
// within a minute see the same accident.
func (s Sighting) Again(now time.Time, interval time.Duration) Sighting {
	now = now.UTC().Truncate(time.Second)
	switch {
	case s.Times == 0:
		return Sighting{1, now, now}
	case s.Last.After(now):
		s.Last = now // by a clock that was wrong; left as it is, none would count until then
	case now.Sub(s.Last) >= interval:
		s.Times++
		s.Last = now
	}
	return s
}

// Guard is what is remembered of the orphan guard of one kind. Once it has refused, it does until a person has looked:
// new sessions, or deletes, make the share smaller, and say nothing about what was wrong.
type Guard struct {
	Since   time.Time `json:"since,omitzero"` // when it refused; zero if it does not
	Why     string    `json:"why,omitempty"`
	Orphans int       `json:"orphans"` // as the last sweep counted them
	Looked  int       `json:"looked,omitempty"`

	// Doubt is set if it refuses because nothing shows that the kind is of BOS's system. Then Doubted objects are held
	// back for that, and a person has said of Trusted that this is the right place.
	Doubt   bool `json:"doubt,omitempty"`
	Doubted int  `json:"doubted,omitempty"`
	Trusted int  `json:"trusted,omitempty"`
}

// Closed reports whether it refuses.
func (g Guard) Closed() bool { return !g.Since.IsZero() }

// Release returns the guard after a person has looked at what looks orphaned now: that many do not count any more.
// If it refused for a doubt, the doubt does not count for them either.
func (g Guard) Release() Guard {
	released := Guard{Orphans: g.Orphans, Looked: g.Orphans, Doubted: g.Doubted, Trusted: g.Trusted}
	if g.Doubt {
		released.Trusted = g.Doubted
	}
	return released
}
