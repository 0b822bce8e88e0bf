package policy

import "bosgc/internal/inventory"

var verdictWords = inventory.Words{
	Delete:  "delete",
	Keep:    "keep",
	Unknown: "unknown",
}

func (v Verdict) String() string { return verdictWords[v] }

// MarshalText gives its word.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText takes a word. An unknown one is an error.
func (v *Verdict) UnmarshalText(text []byte) error {
	n, err := verdictWords.Parse("verdict", text)
	*v = Verdict(n)
	return err
}

var reasonWords = inventory.Words{
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

func (r Reason) String() string { return reasonWords[r] }

// MarshalText gives its word.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText takes a word. An unknown one is an error.
func (r *Reason) UnmarshalText(text []byte) error {
	n, err := reasonWords.Parse("reason", text)
	*r = Reason(n)
	return err
}

var kindWords = inventory.Words{
	Session:    "Session",
	Job:        "Job",
	ConfigMap:  "ConfigMap",
	CFSSession: "CFSSession",
	Component:  "Component",
}

func (k Kind) String() string { return kindWords[k] }

// MarshalText gives its word.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText takes a word. An unknown one is an error.
func (k *Kind) UnmarshalText(text []byte) error {
	n, err := kindWords.Parse("kind", text)
	*k = Kind(n)
	return err
}
