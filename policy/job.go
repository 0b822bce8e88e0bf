package policy

import "bosgc/internal/inventory"

func (j *Judge) jobs(f *facts, session Decision) []Decision {
	jobs, _ := f.group.Jobs()
	decisions := make([]Decision, 0, len(jobs))
	for _, job := range jobs {
		d := jobDecision(job)
		if d.EndedAt.IsZero() && f.life.running == "" {
			d.EndedAt = f.life.finished // a proxy holds it, but its work has ended
		}
		first(j.jobRules(f, session, job)).into(&d)
		decisions = append(decisions, d)
	}
	return decisions
}

func jobDecision(job inventory.Job) Decision {
	return Decision{
		Kind: Job, Name: job.Name, Session: job.Session, UID: job.UID, ResourceVersion: job.ResourceVersion,
		Template: job.Template, StartedAt: job.Created.At(), EndedAt: job.Finished.At(),
	}
}

// strayJob judges one that looks like BOS's and names no session.
func strayJob(job inventory.Job) Decision {
	d := jobDecision(job)
	keep(NotOurs, job.Fault).into(&d)
	return d
}

// jobRules are those of docs/policy.md, "Job"; one of them always has something to say.
func (j *Judge) jobRules(f *facts, session Decision, job inventory.Job) []rule {
	rules := append(
		make([]rule, 0, 5), // so many are enough for all but a few
		shape(job.Fault),
		rule{name: "running", says: func() *ruling { return j.running(f) }},
		rule{name: "pods", says: func() *ruling {
			if f.life.unread == "" {
				return nil
			}
			return unknown(EvidenceIncomplete, "Job "+f.life.unread+" has not ended, and its Pods could not be read")
		}},
		always("annotation", f.keep),
	)
	if j.tied(f) {
		return append(rules, always(ownerRule, goesWith(session, "session")))
	}
	return append(rules, j.unlistedJob(f, job.UID)...)
}

// ownerRule is the name of the rule that ties an object to what it belongs to.
const ownerRule = "owner"

// goesWith ties an object to its owner's verdict; what is the owner's kind, for a person.
func goesWith(owner Decision, what string) *ruling {
	if owner.Verdict == Delete {
		return remove(OwnerCollected, owner.EligibleAt, "goes with its "+what+" "+owner.Name)
	}
	return keep(OwnerKept, "its "+what+" "+owner.Name+" stays ("+owner.Reason.String()+")")
}

// ownerUnsure says why it cannot be concluded that a session is gone from BOS v1; nil if it
// can.
func ownerUnsure(f *facts) *ruling {
	switch {
	case f.group.Listed == inventory.Unknown:
		return unknown(EvidenceIncomplete, "BOS's list of sessions is not complete")
	case f.group.Record.Presence == inventory.Present:
		return unknown(EvidenceIncomplete, "BOS does not list its session, and yet has a record of it")
	case f.group.Record.Err != "":
		return unknown(EvidenceIncomplete, "BOS does not list its session, and did not answer for it: "+f.group.Record.Err)
	case f.group.Record.Presence != inventory.Absent && f.group.V1 != inventory.Absent:
		return unknown(EvidenceIncomplete, "BOS does not list its session, and was not asked for it")
	}
	return nil
}

// unlistedJob are the rules for a Job whose session is not in BOS. If it finished longer ago than any
// session is kept, it goes on its own evidence: that is also how the next run finishes one
// that was killed between its last two deletes. If it finished more lately than that, it only seems
// to belong to nobody.
func (j *Judge) unlistedJob(f *facts, uid string) []rule {
	finished, ttl := f.life.finished, f.ttl(j.settings)
	rules := []rule{
		{name: "gone", says: func() *ruling { return ownerUnsure(f) }},
		{name: "template", says: func() *ruling { return j.keptTemplate(f) }, settings: []string{"BOSGC_KEEP_TEMPLATES"}},
		{name: "times", says: func() *ruling {
			switch {
			case f.life.bad != "":
				return unknown(BadData, f.life.bad)
			case finished.IsZero():
				return unknown(BadData, "nothing tells when it ended")
			case j.future(finished):
				return unknown(ClockSkew, "it finished in the future, at "+stamp(finished))
			}
			return nil
		}},
	}
	if finished.IsZero() {
		return rules
	}
	return append(
		rules,
		rule{name: "age", ended: true, settings: []string{f.ttlSetting(), "BOSGC_ORPHAN_GRACE"}, says: func() *ruling {
			return j.young(finished, min(ttl, j.settings.OrphanGrace), "finished")
		}},
		rule{name: "read", says: func() *ruling { return j.clusterUnread(f) }},
		rule{name: "ended", ended: true, settings: []string{f.ttlSetting()}, says: func() *ruling {
			eligible := finished.Add(ttl)
			if j.now.Before(eligible) {
				return nil
			}
			return remove(f.expiry(), eligible, f.outcome()+" "+stamp(finished)+"; its session is gone from BOS")
		}},
		rule{name: "orphan", ended: true, settings: []string{f.ttlSetting(), "BOSGC_ORPHAN_SIGHTINGS"}, says: func() *ruling {
			return j.orphaned(Job, uid, "its session is gone from BOS", finished)
		}},
	)
}
