package policy

import (
	"slices"
	"time"

	"bosgc/internal/inventory"
)

// Said is what one rule says of an object.
type Said struct {
	Rule       string // its name
	Verdict    Verdict
	Reason     Reason
	Detail     string    // one sentence for a person
	EligibleAt time.Time // when it will not say so any more; zero if time alone does not change it
	Settings   []string  // that it hangs on, by name
	Decides    bool      // it gives the verdict
}

// Explain asks all rules about an object, and not only until one decides: what stays for three reasons stays
// when one of them has gone. The rules after one that would let it go are not asked, as they never are. There is false if the object
// is none that is judged.
func (j *Judge) Explain(s *inventory.Snapshot, kind Kind, name string) (d Decision, said []Said, there bool) {
	is := func(d Decision) bool { return d.Kind == kind && d.Name == name }
	for _, g := range s.Groups {
		all := j.Group(g)
		if i := slices.IndexFunc(all, is); i >= 0 {
			return all[i], j.said(all[i], j.rules(g, kind, name)), true
		}
	}
	for _, c := range s.Loose {
		if kind == CFSSession && c.Name == name {
			groups := j.owners(s)
			d = j.looseCFS(groups, c)
			return d, j.said(d, j.looseCFSRules(groups, c)), true
		}
	}
	for _, job := range s.Jobs {
		if kind == Job && job.Name == name {
			d = strayJob(job)
			return d, j.said(d, []rule{shape(job.Fault)}), true
		}
	}
	return d, nil, false
}

// rules gives those for an object of a group.
func (j *Judge) rules(g *inventory.Group, kind Kind, name string) []rule {
	f := j.facts(g)
	session := j.session(f)
	if kind == Session {
		return j.sessionRulesOf(f)
	}
	seen, _ := g.Jobs()
	for _, job := range seen {
		if kind == Job && job.Name == name {
			return j.jobRules(f, session, job)
		}
	}
	jobs := j.jobs(f, session)
	cms, _ := g.ConfigMaps()
	for _, cm := range cms {
		if kind == ConfigMap && cm.Name == name {
			return j.configMapRules(f, session, jobs, cm)
		}
	}
	holdBack(j.configMaps(f, session, jobs), &session, jobs)
	for _, c := range g.CFS {
		if kind == CFSSession && c.Name == name {
			return j.taggedCFSRules(f, session, jobs, c)
		}
	}
	return nil
}

func (j *Judge) taggedCFSRules(f *facts, session Decision, jobs []Decision, c inventory.CFSSession) []rule {
	basics := j.cfsRule(c, j.memory.Requested[f.group.ID] == Cancel)
	linked := rule{name: "gone", settings: []string{"BOSGC_ORPHAN_GRACE"}, says: func() *ruling { return j.linkedCFS(f, session, jobs, c) }}
	switch {
	case f.keep != nil || j.owned(f, session, jobs) != nil:
		linked.name, linked.settings = ownerRule, nil
	case basics.says() != nil:
		return []rule{basics} // nobody was asked for its session, because it stays anyway
	}
	return []rule{basics, linked}
}

// cfsRule is what every CFS session has to be, tagged or not.
func (j *Judge) cfsRule(c inventory.CFSSession, cancelled bool) rule {
	return rule{name: "batcher", settings: []string{"BOSGC_CFS"}, says: func() *ruling {
		r := j.cfsBasics(c)
		if r != nil && r.reason == Running && cancelled {
			return nil
		}
		return r
	}}
}

func (j *Judge) looseCFSRules(groups map[string]*inventory.Group, c inventory.CFSSession) []rule {
	rules := []rule{j.cfsRule(c, false)}
	switch {
	case j.links[c.Name] != nil:
		return append(rules, rule{name: "link", settings: []string{"BOSGC_CFS_LINK"}, says: func() *ruling { return j.sharedCFS(groups, c) }})
	case j.settings.CFS == CFSOld:
		return append(rules, rule{name: "age", settings: []string{"BOSGC_CFS_TTL"}, says: func() *ruling { return j.cfsAge(c, j.settings.CFSTTL, CFSExpired) }})
	}
	return append(rules, rule{name: "untagged", settings: []string{"BOSGC_CFS"}, says: func() *ruling {
		return keep(PolicyOff, "it names no session, and BOSGC_CFS is "+string(j.settings.CFS))
	}})
}

func (r *ruling) gives(d Decision) bool {
	return r.verdict == d.Verdict && r.reason == d.Reason && r.detail == d.Detail
}

// undoes says that rules about what has ended have nothing to stand on.
func (r *ruling) undoes() bool {
	return r.reason == Running || r.reason == EvidenceIncomplete || r.reason == ClockSkew
}

// said asks all rules. What was decided and no rule says was decided by something else of the session, or by the
// content of a ConfigMap, which is looked at last.
func (j *Judge) said(d Decision, rules []rule) []Said {
	var all []Said
	decided, blocked := false, false
	for _, rule := range rules {
		if rule.ended && blocked {
			continue
		}
		r := rule.says()
		if r == nil {
			continue
		}
		s := Said{rule.name, r.verdict, r.reason, r.detail, r.eligible, rule.settings, !decided && r.gives(d)}
		decided = decided || s.Decides
		blocked = blocked || rule.name == "times" || r.undoes()
		again := slices.ContainsFunc(all, func(s Said) bool { return s.Reason == r.reason && s.Detail == r.detail })
		if !again && (s.Decides || r.verdict != Delete) {
			all = append(all, s)
		}
		// Of what is somebody else's, nothing else matters.
		if r.verdict == Delete || r.reason == NotOurs || r.reason == Foreign {
			break
		}
	}
	if !decided {
		name := "session"
		if d.Kind == ConfigMap {
			name = "content"
		}
		all = append(all, Said{Rule: name, Verdict: d.Verdict, Reason: d.Reason, Detail: d.Detail, EligibleAt: d.EligibleAt, Decides: true})
	}
	return all
}
