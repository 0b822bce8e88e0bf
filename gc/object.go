package gc

import (
	"time"

	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/memory"
	"bosgc/policy"
)

// Outcome is what became of an object that was to be deleted, or of another thing that was to be done. The empty
// Outcome is none yet.
type Outcome string

// The values of Outcome.
const (
	Deleted Outcome = "deleted"
	Gone    Outcome = "gone"    // it was gone already
	Skipped Outcome = "skipped" // it changed since it was judged, and is kept
	Failed  Outcome = "failed"  // it is still there, and there is an error
	Waiting Outcome = "waiting" // left for the next sweep
	// Terminating is the outcome of a delete that was accepted, while finalizers hold the object.
	Terminating Outcome = "terminating"
	Done        Outcome = "done"     // a step of a procedure
	Restored    Outcome = "restored" // an object that is there again
)

// Object is one line of a plan or report.
type Object struct {
	Kind            policy.Kind    `json:"kind"`
	Name            string         `json:"name"`
	Session         string         `json:"session,omitempty"`
	Verdict         policy.Verdict `json:"verdict"`
	Reason          policy.Reason  `json:"reason"`
	Outcome         Outcome        `json:"outcome,omitempty"`
	FoundIn         collect.Place  `json:"foundIn,omitempty"` // of a session: what named its ID first
	Detail          string         `json:"detail"`
	EligibleAt      time.Time      `json:"eligibleAt,omitzero"`
	UID             string         `json:"uid,omitempty"`
	ResourceVersion string         `json:"resourceVersion,omitempty"`
	Template        string         `json:"template,omitempty"`
	StartedAt       time.Time      `json:"startedAt,omitzero"`
	EndedAt         time.Time      `json:"endedAt,omitzero"`
	// Link is how a CFS session without a tag was linked, if that was tried.
	Link  *inventory.Link `json:"link,omitempty"`
	Error string          `json:"error,omitempty"`

	// OrphanedSince is when the object was first seen without an owner; zero if it has one.
	OrphanedSince time.Time `json:"-"`
	// CurrentReason is why the rules keep an object now that a saved plan would delete; empty otherwise.
	CurrentReason policy.Reason `json:"-"`
}

// Key identifies an object within a document.
type Key struct{ Kind, Name string }

// Key returns what identifies the object.
func (o *Object) Key() Key { return Key{string(o.Kind), o.Name} }

// gone reports whether the object does not exist any more.
func (o *Object) gone() bool { return o.Outcome == Deleted || o.Outcome == Gone }

// due reports whether the object is to be deleted, and nothing has become of it yet.
func (o *Object) due() bool { return o.Verdict == policy.Delete && o.Outcome == "" }

// NewObject returns a decision as a line of a plan.
func NewObject(d policy.Decision) Object {
	return Object{
		Kind: d.Kind, Name: d.Name, Session: d.Session,
		Verdict: d.Verdict, Reason: d.Reason, Detail: d.Detail,
		UID: d.UID, ResourceVersion: d.ResourceVersion, OrphanedSince: DocumentTime(d.Since),
		Template: d.Template, EligibleAt: DocumentTime(d.EligibleAt),
		StartedAt: DocumentTime(d.StartedAt), EndedAt: DocumentTime(d.EndedAt),
	}
}

// DocumentTime returns a time as documents have it: in UTC and whole seconds. One that RFC 3339 cannot hold becomes
// the last one that it can: some server's year 10000 must not cost the whole report.
func DocumentTime(t time.Time) time.Time {
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	switch t = t.UTC().Truncate(time.Second); {
	case t.Unix() < 0:
		return time.Time{}
	case t.After(last):
		return last
	}
	return t
}

// Guard is the orphan guard of one kind.
type Guard struct {
	Kind policy.Kind `json:"kind"`
	memory.Guard
}

// Summary counts verdicts.
type Summary struct {
	Delete  int `json:"delete"`
	Keep    int `json:"keep"`
	Unknown int `json:"unknown"`
}

// Add counts one verdict.
func (s *Summary) Add(v policy.Verdict) {
	switch v {
	case policy.Delete:
		s.Delete++
	case policy.Keep:
		s.Keep++
	default:
		s.Unknown++
	}
}
