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

func (b *builder) add(resource string, o runtime.Object) {
	b.objects = append(b.objects, kubeObject{resource, o})
}

const backoffLimit = 4

// podSpec is what BOS's Job template gives a BOA Pod.
func (s *saga) podSpec() corev1.PodSpec {
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

// job is the BOA Job, in the state that a jobState gives it.
func (s *saga) job(says verdict, state jobState, change ...func(*batchv1.Job)) *saga {
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
		Status: batchv1.JobStatus{StartTime: stamp(s.start)},
	}
	state(job)
	s.failed = job.Status.Failed > backoffLimit
	if s.b.Profile.JobTTL && s.b.jobStays(finish(job)) {
		seconds := int32(jobTTL / time.Second)
		job.Spec.TTLSecondsAfterFinished = &seconds
	}
	for _, f := range change {
		f(job)
	}
	s.b.add("jobs", job)
	s.note(KindJob, meta.Name, says)
	return s
}

// jobTTL is what Kyverno gives every Job that nobody owns.
const jobTTL = 3 * day

// jobStays says whether a Job that finished then would still be there. Where Kyverno
// removes Jobs, an older one can only come from before it did.
func (b *builder) jobStays(finished time.Time) bool {
	return !b.Profile.JobTTL || b.now.Sub(finished) < jobTTL
}

// finish is when a Job finished; one that has not is said to do so in a while.
func finish(j *batchv1.Job) time.Time {
	for _, c := range j.Status.Conditions {
		if c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed {
			return c.LastTransitionTime.Time
		}
	}
	return j.CreationTimestamp.Add(1000 * day)
}

func stamp(t time.Time) *metav1.Time {
	m := metav1.NewTime(t.UTC())
	return &m
}

// jobState sets the status that the Job controller would have set.
type jobState func(*batchv1.Job)

func jobActive(failed int32) jobState {
	return func(j *batchv1.Job) { j.Status.Active, j.Status.Failed = 1, failed }
}

// jobWaiting is a Job between two tries: no Pod is alive, another one is to come.
func jobWaiting(failed int32) jobState {
	return func(j *batchv1.Job) { j.Status.Failed = failed }
}

func jobSuspended(j *batchv1.Job) {
	yes := true
	j.Spec.Suspend = &yes
	j.Status.StartTime = nil
	j.Status.Conditions = []batchv1.JobCondition{condition(batchv1.JobSuspended, j.CreationTimestamp.Time, "JobSuspended")}
}

func jobComplete(at time.Time) jobState {
	return func(j *batchv1.Job) {
		j.Status.Succeeded = 1
		j.Status.CompletionTime = stamp(at)
		j.Status.Conditions = []batchv1.JobCondition{condition(batchv1.JobComplete, at, "")}
	}
}

func jobFailed(at time.Time) jobState {
	return func(j *batchv1.Job) {
		j.Status.Failed = backoffLimit + 1
		j.Status.Conditions = []batchv1.JobCondition{condition(batchv1.JobFailed, at, "BackoffLimitExceeded")}
	}
}

func condition(kind batchv1.JobConditionType, at time.Time, reason string) batchv1.JobCondition {
	return batchv1.JobCondition{
		Type: kind, Status: corev1.ConditionTrue, LastProbeTime: *stamp(at), LastTransitionTime: *stamp(at), Reason: reason,
	}
}

// pod is one Pod of the session's Job, or one that the Job left behind.
func (s *saga) pod(created time.Time, state podState, orphaned ...bool) *saga {
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
	pod.Status.StartTime = stamp(created)
	state(pod)
	s.b.add("pods", pod)
	return s
}

// podState sets the status that the kubelet would have set.
type podState func(*corev1.Pod)

func podPending(p *corev1.Pod) {
	p.Status.Phase = corev1.PodPending
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "boa", State: waiting}, {Name: "istio-proxy", State: waiting}}
}

func podRunning(p *corev1.Pod) {
	p.Status.Phase = corev1.PodRunning
	alive := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: *p.Status.StartTime}}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "boa", Ready: true, State: alive}, {Name: "istio-proxy", Ready: true, State: alive}}
}

// podEnded is a Pod that is over, proxy and all.
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

// podZombie is a Pod whose boa container has ended and whose proxy goes on.
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
		ExitCode: exit, Reason: reason, StartedAt: *p.Status.StartTime, FinishedAt: *stamp(at),
	}}
}
