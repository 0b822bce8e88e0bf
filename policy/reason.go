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
	{reason: CompletedExpired, verdict: Delete, page: "finished long enough ago"},
	{reason: FailedExpired, verdict: Delete, page: "failed long enough ago"},
	{
		reason: Abandoned, verdict: Delete,
		cause: "no end is recorded and nothing runs", page: "never ended, and nothing runs",
	},
	{
		reason: Ghost, verdict: Delete,
		cause: "BOS lists it, but has no record of it", page: "listed by BOS without a record",
	},
	{reason: Orphaned, verdict: Delete, cause: "belongs to nobody", page: "belongs to nobody, seen twice"},
	{reason: OwnerCollected, verdict: Delete, cause: "its session is gone", page: "goes with its session"},
	{reason: CFSExpired, verdict: Delete, page: "CFS session that is old enough"},
	{reason: Requested, verdict: Delete, cause: "asked for by its name", page: "asked for by its name"},

	{
		reason: Running, verdict: Keep, cause: "still runs, or may run again", page: "runs, or may run again",
		remedy: "it may go some time after it has ended",
	},
	{reason: TooYoung, verdict: Keep, page: "too young"},
	{
		reason: KeptLast, verdict: Keep,
		cause: "among the newest of its template", page: "among the newest of its template",
	},
	{reason: KeptByRule, verdict: Keep, cause: "protected", page: "protected by a rule"},
	{
		reason: NotOurs, verdict: Keep, cause: "not what BOS makes", page: "not what BOS makes",
		remedy: "nothing does: what cannot be told to be of BOS v1 is not deleted",
	},
	{
		reason: InUse, verdict: Keep, cause: "something else uses it", page: "something else uses it",
		remedy: "it goes once nothing else refers to it",
	},
	{
		reason: AwaitingConfirmation, verdict: Keep,
		cause: "looks orphaned, the next sweeps must confirm it", page: "looks orphaned, to be confirmed",
		remedy: "nothing is to be done: each sweep that sees it so counts",
	},
	{
		reason: OwnerKept, verdict: Keep, cause: "goes only when its session does", page: "stays with its session",
		remedy: "it goes with what it belongs to",
	},
	{
		reason: Foreign, verdict: Keep, cause: "not of BOS v1", page: "not of BOS v1",
		remedy: "nothing does: what cannot be told to be of BOS v1 is not deleted",
	},
	{reason: PolicyOff, verdict: Keep, cause: "such are not collected (BOSGC_CFS)", page: "such are not collected"},
	{
		reason: OrphanGuard, verdict: Keep,
		cause: "too many look orphaned at once", page: "too many look orphaned at once",
		remedy: "find out why so many look orphaned: is BOS's database the right one, and whole?",
	},

	{
		reason: EvidenceIncomplete, verdict: Unknown, cause: "not all could be read", page: "not all could be read",
		remedy: "what could not be read has to answer",
	},
	{
		reason: BadData, verdict: Unknown,
		cause: "something about it cannot be understood", page: "cannot be understood",
		remedy: "nothing by itself: what cannot be understood stays; " +
			"look at it, and delete it by hand if that is right",
	},
	{
		reason: ClockSkew, verdict: Unknown, cause: "some clock is wrong", page: "some clock is wrong",
		remedy: "the clocks have to agree: of this machine, of the API server, and of whoever wrote the time",
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
