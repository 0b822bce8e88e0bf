package policy

import (
	"cmp"
	"fmt"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/memory"
)

// Identity returns what sweeps remember an object by: its UID or, of a CFS session, which has none, its name and start.
func Identity(kind Kind, name, uid string, started time.Time) string {
	if kind != CFSSession {
		return uid
	}
	return name + " " + started.UTC().Format(time.RFC3339)
}

// orphaned judges an object that seems to belong to nobody. Its absence from one sweep is never
// enough: earlier sweeps must have seen it as an orphan too, this very object and no other of
// its name. ttl is how long it is kept after since.
func (j *Judge) orphaned(kind Kind, uid, why string, since time.Time, ttl time.Duration) *ruling {
	r := &ruling{verdict: Keep, eligible: since.Add(ttl), since: since}
	seen := "looks orphaned since " + formatTime(since) + ": " + why
	times := 1 // this sweep
	if uid != "" {
		times = j.memory.Sightings[uid].Again(j.now, j.settings.OrphanInterval).Times
	}
	if because := cmp.Or(j.doubtOf(kind), j.guarded[kind]); because != "" {
		r.reason, r.detail = OrphanGuard, seen+"; "+because
		return r
	}
	if times < j.settings.OrphanSightings {
		r.reason = AwaitingConfirmation
		r.detail = fmt.Sprintf(
			"%s; seen by %d of %d sweeps (BOSGC_ORPHAN_SIGHTINGS)", seen, times, j.settings.OrphanSightings)
		if j.settings.OrphanInterval > 0 {
			r.detail += "; sweeps less than BOSGC_ORPHAN_INTERVAL apart count once"
		}
		return r
	}
	r.verdict, r.reason, r.detail = Delete, Orphaned, fmt.Sprintf("%s; seen by %d sweeps", seen, times)
	return r
}

// LooksOrphaned reports whether an object with this reason looks like an orphan, whatever is done about it.
func (r Reason) LooksOrphaned() bool {
	return r == Orphaned || r == AwaitingConfirmation || r == OrphanGuard
}

// guardFloor is the number of objects of a kind below which a share of them says nothing:
// on a small system a single leftover would be most of them.
const guardFloor = 20

// Guard looks at all orphans at once, when the snapshot is complete. Where too large a share of what BOS made of a kind
// looks orphaned, it is more likely that whoever knows the owners is wrong, a database restored from an old copy for
// instance, and no orphan of that kind is deleted until a person has looked. Where BOS v1 has been removed, everything
// that it left is an orphan, which is no sign of anything.
func (j *Judge) Guard(s *inventory.Snapshot) {
	all, orphans := map[Kind]int{}, map[Kind]int{}
	removed := false
	j.doubted, j.guarded, j.guards = nil, map[Kind]string{}, map[string]memory.Guard{}
	for d := range j.All(s) {
		if d.Reason == NotOurs || d.Reason == Foreign {
			continue // a site's own objects would hide that all of BOS's look orphaned
		}
		all[d.Kind]++
		if d.Reason.LooksOrphaned() {
			orphans[d.Kind]++
		}
	}
	for _, g := range s.Groups {
		removed = removed || g.V1 == inventory.Absent
		// A session without a record is a ghost, or BOS has lost its records, also of sessions that are too young to be
		// deleted.
		if j.isGhost(j.facts(g)) {
			orphans[Session]++
		}
	}
	j.doubt(s.Ties)
	trusted := j.trusted(s)
	for _, kind := range Kinds() {
		g := trusted[kind]
		if !removed || kind == CFSSession {
			g = j.guard(g, orphans[kind], all[kind])
		}
		if g != (memory.Guard{}) {
			j.guards[string(kind)] = g
		}
		if g.Closed() && !g.Doubt {
			j.guarded[kind] = fmt.Sprintf("%s (BOSGC_MAX_ORPHAN_PERCENT); held back since %s: look at why, then "+
				"bosgc guard release %s", g.Why, formatTime(g.Since), kind)
		}
	}
}

// guard returns what becomes of the guard of a kind of which so many look orphaned.
func (j *Judge) guard(g memory.Guard, orphans, all int) memory.Guard {
	// What a person has looked at, and has not gone yet, counts neither way.
	g.Orphans, g.Looked = orphans, min(g.Looked, orphans)
	fresh, of := orphans-g.Looked, all-g.Looked
	switch {
	case j.settings.MaxOrphanPercent >= 100:
		g.Since, g.Why, g.Doubt = time.Time{}, "", false
	case !g.Closed() && all >= guardFloor && fresh*100 > j.settings.MaxOrphanPercent*of:
		g.Since = j.now.UTC().Truncate(time.Second)
		g.Why = fmt.Sprintf("%d of %d looked orphaned, more than %d %%", orphans, all, j.settings.MaxOrphanPercent)
	}
	return g
}

// Guards returns what the next run is to remember of the orphan guard, by kind.
func (j *Judge) Guards() map[string]memory.Guard { return j.guards }
