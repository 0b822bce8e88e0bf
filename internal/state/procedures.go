package state

import (
	"slices"
	"time"

	"bosgc/internal/margin"
)

// maxProcedureSessions bounds the sessions of all procedures together. With 40 bytes each they take 40 KB.
const maxProcedureSessions = 1000

// Procedure is what a run of "bosgc clean" records before it writes anything to a Job. A note on a Job that no record
// backs is not continued: whoever may patch Jobs can have written it.
type Procedure struct {
	Run      string    `json:"run"`
	At       time.Time `json:"at"`
	Cancel   bool      `json:"cancel,omitempty"`
	Unset    bool      `json:"unset,omitempty"`
	Sessions []string  `json:"sessions"`
}

// Procedures are those that have begun and not ended, the newest last.
type Procedures []Procedure

// Know reports whether a run has recorded that it takes a session apart, at least as thoroughly as is asked. A cancel
// unsets, too.
func (p Procedures) Know(run, session string, cancel, unset bool) bool {
	return slices.ContainsFunc(p, func(one Procedure) bool {
		return one.Run == run && slices.Contains(one.Sessions, session) &&
			(one.Cancel || !cancel) && (one.Cancel || one.Unset || !unset)
	})
}

// Begin returns the procedures with more of them. Those that are too old, or too many, are dropped, the oldest first:
// a person has to name their sessions again.
func (p Procedures) Begin(now time.Time, more ...Procedure) Procedures {
	all := slices.Concat(p, more)
	all = slices.DeleteFunc(all, func(one Procedure) bool { return now.Sub(one.At) > margin.ProcedureLife })
	room := maxProcedureSessions
	for i := len(all) - 1; i >= 0; i-- {
		all[i].Sessions = all[i].Sessions[:min(len(all[i].Sessions), room)]
		room -= len(all[i].Sessions)
	}
	return slices.DeleteFunc(all, func(one Procedure) bool { return len(one.Sessions) == 0 })
}

// End returns the procedures without those of some sessions.
func (p Procedures) End(sessions []string) Procedures {
	var left Procedures
	for _, one := range p {
		one.Sessions = slices.DeleteFunc(slices.Clone(one.Sessions), func(id string) bool {
			return slices.Contains(sessions, id)
		})
		if len(one.Sessions) > 0 {
			left = append(left, one)
		}
	}
	return left
}
