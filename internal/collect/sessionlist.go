package collect

import (
	"maps"

	"bosgc/internal/inventory"
	"bosgc/internal/state"
)

// Where a run has the IDs of BOS's sessions from.
const (
	FromBOS        = "bos"        // its list
	FromEtcd       = "etcd"       // its keys: as complete as the list
	FromKubernetes = "kubernetes" // whatever names one, asked for one by one: not complete
)

// Place is what named the ID of a session. The empty Place is none.
type Place string

// The values of Place.
const (
	inBOS        Place = inventory.SourceSessions
	inEtcd       Place = "bos-etcd"
	inJobs       Place = inventory.SourceJobs
	inConfigMaps Place = inventory.SourceConfigMaps
	inCFS        Place = inventory.SourceCFSSessions
	inComponents Place = inventory.SourceCFSComponents
)

// SessionList is how a run came by the sessions of BOS v1.
type SessionList struct {
	From     string `json:"from"`          // empty: nothing is known of them, or there is no BOS v1 any more
	Sessions int    `json:"sessions"`      // as far as they are known
	Bytes    int64  `json:"bytes"`         // what BOS's list would have etcd send, estimated
	Limit    int64  `json:"limit"`         // above which the list hangs
	Why      string `json:"why,omitempty"` // why BOS's list was not used

	hang    *state.Hang
	unseen  map[string]bool  // sessions that only the list or etcd has named
	foundIn map[string]Place // by ID, the first place that named it
}

// hung reports whether BOS was asked for its list and did not answer.
func (l *SessionList) hung() bool { return l.hang != nil }

// FoundIn returns what named the ID of a session, and whether a person should be told because it was not BOS's
// list. It works on a nil SessionList: then nothing is known.
func (l *SessionList) FoundIn(id string) (place Place, unusual bool) {
	if l == nil {
		return "", false
	}
	switch l.From {
	case FromBOS:
		place = inBOS
	case FromEtcd:
		place = inEtcd
	default:
		place = l.foundIn[id]
	}
	return place, l.From != FromBOS && place != ""
}

// Remember returns what the next run is to know of BOS's list, once this run has deleted the given sessions.
func (l *SessionList) Remember(before state.SessionList, deleted []string) state.SessionList {
	if l == nil || l.From == "" && l.hang == nil {
		return before
	}
	after := before
	if l.From != "" {
		after.Sessions = l.Sessions
	}
	unseen := maps.Clone(l.unseen)
	for _, id := range deleted {
		after.Sessions--
		delete(unseen, id)
	}
	after.Sessions = max(0, after.Sessions)
	if l.From == FromBOS || l.From == FromEtcd {
		after.Unseen = len(unseen)
	}
	switch {
	case l.From == FromBOS:
		after.Hang = nil
	case l.hang != nil:
		after.Hang = l.hang
	}
	return after
}
