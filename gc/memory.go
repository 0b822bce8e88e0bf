package gc

import (
	"time"

	"bosgc/internal/memory"
	"bosgc/internal/state"
	"bosgc/policy"
)

// Sightings returns what is remembered of orphans after this sweep, by policy.Identity. An object that looks orphaned has been seen
// once more. One that has an owner now, or has gone, is forgotten, and is counted from the beginning if it ever looks
// orphaned again. Of one that could not be judged this sweep says nothing: it stays as it was.
func (d *Document) Sightings(
	before map[string]memory.Sighting, now time.Time, interval time.Duration,
) map[string]memory.Sighting {
	after := map[string]memory.Sighting{}
	seen := map[string]bool{}
	for _, o := range d.Objects {
		id := policy.Identity(o.Kind, o.Name, o.UID, o.StartedAt)
		if id == "" {
			continue
		}
		seen[id] = true
		s, known := before[id]
		switch {
		case o.gone() || o.Outcome == Skipped: // it has gone, or is no orphan any more
		case o.Reason.LooksOrphaned():
			after[id] = s.Again(now, interval)
		case o.Verdict == policy.Unknown && known:
			after[id] = s
		}
	}
	if d.Complete() {
		return after
	}
	for uid, s := range before {
		if !seen[uid] {
			after[uid] = s // perhaps it only was not listed
		}
	}
	return after
}

// Sessions returns what is remembered of sessions after this sweep, by ID.
func (d *Document) Sessions() map[string]memory.Session { return d.sessions }

// RememberGuards returns what is remembered of the orphan guard after this sweep, by kind. What could not be read may
// only not have been counted: then no orphan that a person has looked at is forgotten.
func (d *Document) RememberGuards(before map[string]memory.Guard) map[string]memory.Guard {
	after := map[string]memory.Guard{}
	for _, g := range d.Guards {
		after[string(g.Kind)] = g.Guard
	}
	for kind, was := range before {
		if now := after[kind]; !d.Complete() && (was.Looked > now.Looked || was.Trusted > now.Trusted) {
			now.Looked, now.Trusted = max(was.Looked, now.Looked), max(was.Trusted, now.Trusted)
			after[kind] = now
		}
	}
	// What has gone must not leave its place among what a person has released to something that comes later.
	for i := range d.Objects {
		o := &d.Objects[i]
		g := after[string(o.Kind)]
		if !o.gone() || o.Reason == policy.OwnerCollected || g.Looked+g.Trusted == 0 {
			continue
		}
		if g.Trusted = max(0, g.Trusted-1); o.Reason == policy.Orphaned || o.Reason == policy.Ghost {
			g.Looked = max(0, g.Looked-1)
		}
		after[string(o.Kind)] = g
	}
	return after
}

// SessionList returns what the next run is to know of BOS's list of sessions, once this one has deleted what it could.
func (d *Document) SessionList(before state.SessionList) state.SessionList {
	var deleted []string
	for i := range d.Objects {
		if o := &d.Objects[i]; o.Kind == policy.Session && o.gone() {
			deleted = append(deleted, o.Name)
		}
	}
	return d.List.Remember(before, deleted)
}
