package gc

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/margin"
	"bosgc/policy"
)

// batch is what of one session is to be deleted.
type batch struct {
	id      string // of the session; empty for a CFS session that names none
	objects []*Object
}

// key tells the batch from those of other sessions.
func (b batch) key() string {
	if b.id == "" {
		return b.objects[0].Name
	}
	return b.id
}

// sessionRun is a batch being deleted, one object after the other.
type sessionRun struct {
	batch

	record     inventory.Record
	recordText json.RawMessage // the same, word for word
	recordRead time.Time
	ended      bool // the record is of a session that has ended, and does not change any more
	finishing  bool // see mustFinish
	begun      bool // something of it was deleted in this run

	evidence         map[*Object]*evidence
	jobs, configMaps map[string]cachedRead // the last read of each
	deleted          map[string]bool       // ConfigMaps
}

// evidence is what was read of one object directly before its session is deleted: the content goes into the journal,
// and the object is judged once more by what it says.
type evidence struct {
	at       time.Time
	presence inventory.Presence
	same     bool            // in Kubernetes: it is the very version that was judged
	content  json.RawMessage // word for word
	err      error           // why it could not be read

	cfs    inventory.CFSSession
	record inventory.Record
	read   cachedRead // in Kubernetes

	journaled bool // the journal has it: only exactly this may be deleted
}

// cachedRead is what was last read of a Job or ConfigMap.
type cachedRead struct {
	at       time.Time
	presence inventory.Presence
	job      inventory.Job
	keep     inventory.Keep
}

func (r cachedRead) fresh() bool { return time.Since(r.at) <= margin.RecheckLife }

// addEvidence has what was read serve for the recheck before each delete as well.
func (s *sessionRun) addEvidence(o *Object, e *evidence) {
	s.evidence[o] = e
	switch {
	case e.err != nil:
	case o.Kind == policy.Session && !s.ended:
		s.record, s.recordText, s.recordRead = e.record, e.content, e.at
	case o.Kind == policy.Job:
		s.jobs[o.Name] = e.read
	case o.Kind == policy.ConfigMap:
		s.configMaps[o.Name] = e.read
	}
}

// unjournaled returns why the journal does not have an object as it is now; empty if it has. now is what BOS or CFS has
// just answered about it.
func (s *sessionRun) unjournaled(o *Object, now json.RawMessage) string {
	e := s.evidence[o]
	switch {
	case e == nil || !e.journaled:
		return "it changed before it could be written to the journal"
	case o.UID == "" && !sameJSON(e.content, now):
		return "it changed after it was written to the journal"
	}
	return ""
}

// sameJSON reports whether two texts hold the same values.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
