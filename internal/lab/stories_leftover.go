package lab

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/internal/lab/simcfs"
)

// leftoverStories are about objects whose session BOS v1 does not list: orphans, objects that are just being created,
// and objects that only look like BOS's.
var leftoverStories = []story{
	{"orphan-configmap", 6, nil, func(b *builder) { b.orphan(b.leftAgo(2*day, 90*day), awaitingConfirmation) }},
	{"orphan-configmap-young", 1, onlyWithBOSv1, func(b *builder) { b.orphan(b.ago(time.Hour, 18*time.Hour), tooYoung) }},
	{"orphan-configmap-future", 0, nil, func(b *builder) { b.orphan(b.now.Add(20*day), clockSkew) }},
	{"orphan-configmap-kept", 0, nil, tellOrphanKept},
	{"orphan-configmap-with-cfs", 0, nil, tellOrphanWithCFS},
	{"orphan-configmap-of-a-week", 0, onlyWithoutBOSv1, func(b *builder) { b.orphan(b.ago(2*day, 6*day), tooYoung) }},
	{"orphan-job-5-hours", 0, onlyWithBOSv1, func(b *builder) { b.orphanJob(b.ago(2*time.Hour, 18*time.Hour), false, tooYoung) }},
	{"orphan-job-2-days", 1, onlyWithBOSv1, func(b *builder) {
		b.orphanJob(b.ago(26*time.Hour, 6*day), false, awaitingConfirmation)
	}},
	{"orphan-job-of-a-week", 0, onlyWithoutBOSv1, func(b *builder) {
		b.orphanJob(b.ago(26*time.Hour, 6*day), false, tooYoung)
	}},
	{"orphan-job-10-days", 2, nil, func(b *builder) { b.orphanJob(b.ago(8*day, 40*day), false, completedExpired) }},
	{"orphan-job-failed-10-days", 0, nil, func(b *builder) {
		want := awaitingConfirmation
		if !b.Profile.BOSv1 {
			want = tooYoung
		}
		b.orphanJob(b.ago(8*day, 13*day), true, want)
	}},
	{"orphan-job-failed-20-days", 0, nil, func(b *builder) { b.orphanJob(b.ago(15*day, 40*day), true, failedExpired) }},
	{"orphan-job-future", 0, nil, func(b *builder) { b.orphanJob(b.now.Add(20*day), false, clockSkew) }},
	{"orphan-job-without-configmap", 0, nil, tellOrphanJobAlone},
	{"orphan-job-kept", 0, nil, tellOrphanJobKept},
	{"orphan-job-running", 0, onlyWithBOSv1, tellOrphanJobRunning},
	{"orphan-job-zombie", 0, nil, tellOrphanJobZombie},
	{"orphan-pod-running", 0, onlyWithBOSv1, tellOrphanPod},
	{"being-created-configmap", 0, onlyWithBOSv1, func(b *builder) {
		b.orphan(b.ago(2*time.Second, 50*time.Second), tooYoung)
	}},
	{"being-created-job", 0, onlyWithBOSv1, tellBeingCreated},
	{"in-use-by-pod", 0, nil, func(b *builder) { b.configMapInUse(b.addPodUsing) }},
	{"in-use-by-job", 0, nil, func(b *builder) { b.configMapInUse(b.addJobUsing) }},
	{"in-use-by-cronjob", 0, nil, func(b *builder) { b.configMapInUse(b.addCronJobUsing) }},
	{"look-two-keys", 0, nil, func(b *builder) { b.lookAlike(func(c *corev1.ConfigMap) { c.Data["extra"] = "1" }) }},
	{"look-other-key", 0, nil, func(b *builder) {
		b.lookAlike(func(c *corev1.ConfigMap) { c.Data = map[string]string{"config.json": "{}"} })
	}},
	{"look-labelled", 0, nil, func(b *builder) {
		b.lookAlike(func(c *corev1.ConfigMap) { c.Labels = map[string]string{"app.kubernetes.io/name": "site-tool"} })
	}},
	{"look-owned", 0, nil, tellLookOwned},
	{"look-no-boot-sets", 0, nil, func(b *builder) { b.lookAlike(data(`{"name": "x", "cfs": {}}`)) }},
	{"look-boot-sets-no-object", 0, nil, func(b *builder) {
		b.lookAlike(data(pick(b, `{"boot_sets": ["compute"]}`, `{"boot_sets": null}`, `{"boot_sets": "all"}`)))
	}},
	{"look-no-json", 0, nil, func(b *builder) { b.lookAlike(data(pick(b, `{"boot_sets": {`, `[]`, ``, `null`))) }},
	{"job-by-a-person", 0, nil, tellJobByPerson},
	{"job-other-container", 0, nil, func(b *builder) {
		b.oddJob(func(j *batchv1.Job) { j.Spec.Template.Spec.Containers[0].Name = "main" })
	}},
	{"job-no-volume", 0, nil, func(b *builder) {
		b.oddJob(func(j *batchv1.Job) { j.Spec.Template.Spec.Volumes = j.Spec.Template.Spec.Volumes[1:] })
	}},
	{"job-no-session", 0, nil, func(b *builder) {
		b.oddJob(func(j *batchv1.Job) { j.Spec.Template.Spec.Containers[0].Env[1].Value = "" })
	}},
	{"job-owned", 0, nil, tellJobOwned},
	{"job-other-name", 0, nil, tellJobOtherName},
}

// orphan adds a ConfigMap that is all that is left of a session.
func (b *builder) orphan(created time.Time, want verdict, change ...func(*corev1.ConfigMap)) *sessionBuilder {
	return b.session(created.Add(time.Second), followsSession).configMap(want, change...)
}

func tellOrphanKept(b *builder) {
	created := b.ago(2*day, 90*day)
	s := b.orphan(created, keptByRule, annotateConfigMap("bosgc/keep", "true"))
	s.cfsSession(created.Add(time.Minute), ownerKept)
}

// A ConfigMap alone does not mean that its session exists, so its CFS sessions belong to one that is gone: they are
// kept as long as any CFS session, and are orphans then.
func tellOrphanWithCFS(b *builder) {
	created, want := b.leftAgo(3*day, 6*day), tooYoung
	if !b.Profile.BOSv1 || b.chance(50) {
		created, want = b.ago(8*day, 20*day), awaitingConfirmation
	}
	b.orphan(created, awaitingConfirmation).cfsSession(created.Add(time.Minute), want)
}

// leftAgo draws a time between two ages at which an orphan is old enough to be deleted. Where BOS v1 has been removed it
// is kept as long as a session.
func (b *builder) leftAgo(least, most time.Duration) time.Time {
	if !b.Profile.BOSv1 {
		least, most = max(least, 7*day+2*time.Hour), max(most, 20*day)
	}
	return b.ago(least, most)
}

// orphanJob adds a finished Job that BOS does not list, and its ConfigMap. A sweep that was killed before its last step
// leaves such a Job, and so does an upgrade to a release without BOS v1.
func (b *builder) orphanJob(end time.Time, failed bool, want verdict) *sessionBuilder {
	start := end.Add(-time.Hour)
	s := b.session(start, want)
	state, exit := jobComplete(end), int32(0)
	if failed {
		state, exit = jobFailed(end), 1
	}
	s.configMapAt(earlier(start, b.now.Add(-2*day)), followsSession)
	return s.job(want, state).pod(start, podEnded(exit, end))
}

func tellOrphanJobAlone(b *builder) {
	end := b.ago(8*day, 40*day)
	s := b.session(end.Add(-time.Hour), completedExpired).job(completedExpired, jobComplete(end))
	s.cfsSession(end.Add(-50*time.Minute), orphanAfterJob)
}

func tellOrphanJobKept(b *builder) {
	end := b.ago(8*day, 40*day)
	s := b.session(end.Add(-time.Hour), keptByRule)
	s.configMap(keptByRule).job(keptByRule, jobComplete(end), annotate("bosgc/keep", "true"))
	s.cfsSession(end.Add(-50*time.Minute), ownerKept)
}

// BOS could not write its record, but BOA runs.
func tellOrphanJobRunning(b *builder) {
	start := b.ago(30*time.Minute, 90*time.Minute)
	s := b.session(start, running).configMap(ownerKept).job(running, jobActive(0)).pod(start, podRunning)
	s.cfsSession(start.Add(5*time.Minute), ownerKept)
}

func tellOrphanJobZombie(b *builder) {
	end := b.ago(8*day, 40*day)
	s := b.session(end.Add(-time.Hour), completedExpired).configMap(followsSession)
	s.job(completedExpired, jobActive(0)).pod(s.start, podZombie(0, end))
}

// One Pod of a session that was deleted with its Job still runs.
func tellOrphanPod(b *builder) {
	start := b.ago(2*day, 5*day)
	s := b.session(start, running).configMap(ownerKept).pod(start, podRunning, true)
	s.cfsSession(start.Add(5*time.Minute), ownerKept)
}

func tellBeingCreated(b *builder) {
	start := b.ago(time.Second, 50*time.Second)
	b.session(start, running).configMap(ownerKept).job(running, jobActive(0)).pod(start, podPending)
}

// configMapInUse adds an old ConfigMap that would be an orphan if nothing used it.
func (b *builder) configMapInUse(by func(configMap string)) {
	s := b.orphan(b.ago(2*day, 90*day), inUse)
	by(s.id)
}

// lookAlike adds an old ConfigMap with the name of a session, but not of BOS's form.
func (b *builder) lookAlike(change func(*corev1.ConfigMap)) {
	b.orphan(b.leftAgo(2*day, 90*day), notOurs, change)
}

func data(text string) func(*corev1.ConfigMap) {
	return func(c *corev1.ConfigMap) { c.Data["data.json"] = text }
}

func tellLookOwned(b *builder) {
	b.lookAlike(func(c *corev1.ConfigMap) {
		c.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: "apps/v1", Kind: "Deployment", Name: "site-tool", UID: b.uid(),
		}}
	})
}

func tellJobByPerson(b *builder) {
	s := b.session(b.ago(8*day, 60*day), notOurs)
	name := pick(b, "boa-test", "boa-debug", "boa-try") + "-" + b.uuid()[:4]
	b.addPlainJob(name, s.start, corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "test", Image: "busybox"}},
	})
	s.expect(KindJob, name, notOurs)
}

// oddJob adds an old Job that differs in one thing from those of BOS. Its session has nothing else.
func (b *builder) oddJob(change func(*batchv1.Job)) {
	end := b.ago(8*day, 60*day)
	b.session(end.Add(-time.Hour), notOurs).job(notOurs, jobComplete(end), change)
}

func tellJobOwned(b *builder) {
	yes := true
	b.oddJob(func(j *batchv1.Job) {
		j.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: "batch/v1", Kind: "CronJob", Name: "boa-nightly", UID: b.uid(), Controller: &yes,
		}}
	})
}

func tellJobOtherName(b *builder) {
	end := b.ago(8*day, 60*day)
	s := b.session(end.Add(-time.Hour), notOurs)
	name := "reboot-" + s.id
	s.job(notOurs, jobComplete(end), func(j *batchv1.Job) { j.Name = name })
	s.objects[0].object.Name = name
}

// newBatch returns a complete CFS session as CFS's batcher creates it.
func (b *builder) newBatch(start time.Time, nodes []string, configuration string) simcfs.Session {
	return simcfs.Session{
		Name: "batcher-" + b.uuid(), Configuration: configuration, Limit: join(nodes), Definition: "dynamic",
		Status: "complete", Succeeded: pick(b, "true", "true", "true", "false", "unknown"),
		Start: cfsText(start), Completion: cfsText(earlier(start.Add(b.between(time.Minute, 15*time.Minute)), b.now)),
		Job: "cfs-" + b.uuid(),
	}
}
