// Package state keeps what one sweep leaves for the next in a ConfigMap: totals, what has been
// seen as an orphan, and a summary of the last sweep.
//
// Nothing in it is needed to sweep safely. Without it nothing counts as seen before, so that
// less is deleted, and counters begin anew.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// format is that of the ConfigMap's content. Another one is not understood, not even a newer one
// that happens to look alike: it may count what this one would lose.
const format = "1"

// Keys of the ConfigMap.
const (
	keyFormat    = "format"
	keyRuns      = "runs.json"
	keyLast      = "last-run.json"
	keyMetrics   = "metrics.prom"
	keySightings = "sightings.json"
	keyList      = "list.json"
	keySetAside  = "set-aside"
)

const (
	// maxSightings bounds the sightings: 90 bytes each make 450 KB, half of what a ConfigMap may
	// hold. Orphans beyond that wait until those before them have gone.
	maxSightings = 5000
	// maxRuns is how many runs are known to be counted in. It has to outlast those that can come between
	// one's write and one's next look: with a lock few, but a process that could not write for
	// two days has as many of its own.
	maxRuns = 60
)

// ErrUnreadable says that what is kept cannot be understood.
var ErrUnreadable = errors.New("the state of earlier sweeps cannot be read")

// State is what is kept.
type State struct {
	// Runs are the IDs of the last runs that are counted in, the newest last.
	Runs []string
	// Last is the last sweep; nil before the first.
	Last *Run
	// Totals are its metrics, its counters being those of all runs.
	Totals Totals
	// Sightings are the objects that the last sweep saw as orphans, by their UID: another object
	// of the same name is another one.
	Sightings map[string]Sighting
	// List is what is remembered of BOS's list of sessions.
	List SessionList
	// SetAside is when a state that could not be understood was last put away; zero is never.
	SetAside time.Time
}

// Sighting is how often an object has been seen as an orphan, without a sweep between that
// saw it and did not.
type Sighting struct {
	Times int       `json:"n"`
	First time.Time `json:"first"`
}

// SessionList is what is remembered of BOS's list of sessions. Without it a list that has hung is asked
// for once more.
type SessionList struct {
	Sessions int   `json:"sessions"`       // after the last sweep, as far as known
	Unseen   int   `json:"unseen"`         // those of them that nothing in Kubernetes has named
	Hang     *Hang `json:"hang,omitempty"` // the last one; nil once the list was answered again
}

// Hang is a list that was asked for and not answered.
type Hang struct {
	At     time.Time `json:"at"`
	Bytes  int64     `json:"bytes"`            // what the list was taken for
	Silent bool      `json:"silent,omitempty"` // nothing else of BOS was answered either
}

// Run is the summary of one sweep, for a person who looks into the ConfigMap.
type Run struct {
	ID         string         `json:"run"`
	Version    string         `json:"version"`
	StartedAt  time.Time      `json:"startedAt"`
	FinishedAt time.Time      `json:"finishedAt"`
	ExitCode   int            `json:"exitCode"`
	DryRun     bool           `json:"dryRun,omitempty"`
	Error      string         `json:"error,omitempty"` // why it failed or was stopped
	Outcomes   map[string]int `json:"outcomes,omitempty"`
	Incomplete []string       `json:"incomplete,omitempty"` // sources that were not read completely
}

// Counted says whether a run is counted in already.
func (s *State) Counted(run string) bool { return slices.Contains(s.Runs, run) }

// Count notes that a run is counted in.
func (s *State) Count(run string) {
	if s.Counted(run) {
		return
	}
	s.Runs = append(s.Runs, run)
	if over := len(s.Runs) - maxRuns; over > 0 {
		s.Runs = s.Runs[over:]
	}
}

// bound drops the sightings that are too many: the latest, so that the oldest orphans come to
// their end and make room.
func (s *State) bound() {
	if len(s.Sightings) <= maxSightings {
		return
	}
	uids := slices.SortedFunc(maps.Keys(s.Sightings), func(a, b string) int {
		return s.Sightings[a].First.Compare(s.Sightings[b].First)
	})
	for _, uid := range uids[maxSightings:] {
		delete(s.Sightings, uid)
	}
}

func (s *State) encode() (map[string]string, error) {
	s.bound()
	metrics, err := s.Totals.text()
	if err != nil {
		return nil, err
	}
	data := map[string]string{keyFormat: format, keyMetrics: metrics}
	for key, part := range map[string]any{keyRuns: s.Runs, keyLast: s.Last, keySightings: s.Sightings} {
		text, err := json.Marshal(part)
		if err != nil {
			return nil, fmt.Errorf("encode the state: %w", err)
		}
		data[key] = string(text)
	}
	if s.List != (SessionList{}) {
		text, err := json.Marshal(s.List)
		if err != nil {
			return nil, fmt.Errorf("encode the state: %w", err)
		}
		data[keyList] = string(text)
	}
	if !s.SetAside.IsZero() {
		data[keySetAside] = s.SetAside.UTC().Format(time.RFC3339)
	}
	return data, nil
}

// decode reads what encode wrote, all of it or nothing: half of a state would count as seen
// before what was not.
func decode(data map[string]string) (State, error) {
	var s State
	if got := data[keyFormat]; got != format {
		return s, fmt.Errorf("%w: its format is %.20q, expected %q", ErrUnreadable, got, format)
	}
	for key, part := range map[string]any{keyRuns: &s.Runs, keyLast: &s.Last, keySightings: &s.Sightings} {
		if err := json.Unmarshal([]byte(data[key]), part); err != nil {
			return State{}, fmt.Errorf("%w: %s: %w", ErrUnreadable, key, err)
		}
	}
	for uid, sighting := range s.Sightings {
		if uid == "" || sighting.Times < 1 || sighting.First.IsZero() {
			return State{}, fmt.Errorf("%w: %s: %.60q was seen %d times", ErrUnreadable, keySightings, uid, sighting.Times)
		}
	}
	var err error
	if s.Totals, err = parseTotals(data[keyMetrics]); err != nil {
		return State{}, fmt.Errorf("%w: %s: %w", ErrUnreadable, keyMetrics, err)
	}
	// Earlier versions have none, and who has restarted BOS may take it away (docs/rescue.md).
	if text := data[keyList]; text != "" {
		if err = json.Unmarshal([]byte(text), &s.List); err != nil {
			return State{}, fmt.Errorf("%w: %s: %w", ErrUnreadable, keyList, err)
		}
		if l := s.List; l.Sessions < 0 || l.Unseen < 0 || l.Hang != nil && (l.Hang.At.IsZero() || l.Hang.Bytes < 0) {
			return State{}, fmt.Errorf("%w: %s: %.200s", ErrUnreadable, keyList, text)
		}
	}
	if text := data[keySetAside]; text != "" {
		if s.SetAside, err = time.Parse(time.RFC3339, text); err != nil {
			return State{}, fmt.Errorf("%w: %s: %w", ErrUnreadable, keySetAside, err)
		}
	}
	return s, nil
}
