package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"bosgc/internal/inventory"
)

var (
	// taggedCFSRules are those of docs/policy.md, "CFSSession", for one whose tag names its session.
	taggedCFSRules = append([]rule{batcherRule}, cfsOwnerRules...)

	// untaggedCFSRules are those for one without a tag: the batcher leaves the tag out where a batch mixes nodes of
	// several sessions (docs/csm.md, "Tags").
	untaggedCFSRules = []rule{
		batcherRule,
		{name: "link", evaluate: (*Judge).cfsLink, final: true, settings: []string{"BOSGC_CFS_LINK"}},
		{name: "untagged", evaluate: (*Judge).untaggedOff, final: true, settings: []string{"BOSGC_CFS"}},
		{name: "age", evaluate: (*Judge).untaggedAge, settings: []string{"BOSGC_CFS_TTL"}},
	}

	batcherRule = rule{name: "batcher", evaluate: (*Judge).completeBatch, settings: []string{"BOSGC_CFS"}}

	// cfsOwnerRules judge a CFS session by a session that it belongs to. BOS is not asked for a session on account of
	// a CFS session that is kept anyway.
	cfsOwnerRules = []rule{
		{name: "owner", evaluate: (*Judge).cfsOwner},
		{name: "tag", evaluate: (*Judge).foreignTag, undecided: true},
		{name: "gone", evaluate: (*Judge).ownerUnsure, undecided: true},
		{name: "read", evaluate: (*Judge).clusterUnread, undecided: true},
		{name: "v2", evaluate: (*Judge).ownedByV2, undecided: true},
		{
			name: "age", evaluate: (*Judge).ownerlessAge, undecided: true,
			settings: []string{"BOSGC_CFS_TTL", "BOSGC_ORPHAN_GRACE"},
		},
		{name: "orphan", evaluate: (*Judge).orphanedCFS, undecided: true, settings: []string{"BOSGC_ORPHAN_SIGHTINGS"}},
	}
)

func cfsDecision(c inventory.CFSSession) Decision {
	return Decision{Kind: CFSSession, Name: c.Name, StartedAt: c.Start.At(), EndedAt: c.Completion.At()}
}

// CFSSession judges one CFS session alone, with what is known of its session; g is nil for one without a tag.
func (j *Judge) CFSSession(g *inventory.Group, c inventory.CFSSession) Decision {
	switch {
	case g == nil && c.Tag == "":
		return j.untaggedCFS(&facts{cfs: &c})
	case g == nil || c.Tag != g.ID:
		d := cfsDecision(c)
		unknown(EvidenceIncomplete, "its tag has changed").applyTo(&d)
		return d
	}
	return j.taggedCFS(&facts{sessionFacts: j.ownerFacts(g).sessionFacts, cfs: &c})
}

func (j *Judge) taggedCFS(f *facts) Decision {
	d := cfsDecision(*f.cfs)
	d.Session, d.Template = f.group.ID, f.template
	j.decide(taggedCFSRules, f).applyTo(&d)
	return d
}

func (j *Judge) untaggedCFS(f *facts) Decision {
	d := cfsDecision(*f.cfs)
	j.decide(untaggedCFSRules, f).applyTo(&d)
	return d
}

// completeBatch keeps everything but complete CFS sessions that the batcher made for nodes. To cancel a session is to
// end what it has started: then a CFS session that runs is not kept either.
func (j *Judge) completeBatch(f *facts) *ruling {
	r := j.cfsFault(*f.cfs)
	if r != nil && r.reason == Running && f.sessionFacts != nil && j.memory.Requested[f.group.ID] == Cancel {
		return nil
	}
	return r
}

// cfsFault says why a CFS session is not a complete one that the batcher made for nodes; nil if it is one.
func (j *Judge) cfsFault(c inventory.CFSSession) *ruling {
	if c.Fault != "" {
		return unknown(BadData, c.Fault)
	}
	if why := inventory.NotBatcherMade(c); why != "" {
		return keep(Foreign, why)
	}
	if j.settings.CFS == CFSOff {
		return keep(PolicyOff, "BOSGC_CFS is off")
	}
	switch c.Status {
	case "complete":
		return nil
	case "pending", "running":
		return keep(Running, "its status is "+c.Status)
	}
	return unknown(BadData, fmt.Sprintf("its status is %.40q", c.Status))
}

// cfsOwner ties a CFS session to its session, and to what is at work for one that is gone. With the Job of a session that
// is gone it does not go: the Job is old by its own evidence, and the CFS session an orphan.
func (j *Judge) cfsOwner(f *facts) *ruling {
	if f.protected != nil {
		return keep(OwnerKept, "its session is protected: "+f.protected.detail)
	}
	r := j.ownerRule(f)
	if r != nil && r.verdict == Delete && !j.ownerListed(f) {
		return nil
	}
	return r
}

func (j *Judge) foreignTag(f *facts) *ruling {
	if inventory.IsSessionID(f.group.ID) {
		return nil
	}
	return keep(Foreign, "its tag is no ID of BOS v1; BOS v2 lets people choose names")
}

// ownedByV2 keeps a CFS session whose session is not known to be gone from BOS v2 as well: both write the same tag,
// so that unknown to BOS v1 is not gone (docs/csm.md, "Tags").
func (j *Judge) ownedByV2(f *facts) *ruling {
	switch f.group.V2 {
	case inventory.Present:
		return keep(Foreign, "it belongs to a session of BOS v2")
	case inventory.Absent:
		return nil
	default:
		return unknown(EvidenceIncomplete, "BOS v2 could not be asked for its session")
	}
}

// ownerlessAge keeps a CFS session whose session is gone as long as one that names none: that BOS does not have the
// session may be an accident, and CFS is asked for nothing that its owner still needs after that time.
func (j *Judge) ownerlessAge(f *facts) *ruling {
	if r := j.cfsAge(*f.cfs, j.cfsGrace(), CFSExpired); r.reason != CFSExpired {
		return r
	}
	return nil
}

func (j *Judge) cfsGrace() time.Duration { return max(j.settings.CFSTTL, j.settings.OrphanGrace) }

func (j *Judge) orphanedCFS(f *facts) *ruling {
	since := cmp.Or(f.cfs.Completion.At(), f.cfs.Start.At())
	return j.orphaned(
		CFSSession, Identity(CFSSession, f.cfs.Name, "", f.cfs.Start.At()),
		"neither BOS v1 nor v2 has its session", since, j.cfsGrace(),
	)
}

// cfsLink judges a CFS session without a tag by the sessions that it is linked to.
func (j *Judge) cfsLink(f *facts) *ruling {
	if j.links[f.cfs.Name] == nil {
		return nil
	}
	return j.sharedCFS(f.linked, *f.cfs)
}

func (j *Judge) untaggedOff(f *facts) *ruling {
	if j.settings.CFS == CFSOld {
		return nil
	}
	return keep(PolicyOff, "it names no session, and BOSGC_CFS is "+string(j.settings.CFS))
}

func (j *Judge) untaggedAge(f *facts) *ruling {
	r := j.cfsAge(*f.cfs, j.settings.CFSTTL, CFSExpired)
	if because := j.doubtOf(CFSSession); because != "" && r.verdict == Delete {
		return keep(OrphanGuard, because)
	}
	return r
}

// cfsAge judges by the completion, or by the start where CFS lost sight of the end.
func (j *Judge) cfsAge(c inventory.CFSSession, ttl time.Duration, reason Reason) *ruling {
	what, at := "completed", c.Completion
	if !at.Known() && !at.Bad() {
		what, at = "no completion time; started", c.Start
	}
	switch {
	case at.Bad():
		return unknown(BadData, fmt.Sprintf("a time of it is none: %.60q", at.Raw))
	case !at.Known():
		return unknown(BadData, "it has neither a completion nor a start time")
	case j.inFuture(at.At()):
		return unknown(ClockSkew, "it "+what+" in the future, at "+formatTime(at.At()))
	}
	if r := j.youngerThan(ttl, at.At(), what); r != nil {
		return r
	}
	return remove(reason, at.At().Add(ttl), what+" "+formatTime(at.At()))
}

// NeedsV2 reports whether a verdict of the group depends on what BOS v2 knows.
func (j *Judge) NeedsV2(g *inventory.Group) bool {
	// What belongs to a session that BOS v1 lists shares its verdict (see ownerRule).
	if (len(g.CFS) == 0 || g.Listed == inventory.Present) && j.memory.Requested[g.ID] == NotRequested {
		return false
	}
	return !slices.Equal(j.Group(g.WithV2(inventory.Present)), j.Group(g.WithV2(inventory.Absent)))
}
