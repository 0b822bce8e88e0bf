package policy

import (
	"strings"
	"time"

	"bosgc/internal/inventory"
)

// configMapRules are those of docs/policy.md, "ConfigMap". What comes after the owner is about a ConfigMap that
// seems to belong to nobody. BOS makes the ConfigMap first, then the Job, then its own entry, and can take minutes
// over it when etcd is slow: the grace keeps what is merely being made. The content is read last, and only of what
// would be deleted.
var configMapRules = []rule{
	{name: "shape", evaluate: (*Judge).configMapShape},
	{name: "terminating", evaluate: (*Judge).configMapTerminating},
	{name: "annotation", evaluate: (*Judge).annotated},
	{name: "use", evaluate: (*Judge).inUse},
	{name: "owner", evaluate: (*Judge).ownerRule, final: true},
	{name: "gone", evaluate: (*Judge).ownerUnsure},
	{name: "read", evaluate: (*Judge).clusterUnread},
	{name: "times", evaluate: (*Judge).badCreation, times: true},
	{name: "age", evaluate: (*Judge).configMapTooYoung, ended: true, settings: []string{"BOSGC_ORPHAN_GRACE"}},
	{name: "orphan", evaluate: (*Judge).orphanedConfigMap, ended: true, settings: []string{"BOSGC_ORPHAN_SIGHTINGS"}},
	{name: "content", evaluate: (*Judge).content, veto: true},
	{name: "template", evaluate: (*Judge).templateNamed, veto: true, settings: []string{"BOSGC_KEEP_TEMPLATES"}},
}

// configMaps judges the ConfigMaps of a session that has been judged together with its Jobs.
func (j *Judge) configMaps(f *facts) []Decision {
	cms, _ := f.group.ConfigMaps()
	decisions := make([]Decision, 0, len(cms))
	for _, cm := range cms {
		d := Decision{
			Kind: ConfigMap, Name: cm.Name, Session: f.group.ID, UID: cm.UID, ResourceVersion: cm.ResourceVersion,
			Template: f.template, StartedAt: cm.Created.At(),
		}
		j.decide(configMapRules, &facts{sessionFacts: f.sessionFacts, configMap: &cm}).applyTo(&d)
		decisions = append(decisions, d)
	}
	return decisions
}

func (j *Judge) configMapShape(f *facts) *ruling {
	if f.configMap.Fault == "" {
		return nil
	}
	return keep(NotOurs, f.configMap.Fault)
}

// configMapTerminating keeps what has been deleted already. To delete it again would change nothing, and would be counted
// and written to the journal by each sweep.
func (j *Judge) configMapTerminating(f *facts) *ruling { return terminating(f.configMap.Deletion) }

func terminating(d inventory.Deletion) *ruling {
	if !d.Since.Known() {
		return nil
	}
	text := "it was deleted at " + formatTime(d.Since.At())
	if len(d.Finalizers) > 0 {
		text += "; held by its finalizers " + strings.Join(d.Finalizers, ", ")
	}
	return keep(Terminating, text)
}

func (j *Judge) inUse(f *facts) *ruling {
	if f.configMap.User == "" {
		return nil
	}
	return keep(InUse, f.configMap.User+" refers to it and is not of its session")
}

// ownerListed reports whether everything of a session shares its verdict: BOS lists it, or a person has named it.
func (j *Judge) ownerListed(f *facts) bool {
	return f.group.Listed == inventory.Present || j.memory.Requested[f.group.ID] != NotRequested
}

// ownerRule ties an object to whatever of its session is still there. It does not apply if nothing is.
func (j *Judge) ownerRule(f *facts) *ruling {
	if j.ownerListed(f) {
		return goesWith(f.session, "session")
	}
	if f.activity.Running != "" {
		return keep(OwnerKept, f.activity.Running+" of its session still runs or may run again")
	}
	var deleted *ruling
	for _, job := range f.jobs {
		if job.Verdict != Delete {
			return goesWith(job, "Job")
		}
		deleted = goesWith(job, "Job")
	}
	return deleted
}

func (j *Judge) badCreation(f *facts) *ruling {
	switch created := f.configMap.Created; {
	case !created.Known():
		return unknown(BadData, "it has no creation time")
	case j.inFuture(created.At()):
		return unknown(ClockSkew, "it was created in the future, at "+formatTime(created.At()))
	}
	return nil
}

func (j *Judge) configMapTooYoung(f *facts) *ruling {
	return j.youngerThan(j.configMapGrace(f), f.configMap.Created.At(), "created")
}

func (j *Judge) orphanedConfigMap(f *facts) *ruling {
	return j.orphaned(
		ConfigMap, f.configMap.UID, "no session, no Job and no Pod of that ID", f.configMap.Created.At(),
		j.configMapGrace(f),
	)
}

// configMapGrace returns how long a ConfigMap without a session is kept; see jobGrace.
func (j *Judge) configMapGrace(f *facts) time.Duration {
	if f.group.V1 == inventory.Absent {
		return max(j.settings.SessionTTL, j.settings.OrphanGrace)
	}
	return j.settings.OrphanGrace
}

// content keeps a ConfigMap that does not hold what BOS writes. Its name is not enough: nothing stops others from
// naming ConfigMaps by a UUID.
func (j *Judge) content(f *facts) *ruling {
	if j.assumeContent {
		return nil
	}
	switch f.configMap.Body {
	case inventory.BodyExact:
		return nil
	case inventory.BodyOther:
		return keep(NotOurs, f.configMap.BodyFault)
	default:
		return unknown(EvidenceIncomplete, "its content was not read: "+f.configMap.BodyFault)
	}
}

// templateNamed keeps a ConfigMap whose session is gone, and that names a template whose sessions are kept: nothing
// else of the session tells of it any more.
func (j *Judge) templateNamed(f *facts) *ruling {
	if j.ownerListed(f) || j.assumeContent {
		return nil
	}
	return j.keptTemplateName(f.configMap.Template, false)
}

// NeedsBody names the ConfigMaps of a group whose content decides about them.
func (j *Judge) NeedsBody(g *inventory.Group) []string {
	cms, _ := g.ConfigMaps()
	if len(cms) == 0 {
		return nil
	}
	// Judged as if every content were right, and named a template that is not kept: what is kept even then need not be
	// read. Of what has not been read no template is known, and taken for one that may be kept it would never be read.
	assuming := *j
	assuming.assumeContent = true
	var names []string
	for _, d := range assuming.Group(g) {
		if d.Kind == ConfigMap && (d.Verdict == Delete || d.Reason == AwaitingConfirmation) {
			names = append(names, d.Name)
		}
	}
	return names
}
