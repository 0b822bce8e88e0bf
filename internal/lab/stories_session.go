package lab

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"bosgc/internal/lab/simbos"
	"bosgc/internal/lab/simcfs"
)

func onlyWithJobTTL(p Profile) bool    { return p.JobTTL }
func onlyWithSuspend(p Profile) bool   { return p.Suspend }
func onlyWithoutJobTTL(p Profile) bool { return !p.JobTTL }
func onlyWithLegacyIDs(p Profile) bool { return p.LegacyIDs }
func onlyWithBOSv1(p Profile) bool     { return p.BOSv1 }
func onlyWithBOSv2(p Profile) bool     { return p.BOSv2 }
func onlyWithTenants(p Profile) bool   { return p.BOSv2 && p.RefuseTenants || p.CSM == "1.6" }

// sessionStories are about sessions that BOS v1 lists.
var sessionStories = []story{
	{"running", 2, nil, tellRunning},
	{"running-with-cfs", 1, nil, tellRunningWithCFS},
	{"running-for-weeks", 0, nil, func(b *builder) {
		b.runningSession(b.ago(20*day, 21*day)).pod(b.now.Add(-20*day), podRunning)
	}},
	{"running-pod-pending", 0, nil, func(b *builder) {
		b.runningSession(b.ago(0, 30*time.Minute)).pod(b.now.Add(-time.Minute), podPending)
	}},
	{"running-between-tries", 0, nil, tellBetweenTries},
	{"running-no-pod-yet", 0, nil, func(b *builder) { b.runningSession(b.ago(0, 2*time.Minute)) }},
	{"running-suspended", 0, onlyWithSuspend, tellSuspended},
	{"running-after-stop", 0, nil, tellRunningAfterStop},
	{"running-pod-without-job", 0, nil, tellRunningPodWithoutJob},
	{"finished-recently", 6, nil, func(b *builder) { b.finished(b.ago(2*time.Hour, 6*day), tooYoung) }},
	{"finished-expired", 14, nil, func(b *builder) { b.finished(b.ago(7*day+2*time.Hour, 60*day), completedExpired) }},
	{"finished-before-upgrade", 0, onlyWithJobTTL, tellFinishedBeforeUpgrade},
	{"nothing-but-the-record", 0, nil, func(b *builder) {
		end := b.ago(8*day, 60*day)
		b.session(end.Add(-time.Hour), completedExpired).stopped(b.micros(end)).endedAt(end).list()
	}},
	{"finished-job-deleted-by-hand", 1, onlyWithoutJobTTL, tellJobDeletedByHand},
	{"finished-pods-gone", 1, onlyWithoutJobTTL, tellPodsGone},
	{"finished-without-start", 0, nil, tellFinishedWithoutStart},
	{"finished-start-never-written", 0, nil, tellNoStart},
	{"failed-recently", 1, nil, func(b *builder) { b.failed(b.ago(2*time.Hour, 6*day)) }},
	{"failed-10-days-ago", 1, nil, func(b *builder) { b.failed(b.ago(8*day, 13*day)) }},
	{"failed-20-days-ago", 2, nil, func(b *builder) { b.failed(b.ago(14*day+2*time.Hour, 60*day)) }},
	{"failed-before-upgrade", 0, onlyWithJobTTL, tellFailedBeforeUpgrade},
	{"complete-without-stop-old", 1, nil, func(b *builder) { b.completeWithoutStop(b.ago(16*day, 60*day)) }},
	{"complete-without-stop-young", 0, nil, func(b *builder) { b.completeWithoutStop(b.ago(3*time.Hour, 2*day)) }},
	{"zombie-old", 1, nil, func(b *builder) { b.zombie(b.ago(8*day, 40*day), 0, 0, completedExpired) }},
	{"zombie-young", 0, nil, func(b *builder) { b.zombie(b.ago(2*time.Hour, 6*day), 0, 0, tooYoung) }},
	{"zombie-failed-old", 0, nil, func(b *builder) { b.zombie(b.ago(15*day, 40*day), 1, backoffLimit, failedExpired) }},
	{"zombie-failed-young", 0, nil, func(b *builder) { b.zombie(b.ago(8*day, 13*day), 1, backoffLimit, tooYoung) }},
	{"zombie-with-tries-left", 0, nil, tellZombieWithTriesLeft},
	{"abandoned", 2, nil, func(b *builder) { b.unended(b.ago(14*day+2*time.Hour, 60*day), abandoned) }},
	{"abandoned-not-yet", 1, nil, func(b *builder) { b.unended(b.ago(5*day, 13*day), tooYoung) }},
	{"metadata-empty", 0, nil, tellMetadataEmpty},
	{"metadata-empty-young", 0, nil, tellMetadataEmptyYoung},
	{"metadata-empty-no-configmap", 0, nil, tellMetadataEmptyNoConfigMap},
	{"kept-only-one-of-template", 0, nil, tellOnlyOne},
	{"kept-newest-of-tie", 0, nil, tellTie},
	{"kept-newest-is-failed", 0, onlyWithoutJobTTL, tellNewestFailed},
	{"kept-newest-is-young", 0, nil, tellNewestYoung},
	{"kept-newest-is-zombie", 0, nil, tellNewestZombie},
	{"kept-newest-is-running", 0, nil, tellNewestRunning},
	{"kept-reboot-before-configure", 0, nil, tellConfigureAfterReboot},
	{"template-for-one-node", 0, nil, tellTemplateForOneNode},
}

func init() {
	sessionStories = append(sessionStories, oddSessionStories...)
}

// runningSession adds a session whose Job is active.
func (b *builder) runningSession(start time.Time) *sessionBuilder {
	s := b.session(start, running)
	return s.list().configMap(ownerKept).job(running, jobActive(0))
}

func tellRunning(b *builder) {
	start := b.ago(2*time.Minute, 90*time.Minute)
	b.runningSession(start).pod(start.Add(3*time.Second), podRunning)
}

func tellRunningWithCFS(b *builder) {
	start := b.ago(20*time.Minute, 90*time.Minute)
	s := b.runningSession(start).pod(start.Add(3*time.Second), podRunning)
	s.cfsSession(start.Add(time.Minute), ownerKept)
	s.cfsSession(start.Add(10*time.Minute), running, cfsRunning)
	s.cfsSession(start.Add(12*time.Minute), running, cfsPending)
}

func tellBetweenTries(b *builder) {
	start := b.ago(10*time.Minute, 40*time.Minute)
	s := b.session(start, running)
	s.list().configMap(ownerKept).job(running, jobWaiting(2))
	for n := range 2 {
		at := start.Add(time.Duration(n) * 3 * time.Minute)
		s.pod(at, podEnded(1, at.Add(time.Minute)))
	}
}

func tellSuspended(b *builder) {
	s := b.session(b.ago(8*day, 30*day), running)
	s.list().configMap(ownerKept).job(running, jobSuspended)
}

// The first Pod reported an end, and then failed. BOS retains the first stop_time while the Job tries again.
func tellRunningAfterStop(b *builder) {
	start := b.ago(9*day, 20*day)
	s := b.session(start, running).stopped(b.micros(start.Add(20 * time.Minute)))
	s.list().configMap(ownerKept).job(running, jobActive(1))
	s.pod(start, podEnded(1, start.Add(20*time.Minute))).pod(b.ago(time.Minute, 30*time.Minute), podRunning)
}

// Somebody deleted the Job, which by default leaves its Pods.
func tellRunningPodWithoutJob(b *builder) {
	start := b.ago(8*day, 12*day)
	s := b.session(start, running)
	s.list().configMap(ownerKept).pod(start, podRunning, true)
}

// finished adds a session that has ended, as most do, with its Job if that still exists.
func (b *builder) finished(end time.Time, want verdict) *sessionBuilder {
	start := end.Add(-b.between(5*time.Minute, 90*time.Minute))
	stop := b.micros(end.Add(-5 * time.Second))
	s := b.session(start, want).stopped(stop).endedAt(stop)
	s.list().configMap(followsSession).cfsSessions()
	if b.jobStays(end) {
		s.endedAt(end).job(followsSession, jobComplete(end)).pod(start, podEnded(0, end.Add(-2*time.Second)))
	}
	return s
}

func tellFinishedBeforeUpgrade(b *builder) {
	end := b.ago(8*day, 60*day)
	start := end.Add(-time.Hour)
	s := b.session(start, completedExpired).stopped(b.micros(end.Add(-5 * time.Second))).endedAt(end)
	s.list().configMap(followsSession).cfsSessions().job(followsSession, jobComplete(end)).pod(start, podEnded(0, end))
}

func tellJobDeletedByHand(b *builder) {
	end := b.micros(b.ago(8*day, 60*day))
	s := b.session(end.Add(-time.Hour).Truncate(time.Second), completedExpired).stopped(end).endedAt(end)
	s.list().cfsSessions()
	if b.chance(50) {
		s.configMap(followsSession)
	}
}

func tellPodsGone(b *builder) {
	end := b.ago(8*day, 60*day)
	s := b.session(end.Add(-time.Hour), completedExpired).stopped(b.micros(end.Add(-5 * time.Second))).endedAt(end)
	s.list().configMap(followsSession).job(followsSession, jobComplete(end))
}

func tellFinishedWithoutStart(b *builder) {
	end := b.micros(b.ago(8*day, 60*day))
	s := b.session(end.Add(-time.Hour).Truncate(time.Second), completedExpired).stopped(end).endedAt(end)
	s.list(func(r *simbos.Session) { r.Start = pick[any](b, nil, "") }).configMap(followsSession)
}

// The record has no status, but the Job tells the end. Where Kyverno removes Jobs, the session is recent.
func tellNoStart(b *builder) {
	end, want := b.ago(8*day, 60*day), completedExpired
	if b.Profile.JobTTL {
		end, want = b.ago(3*time.Hour, 2*day), tooYoung
	}
	s := b.session(end.Add(-time.Hour), want).endedAt(end)
	s.list(withoutStatus).configMap(followsSession).job(followsSession, jobComplete(end))
}

func withoutStatus(r *simbos.Session) { r.NoStatus, r.BootSets = true, nil }

// failed adds a session whose Job has failed. Once the Job is gone nothing tells that it failed, and it counts as
// complete.
func (b *builder) failed(end time.Time) *sessionBuilder {
	age := b.now.Sub(end)
	want := tooYoung
	switch stays := b.jobStays(end); {
	case stays && age > 14*day:
		want = failedExpired
	case !stays && age > 7*day:
		want = completedExpired
	}
	return b.failedSession(end, want, b.jobStays(end))
}

func (b *builder) failedSession(end time.Time, want verdict, withJob bool) *sessionBuilder {
	start := end.Add(-2 * time.Hour)
	stop := b.micros(start.Add(20 * time.Minute))
	s := b.session(start, want).stopped(stop).endedAt(stop)
	for i := range s.sets {
		s.sets[i].Failed = 1
	}
	s.list().configMap(followsSession).cfsSessions()
	if withJob {
		s.endedAt(end).job(followsSession, jobFailed(end))
		for n := range backoffLimit + 1 {
			at := start.Add(time.Duration(n) * 20 * time.Minute)
			s.pod(at, podEnded(1, at.Add(19*time.Minute)))
		}
	}
	return s
}

func tellFailedBeforeUpgrade(b *builder) {
	b.failedSession(b.ago(15*day, 60*day), failedExpired, true)
}

// completeWithoutStop adds a session whose BOA failed before it had a status to write to: its Job is complete, and its
// record never gets an end.
func (b *builder) completeWithoutStop(end time.Time) {
	start := end.Add(-time.Minute)
	s := b.session(start, abandoned)
	stays := b.jobStays(end)
	if stays {
		s.endedAt(end).verdict = completedExpired
	}
	if b.now.Sub(end) < 3*day {
		s.verdict = tooYoung
	}
	s.list().configMap(followsSession)
	if stays {
		s.job(followsSession, jobComplete(end)).pod(start, podEnded(0, end))
	}
}

// zombie adds a session whose Job is active only because of its mesh proxy, after a number of failed tries.
func (b *builder) zombie(end time.Time, exit int32, failed int32, want verdict) *sessionBuilder {
	start := end.Add(-2 * time.Hour)
	s := b.session(start, want).endedAt(end)
	defer func() { s.failed = exit != 0 }() // the Job's status does not tell yet
	if b.chance(70) {
		s.stopped(b.micros(end.Add(-5 * time.Second)))
	}
	s.list().configMap(followsSession).cfsSessions().job(followsSession, jobActive(failed))
	if want == running {
		s.end = time.Time{}
	}
	for n := range failed {
		at := start.Add(time.Duration(n) * 20 * time.Minute)
		s.pod(at, podEnded(1, at.Add(19*time.Minute)))
	}
	return s.pod(end.Add(-10*time.Minute), podZombie(exit, end))
}

func tellZombieWithTriesLeft(b *builder) {
	end := b.ago(8*day, 12*day)
	s := b.session(end.Add(-2*time.Hour), running)
	s.list().configMap(ownerKept).job(running, jobActive(1))
	s.pod(s.start, podEnded(1, s.start.Add(19*time.Minute))).pod(end.Add(-10*time.Minute), podZombie(1, end))
}

// unended adds a session without an end, for which nothing runs any more.
func (b *builder) unended(start time.Time, want verdict) {
	s := b.session(start, want)
	s.list(func(r *simbos.Session) { r.Stop = pick[any](b, nil, "") }).cfsSessions()
	if b.chance(80) {
		s.configMap(followsSession)
	}
}

func tellMetadataEmpty(b *builder) {
	b.session(b.ago(15*day, 60*day), abandoned).list(withoutStatus).configMap(followsSession)
}

func tellMetadataEmptyYoung(b *builder) {
	b.session(b.ago(2*day, 12*day), tooYoung).list(withoutStatus).configMap(followsSession)
}

func tellMetadataEmptyNoConfigMap(b *builder) {
	b.session(b.ago(15*day, 60*day), badData).list(withoutStatus)
}

// expiredOf adds a finished session of a template, without a Job.
func (b *builder) expiredOf(template string, end time.Time) *sessionBuilder {
	s := b.session(end.Add(-time.Hour).Truncate(time.Second), completedExpired).stopped(end).endedAt(end)
	s.template, s.operation = template, "reboot"
	s.list().configMap(followsSession).cfsSessions()
	return s
}

func tellOnlyOne(b *builder) { b.expiredOf(b.ownTemplate(), b.micros(b.ago(10*day, 90*day))) }

func tellTie(b *builder) {
	template, end := b.ownTemplate(), b.micros(b.ago(10*day, 90*day))
	for range 3 {
		b.expiredOf(template, end)
	}
}

func tellNewestFailed(b *builder) {
	template := b.ownTemplate()
	b.expiredOf(template, b.micros(b.ago(40*day, 60*day)))
	end := b.ago(16*day, 20*day)
	s := b.session(end.Add(-2*time.Hour), failedExpired).stopped(b.micros(end.Add(-time.Hour))).endedAt(end)
	s.template = template
	s.list().configMap(followsSession).job(followsSession, jobFailed(end))
}

func tellNewestYoung(b *builder) {
	template := b.ownTemplate()
	b.expiredOf(template, b.micros(b.ago(8*day, 60*day)))
	s := b.expiredOf(template, b.micros(b.ago(3*time.Hour, 6*day)))
	s.verdict = tooYoung
}

func tellNewestZombie(b *builder) {
	template := b.ownTemplate()
	b.expiredOf(template, b.micros(b.ago(40*day, 60*day)))
	end := b.ago(10*day, 20*day)
	s := b.session(end.Add(-time.Hour), completedExpired).endedAt(end)
	s.template = template
	s.list().configMap(followsSession).job(followsSession, jobActive(0)).pod(s.start, podZombie(0, end))
}

// A running session is not finished, so the last finished one is kept too.
func tellNewestRunning(b *builder) {
	template := b.ownTemplate()
	b.expiredOf(template, b.micros(b.ago(8*day, 60*day)))
	s := b.session(b.ago(5*time.Minute, time.Hour), running)
	s.template = template
	s.list().configMap(ownerKept).job(running, jobActive(0)).pod(s.start, podRunning)
}

// tellTemplateForOneNode adds the only session of a template that was made for one node, as documented for the
// question which session booted a node, and that BOS does not have any more. The newest of each such template are all.
func tellTemplateForOneNode(b *builder) {
	end := b.ago(100*day, 400*day)
	s := b.session(end.Add(-time.Hour), completedExpired).stopped(b.micros(end)).endedAt(end)
	s.template, s.operation = "boot-"+s.sets[0].Nodes[0]+"-"+b.uuid()[:8], "boot"
	s.withoutTemplate()
	s.list().configMap(followsSession)
}

// tellConfigureAfterReboot adds a reboot, whose ID the nodes carry, and a later configuration of the same template. Only
// the reboot is worth keeping as the last.
func tellConfigureAfterReboot(b *builder) {
	template := "compute-" + b.uuid()[:8]
	for _, one := range []struct {
		operation string
		age       time.Duration
		want      verdict
	}{{"reboot", 10 * day, keptLast}, {"configure", 8 * day, completedExpired}} {
		end := b.now.Add(-one.age)
		s := b.session(end.Add(-time.Hour), one.want).stopped(b.micros(end)).endedAt(end)
		s.template, s.operation = template, one.operation
		s.list().configMap(followsSession)
	}
}

func cfsRunning(c *simcfs.Session) { c.Status, c.Succeeded, c.Completion = "running", "none", nil }
func cfsPending(c *simcfs.Session) {
	c.Status, c.Succeeded, c.Completion, c.Job = "pending", "none", nil, ""
}

func annotate(name, value string) func(*batchv1.Job) {
	return func(j *batchv1.Job) { j.Annotations = map[string]string{name: value} }
}

func annotateConfigMap(name, value string) func(*corev1.ConfigMap) {
	return func(c *corev1.ConfigMap) { c.Annotations = map[string]string{name: value} }
}
