package policy

import (
	"fmt"
	"slices"
	"time"

	"bosgc/internal/inventory"
)

// cfsBasics are the rules for every CFS session, tagged or not: nil if it is a complete one that the
// batcher made for nodes.
func (j *Judge) cfsBasics(c inventory.CFSSession) *ruling {
	if c.Fault != "" {
		return unknown(BadData, c.Fault)
	}
	if why := inventory.NotBatcherMade(c); why != "" {
		return keep(Foreign, why)
	}
	if j.settings.CFS == CFSOff {
		return keep(PolicyOff, "BOSGC_CFS is off")
	}
	switch {
	case c.Status == "complete":
		return nil
	case c.Status == "pending", c.Status == "running":
		return keep(Running, "its status is "+c.Status)
	}
	return unknown(BadData, fmt.Sprintf("its status is %.40q", c.Status))
}

func cfsDecision(c inventory.CFSSession) Decision {
	return Decision{Kind: CFSSession, Name: c.Name, StartedAt: c.Start.At(), EndedAt: c.Completion.At()}
}

// looseCFS judges a CFS session without a tag: the batcher leaves the tag out where a batch
// mixes nodes of several sessions (docs/csm.md, "Tags"). The groups are needed only if it is linked to
// some of them.
func (j *Judge) looseCFS(groups map[string]*inventory.Group, c inventory.CFSSession) Decision {
	d := cfsDecision(c)
	r := j.cfsBasics(c)
	switch {
	case r != nil:
	case j.links[c.Name] != nil:
		r = j.sharedCFS(groups, c)
	case j.settings.CFS != CFSOld:
		r = keep(PolicyOff, "it names no session, and BOSGC_CFS is "+string(j.settings.CFS))
	default:
		r = j.cfsAge(c, j.settings.CFSTTL, CFSExpired)
	}
	r.into(&d)
	return d
}

// CFSSession judges one CFS session by itself, with what is known of its session; g is nil
// for one without a tag.
func (j *Judge) CFSSession(g *inventory.Group, c inventory.CFSSession) Decision {
	switch {
	case g == nil && c.Tag == "":
		return j.looseCFS(nil, c)
	case g == nil || c.Tag != g.ID:
		d := cfsDecision(c)
		unknown(EvidenceIncomplete, "its tag has changed").into(&d)
		return d
	}
	f := j.facts(g)
	session := j.session(f)
	return j.taggedCFS(f, session, j.jobs(f, session), c)
}

func (j *Judge) taggedCFS(f *facts, session Decision, jobs []Decision, c inventory.CFSSession) Decision {
	d := cfsDecision(c)
	d.Session, d.Template = f.group.ID, f.template
	r := j.cfsBasics(c)
	if r != nil && r.reason == Running && j.memory.Requested[f.group.ID] == Cancel {
		r = nil // ending what it has set going is what cancelling is
	}
	if r == nil {
		r = j.linkedCFS(f, session, jobs, c)
	}
	r.into(&d)
	return d
}

func (j *Judge) linkedCFS(f *facts, session Decision, jobs []Decision, c inventory.CFSSession) *ruling {
	if f.keep != nil {
		return keep(OwnerKept, "its session is protected: "+f.keep.detail)
	}
	if r := j.owned(f, session, jobs); r != nil {
		return r
	}
	if !inventory.IsSessionID(f.group.ID) {
		return keep(Foreign, "its tag is no ID of BOS v1; BOS v2 lets people choose names")
	}
	if r := ownerUnsure(f); r != nil {
		return r
	}
	if r := j.clusterUnread(f); r != nil {
		return r
	}
	// BOS v2 writes the same tag: unknown to v1 is not gone (docs/csm.md, "Tags").
	switch {
	case f.group.V2 == inventory.Present:
		return keep(Foreign, "it belongs to a session of BOS v2")
	case f.group.V2 == inventory.Absent:
		return j.cfsAge(c, j.settings.OrphanGrace, OwnerCollected)
	default:
		return unknown(EvidenceIncomplete, "BOS v2 could not be asked for its session")
	}
}

// NeedsV2 says whether a verdict of the group hangs on what BOS v2 knows.
func (j *Judge) NeedsV2(g *inventory.Group) bool {
	// What is tied to a session that BOS v1 lists goes or stays with that (see owned).
	if (len(g.CFS) == 0 || g.Listed == inventory.Present) && j.memory.Requested[g.ID] == NotRequested {
		return false
	}
	here, gone := *g, *g
	here.V2, gone.V2 = inventory.Present, inventory.Absent
	return !slices.Equal(j.Group(&here), j.Group(&gone))
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
	case j.future(at.At()):
		return unknown(ClockSkew, "it "+what+" in the future, at "+stamp(at.At()))
	}
	if r := j.young(at.At(), ttl, what); r != nil {
		return r
	}
	return remove(reason, at.At().Add(ttl), what+" "+stamp(at.At()))
}
