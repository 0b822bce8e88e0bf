package policy

import (
	"time"

	"bosgc/internal/inventory"
)

// jobRules are those of docs/policy.md, "Job". If the session is not in BOS and the Job finished longer ago than
// any session is kept, the Job is deleted on its own evidence: that is also how the next run finishes a run that was
// killed between its last two deletes. If the Job finished more recently, it only seems to belong to nobody.
var jobRules = []rule{
	{name: "shape", evaluate: (*Judge).jobShape},
	{name: "running", evaluate: (*Judge).running},
	{name: "terminating", evaluate: (*Judge).jobTerminating},
	{name: "pods", evaluate: (*Judge).podsUnread},
	{name: "annotation", evaluate: (*Judge).annotated},
	{name: "owner", evaluate: (*Judge).jobOwner, final: true},
	{name: "gone", evaluate: (*Judge).ownerUnsure},
	{name: "template", evaluate: (*Judge).keptTemplate, settings: []string{"BOSGC_KEEP_TEMPLATES"}},
	{name: "times", evaluate: (*Judge).badJobEnd, times: true},
	{name: "age", evaluate: (*Judge).jobTooYoung, ended: true, ttl: true, settings: []string{"BOSGC_ORPHAN_GRACE"}},
	{name: "read", evaluate: (*Judge).clusterUnread},
	{name: "ended", evaluate: (*Judge).jobExpired, ended: true, ttl: true},
	{
		name: "orphan", evaluate: (*Judge).orphanedJob, ended: true, ttl: true,
		settings: []string{"BOSGC_ORPHAN_SIGHTINGS"},
	},
}

// judgeJobs judges the Jobs of a session that has been judged.
func (j *Judge) judgeJobs(f *facts) []Decision {
	jobs, _ := f.group.Jobs()
	decisions := make([]Decision, 0, len(jobs))
	for _, job := range jobs {
		d := jobDecision(job)
		if d.EndedAt.IsZero() && f.activity.Running == "" {
			d.EndedAt = f.activity.Finished // a proxy keeps it active, but its work has ended
		}
		j.decide(jobRules, &facts{sessionFacts: f.sessionFacts, job: &job}).applyTo(&d)
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

// strayJob judges a Job that looks like one of BOS's and names no session.
func (j *Judge) strayJob(job inventory.Job) Decision {
	d := jobDecision(job)
	j.decide(jobRules, &facts{job: &job}).applyTo(&d)
	return d
}

func (j *Judge) jobShape(f *facts) *ruling {
	if f.sessionFacts == nil || f.job.Fault != "" {
		return keep(NotOurs, f.job.Fault)
	}
	return nil
}

func (j *Judge) jobTerminating(f *facts) *ruling { return terminating(f.job.Deletion) }

func (j *Judge) podsUnread(f *facts) *ruling {
	if f.activity.Unread == "" {
		return nil
	}
	return unknown(EvidenceIncomplete, "Job "+f.activity.Unread+" has not ended, and its Pods could not be read")
}

// jobOwner ties a Job to its session for as long as BOS lists that.
func (j *Judge) jobOwner(f *facts) *ruling {
	if j.ownerListed(f) {
		return goesWith(f.session, "session")
	}
	return nil
}

// goesWith ties an object to its owner's verdict; what is the owner's kind, for a person.
func goesWith(owner Decision, what string) *ruling {
	if owner.Verdict == Delete {
		return remove(OwnerCollected, owner.EligibleAt, "goes with its "+what+" "+owner.Name)
	}
	return keep(OwnerKept, "its "+what+" "+owner.Name+" stays ("+string(owner.Reason)+")")
}

// ownerUnsure says why it cannot be concluded that a session is gone from BOS v1.
func (j *Judge) ownerUnsure(f *facts) *ruling {
	switch {
	case f.group.Listed == inventory.Unknown:
		return unknown(EvidenceIncomplete, "BOS's list of sessions is not complete")
	case f.group.Record.Presence == inventory.Present:
		return unknown(EvidenceIncomplete, "BOS does not list its session, and yet has a record of it")
	case f.group.Record.Err != "":
		return unknown(EvidenceIncomplete,
			"BOS does not list its session, and did not answer for it: "+f.group.Record.Err)
	case f.group.Record.Presence != inventory.Absent && f.group.V1 != inventory.Absent:
		return unknown(EvidenceIncomplete, "BOS does not list its session, and was not asked for it")
	}
	return nil
}

func (j *Judge) badJobEnd(f *facts) *ruling {
	switch finished := f.activity.Finished; {
	case f.activity.BadEnd != "":
		return unknown(BadData, f.activity.BadEnd)
	case finished.IsZero():
		return unknown(BadData, "nothing tells when it ended")
	case j.inFuture(finished):
		return unknown(ClockSkew, "it finished in the future, at "+formatTime(finished))
	}
	return nil
}

func (j *Judge) jobTooYoung(f *facts) *ruling {
	return j.youngerThan(j.jobGrace(f), f.activity.Finished, f.outcome())
}

// jobGrace returns how long a Job without a session is kept. Where BOS v1 has been removed nothing has a session any
// more, and what it left is kept as long as its session would have been.
func (j *Judge) jobGrace(f *facts) time.Duration {
	if f.group.V1 == inventory.Absent {
		return f.ttl(j.settings)
	}
	return min(f.ttl(j.settings), j.settings.OrphanGrace)
}

// jobExpired deletes a Job by its own evidence. Where BOS may be another system's, that its session is gone is no more
// than a claim, and the Job an orphan.
func (j *Judge) jobExpired(f *facts) *ruling {
	eligible := f.activity.Finished.Add(f.ttl(j.settings))
	if j.now.Before(eligible) || j.doubted[Job] != "" {
		return nil
	}
	detail := f.outcome() + " " + formatTime(f.activity.Finished) + "; its session is gone from BOS"
	return remove(f.expiry(), eligible, detail)
}

func (j *Judge) orphanedJob(f *facts) *ruling {
	return j.orphaned(Job, f.job.UID, "its session is gone from BOS", f.activity.Finished, j.jobGrace(f))
}
