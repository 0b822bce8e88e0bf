package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"bosgc/internal/inventory"
)

// newest returns the IDs of the sessions that are among the KeepLast newest finished ones of their
// template. Only sessions that exist and have a trustworthy end count, whether or not another
// rule keeps them too: one with a broken clock must not take the place of one that really
// is the newest.
func (j *Judge) newest(s *inventory.Snapshot) map[string]bool {
	type finished struct {
		id  string
		end time.Time
	}
	byTemplate := map[string][]finished{}
	for _, g := range s.Groups {
		if g.Listed != inventory.Present || !inventory.IsSessionID(g.ID) {
			continue
		}
		f := j.facts(g)
		if end := j.trustedEnd(f); !end.IsZero() {
			byTemplate[f.template] = append(byTemplate[f.template], finished{g.ID, end})
		}
	}
	newest := map[string]bool{}
	for _, sessions := range byTemplate {
		slices.SortFunc(sessions, func(a, b finished) int {
			return cmp.Or(b.end.Compare(a.end), cmp.Compare(b.id, a.id))
		})
		for i := range min(j.settings.KeepLast, len(sessions)) {
			newest[sessions[i].id] = true
		}
	}
	return newest
}

// trustedEnd returns the end of a session as far as it counts for its place among the newest; the
// zero time if it has none, or none that can be trusted. Where the Job alone decides about a session,
// its end alone counts here too, so that the ranking is the same whether BOS was asked or not.
func (j *Judge) trustedEnd(f *facts) time.Time {
	if f.activity.Running != "" || f.activity.Unread != "" {
		return time.Time{}
	}
	if r := j.jobsEndedRecently(f); r != nil {
		if r.verdict == Unknown {
			return time.Time{}
		}
		return f.activity.Finished
	}
	if j.badTimes(f) != nil {
		return time.Time{}
	}
	return f.end
}

func (j *Judge) keptAsNewest(f *facts) *ruling {
	if !j.keptLast[f.group.ID] {
		return nil
	}
	return keep(KeptLast, fmt.Sprintf(
		"among the %d newest finished sessions of template %q (BOSGC_KEEP_LAST)", j.settings.KeepLast, f.template))
}
