package policy

import (
	"fmt"
	"strings"
)

// words are the texts of a kind of value that is kept as a small number: each of tens of thousands of objects has several
// such values, and a text takes sixteen times as much, besides a pointer that the garbage collector follows each time.
// The first one is that of the zero value, which is none.
type words []string

func (w words) of(n int8) string { return w[n] }

// parse gives the value of a text. An unknown one is an error that names the others: it would otherwise be read as
// something that it does not say.
func (w words) parse(what string, text []byte) (int8, error) {
	for n, word := range w {
		if word == string(text) {
			return int8(n), nil //nolint:gosec // G115: there are some dozens
		}
	}
	return 0, fmt.Errorf("%q is no %s; expected one of %s", text, what, strings.Join(w[1:], ", "))
}

var verdictWords = words{
	Delete:  "delete",
	Keep:    "keep",
	Unknown: "unknown",
}

func (v Verdict) String() string { return verdictWords.of(int8(v)) }

// MarshalText gives its word.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText takes a word. An unknown one is an error.
func (v *Verdict) UnmarshalText(text []byte) error {
	n, err := verdictWords.parse("verdict", text)
	*v = Verdict(n)
	return err
}

var reasonWords = words{
	CompletedExpired:     "completed-expired",
	FailedExpired:        "failed-expired",
	Abandoned:            "abandoned",
	Ghost:                "ghost",
	Orphaned:             "orphaned",
	OwnerCollected:       "owner-collected",
	CFSExpired:           "cfs-expired",
	Requested:            "requested",
	Running:              "running",
	TooYoung:             "too-young",
	KeptLast:             "kept-last",
	KeptByRule:           "kept-by-rule",
	NotOurs:              "not-ours",
	InUse:                "in-use",
	AwaitingConfirmation: "awaiting-confirmation",
	OwnerKept:            "owner-kept",
	Foreign:              "foreign",
	PolicyOff:            "policy-off",
	OrphanGuard:          "orphan-guard",
	EvidenceIncomplete:   "evidence-incomplete",
	BadData:              "bad-data",
	ClockSkew:            "clock-skew",
}

func (r Reason) String() string { return reasonWords.of(int8(r)) }

// MarshalText gives its word.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText takes a word. An unknown one is an error.
func (r *Reason) UnmarshalText(text []byte) error {
	n, err := reasonWords.parse("reason", text)
	*r = Reason(n)
	return err
}

var kindWords = words{
	Session:    "Session",
	Job:        "Job",
	ConfigMap:  "ConfigMap",
	CFSSession: "CFSSession",
	Component:  "Component",
}

func (k Kind) String() string { return kindWords.of(int8(k)) }

// MarshalText gives its word.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText takes a word. An unknown one is an error.
func (k *Kind) UnmarshalText(text []byte) error {
	n, err := kindWords.parse("kind", text)
	*k = Kind(n)
	return err
}
