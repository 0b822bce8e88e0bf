package policy

import "slices"

// Verdict is what becomes of an object.
type Verdict int8

// The values of Verdict.
const (
	_ Verdict = iota // none
	Delete
	Keep
	Unknown // nothing is done, and it is counted
)

// Reason is why. These words are one enumeration for text, JSON, metric labels, journal and
// tests; each belongs to exactly one verdict.
type Reason int8

// The values of Reason.
const (
	_ Reason = iota // none
	CompletedExpired
	FailedExpired
	Abandoned
	Ghost
	Orphaned
	OwnerCollected
	CFSExpired
	Requested

	Running
	TooYoung
	KeptLast
	KeptByRule
	NotOurs
	InUse
	AwaitingConfirmation
	OwnerKept
	Foreign
	PolicyOff
	OrphanGuard

	EvidenceIncomplete
	BadData
	ClockSkew
)

var reasons = map[Verdict][]Reason{
	Delete:  {CompletedExpired, FailedExpired, Abandoned, Ghost, Orphaned, OwnerCollected, CFSExpired, Requested},
	Keep:    {Running, TooYoung, KeptLast, KeptByRule, NotOurs, InUse, AwaitingConfirmation, OwnerKept, Foreign, PolicyOff, OrphanGuard},
	Unknown: {EvidenceIncomplete, BadData, ClockSkew},
}

// Verdicts lists the verdicts, the most interesting first.
func Verdicts() []Verdict { return []Verdict{Delete, Unknown, Keep} }

// Reasons lists the reasons of a verdict.
func Reasons(v Verdict) []Reason { return slices.Clone(reasons[v]) }
