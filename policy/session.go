package policy

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"bosgc/internal/inventory"
)

// sessionRules are those of docs/policy.md, "Session".
var sessionRules = []rule{
	{name: "id", evaluate: (*Judge).foreignID},
	{name: "requested", evaluate: (*Judge).requested},
	{name: "running", evaluate: (*Judge).running},
	{name: "annotation", evaluate: (*Judge).annotated},
	{name: "configmap-age", evaluate: (*Judge).configMapYoung, ttl: true},
	{name: "template", evaluate: (*Judge).keptTemplate, settings: []string{"BOSGC_KEEP_TEMPLATES"}},
	{name: "job-age", evaluate: (*Judge).jobsEndedRecently, ttl: true, ended: true},
	{name: "read", evaluate: (*Judge).clusterUnread},
	{name: "record", evaluate: (*Judge).recordUnread},
	{name: "ghost", evaluate: (*Judge).ghost, settings: []string{"BOSGC_ORPHAN_GRACE"}, ended: true},
	{name: "times", evaluate: (*Judge).badTimes, times: true},
	{name: "age", evaluate: (*Judge).endedRecently, ttl: true, ended: true},
	{name: "newest", evaluate: (*Judge).keptAsNewest, settings: []string{"BOSGC_KEEP_LAST", "BOSGC_KEEP_LAST_FOR"}, ended: true},
	{name: "ended", evaluate: (*Judge).expired, ttl: true, ended: true},
	{name: "abandoned", evaluate: (*Judge).abandoned, settings: []string{"BOSGC_ABANDONED_TTL"}, ended: true},
	{name: "system", evaluate: (*Judge).sessionDoubted, veto: true},
}

func (j *Judge) session(f *facts) Decision {
	d := Decision{
		Kind: Session, Name: f.group.ID, Session: f.group.ID, Template: f.template,
		StartedAt: cmp.Or(f.group.Record.Start.At(), f.start),
	}
	if f.activity.Running == "" {
		d.EndedAt = f.end
	}
	j.decide(sessionRules, f).applyTo(&d)
	return d
}

func (j *Judge) foreignID(f *facts) *ruling {
	if inventory.IsSessionID(f.group.ID) {
		return nil
	}
	return keep(NotOurs, "its ID is not a lower-case version 4 UUID, which BOS v1 makes")
}

// configMapYoung keeps a session that left no Job, and whose ConfigMap is younger than any session that is deleted:
// BOS makes the ConfigMap first (docs/csm.md, "What BOS v1 makes"), so no answer of BOS could make the session older.
// If BOS has answered all the same, the answer tells until when.
func (j *Judge) configMapYoung(f *facts) *ruling {
	if f.made.IsZero() || j.inFuture(f.made) {
		return nil
	}
	made := j.youngerThan(min(j.settings.SessionTTL, j.settings.AbandonedTTL), f.made, "its ConfigMap was made")
	if made == nil || j.badTimes(f) != nil {
		return made
	}
	if f.end.IsZero() && f.group.Record.Presence == inventory.Present {
		return cmp.Or(j.startedRecently(f), made)
	}
	return cmp.Or(j.endedRecently(f), made)
}

// jobsEndedRecently keeps a session whose Jobs ended a short time ago. Its real end can only be later, so no answer
// of BOS could make it older.
func (j *Judge) jobsEndedRecently(f *facts) *ruling {
	switch {
	case f.activity.BadEnd != "":
		return unknown(BadData, f.activity.BadEnd)
	case f.activity.Finished.IsZero():
		return nil
	case j.inFuture(f.activity.Finished):
		return unknown(ClockSkew, "its Job finished in the future, at "+formatTime(f.activity.Finished))
	}
	return j.youngerThan(f.ttl(j.settings), f.activity.Finished, f.outcome())
}

// youngerThan keeps what is younger than ttl, and what cannot be said to be older. Every rule that allows deletion by
// age asks it first. what says what happened at since.
func (j *Judge) youngerThan(ttl time.Duration, since time.Time, what string) *ruling {
	if j.memory.ClockDoubt != "" {
		return unknown(ClockSkew, j.memory.ClockDoubt)
	}
	if eligible := since.Add(ttl); j.now.Before(eligible) {
		return keepUntil(TooYoung, eligible, fmt.Sprintf(
			"%s %s; kept until %s", what, formatTime(since), formatTime(eligible)))
	}
	return nil
}

// clusterUnread refuses to conclude anything from a part of the cluster.
func (j *Judge) clusterUnread(f *facts) *ruling {
	if missing := f.group.Evidence().Missing(); len(missing) > 0 {
		return unknown(EvidenceIncomplete, "not read completely: "+strings.Join(missing, ", "))
	}
	return nil
}

func (j *Judge) recordUnread(f *facts) *ruling {
	r := f.group.Record
	switch {
	case r.Presence != inventory.Unknown:
		return nil
	case r.Broken:
		return unknown(BadData, "BOS cannot read its record: "+r.Err)
	case r.Err == "":
		return unknown(EvidenceIncomplete, "BOS was not asked about it")
	}
	return unknown(EvidenceIncomplete, "BOS did not answer: "+r.Err)
}

// ghost deletes sessions that are listed but have no record: only keys of a status are left of them (docs/csm.md,
// "Ghosts"). There is nothing in them to lose, but a session that is just being made can look the same for a
// moment; then its ConfigMap is young, because BOS makes that first.
func (j *Judge) ghost(f *facts) *ruling {
	if f.group.Record.Presence != inventory.Absent || f.activity.ExactJobs > 0 {
		return nil
	}
	if jobs, complete := f.group.Jobs(); len(jobs) > 0 || !complete {
		return unknown(EvidenceIncomplete, "it has no record in BOS, but a Job names it")
	}
	if r := j.youngestConfigMap(f, j.settings.OrphanGrace, "its ConfigMap was created"); r != nil {
		return r
	}
	if because := j.guarded[Session]; because != "" {
		return keep(OrphanGuard, "listed by BOS, but without a record; "+because)
	}
	return remove(Ghost, time.Time{}, "listed by BOS, but without a record; nothing runs for it")
}

// youngestConfigMap keeps a session while one of its ConfigMaps is younger than ttl, or cannot be said to be older.
func (j *Judge) youngestConfigMap(f *facts, ttl time.Duration, what string) *ruling {
	cms, _ := f.group.ConfigMaps()
	for _, cm := range cms {
		switch {
		case !cm.Created.Known():
			return unknown(BadData, "its ConfigMap has no creation time")
		case j.inFuture(cm.Created.At()):
			return unknown(ClockSkew, "its ConfigMap was created in the future, at "+formatTime(cm.Created.At()))
		}
		if r := j.youngerThan(ttl, cm.Created.At(), what); r != nil {
			return r
		}
	}
	return nil
}

// badTimes refuses to guess where a time of the record is not a time, or lies in the future.
func (j *Judge) badTimes(f *facts) *ruling {
	r := f.group.Record
	for _, t := range []struct {
		name  string
		stamp inventory.Stamp
	}{{"start_time", r.Start}, {"stop_time", r.Stop}} {
		switch {
		case t.stamp.Bad():
			return unknown(BadData, fmt.Sprintf("its %s is no time: %.60q", t.name, t.stamp.Raw))
		case t.stamp.Known() && j.inFuture(t.stamp.At()):
			return unknown(ClockSkew, fmt.Sprintf("its %s lies in the future: %s", t.name, formatTime(t.stamp.At())))
		}
	}
	return nil
}

// endedRecently judges by the end, not by the start: otherwise a session that ran for days would be deleted the
// moment it ends.
func (j *Judge) endedRecently(f *facts) *ruling {
	if f.end.IsZero() {
		return nil
	}
	return j.youngerThan(f.ttl(j.settings), f.end, f.outcome())
}

func (j *Judge) expired(f *facts) *ruling {
	if f.end.IsZero() {
		return nil
	}
	return remove(f.expiry(), f.end.Add(f.ttl(j.settings)), f.outcome()+" "+formatTime(f.end))
}

// abandoned deletes sessions whose agent died: no end was ever recorded, and nothing runs. BOS calls them in
// progress for ever.
func (j *Judge) abandoned(f *facts) *ruling {
	switch {
	case !f.end.IsZero():
		return nil
	case f.start.IsZero():
		return unknown(BadData, "nothing tells its age: BOS has no start and no end, and it has no Job or ConfigMap")
	case j.inFuture(f.start):
		return unknown(ClockSkew, "it started in the future, at "+formatTime(f.start))
	}
	if r := j.startedRecently(f); r != nil {
		return r
	}
	return remove(
		Abandoned, f.start.Add(j.settings.AbandonedTTL),
		"nothing runs for it and no end is recorded; started "+formatTime(f.start),
	)
}

// startedRecently keeps a session that may be at work although nothing shows it.
func (j *Judge) startedRecently(f *facts) *ruling {
	return j.youngerThan(j.settings.AbandonedTTL, f.start, "no end is recorded; started")
}

func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
