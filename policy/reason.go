package policy

import "slices"

// Verdict is what becomes of an object.
type Verdict string

// The values of Verdict.
const (
	Delete  Verdict = "delete"
	Keep    Verdict = "keep"
	Unknown Verdict = "unknown" // nothing is done, and it is counted
)

// Reason is why. These words are one enumeration for text, JSON, metric labels, journal and
// tests; each belongs to exactly one verdict.
type Reason string

// The values of Reason.
const (
	CompletedExpired Reason = "completed-expired"
	FailedExpired    Reason = "failed-expired"
	Abandoned        Reason = "abandoned"
	Ghost            Reason = "ghost"
	Orphaned         Reason = "orphaned"
	OwnerCollected   Reason = "owner-collected"
	CFSExpired       Reason = "cfs-expired"
	Requested        Reason = "requested"

	Running              Reason = "running"
	TooYoung             Reason = "too-young"
	KeptLast             Reason = "kept-last"
	KeptByRule           Reason = "kept-by-rule"
	NotOurs              Reason = "not-ours"
	InUse                Reason = "in-use"
	AwaitingConfirmation Reason = "awaiting-confirmation"
	OwnerKept            Reason = "owner-kept"
	Foreign              Reason = "foreign"
	PolicyOff            Reason = "policy-off"
	OrphanGuard          Reason = "orphan-guard"

	EvidenceIncomplete Reason = "evidence-incomplete"
	BadData            Reason = "bad-data"
	ClockSkew          Reason = "clock-skew"
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
