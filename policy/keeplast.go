package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"bosgc/internal/inventory"
)

// candidate is a finished session that may be among the newest of its template.
type candidate struct {
	id     string
	end    time.Time
	booted bool // certainly a finished boot or reboot that BOS has: an older session may be deleted on its account
}

// newest returns the IDs of the sessions that are among the KeepLast newest finished boots and reboots of their
// template. What is in doubt is kept and takes nobody's place: otherwise a session with a broken clock, or one that
// BOS has lost, would have the session deleted that the nodes stand on.
func (j *Judge) newest(s *inventory.Snapshot) map[string]bool {
	newest := map[string]bool{}
	if j.settings.KeepLast == 0 || s.ListTooLarge {
		return newest
	}
	byTemplate := map[string][]candidate{}
	for _, g := range s.Groups {
		if g.Listed != inventory.Present || !inventory.IsSessionID(g.ID) {
			continue
		}
		f := j.facts(g)
		if end := j.trustedEnd(f); !end.IsZero() && j.worthKeeping(f) {
			booted := inventory.Boots(f.operation) == inventory.Present && g.Record.Presence == inventory.Present
			byTemplate[f.template] = append(byTemplate[f.template], candidate{g.ID, end, booted})
		}
	}
	for _, sessions := range byTemplate {
		slices.SortFunc(sessions, func(a, b candidate) int {
			return cmp.Or(b.end.Compare(a.end), cmp.Compare(b.id, a.id))
		})
		boots := 0
		for _, c := range sessions {
			if boots == j.settings.KeepLast {
				break
			}
			newest[c.id] = true
			if c.booted {
				boots++
			}
		}
	}
	return newest
}

// worthKeeping reports whether a session may tell how its template was last booted: it may have booted nodes, BOS may
// have it, and BOS may still have its template. Sites name templates by node or by date (docs/csm.md, "Session
// templates"), and would keep a session for each of them for ever.
func (j *Judge) worthKeeping(f *facts) bool {
	return inventory.Boots(f.operation) != inventory.Absent && f.group.Record.Presence != inventory.Absent &&
		j.templates.Has(f.template) != inventory.Absent
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

// keptAsNewest keeps what tells how a template was last booted, as long as that is of interest.
func (j *Judge) keptAsNewest(f *facts) *ruling {
	if !j.keptLast[f.group.ID] {
		return nil
	}
	detail := fmt.Sprintf(
		"among the %d newest finished boots of template %q (BOSGC_KEEP_LAST)", j.settings.KeepLast, f.template)
	if j.templates.Has(f.template) != inventory.Present {
		detail += "; it is not known whether BOS still has this template"
		if j.templates.Err != "" {
			detail += ": " + j.templates.Err
		}
	}
	if j.settings.KeepLastFor == 0 {
		return keep(KeptLast, detail)
	}
	until := f.end.Add(j.settings.KeepLastFor)
	if !j.now.Before(until) {
		return nil
	}
	return keepUntil(KeptLast, until, detail+"; kept until "+formatTime(until))
}
