package policy

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"bosgc/internal/inventory"
)

// sessionRules are those of docs/policy.md, "Session".
var sessionRules = []struct {
	name     string
	says     func(*Judge, *facts) *ruling
	ended    bool     // see rule
	ttl      bool     // its answer hangs on how long finished sessions are kept
	settings []string // besides that
}{
	{name: "id", says: (*Judge).foreignID},
	{name: "requested", says: (*Judge).requested},
	{name: "running", says: (*Judge).running},
	{name: "annotation", says: func(_ *Judge, f *facts) *ruling { return f.keep }},
	{name: "configmap-age", says: (*Judge).madeLately, ttl: true},
	{name: "template", says: (*Judge).keptTemplate, settings: []string{"BOSGC_KEEP_TEMPLATES"}},
	{name: "job-age", says: (*Judge).finishedLately, ttl: true, ended: true},
	{name: "read", says: (*Judge).clusterUnread},
	{name: "record", says: (*Judge).recordUnread},
	{name: "ghost", says: (*Judge).ghost, settings: []string{"BOSGC_ORPHAN_GRACE"}, ended: true},
	{name: "times", says: (*Judge).badTimes},
	{name: "age", says: (*Judge).endedLately, ttl: true, ended: true},
	{name: "newest", says: (*Judge).keptAsNewest, settings: []string{"BOSGC_KEEP_LAST"}, ended: true},
	{name: "ended", says: (*Judge).finished, ttl: true, ended: true},
	{name: "abandoned", says: (*Judge).abandoned, settings: []string{"BOSGC_ABANDONED_TTL"}, ended: true},
}

// sessionRulesOf gives them for one session, all of which are to be asked.
func (j *Judge) sessionRulesOf(f *facts) []rule {
	var rules []rule
	for _, r := range sessionRules {
		settings := r.settings
		if r.ttl {
			settings = []string{f.ttlSetting()}
		}
		if r.ttl && f.end.IsZero() {
			settings = []string{"BOSGC_ABANDONED_TTL"}
		}
		rules = append(rules, rule{name: r.name, settings: settings, ended: r.ended, says: func() *ruling { return r.says(j, f) }})
	}
	return rules
}

func (j *Judge) session(f *facts) Decision {
	d := Decision{Kind: Session, Name: f.group.ID, Session: f.group.ID, Template: f.template, StartedAt: cmp.Or(f.group.Record.Start.At(), f.start)}
	if f.life.running == "" {
		d.EndedAt = f.end
	}
	for _, r := range sessionRules {
		if said := r.says(j, f); said != nil {
			said.into(&d)
			return d
		}
	}
	unknown(BadData, "no rule applies").into(&d)
	return d
}

func (j *Judge) foreignID(f *facts) *ruling {
	if inventory.IsSessionID(f.group.ID) {
		return nil
	}
	return keep(NotOurs, "its ID is not a lower-case version 4 UUID, which BOS v1 makes")
}

// madeLately keeps a session that left no Job, and whose ConfigMap is younger than any session that goes: BOS makes that
// first (docs/csm.md, "What BOS v1 makes"), so no answer of BOS could make the session older. If it has
// answered all the same, that tells until when.
func (j *Judge) madeLately(f *facts) *ruling {
	if f.made.IsZero() || j.future(f.made) {
		return nil
	}
	made := j.young(f.made, min(j.settings.SessionTTL, j.settings.AbandonedTTL), "its ConfigMap was made")
	if made == nil || j.badTimes(f) != nil {
		return made
	}
	if f.end.IsZero() && f.group.Record.Presence == inventory.Present {
		return cmp.Or(j.startedLately(f), made)
	}
	return cmp.Or(j.endedLately(f), made)
}

// finishedLately keeps a session whose Jobs ended a short time ago. Its real end can only be
// later, so no answer of BOS could make it older.
func (j *Judge) finishedLately(f *facts) *ruling {
	switch {
	case f.life.bad != "":
		return unknown(BadData, f.life.bad)
	case f.life.finished.IsZero():
		return nil
	case j.future(f.life.finished):
		return unknown(ClockSkew, "its Job finished in the future, at "+stamp(f.life.finished))
	}
	return j.young(f.life.finished, f.ttl(j.settings), "finished")
}

// young keeps what is younger than an age, and what cannot be said to be older: every rule that
// lets something go for its age asks here first.
func (j *Judge) young(since time.Time, ttl time.Duration, what string) *ruling {
	if j.memory.ClockDoubt != "" {
		return unknown(ClockSkew, j.memory.ClockDoubt)
	}
	if eligible := since.Add(ttl); j.now.Before(eligible) {
		return keepUntil(TooYoung, eligible, fmt.Sprintf("%s %s; kept until %s", what, stamp(since), stamp(eligible)))
	}
	return nil
}

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

// ghost finds sessions that are listed but have no record: only keys of a status are left
// of them (docs/csm.md, "Ghosts"). There is nothing in them to lose, but a session that is
// just being made can look the same for a moment; then its ConfigMap is young, because BOS
// makes that first.
func (j *Judge) ghost(f *facts) *ruling {
	if f.group.Record.Presence != inventory.Absent || f.life.jobs > 0 {
		return nil
	}
	if jobs, complete := f.group.Jobs(); len(jobs) > 0 || !complete {
		return unknown(EvidenceIncomplete, "it has no record in BOS, but a Job names it")
	}
	cms, _ := f.group.ConfigMaps()
	for _, cm := range cms {
		switch {
		case !cm.Created.Known():
			return unknown(BadData, "its ConfigMap has no creation time")
		case j.future(cm.Created.At()):
			return unknown(ClockSkew, "its ConfigMap was created in the future, at "+stamp(cm.Created.At()))
		}
		if r := j.young(cm.Created.At(), j.settings.OrphanGrace, "its ConfigMap was created"); r != nil {
			return r
		}
	}
	if because := j.guarded[Session]; because != "" {
		return keep(OrphanGuard, "listed by BOS, but without a record; "+because)
	}
	return remove(Ghost, time.Time{}, "listed by BOS, but without a record; nothing runs for it")
}

// badTimes refuses to guess where a time of the record is none, or lies ahead.
func (j *Judge) badTimes(f *facts) *ruling {
	r := f.group.Record
	for _, t := range []struct {
		name  string
		stamp inventory.Stamp
	}{{"start_time", r.Start}, {"stop_time", r.Stop}} {
		switch {
		case t.stamp.Bad():
			return unknown(BadData, fmt.Sprintf("its %s is no time: %.60q", t.name, t.stamp.Raw))
		case t.stamp.Known() && j.future(t.stamp.At()):
			return unknown(ClockSkew, fmt.Sprintf("its %s lies in the future: %s", t.name, stamp(t.stamp.At())))
		}
	}
	return nil
}

// endedLately judges by the end, not by the start: a session that ran for days would otherwise
// go the moment it ends.
func (j *Judge) endedLately(f *facts) *ruling {
	if f.end.IsZero() {
		return nil
	}
	return j.young(f.end, f.ttl(j.settings), "finished")
}

func (j *Judge) finished(f *facts) *ruling {
	if f.end.IsZero() {
		return nil
	}
	return remove(f.expiry(), f.end.Add(f.ttl(j.settings)), f.outcome()+" "+stamp(f.end))
}

func (f *facts) outcome() string {
	if f.failed {
		return "failed"
	}
	return "finished"
}

// abandoned finds sessions whose agent died: no end was ever recorded, and nothing runs. BOS
// calls them in progress for ever.
func (j *Judge) abandoned(f *facts) *ruling {
	switch {
	case !f.end.IsZero():
		return nil
	case f.start.IsZero():
		return unknown(BadData, "nothing tells its age: BOS has no start and no end, and it has no Job or ConfigMap")
	case j.future(f.start):
		return unknown(ClockSkew, "it started in the future, at "+stamp(f.start))
	}
	if r := j.startedLately(f); r != nil {
		return r
	}
	return remove(Abandoned, f.start.Add(j.settings.AbandonedTTL), "nothing runs for it and no end is recorded; started "+stamp(f.start))
}

// startedLately keeps a session that may be at work although nothing shows it.
func (j *Judge) startedLately(f *facts) *ruling {
	return j.young(f.start, j.settings.AbandonedTTL, "no end is recorded; started")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
