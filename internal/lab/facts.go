package lab

import "time"

// Fact is what a story knows about an object beyond what a plan must say at default settings. It is enough to tell, for
// any settings, which objects must not be deleted. It follows from how the object was made, not from what the systems
// show.
type Fact struct {
	Object
	Session       string // owner; empty for a CFS session without one, or of one that is gone
	Template      string
	Boots         bool   // it boots nodes, by a template that BOS still has
	SessionReason string // reason for the session, or for its Job if BOS does not list the session
	HasJob        bool
	Listed        bool // BOS lists the session
	Ghost         bool // the session has lost its record
	Failed        bool // the Job has failed
	Start         time.Time
	End           time.Time // zero if nothing tells it
	Created       time.Time // of the session's ConfigMap; zero if it has none
	Tag           string    // the session that a CFS session names
	At            time.Time // completion of a CFS session, or else its start; zero if neither is a time
}

// Facts returns what is known about each object, by kind and name, such as "Job boa-1".
func (w *World) Facts() map[string]Fact { return w.facts }

func (b *builder) collectFacts() map[string]Fact {
	facts := map[string]Fact{}
	for _, o := range b.released {
		facts[o.Kind+" "+o.Name] = Fact{Object: o}
	}
	for _, s := range b.sessionTruths {
		hasJob := false
		for _, o := range s.objects {
			hasJob = hasJob || o.object.Kind == KindJob
		}
		for _, o := range s.objects {
			key := o.object.Kind + " " + o.object.Name
			facts[key] = Fact{
				Object: facts[key].Object, Session: s.id, Template: s.template, Boots: s.boots(), SessionReason: s.verdict.reason, HasJob: hasJob,
				Listed: s.listed, Ghost: s.ghost, Failed: s.failed, Start: s.start, End: s.end, Created: s.created,
			}
		}
	}
	for _, c := range b.cfs {
		key := KindCFSSession + " " + c.Name
		fact := facts[key]
		fact.Tag, fact.At = c.Tags["bos_session"], cfsTime(c.Start)
		if at := cfsTime(c.Completion); !at.IsZero() {
			fact.At = at
		}
		facts[key] = fact
	}
	return facts
}

func cfsTime(value any) time.Time {
	text, _ := value.(string)
	at, err := time.Parse(cfsForm, text)
	if err != nil {
		return time.Time{}
	}
	return at
}
