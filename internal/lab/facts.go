package lab

import "time"

// Fact is what a story knows of an object besides what a plan must say at default settings: enough
// to tell, whatever the settings, what must not go. It is taken from how the object was made, and
// not from what the systems show of it.
type Fact struct {
	Object
	Session  string // whose it is; empty for a CFS session without one, or of one that has gone
	Template string
	Head     string // the reason for the session, or for its Job where BOS does not list it
	HasJob   bool
	Listed   bool // the session is in BOS
	Ghost    bool // and has lost its record
	Failed   bool // its Job has
	Start    time.Time
	End      time.Time // zero if nothing tells one
	Created  time.Time // the session's ConfigMap; zero if it has none
	Tagged   bool      // CFS session: it names a session
	At       time.Time // CFS session: its completion, else its start; zero if neither is a time
}

// Facts gives them by kind and name, as in "Job boa-1".
func (w *World) Facts() map[string]Fact { return w.facts }

func (b *builder) factsOf() map[string]Fact {
	facts := map[string]Fact{}
	for _, o := range b.truth {
		facts[o.Kind+" "+o.Name] = Fact{Object: o}
	}
	for _, f := range b.families {
		hasJob := false
		for _, m := range f.members {
			hasJob = hasJob || m.object.Kind == KindJob
		}
		for _, m := range f.members {
			key := m.object.Kind + " " + m.object.Name
			facts[key] = Fact{
				Object: facts[key].Object, Session: f.id, Template: f.template, Head: f.head.reason, HasJob: hasJob,
				Listed: f.listed, Ghost: f.ghost, Failed: f.failed, Start: f.start, End: f.end, Created: f.created,
			}
		}
	}
	for _, c := range b.cfs {
		key := KindCFSSession + " " + c.Name
		fact := facts[key]
		fact.Tagged, fact.At = c.Tags["bos_session"] != "", cfsTime(c.Start)
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
