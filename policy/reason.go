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

// UnmarshalText refuses unknown verdicts.
func (v *Verdict) UnmarshalText(text []byte) (err error) {
	*v, err = parse("verdict", text, []Verdict{Delete, Keep, Unknown})
	return err
}

// Reason is why an object gets its verdict. The words are the same in text, JSON, metric labels, the journal
// and tests; each belongs to exactly one verdict.
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
	Terminating          Reason = "terminating"
	OwnerKept            Reason = "owner-kept"
	Foreign              Reason = "foreign"
	PolicyOff            Reason = "policy-off"
	OrphanGuard          Reason = "orphan-guard"

	EvidenceIncomplete Reason = "evidence-incomplete"
	BadData            Reason = "bad-data"
	ClockSkew          Reason = "clock-skew"
)

// UnmarshalText refuses unknown reasons.
func (r *Reason) UnmarshalText(text []byte) (err error) {
	*r, err = parse("reason", text, slices.Concat(Reasons(Delete), Reasons(Keep), Reasons(Unknown)))
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

// reasonEntry is all there is to say about a reason, whatever the object.
type reasonEntry struct {
	reason  Reason
	verdict Verdict
	cause   string // why an object is deleted or kept, in a line about it
	page    string // the same, as the name of a bar on the HTML page
	remedy  string // what ends it
}

// reasonTable has every reason once, in the order in which they are listed. What users read about a reason
// stands here and nowhere else.
var reasonTable = []reasonEntry{
	{CompletedExpired, Delete, "", "finished long enough ago", ""},
	{FailedExpired, Delete, "", "failed long enough ago", ""},
	{Abandoned, Delete, "no end is recorded and nothing runs", "never ended, and nothing runs", ""},
	{Ghost, Delete, "BOS lists it, but has no record of it", "listed by BOS without a record", ""},
	{Orphaned, Delete, "", "has no owner, seen twice", ""},
	{OwnerCollected, Delete, "its session is gone", "deleted with its session", ""},
	{CFSExpired, Delete, "", "CFS session, old enough", ""},
	{Requested, Delete, "asked for by name", "asked for by name", ""},

	{
		Running, Keep, "still runs, or may run again", "runs, or may run again",
		"it can be deleted some time after it has ended",
	},
	{TooYoung, Keep, "", "too young", ""},
	{KeptLast, Keep, "among the newest of its template", "among the newest of its template", ""},
	{KeptByRule, Keep, "protected", "protected by a rule", ""},
	{
		NotOurs, Keep, "not what BOS makes", "not what BOS makes",
		"nothing does: what cannot be told to be of BOS v1 is not deleted",
	},
	{InUse, Keep, "something else uses it", "something else uses it", "it can be deleted once nothing else refers to it"},
	{
		AwaitingConfirmation, Keep, "looks orphaned, waiting for another sighting", "looks orphaned, waiting for another sighting",
		"nothing is to be done: each sweep that sees it so counts",
	},
	{
		Terminating, Keep, "is being deleted", "is being deleted already",
		"it is gone once its finalizers are removed, by whoever set them; a person may remove one whose owner is gone",
	},
	{
		OwnerKept, Keep, "deleted only with its session", "kept with its session",
		"it is deleted with what it belongs to",
	},
	{
		Foreign, Keep, "not of BOS v1", "not of BOS v1",
		"nothing does: what cannot be told to be of BOS v1 is not deleted",
	},
	{PolicyOff, Keep, "not collected (BOSGC_CFS)", "not collected", ""},
	{
		OrphanGuard, Keep, "too many look orphaned at once", "too many look orphaned at once",
		"find out why so many look orphaned: is BOS's database the right one, and whole?",
	},

	{
		EvidenceIncomplete, Unknown, "not everything could be read", "not everything could be read",
		"what could not be read has to answer",
	},
	{
		BadData, Unknown, "something about it cannot be understood", "cannot be understood",
		"nothing by itself: what cannot be understood is kept; look at it, and delete it by hand if that is right",
	},
	{
		ClockSkew, Unknown, "clocks disagree", "clocks disagree",
		"the clocks have to agree: of this machine, of the API server, and of whoever wrote the time",
	},
}

func (r Reason) entry() reasonEntry {
	for _, e := range reasonTable {
		if e.reason == r {
			return e
		}
	}
	return reasonEntry{}
}

// Verdict returns the verdict that the reason belongs to.
func (r Reason) Verdict() Verdict { return r.entry().verdict }

// Cause says in a few words why an object is deleted or kept. It is empty where the times of the object say
// it better.
func (r Reason) Cause() string { return r.entry().cause }

// PageWord names the reason on the HTML page, where many objects share it.
func (r Reason) PageWord() string { return r.entry().page }

// Remedy says what ends the reason. It is empty where a command or a setting does. With OwnerKept and BadData
// it applies only if no annotation is the cause, which a command removes.
func (r Reason) Remedy() string { return r.entry().remedy }

// Verdicts returns the verdicts, the most interesting first.
func Verdicts() []Verdict { return []Verdict{Delete, Unknown, Keep} }

// Reasons returns the reasons of a verdict.
func Reasons(v Verdict) []Reason {
	var reasons []Reason
	for _, e := range reasonTable {
		if e.verdict == v {
			reasons = append(reasons, e.reason)
		}
	}
	return reasons
}
