package policy

import (
	"fmt"
	"strings"

	"bosgc/internal/inventory"
)

// strongLink is a link that is acted on, and the CFS session as it was when it was linked.
type strongLink struct {
	inventory.Link

	linked inventory.CFSSession
}

// Linkable returns the CFS sessions without a tag about which a link would decide. It returns none unless inferred
// links are acted on, so that nothing is asked for them.
func (j *Judge) Linkable(s *inventory.Snapshot) []inventory.CFSSession {
	var linkable []inventory.CFSSession
	for _, c := range s.UntaggedCFS {
		if j.settings.CFSLink == LinkInferred && c.Start.Known() && j.cfsFault(c) == nil {
			linkable = append(linkable, c)
		}
	}
	return linkable
}

// Link has the judge act on those links that are strong and not exact.
func (j *Judge) Link(s *inventory.Snapshot, links []inventory.Link) {
	linkable := map[string]inventory.CFSSession{}
	for _, c := range j.Linkable(s) {
		linkable[c.Name] = c
	}
	j.links = map[string]*strongLink{}
	for _, l := range links {
		if c, ok := linkable[l.CFS]; ok && !l.Exact && l.Strong() {
			j.links[l.CFS] = &strongLink{l, c}
		}
	}
}

// Owners returns the IDs of the sessions that a CFS session without a tag is judged by; none if its age decides.
func (j *Judge) Owners(cfs string) []string {
	if l := j.links[cfs]; l != nil {
		return l.Sessions
	}
	return nil
}

// linkedGroups returns the groups of the sessions that some CFS session without a tag is judged by.
func (j *Judge) linkedGroups(s *inventory.Snapshot) map[string]*inventory.Group {
	groups := map[string]*inventory.Group{}
	for _, l := range j.links {
		for _, id := range l.Sessions {
			groups[id] = nil
		}
	}
	for _, g := range s.Groups {
		if _, wanted := groups[g.ID]; wanted {
			groups[g.ID] = g
		}
	}
	return groups
}

// SharedCFS judges one CFS session without a tag, with what is known of all its sessions.
func (j *Judge) SharedCFS(groups map[string]*inventory.Group, c inventory.CFSSession) Decision {
	if j.links[c.Name] == nil {
		d := cfsDecision(c)
		unknown(EvidenceIncomplete, "nothing links it to a session").applyTo(&d)
		return d
	}
	was := j.links[c.Name].linked
	if c.Tag != "" || c.Limit != was.Limit || c.Configuration != was.Configuration || c.Start != was.Start {
		d := cfsDecision(c)
		unknown(EvidenceIncomplete, "it is not as it was when it was linked").applyTo(&d)
		return d
	}
	return j.untaggedCFS(&facts{cfs: &c, linked: groups})
}

// sharedCFS judges a linked CFS session as if it had the tag of each of its sessions: it is deleted only if it would be
// by all of them.
func (j *Judge) sharedCFS(groups map[string]*inventory.Group, c inventory.CFSSession) *ruling {
	l := j.links[c.Name]
	how := fmt.Sprintf("linked to sessions %s by inference (%d of 100): %s",
		strings.Join(l.Sessions, " and "), l.Score, strings.Join(l.Evidence, "; "))
	all := remove(OwnerCollected, c.Completion.At(), how)
	for _, id := range l.Sessions {
		g := groups[id]
		if g == nil {
			return unknown(EvidenceIncomplete, "nothing is left of its session "+id+"; "+how)
		}
		f := j.ownerFacts(g)
		f.holdBackOwner(j.configMaps(f))
		r := j.decide(cfsOwnerRules, &facts{sessionFacts: f.sessionFacts, cfs: &c})
		if r.verdict != Delete {
			r.detail += " (" + id + "); " + how
			return r
		}
		if r.eligible.After(all.eligible) {
			all.eligible = r.eligible
		}
	}
	return all
}
