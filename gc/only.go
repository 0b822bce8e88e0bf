package gc

import (
	"fmt"

	"bosgc/internal/inventory"
	"bosgc/policy"
)

// Only leaves of a plan what a saved one has too: nothing else is carried out, and of the saved one nothing that
// the rules do not let go now. The objects that both know come first, in the order of now, in which they are to be
// deleted; after them what has gone, and what was to stay from the beginning, as it was saved.
func (p *Plan) Only(saved *Saved) {
	then := map[[2]string]Object{}
	for _, o := range saved.Objects {
		if o.Verdict == policy.Delete {
			then[o.key()] = o.Object
		}
	}
	held := map[string]*Object{} // by session, what leads to the rest of it and stays
	objects := make([]Object, 0, len(saved.Objects))
	for i := range p.Objects {
		now := &p.Objects[i]
		o, wanted := then[now.key()]
		if wanted {
			delete(then, now.key())
			objects = append(objects, p.agreed(o, *now, held[now.Session]))
			o = objects[len(objects)-1]
		}
		// What would go and does not, as no sweep would have it: without its ConfigMap or its session in BOS
		// nobody would find the rest any more.
		leads := now.Kind == policy.ConfigMap || now.Kind == policy.Session
		if leads && now.Verdict == policy.Delete && (!wanted || o.Outcome != "") && held[now.Session] == nil {
			held[now.Session] = now
		}
	}
	for _, o := range saved.Objects {
		_, left := then[o.key()]
		if left || o.Verdict != policy.Delete {
			objects = append(objects, p.missing(o.Object))
		}
	}
	p.Objects, p.Summary, p.saved = objects, Summary{}, true
	for _, o := range p.Objects {
		p.Summary.add(o.Verdict)
	}
	// A procedure that a person has begun is none of this plan's business: its sessions were skipped above.
	p.world.requested = nil
	p.ExitCode = p.exitCode()
}

// agreed gives an object as it is to be carried out: as it is now, if it is still what was saved and the rules let
// it go, or with why it stays.
func (p *Plan) agreed(then, now Object, held *Object) Object {
	why := ""
	switch {
	case p.world.requested[now.Session] != policy.NotRequested:
		why = "somebody has begun to take its session apart with bosgc clean; the next sweep goes on with that"
	case now.Verdict != policy.Delete:
		why = fmt.Sprintf("now %s (%s): %s", now.Verdict, now.Reason, now.Detail)
	case then.UID != now.UID:
		why = "another object of the same name has taken its place since the plan was saved"
	case then.ResourceVersion != now.ResourceVersion:
		why = "it was changed since the plan was saved"
	case then.Session != now.Session:
		why = fmt.Sprintf("it was of session %q when the plan was saved, and now is of %q", then.Session, now.Session)
	case held != nil:
		then.Outcome, then.Detail = Waiting, fmt.Sprintf("waits: %s %s is still there, and this is what leads to it", held.Kind, held.Name)
		return then
	default:
		return now
	}
	then.Outcome, then.Detail, then.now = Skipped, why, now.Reason
	return then
}

// missing gives an object of a saved plan that was not seen, or was to stay. It has gone only if whoever knows its kind
// has answered completely.
func (p *Plan) missing(o Object) Object {
	if o.Verdict != policy.Delete {
		return o
	}
	var source string
	var complete bool
	evidence := p.world.seen.Evidence
	switch o.Kind {
	case policy.Session:
		source, complete = inventory.SourceSessions, p.world.seen.Unlisted == inventory.Absent
	case policy.Job:
		source, complete = inventory.SourceJobs, evidence.Jobs
	case policy.ConfigMap:
		source, complete = inventory.SourceConfigMaps, evidence.ConfigMaps
	default:
		source = inventory.SourceCFSSessions
		for _, s := range p.Sources {
			complete = complete || s.Name == source && s.Listed
		}
	}
	if o.Outcome = Gone; !complete {
		o.Outcome, o.Detail = Waiting, "it was not seen, and "+source+" was not read completely"
	}
	return o
}
