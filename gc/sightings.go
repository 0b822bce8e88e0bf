package gc

import (
	"time"

	"bosgc/internal/state"
	"bosgc/policy"
)

// Sighted gives what is remembered of orphans after this sweep, by UID. An object that looks
// orphaned has been seen once more. One that has an owner now, or has gone, is forgotten, and
// begins anew if it ever looks orphaned again. Of one that could not be judged this sweep says
// nothing: it stays as it was.
func (d *Document) Sighted(before map[string]state.Sighting, now time.Time) map[string]state.Sighting {
	after := map[string]state.Sighting{}
	seen := map[string]bool{}
	for _, o := range d.Objects {
		if o.UID == "" {
			continue
		}
		seen[o.UID] = true
		s, known := before[o.UID]
		switch {
		case o.Outcome == Deleted || o.Outcome == Gone || o.Outcome == Skipped: // it has gone, or is no orphan any more
		case o.Reason.LooksOrphaned():
			if !known {
				s.First = now.UTC().Truncate(time.Second)
			}
			s.Times++
			after[o.UID] = s
		case o.Verdict == policy.Unknown && known:
			after[o.UID] = s
		}
	}
	if d.complete() {
		return after
	}
	for uid, s := range before {
		if !seen[uid] {
			after[uid] = s // it may only not have been listed
		}
	}
	return after
}

func (d *Document) complete() bool {
	for _, source := range d.Sources {
		if !source.Complete {
			return false
		}
	}
	return true
}
