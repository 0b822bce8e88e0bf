package policy

import (
	"slices"
	"time"

	"bosgc/internal/inventory"
)

// Finding is what one rule says of an object.
type Finding struct {
	Rule       string // its name
	Verdict    Verdict
	Reason     Reason
	Detail     string    // one sentence for a person
	EligibleAt time.Time // when the rule will not apply any more; zero if time alone does not change that
	Settings   []string  // names of the settings that it depends on
	Decides    bool      // it gives the verdict
}

// Explain asks every rule about an object, not only up to the first that applies: what is kept for three reasons
// is kept until the last of them is gone. Rules after one that would delete the object are not asked; the judge never
// asks them either. It returns false if there is no such object among those that are judged.
func (j *Judge) Explain(s *inventory.Snapshot, kind Kind, name string) (d Decision, findings []Finding, found bool) {
	is := func(d Decision) bool { return d.Kind == kind && d.Name == name }
	for _, g := range s.Groups {
		all := j.Group(g)
		if i := slices.IndexFunc(all, is); i >= 0 {
			rules, f := j.rulesFor(g, kind, name)
			return all[i], j.findings(all[i], rules, f), true
		}
	}
	for _, c := range s.UntaggedCFS {
		if kind == CFSSession && c.Name == name {
			f := &facts{cfs: &c, linked: j.linkedGroups(s)}
			d = j.untaggedCFS(f)
			return d, j.findings(d, untaggedCFSRules, f), true
		}
	}
	for _, job := range s.StrayJobs {
		if kind == Job && job.Name == name {
			d = j.strayJob(job)
			return d, j.findings(d, jobRules, &facts{job: &job}), true
		}
	}
	return d, nil, false
}

// rulesFor returns the rules for an object of a group, and the facts that they are asked about.
func (j *Judge) rulesFor(g *inventory.Group, kind Kind, name string) ([]rule, *facts) {
	f := j.ownerFacts(g)
	jobs, _ := g.Jobs()
	cms, _ := g.ConfigMaps()
	switch kind {
	case Session:
		return sessionRules, f
	case Job:
		i := slices.IndexFunc(jobs, func(job inventory.Job) bool { return job.Name == name })
		return jobRules, &facts{sessionFacts: f.sessionFacts, job: &jobs[i]}
	case ConfigMap:
		i := slices.IndexFunc(cms, func(cm inventory.ConfigMap) bool { return cm.Name == name })
		return configMapRules, &facts{sessionFacts: f.sessionFacts, configMap: &cms[i]}
	default:
		f.holdBackOwner(j.configMaps(f))
		i := slices.IndexFunc(g.CFS, func(c inventory.CFSSession) bool { return c.Name == name })
		return taggedCFSRules, &facts{sessionFacts: f.sessionFacts, cfs: &g.CFS[i]}
	}
}

// findings asks every rule about an object. A decision that no rule gives was made about its session: see
// holdBackOwner.
func (j *Judge) findings(d Decision, rules []rule, f *facts) []Finding {
	i := inquiry{decision: d}
	for _, rule := range rules {
		if i.skips(rule) {
			continue
		}
		if ruling := rule.evaluate(j, f); ruling != nil {
			i.add(rule, ruling, rule.settingsFor(f))
		}
	}
	if !i.decided {
		i.findings = append(i.findings, Finding{
			Rule: "session", Verdict: d.Verdict, Reason: d.Reason, Detail: d.Detail, EligibleAt: d.EligibleAt,
			Decides: true,
		})
	}
	return i.findings
}

// inquiry is the asking of all rules about one object.
type inquiry struct {
	decision Decision
	findings []Finding
	first    *ruling // of the first rule that applies
	decided  bool    // a finding gives the decision
	noEnd    bool    // rules about what has ended have nothing to stand on
	settled  bool    // the rest of the rules, vetoes aside, do not matter
}

// skips reports whether a rule makes no sense after what was found so far.
func (i *inquiry) skips(r rule) bool {
	if r.veto {
		return i.first == nil || !i.first.leadsToDelete()
	}
	return i.settled || r.ended && i.noEnd || r.undecided && i.first != nil
}

func (i *inquiry) add(rule rule, r *ruling, settings []string) {
	if i.first == nil {
		i.first = r
	}
	finding := Finding{
		Rule: rule.name, Verdict: r.verdict, Reason: r.reason, Detail: r.detail, EligibleAt: r.eligible,
		Settings: settings, Decides: !i.decided && r.gives(i.decision),
	}
	// Two rules may rest on the same fact: it is said once.
	said := slices.ContainsFunc(i.findings, func(f Finding) bool {
		return f.Reason == r.reason && f.Detail == r.detail
	})
	if !said && (finding.Decides || r.verdict != Delete) {
		i.findings = append(i.findings, finding)
	}
	i.decided = i.decided || finding.Decides
	i.noEnd = i.noEnd || rule.times || r.hidesEnd()
	// Nothing else matters for what belongs to somebody else.
	i.settled = i.settled || rule.final || r.verdict == Delete || r.reason == NotOurs || r.reason == Foreign
}

func (r *ruling) gives(d Decision) bool {
	return r.verdict == d.Verdict && r.reason == d.Reason && r.detail == d.Detail
}

// hidesEnd reports whether rules about what has ended have nothing to stand on.
func (r *ruling) hidesEnd() bool {
	return r.reason == Running || r.reason == EvidenceIncomplete || r.reason == ClockSkew
}
