package lab

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

func (b *builder) addObject(resource string, o runtime.Object) {
	b.objects = append(b.objects, kubeObject{resource, o})
}

const backoffLimit = 4

// podSpec returns the spec of a BOA Pod in BOS's Job template.
func (s *sessionBuilder) podSpec() corev1.PodSpec {
	env := []corev1.EnvVar{
		{Name: "OPERATION", Value: s.operation},
		{Name: "SESSION_ID", Value: s.id},
		{Name: "SESSION_TEMPLATE_ID", Value: s.template},
		{Name: "SESSION_LIMIT", Value: s.limit},
		{Name: "DATABASE_NAME", Value: "cray-bos-etcd-client"},
		{Name: "DATABASE_PORT", Value: "2379"},
		{Name: "LOG_LEVEL", Value: "INFO"},
		{Name: "S3_ACCESS_KEY", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "bos-s3-credentials"}, Key: "access_key",
		}}},
		{Name: "NODE_STATE_CHECK_NUMBER_OF_RETRIES", Value: "360"},
	}
	return corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		Containers: []corev1.Container{{
			Name: "boa", Image: "artifactory.algol60.net/csm-docker/stable/cray-boa:1.3.7", Env: env,
			VolumeMounts: []corev1.VolumeMount{
				{Name: "boot-session", MountPath: "/mnt/boot_session"}, {Name: "ca-pubkey", MountPath: "/mnt/ca-vol"},
			},
		}},
		Volumes: []corev1.Volume{
			configMapVolume("boot-session", s.id), configMapVolume("ca-pubkey", "cray-configmap-ca-public-key"),
		},
	}
}

func configMapVolume(volume, name string) corev1.Volume {
	return corev1.Volume{Name: volume, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: name},
	}}}
}

// job adds the BOA Job in a state.
func (s *sessionBuilder) job(want verdict, state jobState, change ...func(*batchv1.Job)) *sessionBuilder {
	meta := s.b.meta("boa-"+s.id, s.start)
	s.jobUID = string(meta.UID)
	labels := map[string]string{"controller-uid": s.jobUID, "job-name": meta.Name}
	meta.Labels = labels
	one, limit := int32(1), int32(backoffLimit)
	job := &batchv1.Job{
		ObjectMeta: meta,
		Spec: batchv1.JobSpec{
			Parallelism: &one, Completions: &one, BackoffLimit: &limit,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"controller-uid": s.jobUID}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: s.podSpec()},
		},
		Status: batchv1.JobStatus{StartTime: metaTime(s.start)},
	}
	state(job)
	s.failed = job.Status.Failed > backoffLimit
	if s.b.Profile.JobTTL && s.b.jobStays(finishedAt(job)) {
		seconds := int32(jobTTL / time.Second)
		job.Spec.TTLSecondsAfterFinished = &seconds
	}
	for _, f := range change {
		f(job)
	}
	s.b.addObject("jobs", job)
	s.expect(KindJob, meta.Name, want)
	return s
}

// jobTTL is the time to live that Kyverno gives every Job without an owner.
const jobTTL = 3 * day

// jobStays reports whether a Job that finished at a time still exists. Where Kyverno removes Jobs, an older one can
// only be from before that.
func (b *builder) jobStays(finished time.Time) bool {
	return !b.Profile.JobTTL || b.now.Sub(finished) < jobTTL
}

// finishedAt returns when a Job finished, or a time far in the future.
func finishedAt(j *batchv1.Job) time.Time {
	for _, c := range j.Status.Conditions {
		if c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed {
			return c.LastTransitionTime.Time
		}
	}
	return j.CreationTimestamp.Add(1000 * day)
}

func metaTime(t time.Time) *metav1.Time {
	m := metav1.NewTime(t.UTC())
	return &m
}

// jobState sets the status that the Job controller would have set.
type jobState func(*batchv1.Job)

func jobActive(failed int32) jobState {
	return func(j *batchv1.Job) { j.Status.Active, j.Status.Failed = 1, failed }
}

// jobWaiting is the state between two tries: no Pod exists, another one will be created.
func jobWaiting(failed int32) jobState {
	return func(j *batchv1.Job) { j.Status.Failed = failed }
}

func jobSuspended(j *batchv1.Job) {
	yes := true
	j.Spec.Suspend = &yes
	j.Status.StartTime = nil
	suspended := jobCondition(batchv1.JobSuspended, j.CreationTimestamp.Time, "JobSuspended")
	j.Status.Conditions = []batchv1.JobCondition{suspended}
}

func jobComplete(at time.Time) jobState {
	return func(j *batchv1.Job) {
		j.Status.Succeeded = 1
		j.Status.CompletionTime = metaTime(at)
		j.Status.Conditions = []batchv1.JobCondition{jobCondition(batchv1.JobComplete, at, "")}
	}
}

func jobFailed(at time.Time) jobState {
	return func(j *batchv1.Job) {
		j.Status.Failed = backoffLimit + 1
		j.Status.Conditions = []batchv1.JobCondition{jobCondition(batchv1.JobFailed, at, "BackoffLimitExceeded")}
	}
}

func jobCondition(kind batchv1.JobConditionType, at time.Time, reason string) batchv1.JobCondition {
	return batchv1.JobCondition{
		Type: kind, Status: corev1.ConditionTrue, Reason: reason,
		LastProbeTime: *metaTime(at), LastTransitionTime: *metaTime(at),
	}
}

// pod adds a Pod of the session's Job; an orphaned one has lost its owner.
func (s *sessionBuilder) pod(created time.Time, state podState, orphaned ...bool) *sessionBuilder {
	job := "boa-" + s.id
	meta := s.b.meta(fmt.Sprintf("%s-%s", job, s.b.uuid()[:5]), created)
	if s.jobUID == "" {
		s.jobUID = s.b.uuid()
	}
	meta.Labels = map[string]string{"controller-uid": s.jobUID, "job-name": job}
	if len(orphaned) == 0 {
		yes := true
		meta.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: "batch/v1", Kind: "Job", Name: job, UID: types.UID(s.jobUID), Controller: &yes, BlockOwnerDeletion: &yes,
		}}
	}
	pod := &corev1.Pod{ObjectMeta: meta, Spec: s.podSpec()}
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "istio-proxy", Image: "istio/proxyv2:1.10.6"})
	pod.Status.StartTime = metaTime(created)
	state(pod)
	s.b.addObject("pods", pod)
	return s
}

// podState sets the status that the kubelet would have set.
type podState func(*corev1.Pod)

func podPending(p *corev1.Pod) {
	p.Status.Phase = corev1.PodPending
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{
		{Name: "boa", State: waiting}, {Name: "istio-proxy", State: waiting},
	}
}

func podRunning(p *corev1.Pod) {
	p.Status.Phase = corev1.PodRunning
	alive := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: *p.Status.StartTime}}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{
		{Name: "boa", Ready: true, State: alive}, {Name: "istio-proxy", Ready: true, State: alive},
	}
}

// podEnded is the state of a Pod in which all containers have ended, the proxy too.
func podEnded(exit int32, at time.Time) podState {
	return func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodSucceeded
		if exit != 0 {
			p.Status.Phase = corev1.PodFailed
		}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{
			{Name: "boa", State: terminated(p, exit, at)}, {Name: "istio-proxy", State: terminated(p, 0, at)},
		}
	}
}

// podZombie is the state of a Pod in which boa has ended and the proxy goes on.
func podZombie(exit int32, at time.Time) podState {
	return func(p *corev1.Pod) {
		podRunning(p)
		p.Status.ContainerStatuses[0] = corev1.ContainerStatus{Name: "boa", State: terminated(p, exit, at)}
	}
}

func terminated(p *corev1.Pod, exit int32, at time.Time) corev1.ContainerState {
	reason := "Completed"
	if exit != 0 {
		reason = "Error"
	}
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: exit, Reason: reason, StartedAt: *p.Status.StartTime, FinishedAt: *metaTime(at),
	}}
}
