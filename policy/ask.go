package policy

import (
	"slices"
	"strings"
	"time"

	"bosgc/internal/inventory"
)

// NeedsRecord reports whether BOS must be asked for a session's record before the session can be
// judged. It need not where Kubernetes decides, whatever the record says: BOS is fragile,
// and each request counts (docs/csm.md, "BOS under load"). Sessions that are too young to be
// deleted may still matter to others; see KeepLastRivals and GhostSample.
func NeedsRecord(g *inventory.Group, settings Settings, now time.Time) bool {
	if !inventory.IsSessionID(g.ID) {
		return false
	}
	j := &Judge{settings: settings, now: now}
	f := j.facts(g)
	switch {
	case f.activity.Running != "" || !j.matters(g):
		return false
	case settings.CFSLink != LinkInferred && g.Listed == inventory.Present && j.configMapYoung(f) != nil:
		return false // an inferred link depends on when every session was at work, also those that are kept
	}
	if f.template == "" || g.Listed != inventory.Present {
		return true // that it is not listed proves nothing: only BOS's answer for this session does
	}
	if settings.KeepLast == 0 && j.keptByRule(f) != nil {
		return false // with keep-last its end still counts for its place among the newest
	}
	return j.jobsEndedRecently(f) == nil && j.clusterUnread(f) == nil
}

// matters reports whether any verdict depends on the session. If only CFS sessions name it, they may all be kept
// for reasons of their own.
func (j *Judge) matters(g *inventory.Group) bool {
	jobs, _ := g.Jobs()
	cms, _ := g.ConfigMaps()
	if g.Listed == inventory.Present || len(jobs)+len(cms) > 0 {
		return true
	}
	return slices.ContainsFunc(g.CFS, func(c inventory.CFSSession) bool { return j.cfsFault(c) == nil })
}

// UnaskedYoung returns the sessions that BOS was not asked for because they are too young to be deleted, the newest
// first.
func UnaskedYoung(s *inventory.Snapshot, settings Settings, now time.Time) []*inventory.Group {
	j := &Judge{settings: settings, now: now}
	return j.unasked(s, func(f *facts) time.Time {
		if j.configMapYoung(f) == nil {
			return time.Time{}
		}
		return f.made
	})
}

// unasked returns the listed sessions that BOS was not asked for and that do not run, the newest first. age returns how
// old one is, and the zero time for one that is left out.
func (j *Judge) unasked(s *inventory.Snapshot, age func(*facts) time.Time) []*inventory.Group {
	var found []*inventory.Group
	made := map[*inventory.Group]time.Time{}
	for _, g := range s.Groups {
		unasked := g.Record.Presence == inventory.Unknown && g.Record.Err == ""
		if g.Listed != inventory.Present || !inventory.IsSessionID(g.ID) || !unasked {
			continue
		}
		f := j.facts(g)
		if at := age(f); f.activity.Running == "" && !at.IsZero() {
			found, made[g] = append(found, g), at
		}
	}
	slices.SortStableFunc(found, func(a, b *inventory.Group) int { return made[b].Compare(made[a]) })
	return found
}

// NeedsTemplates reports whether a verdict or a note depends on which session templates BOS has.
func NeedsTemplates(s *inventory.Snapshot, settings Settings, now time.Time) bool {
	return len(settings.KeepTemplates) > 0 || len(NewJudge(s, settings, now, Memory{}).keptLastTemplates(s)) > 0
}

// keptLastTemplates returns the templates of which a session is kept as one of the newest, and for no other reason.
func (j *Judge) keptLastTemplates(s *inventory.Snapshot) map[string]bool {
	templates := map[string]bool{}
	for _, g := range s.Groups {
		if !j.keptLast[g.ID] {
			continue
		}
		if f := j.facts(g); j.session(f).Reason == KeptLast {
			templates[f.template] = true
		}
	}
	return templates
}

// KeepLastRivals returns the sessions that BOS was not asked for and that may be newer than one that is kept as the
// newest of its template, and so allow its deletion. Ask BOS for some of them and call it again, until it returns none.
// If Jobs tell of boots of such a template, the newest of those come alone: mostly they decide.
func KeepLastRivals(s *inventory.Snapshot, settings Settings, now time.Time) []*inventory.Group {
	j := NewJudge(s, settings, now, Memory{})
	templates := j.keptLastTemplates(s)
	if len(templates) == 0 {
		return nil
	}
	rivals := j.unasked(s, func(f *facts) time.Time {
		switch {
		case f.template != "" && !templates[f.template], inventory.Boots(f.operation) == inventory.Absent:
			return time.Time{}
		case j.configMapYoung(f) != nil:
			return f.made
		case j.jobsEndedRecently(f) != nil:
			return f.activity.Finished
		}
		return time.Time{}
	})
	var boots []*inventory.Group
	seen := map[string]int{}
	for _, g := range rivals {
		if f := j.facts(g); f.template != "" && inventory.Boots(f.operation) == inventory.Present {
			if seen[f.template]++; seen[f.template] <= settings.KeepLast {
				boots = append(boots, g)
			}
		}
	}
	if len(boots) > 0 {
		return boots
	}
	return rivals
}

// GhostSample returns UnaskedYoung, if so many of the other sessions are ghosts that BOS may have lost its records:
// whether the guard refuses depends on the share of all sessions, and most sessions are young. Ask BOS for some of them
// and call it again, until it returns none.
func GhostSample(s *inventory.Snapshot, settings Settings, now time.Time) []*inventory.Group {
	j := &Judge{settings: settings, now: now}
	listed, ghosts := 0, 0
	for _, g := range s.Groups {
		if g.Listed != inventory.Present {
			continue
		}
		if listed++; j.isGhost(j.facts(g)) {
			ghosts++
		}
	}
	young := UnaskedYoung(s, settings, now)
	if listed < guardFloor || ghosts*100 <= settings.MaxOrphanPercent*(listed-len(young)) {
		return nil
	}
	// Which records are lost may depend on their age; IDs are random.
	slices.SortFunc(young, func(a, b *inventory.Group) int { return strings.Compare(a.ID, b.ID) })
	return young
}

// isGhost reports whether a session would be a ghost if it were old enough to be judged by its record.
func (j *Judge) isGhost(f *facts) bool {
	kept := f.activity.Running != "" || f.protected != nil || j.clusterUnread(f) != nil
	if kept || f.group.Listed != inventory.Present {
		return false
	}
	r := j.ghost(f)
	return r != nil && r.reason == Ghost
}
