package policy

import "bosgc/internal/inventory"

func (j *Judge) configMaps(f *facts, session Decision, jobs []Decision) []Decision {
	cms, _ := f.group.ConfigMaps()
	decisions := make([]Decision, 0, len(cms))
	for _, cm := range cms {
		d := Decision{
			Kind: ConfigMap, Name: cm.Name, Session: f.group.ID, UID: cm.UID, ResourceVersion: cm.ResourceVersion,
			Template: f.template, StartedAt: cm.Created.At(),
		}
		j.configMap(f, session, jobs, cm).into(&d)
		decisions = append(decisions, d)
	}
	return decisions
}

func (j *Judge) configMap(f *facts, session Decision, jobs []Decision, cm inventory.ConfigMap) *ruling {
	r := first(j.configMapRules(f, session, jobs, cm))
	if r.verdict == Delete || r.reason == AwaitingConfirmation || r.reason == OrphanGuard {
		if look := body(cm); look != nil {
			return look
		}
	}
	return r
}

// configMapRules are those of docs/policy.md, "ConfigMap", but for the look at the body, which comes after them. One of
// them always has something to say.
func (j *Judge) configMapRules(f *facts, session Decision, jobs []Decision, cm inventory.ConfigMap) []rule {
	rules := append(
		make([]rule, 0, 4), // so many are enough for all but a few
		shape(cm.Fault),
		always("annotation", f.keep),
		rule{name: "use", says: func() *ruling {
			if cm.User == "" {
				return nil
			}
			return keep(InUse, cm.User+" refers to it and is not of its session")
		}},
	)
	if r := j.owned(f, session, jobs); r != nil {
		return append(rules, always(ownerRule, r))
	}
	return append(rules, j.orphan(f, cm)...)
}

// tied says that what there is of a session hangs on the verdict on it: BOS lists it, or a person has named it.
func (j *Judge) tied(f *facts) bool {
	return f.group.Listed == inventory.Present || j.memory.Requested[f.group.ID] != NotRequested
}

// owned ties an object to whatever of its session is still there; nil if nothing is.
func (j *Judge) owned(f *facts, session Decision, jobs []Decision) *ruling {
	if j.tied(f) {
		return goesWith(session, "session")
	}
	if f.life.running != "" {
		return keep(OwnerKept, f.life.running+" of its session still runs or may run again")
	}
	var gone *ruling
	for _, job := range jobs {
		if job.Verdict != Delete {
			return goesWith(job, "Job")
		}
		gone = goesWith(job, "Job")
	}
	return gone
}

// orphan are the rules for a ConfigMap that seems to belong to nobody. BOS makes the ConfigMap first,
// then the Job, then its own entry, and can take minutes over it when etcd is slow: the
// grace keeps what is merely being made.
func (j *Judge) orphan(f *facts, cm inventory.ConfigMap) []rule {
	rules := []rule{
		{name: "gone", says: func() *ruling { return ownerUnsure(f) }},
		{name: "read", says: func() *ruling { return j.clusterUnread(f) }},
		{name: "times", says: func() *ruling {
			switch {
			case !cm.Created.Known():
				return unknown(BadData, "it has no creation time")
			case j.future(cm.Created.At()):
				return unknown(ClockSkew, "it was created in the future, at "+stamp(cm.Created.At()))
			}
			return nil
		}},
	}
	if !cm.Created.Known() {
		return rules
	}
	return append(
		rules,
		rule{name: "age", ended: true, settings: []string{"BOSGC_ORPHAN_GRACE"}, says: func() *ruling {
			return j.young(cm.Created.At(), j.settings.OrphanGrace, "created")
		}},
		rule{name: "orphan", ended: true, settings: []string{"BOSGC_ORPHAN_SIGHTINGS"}, says: func() *ruling {
			return j.orphaned(ConfigMap, cm.UID, "no session, no Job and no Pod of that ID", cm.Created.At())
		}},
	)
}

// body looks at the content of a ConfigMap that would go. A name is not enough: nothing
// stops others from naming ConfigMaps by a UUID.
func body(cm inventory.ConfigMap) *ruling {
	switch {
	case cm.Body == inventory.BodyExact:
		return nil
	case cm.Body == inventory.BodyOther:
		return keep(NotOurs, cm.BodyFault)
	default:
		return unknown(EvidenceIncomplete, "its content was not read: "+cm.BodyFault)
	}
}

// NeedsBody names the ConfigMaps of a group whose content decides about them.
func (j *Judge) NeedsBody(g *inventory.Group) []string {
	cms, _ := g.ConfigMaps()
	if len(cms) == 0 {
		return nil
	}
	// Asked as if every content were right: what would then stay needs no look.
	assumed := make([]inventory.ConfigMap, len(cms))
	for i, cm := range cms {
		cm.Body = inventory.BodyExact
		assumed[i] = cm
	}
	var names []string
	for _, d := range j.Group(g.WithConfigMaps(assumed)) {
		if d.Kind == ConfigMap && (d.Verdict == Delete || d.Reason == AwaitingConfirmation) {
			names = append(names, d.Name)
		}
	}
	return names
}
