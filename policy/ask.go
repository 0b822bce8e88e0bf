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
	var young []*inventory.Group
	made := map[*inventory.Group]time.Time{}
	for _, g := range s.Groups {
		unasked := g.Record.Presence == inventory.Unknown && g.Record.Err == ""
		if g.Listed != inventory.Present || !inventory.IsSessionID(g.ID) || !unasked {
			continue
		}
		if f := j.facts(g); f.activity.Running == "" && j.configMapYoung(f) != nil {
			young, made[g] = append(young, g), f.made
		}
	}
	slices.SortStableFunc(young, func(a, b *inventory.Group) int { return made[b].Compare(made[a]) })
	return young
}

// KeepLastRivals returns those of UnaskedYoung that may be newer than a session that is kept as the newest of its
// template, and so allow its deletion. There are none if no session is kept for that reason alone. Ask BOS for some of
// them and call it again, until it returns none.
func KeepLastRivals(s *inventory.Snapshot, settings Settings, now time.Time) []*inventory.Group {
	j := NewJudge(s, settings, now, Memory{})
	kept := slices.ContainsFunc(s.Groups, func(g *inventory.Group) bool {
		return g.Listed == inventory.Present && j.session(j.facts(g)).Reason == KeptLast
	})
	if !kept {
		return nil
	}
	return UnaskedYoung(s, settings, now)
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
