package gc

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/memory"
	"bosgc/internal/progress"
	"bosgc/policy"
)

// APIVersion marks the form of plans and reports.
const APIVersion = "bosgc/v1"

// Exit codes, as users and monitoring know them.
const (
	ExitDone       = 0
	ExitFailed     = 1
	ExitUsage      = 2
	ExitPartial    = 3
	ExitRefused    = 4
	ExitLocked     = 5
	ExitIncomplete = 6
)

// Document is what plans and reports have in common.
type Document struct {
	APIVersion string               `json:"apiVersion"`
	Kind       string               `json:"kind"` // Plan or Report
	Run        string               `json:"run"`
	CreatedAt  time.Time            `json:"createdAt"`
	ExpiresAt  *time.Time           `json:"expiresAt,omitempty"`  // Plan only
	FinishedAt *time.Time           `json:"finishedAt,omitempty"` // Report only
	PolicyHash string               `json:"policyHash"`
	Cluster    string               `json:"cluster"`
	Namespace  string               `json:"namespace,omitempty"`
	Sources    []inventory.Source   `json:"sources"`
	List       *collect.SessionList `json:"sessionList,omitempty"`
	Guards     []Guard              `json:"guards,omitempty"`
	Objects    []Object             `json:"objects"`
	// PodsWithoutJob are the Pods of BOA that have ended and whose Job is gone. They are counted, and never deleted.
	PodsWithoutJob []string          `json:"podsWithoutJob,omitempty"`
	Summary        Summary           `json:"summary"`
	Outcomes       map[Outcome]int   `json:"outcomes,omitempty"`   // Report only
	Stopped        string            `json:"stopped,omitempty"`    // why a sweep ended early
	Procedures     []*Procedure      `json:"procedures,omitempty"` // of sessions that were named
	Timings        []progress.Timing `json:"timings,omitempty"`    // if they were wanted
	ExitCode       int               `json:"exitCode"`

	// Notes are what a person should know and no object says.
	Notes []string `json:"notes,omitempty"`

	sessions   map[string]memory.Session // see policy.Judge.Remember
	restricted bool                      // its objects are those of a saved plan
}

// Complete reports whether every source was read completely.
func (d *Document) Complete() bool {
	return !slices.ContainsFunc(d.Sources, func(s inventory.Source) bool { return !s.Complete })
}

// CountVerdicts sets the summary.
func (d *Document) CountVerdicts() {
	d.Summary = Summary{}
	for _, o := range d.Objects {
		d.Summary.Add(o.Verdict)
	}
}

// ComputeExitCode returns the first that applies of: stopped early, a source incomplete, an object failed, the orphan
// guard refused.
func (d *Document) ComputeExitCode() int {
	switch {
	case d.Stopped != "":
		return ExitFailed
	case !d.Complete():
		return ExitIncomplete
	case d.Outcomes[Failed] > 0, slices.ContainsFunc(d.Procedures, func(p *Procedure) bool { return p.Failed }):
		return ExitPartial
	case slices.ContainsFunc(d.Objects, d.guarded):
		return ExitRefused
	}
	return ExitDone
}

// guarded reports whether the orphan guard keeps an object now. That an object was to be kept when a plan was saved
// says nothing of now.
func (d *Document) guarded(o Object) bool {
	return o.CurrentReason == policy.OrphanGuard || o.Reason == policy.OrphanGuard && !d.restricted
}

// NewRunID returns a name for a run: sortable by time, and unlike any other.
func NewRunID(now time.Time) string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: see crypto/rand
	return now.UTC().Format("20060102t150405z") + "-" + hex.EncodeToString(random[:])
}

// PolicyHash returns a text that is the same for two plans that were made by the same rules.
func PolicyHash(settings policy.Settings) string {
	text, err := json.Marshal(settings)
	if err != nil {
		panic(err) // plain data always marshals
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
