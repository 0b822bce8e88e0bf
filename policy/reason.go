package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Verdict is what becomes of an object.
type Verdict string

// The values of Verdict.
const (
	Delete  Verdict = "delete"
	Keep    Verdict = "keep"
	Unknown Verdict = "unknown" // nothing is done, and it is counted
)

func (v Verdict) String() string { return string(v) }

// UnmarshalText refuses unknown verdicts.
func (v *Verdict) UnmarshalText(text []byte) (err error) {
	*v, err = parse("verdict", text, []Verdict{Delete, Keep, Unknown})
	return err
}

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

func (r Reason) String() string { return string(r) }

// UnmarshalText refuses unknown reasons.
func (r *Reason) UnmarshalText(text []byte) (err error) {
	*r, err = parse("reason", text, slices.Concat(reasons[Delete], reasons[Keep], reasons[Unknown]))
	return err
}

// parse returns the value whose word is text. No text is no value; any other text that is not known is an error.
func parse[T ~string](what string, text []byte, known []T) (T, error) {
	word := T(text)
	if word == "" || slices.Contains(known, word) {
		return word, nil
	}
	words := make([]string, 0, len(known))
	for _, k := range known {
		words = append(words, string(k))
	}
	return "", fmt.Errorf("%.40q is no %s; expected one of %s", text, what, strings.Join(words, ", "))
}

var reasons = map[Verdict][]Reason{
	Delete:  {CompletedExpired, FailedExpired, Abandoned, Ghost, Orphaned, OwnerCollected, CFSExpired, Requested},
	Keep:    {Running, TooYoung, KeptLast, KeptByRule, NotOurs, InUse, AwaitingConfirmation, OwnerKept, Foreign, PolicyOff, OrphanGuard},
	Unknown: {EvidenceIncomplete, BadData, ClockSkew},
}

// Verdicts lists the verdicts, the most interesting first.
func Verdicts() []Verdict { return []Verdict{Delete, Unknown, Keep} }

// Reasons lists the reasons of a verdict.
func Reasons(v Verdict) []Reason { return slices.Clone(reasons[v]) }
