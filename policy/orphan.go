package policy

import (
	"cmp"
	"fmt"
	"time"

	"bosgc/internal/inventory"
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
		times += j.memory.Sightings[uid]
	}
	if because := cmp.Or(j.doubted[kind], j.guarded[kind]); because != "" {
		r.reason, r.detail = OrphanGuard, seen+"; "+because
		return r
	}
	if times < j.settings.OrphanSightings {
		r.reason = AwaitingConfirmation
		r.detail = fmt.Sprintf(
			"%s; seen by %d of %d sweeps (BOSGC_ORPHAN_SIGHTINGS)", seen, times, j.settings.OrphanSightings)
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

// Guard looks at all orphans at once, when the snapshot is complete. Where too large a share of
// a kind looks orphaned, it is more likely that whoever knows the owners is wrong, a database
// restored from an old copy for instance, and no orphan of that kind is deleted. Where BOS v1
// has been removed, everything that it left is an orphan, which is no sign of anything.
func (j *Judge) Guard(s *inventory.Snapshot) {
	all, orphans := map[Kind]int{}, map[Kind]int{}
	removed := false
	for d := range j.All(s) {
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
	j.guarded = map[Kind]string{}
	for kind, n := range orphans {
		if (!removed || kind == CFSSession) && all[kind] >= guardFloor && n*100 > j.settings.MaxOrphanPercent*all[kind] {
			j.guarded[kind] = fmt.Sprintf(
				"so do %d of %d, more than %d %% (BOSGC_MAX_ORPHAN_PERCENT)", n, all[kind], j.settings.MaxOrphanPercent)
		}
	}
}
