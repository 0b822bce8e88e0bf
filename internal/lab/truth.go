package lab

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// Kinds of object that are judged.
const (
	KindSession    = "Session"
	KindJob        = "Job"
	KindConfigMap  = "ConfigMap"
	KindCFSSession = "CFSSession"
)

// Object names one object of a world and, where it is known, what a plan must say of it.
type Object struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Verdict string `json:"verdict,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Confirmed is the reason by which an orphan, or what goes with it, goes once enough sweeps
	// have seen it as one; empty for everything else.
	Confirmed string `json:"confirmed,omitempty"`
	Story     string `json:"-"` // the story that made it
}

// Goes says whether the object is to be deleted by the first sweep.
func (o Object) Goes() bool { return o.Verdict == verdictDelete }

// GoesConfirmed says whether it is to be deleted by the first sweep or by the one that confirms it.
func (o Object) GoesConfirmed() bool { return o.Goes() || o.Confirmed != "" }

const verdictDelete = "delete"

// The words of a verdict, written here once more and by hand: the lab is the independent
// witness of what the rules must give.
var (
	completedExpired = verdict{verdictDelete, "completed-expired"}
	failedExpired    = verdict{verdictDelete, "failed-expired"}
	abandoned        = verdict{verdictDelete, "abandoned"}
	ghost            = verdict{verdictDelete, "ghost"}
	ownerCollected   = verdict{verdictDelete, "owner-collected"}
	cfsExpired       = verdict{verdictDelete, "cfs-expired"}

	running              = verdict{"keep", "running"}
	tooYoung             = verdict{"keep", "too-young"}
	keptLast             = verdict{"keep", "kept-last"}
	keptByRule           = verdict{"keep", "kept-by-rule"}
	notOurs              = verdict{"keep", "not-ours"}
	inUse                = verdict{"keep", "in-use"}
	awaitingConfirmation = verdict{"keep", "awaiting-confirmation"}
	ownerKept            = verdict{"keep", "owner-kept"}
	foreign              = verdict{"keep", "foreign"}

	badData   = verdict{"unknown", "bad-data"}
	clockSkew = verdict{"unknown", "clock-skew"}

	// withOwner stands for what follows from the family's head, once that is settled.
	withOwner = verdict{}
	// withOwnerByBody does so too, but would not go: its body is not what BOS writes, which
	// is only looked at once it would.
	withOwnerByBody = verdict{"", "by-body"}
)

type verdict struct{ verdict, reason string }

// family is what hangs together by one session ID, as the story tells it.
type family struct {
	id       string
	template string
	end      time.Time // zero: it has none, and does not count as a finished session
	head     verdict   // of the session, or of the Job where no session is listed
	listed   bool
	start    time.Time // BOS created it
	created  time.Time // its ConfigMap; zero if it has none
	ghost    bool
	failed   bool // its Job
	members  []member
}

type member struct {
	object Object
	says   verdict
}

// settle works out the truth of a whole world. Which finished session is the newest of its
// template is only known when all are there, so that is settled here, and with it what
// follows its session.
func settle(families []*family, alone []member) []Object {
	newest := newestOf(families)
	var truth []Object
	for _, f := range families {
		if newest[f.template] == f && (f.head == completedExpired || f.head == failedExpired) {
			f.head = keptLast
		}
		follows := ownerKept
		if f.head.verdict == verdictDelete {
			follows = ownerCollected
		}
		for _, m := range f.members {
			switch {
			case m.object.Kind == KindSession:
				m.says = f.head
			case m.says == withOwnerByBody && follows == ownerCollected:
				m.says = notOurs
			case m.says == withOwner && f.head == awaitingConfirmation:
				m.object.Confirmed, m.says = ownerCollected.reason, follows
			case m.says == withOwner, m.says == withOwnerByBody:
				m.says = follows
			}
			truth = append(truth, m.told())
		}
	}
	for _, m := range alone {
		truth = append(truth, m.told())
	}
	slices.SortFunc(truth, compareObjects)
	return truth
}

func newestOf(families []*family) map[string]*family {
	newest := map[string]*family{}
	for _, f := range families {
		if !f.listed || f.end.IsZero() {
			continue
		}
		if best := newest[f.template]; best == nil || later(f, best) {
			newest[f.template] = f
		}
	}
	return newest
}

func (m member) told() Object {
	o := m.object
	o.Verdict, o.Reason = m.says.verdict, m.says.reason
	if m.says == awaitingConfirmation {
		o.Confirmed = "orphaned"
	}
	return o
}

func later(a, b *family) bool {
	return cmp.Or(a.end.Compare(b.end), cmp.Compare(a.id, b.id)) > 0
}

func compareObjects(a, b Object) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
}

// document is the form in which objects are written to a file or served.
func document(objects []Object) []byte {
	if objects == nil {
		objects = []Object{}
	}
	text, err := json.MarshalIndent(map[string]any{"objects": objects}, "", "  ")
	if err != nil {
		panic(err) // texts only
	}
	return append(text, '\n')
}
