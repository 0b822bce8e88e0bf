package policy

import (
	"slices"
	"strings"
	"time"

	"bosgc/internal/inventory"
)

// NeedsRecord says whether BOS must be asked for a session's record before it can be
// judged. It need not where Kubernetes decides, whatever the record says: BOS is fragile,
// and each request counts (docs/csm.md, "BOS under load"). Those that are too young to go may matter to others all the
// same, see KeepLastRivals and GhostSample.
func NeedsRecord(g *inventory.Group, settings Settings, now time.Time) bool {
	if !inventory.IsSessionID(g.ID) {
		return false
	}
	j := &Judge{settings: settings, now: now}
	f := j.facts(g)
	switch {
	case f.activity.running != "" || !j.depends(g):
		return false
	case settings.CFSLink != LinkInferred && g.Listed == inventory.Present && j.configMapYoung(f) != nil:
		return false // an inferred link hangs on when all sessions were at work, those that stay included
	}
	if f.template == "" || g.Listed != inventory.Present {
		return true // that it is not listed proves nothing: only the answer for it alone does
	}
	if settings.KeepLast == 0 && j.keptByRule(f) != nil {
		return false // else its end still counts for its place among the newest
	}
	return j.jobsEndedRecently(f) == nil && j.clusterUnread(f) == nil
}

// depends says whether any verdict hangs on the session: of one that only CFS sessions name, those
// may all stay for reasons of their own.
func (j *Judge) depends(g *inventory.Group) bool {
	jobs, _ := g.Jobs()
	cms, _ := g.ConfigMaps()
	if g.Listed == inventory.Present || len(jobs)+len(cms) > 0 {
		return true
	}
	for _, c := range g.CFS {
		if j.cfsFault(c) == nil {
			return true
		}
	}
	return false
}

// UnaskedYoung are the sessions that BOS was not asked for because they are too young to go, the newest first.
func UnaskedYoung(s *inventory.Snapshot, settings Settings, now time.Time) []*inventory.Group {
	j := &Judge{settings: settings, now: now}
	var all []*inventory.Group
	made := map[*inventory.Group]time.Time{}
	for _, g := range s.Groups {
		if g.Listed != inventory.Present || !inventory.IsSessionID(g.ID) || g.Record.Presence != inventory.Unknown || g.Record.Err != "" {
			continue
		}
		if f := j.facts(g); f.activity.running == "" && j.configMapYoung(f) != nil {
			all, made[g] = append(all, g), f.made
		}
	}
	slices.SortStableFunc(all, func(a, b *inventory.Group) int { return made[b].Compare(made[a]) })
	return all
}

// KeepLastRivals are those spared that may be newer than a session that is kept as the newest of its template, and so let
// that one go. There are none if nothing is kept for that reason alone. Ask for some, and then again: with all of them asked
// for there are none left.
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

// GhostSample are those spared, if so many of the other sessions are ghosts that BOS may have lost its records: whether the
// guard is to refuse hangs on the share of all of them, and most sessions are young. Ask for some, and then again.
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
	spared := UnaskedYoung(s, settings, now)
	if listed < guardFloor || ghosts*100 <= settings.MaxOrphanPercent*(listed-len(spared)) {
		return nil
	}
	// Whose records are lost may depend on their age; this is by their IDs, which are chance.
	slices.SortFunc(spared, func(a, b *inventory.Group) int { return strings.Compare(a.ID, b.ID) })
	return spared
}

// isGhost says whether a session would be one were it old enough to be judged by its record.
func (j *Judge) isGhost(f *facts) bool {
	if f.group.Listed != inventory.Present || f.activity.running != "" || f.protected != nil || j.clusterUnread(f) != nil {
		return false
	}
	r := j.ghost(f)
	return r != nil && r.reason == Ghost
}
