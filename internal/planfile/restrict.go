package planfile

import (
	"fmt"

	"bosgc/gc"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// Restrict restricts a new plan to the objects of the saved one. Of those, nothing is deleted that the rules keep now.
// Objects in both plans come first, in the order of the new plan, in which they are deleted. Objects that are gone, and
// objects that were kept in the saved plan, follow as they were saved.
func (s *Plan) Restrict(plan *gc.Plan) {
	then := map[gc.Key]gc.Object{}
	for _, o := range s.Objects {
		if o.Verdict == policy.Delete {
			then[o.Key()] = o.Object
		}
	}
	blockedBy := map[string]*gc.Object{} // by session, what leads to the rest of it and is kept
	objects := make([]gc.Object, 0, len(s.Objects))
	for i := range plan.Objects {
		now := &plan.Objects[i]
		o, wanted := then[now.Key()]
		if wanted {
			delete(then, now.Key())
			o = reconcile(plan.World(), o, *now, blockedBy[now.Session])
			objects = append(objects, o)
		}
		// A sweep would not delete this object either: without the ConfigMap, or the session in BOS, the rest of the
		// session could not be found again.
		leads := now.Kind == policy.ConfigMap || now.Kind == policy.Session
		if leads && now.Verdict == policy.Delete && (!wanted || o.Outcome != "") && blockedBy[now.Session] == nil {
			blockedBy[now.Session] = now
		}
	}
	for _, o := range s.Objects {
		_, left := then[o.Key()]
		if left || o.Verdict != policy.Delete {
			objects = append(objects, reconcileUnseen(plan, o.Object))
		}
	}
	plan.Restrict(objects)
}

// reconcile returns an object as it is now, if it is still the one that was saved and the rules delete it. Otherwise it
// returns the saved object with the reason why it is kept.
func reconcile(w *collect.World, then, now gc.Object, blockedBy *gc.Object) gc.Object {
	why := ""
	switch {
	case w.Requested[now.Session] != policy.NotRequested:
		why = "somebody has begun to take its session apart with bosgc clean; the next sweep goes on with that"
	case now.Verdict != policy.Delete:
		why = fmt.Sprintf("now %s (%s): %s", now.Verdict, now.Reason, now.Detail)
	case then.UID != now.UID:
		why = "another object of the same name has taken its place since the plan was saved"
	case then.ResourceVersion != now.ResourceVersion:
		why = "it was changed since the plan was saved"
	case then.Session != now.Session:
		why = fmt.Sprintf("it was of session %q when the plan was saved, and now is of %q", then.Session, now.Session)
	case blockedBy != nil:
		then.Outcome = gc.Waiting
		then.Detail = fmt.Sprintf("waits: %s %s is still there, and this is what leads to it", blockedBy.Kind, blockedBy.Name)
		return then
	default:
		return now
	}
	then.Outcome, then.Detail, then.CurrentReason = gc.Skipped, why, now.Reason
	return then
}

// reconcileUnseen returns an object of a saved plan that was not seen now, or was to be kept. It has gone only if the
// source that knows its kind has answered completely.
func reconcileUnseen(plan *gc.Plan, o gc.Object) gc.Object {
	if o.Verdict != policy.Delete {
		return o
	}
	var source string
	var complete bool
	seen := &plan.World().Seen
	switch o.Kind {
	case policy.Session:
		source, complete = inventory.SourceSessions, seen.Unlisted == inventory.Absent
	case policy.Job:
		source, complete = inventory.SourceJobs, seen.Evidence.Jobs
	case policy.ConfigMap:
		source, complete = inventory.SourceConfigMaps, seen.Evidence.ConfigMaps
	default:
		source = inventory.SourceCFSSessions
		for _, s := range plan.Sources {
			complete = complete || s.Name == source && s.Listed
		}
	}
	if o.Outcome = gc.Gone; !complete {
		o.Outcome, o.Detail = gc.Waiting, "it was not seen, and "+source+" was not read completely"
	}
	return o
}
