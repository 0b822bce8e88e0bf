package policy

import (
	"fmt"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/memory"
)

// Remember returns what the next run is to know of sessions even if the objects that show it now have gone by then:
// that a Job has failed, and which annotation protects. What is remembered of a session lasts as long as anything of it
// is left. That nothing is, is known only if the snapshot is complete.
func (j *Judge) Remember(s *inventory.Snapshot, complete bool) map[string]memory.Session {
	sessions := map[string]memory.Session{}
	for _, g := range s.Groups {
		if m := j.rememberSession(g); m.Shows() {
			sessions[g.ID] = m
		}
	}
	if complete {
		return sessions
	}
	there := map[string]bool{}
	for _, g := range s.Groups {
		there[g.ID] = true
	}
	for id, m := range j.memory.Sessions {
		if !there[id] {
			sessions[id] = m
		}
	}
	return sessions
}

func (j *Judge) rememberSession(g *inventory.Group) (m memory.Session) {
	f := j.facts(g)
	switch {
	case f.activity.Failed:
		m.Failed = f.activity.Finished
	case f.activity.ExactJobs == 0:
		m.Failed = j.memory.Sessions[g.ID].Failed
	}
	if p, found := j.annotationOf(g); found {
		p.Seen = j.now.UTC().Truncate(time.Second)
		m.Keep = p
	} else if j.rememberedKeep(g) != nil {
		m.Keep = j.memory.Sessions[g.ID].Keep
	}
	return m
}

// rememberedKeep returns the protection of a session by an object that has gone by itself; nil if there is none, if its
// time is over, or if somebody has ended it: by taking the annotation from the object, or by bosgc/keep: "false" on
// another one.
func (j *Judge) rememberedKeep(g *inventory.Group) *ruling {
	p := j.memory.Sessions[g.ID].Keep
	if p.Name == "" || !p.Until.IsZero() && !p.Until.After(j.now) {
		return nil
	}
	for _, o := range annotatedObjects(g) {
		if o.kind == p.Kind && o.name == p.Name || o.keep.Keep != nil && *o.keep.Keep == "false" {
			return nil
		}
	}
	detail := fmt.Sprintf("%s %s had the annotation %s when a sweep saw it last, at %s; it is gone, and the protection "+
		"stays", p.Kind, p.Name, p.Says, formatTime(p.Seen))
	switch {
	case p.Bad:
		return unknown(BadData, detail)
	case !p.Until.IsZero():
		return keepUntil(KeptByRule, p.Until, detail)
	}
	return keep(KeptByRule, detail)
}

// Remembered returns the protection that only the memory of earlier sweeps knows of; false if there is none.
func (j *Judge) Remembered(g *inventory.Group) (memory.Protection, bool) {
	if _, found := j.annotationOf(g); found || j.rememberedKeep(g) == nil {
		return memory.Protection{}, false
	}
	return j.memory.Sessions[g.ID].Keep, true
}

// recallFailure adds that the session's Job failed, if that Job has gone.
func (f *sessionFacts) recallFailure(m memory.Session) {
	if m.Failed.IsZero() || f.activity.ExactJobs > 0 {
		return
	}
	f.failed, f.recalled = true, true
	if m.Failed.After(f.end) {
		f.end = m.Failed
	}
}
