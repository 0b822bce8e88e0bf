package lab

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// Kinds of objects that a plan judges.
const (
	KindSession    = "Session"
	KindJob        = "Job"
	KindConfigMap  = "ConfigMap"
	KindCFSSession = "CFSSession"
)

// Object names an object of a world and, where it is known, what a plan must say about it.
type Object struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Verdict string `json:"verdict,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Confirmed is the reason for which an orphan, and what belongs to it, is deleted once enough sweeps have seen it;
	// empty for any other object.
	Confirmed string `json:"confirmed,omitempty"`
	Story     string `json:"-"` // the story that made it
}

// Goes reports whether the first sweep must delete the object.
func (o Object) Goes() bool { return o.Verdict == verdictDelete }

// GoesConfirmed reports whether the first sweep must delete the object, or the one that confirms it as an orphan.
func (o Object) GoesConfirmed() bool { return o.Goes() || o.Confirmed != "" }

const verdictDelete = "delete"

// The verdicts with their reasons. They are written here again, by hand, because the lab is the independent witness of
// what the rules must say.
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
	terminating          = verdict{"keep", "terminating"} // somebody has deleted it, and a finalizer holds it
	orphanGuard          = verdict{"keep", "orphan-guard"}
	ownerKept            = verdict{"keep", "owner-kept"}
	foreign              = verdict{"keep", "foreign"}

	badData   = verdict{"unknown", "bad-data"}
	clockSkew = verdict{"unknown", "clock-skew"}

	// followsSession stands for owner-kept or owner-collected, as the session's own verdict will be.
	followsSession = verdict{}
	// notOursIfDeleted is followsSession for a ConfigMap with a content that BOS does not write. Its content is read only
	// if it would be deleted, and then it is not-ours.
	notOursIfDeleted = verdict{"", "by-body"}
	// orphanAfterJob is owner-kept for a CFS session as long as the Job of its session, which is gone, stays. It is an
	// orphan if that goes.
	orphanAfterJob = verdict{"", "after-job"}
)

type verdict struct{ action, reason string }

// sessionTruth is what a story says about one session ID.
type sessionTruth struct {
	id        string
	template  string
	start     time.Time // BOS created the session
	end       time.Time // zero: no end, so it is not a finished session
	verdict   verdict   // of the session, or of its Job if BOS does not list the session
	listed    bool      // BOS lists it
	ghost     bool
	failed    bool // its Job has failed
	operation string
	// templateGone is set if BOS does not have the template any more.
	templateGone bool
	created      time.Time // of its ConfigMap; zero if it has none
	objects      []objectTruth
}

type objectTruth struct {
	object  Object
	verdict verdict
}

// resolveTruth returns the truth of a whole world. Only with all sessions known is it clear which is the last finished
// one of its template, and so what becomes of the objects that follow it.
func resolveTruth(sessions []*sessionTruth, others []objectTruth, doubt doubts, now time.Time) []Object {
	newest := newestFinished(sessions)
	var truth []Object
	for _, s := range sessions {
		if newest[s.template] == s && now.Before(s.end.Add(keptLastFor)) && (s.verdict == completedExpired || s.verdict == failedExpired || s.verdict == terminating) {
			s.verdict = keptLast
		}
		doubt.apply(s, now)
		following := ownerKept
		if s.verdict.action == verdictDelete {
			following = ownerCollected
		}
		for _, o := range s.objects {
			switch {
			case o.object.Kind == KindSession:
				o.verdict = s.verdict
			case o.verdict == orphanAfterJob && following == ownerCollected:
				o.verdict = awaitingConfirmation
			case o.verdict == notOursIfDeleted && following == ownerCollected:
				o.verdict = notOurs
			case o.verdict == followsSession && s.verdict == awaitingConfirmation:
				o.object.Confirmed, o.verdict = ownerCollected.reason, following
			case o.verdict == followsSession, o.verdict == notOursIfDeleted, o.verdict == orphanAfterJob:
				o.verdict = following
			}
			truth = append(truth, doubt.applyTo(o).resolved())
		}
	}
	for _, o := range others {
		truth = append(truth, doubt.applyTo(o).resolved())
	}
	slices.SortFunc(truth, compareObjects)
	return truth
}

// keptLastFor is how long after its end the last boot of a template is kept.
const keptLastFor = 90 * day

// boots reports whether the session boots nodes, by a template that BOS still has.
func (s *sessionTruth) boots() bool {
	return !s.templateGone && (s.operation == "boot" || s.operation == "reboot")
}

func newestFinished(sessions []*sessionTruth) map[string]*sessionTruth {
	newest := map[string]*sessionTruth{}
	for _, s := range sessions {
		if !s.listed || s.end.IsZero() || s.ghost || !s.boots() {
			continue
		}
		if best := newest[s.template]; best == nil || endsLater(s, best) {
			newest[s.template] = s
		}
	}
	return newest
}

// resolved returns the object with its verdict, which must be final.
func (o objectTruth) resolved() Object {
	object := o.object
	object.Verdict, object.Reason = o.verdict.action, o.verdict.reason
	if o.verdict == awaitingConfirmation {
		object.Confirmed = "orphaned"
	}
	return object
}

func endsLater(a, b *sessionTruth) bool {
	return cmp.Or(a.end.Compare(b.end), cmp.Compare(a.id, b.id)) > 0
}

func compareObjects(a, b Object) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
}

// objectsJSON returns objects as they are written to a file or served.
func objectsJSON(objects []Object) []byte {
	if objects == nil {
		objects = []Object{}
	}
	text, err := json.MarshalIndent(map[string]any{"objects": objects}, "", "  ")
	if err != nil {
		panic(err) // only texts
	}
	return append(text, '\n')
}
