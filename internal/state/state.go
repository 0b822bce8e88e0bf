// Package state stores in a ConfigMap what one sweep leaves for the next: the totals of the metrics,
// which objects looked like orphans, and a summary of the last sweep.
//
// A sweep is safe without it: nothing counts as seen before, so less is deleted, and counters start
// at zero.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"bosgc/internal/memory"
)

// format is the version of the ConfigMap's content. No other one is read, not even a newer one that
// looks the same: it may count something that this version would lose.
const format = "1"

// Keys of the ConfigMap.
const (
	keyFormat    = "format"
	keyRuns      = "runs.json"
	keyLast      = "last-run.json"
	keyHistory   = "history.json"
	keyMetrics   = "metrics.prom"
	keySightings = "sightings.json"
	keyList      = "list.json"
	keyGuards    = "guards.json"
	keySessions  = "sessions.json.gz" // in base64
	keySetAside  = "set-aside"
	keyCleaning  = "procedures.json"
	keyBatcher   = "batcher.json"
	keySettings  = "settings.json"
)

const (
	// maxSightings bounds the sightings. With 120 bytes each they take 480 KB, half of what a ConfigMap
	// may have. More orphans wait until those before them have been deleted.
	maxSightings = 4000
	// maxSessions bounds the sessions of which something is remembered. Compressed they take 60 bytes each, 240 KB.
	maxSessions = 4000
	// maxRuns bounds the runs that are remembered as counted. A run must stay among them from its write
	// until its process looks again. The lock allows few others in between, but a process that could
	// not write for two days has 48 of its own (package metrics).
	maxRuns = 60
	// maxHistory bounds the runs of which the summary is kept. With 400 bytes each they take 8 KB.
	maxHistory = 20
	// maxError bounds the error in such a summary, in bytes.
	maxError = 300
)

// ErrUnreadable is returned for a state that cannot be understood.
var ErrUnreadable = errors.New("the state of earlier sweeps cannot be read")

// State is what one sweep leaves for the next.
type State struct {
	// Runs are the IDs of the last runs that are counted in, the newest last.
	Runs []string
	// Last is the last sweep; nil before the first.
	Last *Run
	// History has the last sweeps, with Last, the oldest first.
	History []Run
	// Totals are the metrics of the last sweep, with the counters of all runs.
	Totals Totals
	// Memory is what the rules are to know.
	memory.Memory
	// List is what is known of BOS's list of sessions.
	List SessionList
	// Procedures are those of "bosgc clean" that have begun and not ended.
	Procedures Procedures
	// Batcher is what a restart of CFS's batcher has scaled down, or was about to; zero if none is under way.
	Batcher Batcher
	// Settings are those of the last scheduled sweep; zero before the first.
	Settings Settings
	// SetAside is when an unreadable state was last set aside; zero if never.
	SetAside time.Time
}

// Settings are what a scheduled sweep has judged by. A run that a person starts goes by them.
type Settings struct {
	Run    string            `json:"run"` // that recorded them
	At     time.Time         `json:"at"`
	ByName map[string]string `json:"byName"` // by the names of their variables
}

// SessionList is what is known of BOS's list of sessions. Without it, a list that has hung is
// requested once more.
type SessionList struct {
	Sessions int   `json:"sessions"`       // number after the last sweep, as far as known
	Unseen   int   `json:"unseen"`         // number of those that nothing in Kubernetes names
	Hang     *Hang `json:"hang,omitempty"` // the last one; nil once the list was answered again
}

// Hang is a request for the list that was not answered.
type Hang struct {
	At     time.Time `json:"at"`
	Bytes  int64     `json:"bytes"`            // estimated size of the list
	Silent bool      `json:"silent,omitempty"` // BOS answered no other request either
}

// Run is the summary of one sweep, for a person who reads the ConfigMap.
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

// Counted reports whether a run is counted in already.
func (s *State) Counted(run string) bool { return slices.Contains(s.Runs, run) }

// MarkCounted remembers that a run is counted in.
func (s *State) MarkCounted(run string) {
	if s.Counted(run) {
		return
	}
	s.Runs = append(s.Runs, run)
	if excess := len(s.Runs) - maxRuns; excess > 0 {
		s.Runs = s.Runs[excess:]
	}
}

// Remember makes a run the last one.
func (s *State) Remember(r Run) {
	s.Last = &r
	if len(r.Error) > maxError {
		r.Error = strings.ToValidUTF8(r.Error[:maxError], "") + " ..."
	}
	s.History = append(s.History, r)
	if excess := len(s.History) - maxHistory; excess > 0 {
		s.History = s.History[excess:]
	}
}

// limitSightings drops the latest sightings beyond maxSightings. The oldest orphans stay, so that they
// can be deleted and make room.
func (s *State) limitSightings() {
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
	s.limitSightings()
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
	for key, part := range map[string]any{keyHistory: s.History, keyList: s.List, keyGuards: s.Guards, keyCleaning: s.Procedures, keyBatcher: s.Batcher, keySettings: s.Settings} {
		if reflect.ValueOf(part).IsZero() {
			continue
		}
		text, err := json.Marshal(part)
		if err != nil {
			return nil, fmt.Errorf("encode the state: %w", err)
		}
		data[key] = string(text)
	}
	if len(s.Sessions) > 0 {
		if data[keySessions], err = compress(memory.Limit(s.Sessions, maxSessions)); err != nil {
			return nil, err
		}
	}
	if !s.SetAside.IsZero() {
		data[keySetAside] = s.SetAside.UTC().Format(time.RFC3339)
	}
	return data, nil
}

// decode decodes what encode returned, all of it or nothing: with half of a state, an object could
// count as seen before that was not.
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
			return State{}, fmt.Errorf("%w: %s: %.60q was seen %d times",
				ErrUnreadable, keySightings, uid, sighting.Times)
		}
	}
	var err error
	if s.Totals, err = parseTotals(data[keyMetrics]); err != nil {
		return State{}, fmt.Errorf("%w: %s: %w", ErrUnreadable, keyMetrics, err)
	}
	// Earlier versions have no such keys, and whoever restarts BOS may remove that of the list (docs/rescue.md).
	for key, part := range map[string]any{keyHistory: &s.History, keyList: &s.List, keyGuards: &s.Guards, keyCleaning: &s.Procedures, keyBatcher: &s.Batcher, keySettings: &s.Settings} {
		if text := data[key]; text != "" {
			if err = json.Unmarshal([]byte(text), part); err != nil {
				return State{}, fmt.Errorf("%w: %s: %w", ErrUnreadable, key, err)
			}
		}
	}
	if !s.List.valid() {
		return State{}, fmt.Errorf("%w: %s: %.200s", ErrUnreadable, keyList, data[keyList])
	}
	if text := data[keySessions]; text != "" {
		if s.Sessions, err = decompress(text); err != nil {
			return State{}, fmt.Errorf("%w: %s: %w", ErrUnreadable, keySessions, err)
		}
	}
	if text := data[keySetAside]; text != "" {
		if s.SetAside, err = time.Parse(time.RFC3339, text); err != nil {
			return State{}, fmt.Errorf("%w: %s: %w", ErrUnreadable, keySetAside, err)
		}
	}
	return s, nil
}

func (l SessionList) valid() bool {
	if l.Hang != nil && (l.Hang.At.IsZero() || l.Hang.Bytes < 0) {
		return false
	}
	return l.Sessions >= 0 && l.Unseen >= 0
}
