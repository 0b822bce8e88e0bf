package lab

import (
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"bosgc/internal/lab/simbos"
)

// oddSessionStories are about listed sessions with something unusual.
var oddSessionStories = []story{
	{"ghost", 1, nil, func(b *builder) { b.session(b.ago(8*day, 60*day), ghost).list(asGhost) }},
	{"ghost-with-old-configmap", 1, nil, func(b *builder) {
		b.session(b.ago(8*day, 60*day), ghost).list(asGhost).configMap(followsSession)
	}},
	{"ghost-with-young-configmap", 0, nil, func(b *builder) {
		b.session(b.ago(time.Hour, 6*day), tooYoung).list(asGhost).configMap(followsSession)
	}},
	{"ghost-with-cfs", 0, nil, tellGhostWithCFS},
	{"ghost-with-old-job", 0, onlyWithoutJobTTL, tellGhostWithOldJob},
	{"ghost-while-running", 0, nil, tellGhostWhileRunning},
	{"time-start-unreadable", 0, nil, func(b *builder) {
		b.badTime(badData, func(r *simbos.Session) { r.Start = pick[any](b, "yesterday", "2023-13-45T00:00:00Z", "0") })
	}},
	{"time-stop-unreadable", 0, nil, func(b *builder) {
		b.badTime(badData, func(r *simbos.Session) { r.Stop = pick[any](b, "unknown", "24/12/2023", "None") })
	}},
	{"time-start-in-future", 0, nil, func(b *builder) {
		b.badTime(clockSkew, func(r *simbos.Session) { r.Start = b.startText(b.now.Add(30 * day)) })
	}},
	{"time-stop-in-future", 0, nil, func(b *builder) {
		b.badTime(clockSkew, func(r *simbos.Session) { r.Stop = stopText(b.now.Add(30 * day)) })
	}},
	{"record-broken", 0, nil, tellRecordBroken},
	{"id-legacy", 0, onlyWithLegacyIDs, func(b *builder) { b.oddID("st3-" + b.uuid()[:13]) }},
	{"id-legacy-with-job", 0, onlyWithLegacyIDs, tellLegacyWithJob},
	{"names-differ", 0, onlyWithLegacyIDs, tellNamesDiffer},
	{"job-finished-at-no-time", 0, nil, tellFinishedAtNoTime},
	{"id-upper-case", 0, nil, func(b *builder) { b.oddID(strings.ToUpper(b.uuid())) }},
	{"id-not-version-4", 0, nil, func(b *builder) { b.oddID(b.uuid()[:14] + "1" + b.uuid()[15:]) }},
	{"keep-on-job", 0, nil, func(b *builder) { b.protected("bosgc/keep", "true", true, keptByRule) }},
	{"keep-on-configmap", 0, nil, func(b *builder) { b.protected("bosgc/keep", "true", false, keptByRule) }},
	{"keep-until-future", 0, nil, func(b *builder) {
		b.protected("bosgc/keep-until", b.now.Add(30*day).Format(time.RFC3339), b.chance(50), keptByRule)
	}},
	{"keep-until-past", 0, nil, func(b *builder) {
		b.protected("bosgc/keep-until", b.now.Add(-2*day).Format(time.RFC3339), false, followsSession)
	}},
	{"keep-false", 0, nil, func(b *builder) { b.protected("bosgc/keep", "false", false, followsSession) }},
	{"keep-unreadable", 0, nil, func(b *builder) {
		b.protected("bosgc/keep", pick(b, "yes", "", "TRUE!"), b.chance(50), badData)
	}},
	{"keep-until-unreadable", 0, nil, func(b *builder) {
		b.protected("bosgc/keep-until", pick(b, "next week", "2031-01-01"), b.chance(50), badData)
	}},
	{"keep-misspelled", 0, nil, func(b *builder) {
		b.protected(pick(b, "bosgc/kep", "bosgc/Keep", "bosgc/keep_until"), "true", b.chance(50), badData)
	}},
	{"keep-while-running", 0, nil, tellKeepWhileRunning},
	{"configmap-in-use", 0, nil, tellConfigMapInUse},
	{"configmap-labelled", 0, nil, tellConfigMapLabelled},
	{"configmap-two-keys", 0, nil, tellConfigMapTwoKeys},
	{"job-terminating", 1, onlyWithBOSv1, func(b *builder) { b.tellTerminating(true) }},
	{"configmap-terminating", 1, onlyWithBOSv1, func(b *builder) { b.tellTerminating(false) }},
	{"configmap-gone", 1, nil, func(b *builder) { b.expired() }},
}

func asGhost(r *simbos.Session) { r.Ghost = true }

func tellGhostWithCFS(b *builder) {
	start := b.ago(8*day, 60*day)
	b.session(start, ghost).list(asGhost).cfsSession(start.Add(5*time.Minute), followsSession)
}

// The session was deleted while its Job still existed: the Job tells its end.
func tellGhostWithOldJob(b *builder) {
	end := b.ago(8*day, 60*day)
	s := b.session(end.Add(-time.Hour), completedExpired).endedAt(end)
	s.list(asGhost).configMap(followsSession).job(followsSession, jobComplete(end))
}

// The session was deleted while its BOA ran, and BOA writes its status again.
func tellGhostWhileRunning(b *builder) {
	start := b.ago(5*time.Minute, time.Hour)
	s := b.session(start, running)
	s.list(asGhost).configMap(ownerKept).job(running, jobActive(0)).pod(start, podRunning)
}

func (b *builder) badTime(want verdict, change func(*simbos.Session)) {
	end := b.micros(b.ago(16*day, 60*day))
	s := b.session(end.Add(-time.Hour).Truncate(time.Second), want).stopped(end)
	s.list(change).configMap(followsSession).cfsSessions()
}

func tellRecordBroken(b *builder) {
	s := b.session(b.ago(30*day, 90*day), badData)
	s.list(func(r *simbos.Session) { r.Broken = true }).configMap(followsSession)
}

func (b *builder) oddID(id string) {
	end := b.micros(b.ago(30*day, 90*day))
	s := b.session(end.Add(-time.Hour).Truncate(time.Second), notOurs).stopped(end)
	s.id = id
	s.list()
	if s.operation != "shutdown" && b.chance(50) {
		s.cfsSession(s.start.Add(time.Minute), ownerKept)
	}
}

// The Job of a session with an ID of the old form is not one of BOS's either. Nor is its ConfigMap, by its name.
func tellLegacyWithJob(b *builder) {
	end := b.ago(30*day, 90*day)
	s := b.session(end.Add(-time.Hour), notOurs).stopped(b.micros(end.Add(-5 * time.Second)))
	s.id = "st3-" + b.uuid()[:13]
	s.list().job(notOurs, jobComplete(end))
	b.addForeignConfigMap(s.id, s.start)
}

// Before CSM 1.0 the Job and the ConfigMap could have names of their own. A variable of the Job names its session, and
// a volume its ConfigMap.
func tellNamesDiffer(b *builder) {
	end := b.ago(30*day, 90*day)
	s := b.session(end.Add(-time.Hour), completedExpired).stopped(b.micros(end.Add(-5 * time.Second))).endedAt(end)
	other := b.uuid()
	s.list(func(r *simbos.Session) { r.Job = "boa-" + other })
	cm := &corev1.ConfigMap{ObjectMeta: b.meta(other, s.start), Data: map[string]string{"data.json": s.templateBody()}}
	b.addObject("configmaps", cm)
	s.expect(KindConfigMap, other, followsSession)
	s.job(followsSession, jobComplete(end), func(j *batchv1.Job) {
		j.Name = "boa-" + other
		j.Spec.Template.Spec.Volumes[0] = configMapVolume("boot-session", other)
	})
	s.objects[len(s.objects)-1].object.Name = "boa-" + other
}

func tellFinishedAtNoTime(b *builder) {
	end := b.ago(30*day, 90*day)
	s := b.session(end.Add(-time.Hour), badData).stopped(b.micros(end))
	s.template = b.ownTemplate()
	s.list().configMap(followsSession).job(followsSession, jobComplete(end), func(j *batchv1.Job) {
		j.Status.CompletionTime = nil
		j.Status.Conditions[0].LastTransitionTime.Reset()
		j.Status.Conditions[0].LastProbeTime.Reset()
	})
}

// protected adds a finished session with an annotation on its Job or ConfigMap. Where Kyverno removes Jobs, the Job and
// its session are recent.
func (b *builder) protected(name, value string, onJob bool, want verdict) {
	end := b.ago(9*day, 60*day)
	if onJob && b.Profile.JobTTL {
		end = b.ago(3*time.Hour, 2*day)
	}
	stop := b.micros(end.Add(-5 * time.Second))
	s := b.session(end.Add(-time.Hour), want).stopped(stop).endedAt(stop)
	if want == followsSession {
		s.verdict = completedExpired
	}
	if want == badData {
		s.template = b.ownTemplate()
	}
	var job []func(*batchv1.Job)
	var configMap []func(*corev1.ConfigMap)
	if onJob {
		job = append(job, annotate(name, value))
	} else {
		configMap = append(configMap, annotateConfigMap(name, value))
	}
	s.list().configMap(want, configMap...).cfsSessions()
	if b.jobStays(end) {
		s.endedAt(end).job(want, jobComplete(end), job...)
	}
}

func tellKeepWhileRunning(b *builder) {
	start := b.ago(5*time.Minute, time.Hour)
	s := b.session(start, running)
	s.list().configMap(keptByRule).job(running, jobActive(0), annotate("bosgc/keep", "true")).pod(start, podRunning)
}

func (b *builder) expired() *sessionBuilder {
	end := b.micros(b.ago(8*day, 60*day))
	s := b.session(end.Add(-time.Hour).Truncate(time.Second), completedExpired).stopped(end).endedAt(end)
	return s.list().cfsSessions()
}

func tellConfigMapInUse(b *builder) {
	s := b.expired().configMap(inUse)
	b.useConfigMap(s.id)
}

func tellConfigMapLabelled(b *builder) {
	b.expired().configMap(notOurs, func(c *corev1.ConfigMap) { c.Labels = map[string]string{"app": "copy"} })
}

func tellConfigMapTwoKeys(b *builder) {
	b.expired().configMap(notOursIfDeleted, func(c *corev1.ConfigMap) { c.Data["notes"] = "mine" })
}
