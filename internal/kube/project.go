package kube

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/internal/inventory"
)

// What BOS v1 puts into every Job it makes (docs/csm.md, "What BOS v1 makes").
const (
	jobPrefix           = "boa-"
	boaContainer        = "boa"
	sessionVolume       = "boot-session"
	sessionVariable     = "SESSION_ID"
	templateVariable    = "SESSION_TEMPLATE_ID"
	operationVariable   = "OPERATION"
	jobNameLabel        = "job-name"
	caConfigMap         = "cray-configmap-ca-public-key"
	jobTemplate         = "boa-job-template"
	keepAnnotation      = "bosgc/keep"
	keepUntilAnnotation = "bosgc/keep-until"
)

// defaultBackoffLimit is what Kubernetes assumes where a Job sets none.
const defaultBackoffLimit = 6

// projectJob returns what the rules need of a Job. ours is false if it looks nothing like one of BOS.
func projectJob(job *batchv1.Job) (found inventory.Job, ours bool) {
	spec := &job.Spec.Template.Spec
	found = inventory.Job{
		Name:            job.Name,
		UID:             string(job.UID),
		ResourceVersion: job.ResourceVersion,
		Session:         variable(spec, sessionVariable),
		Template:        variable(spec, templateVariable),
		Operation:       variable(spec, operationVariable),
		ConfigMap:       sessionConfigMap(spec),
		Keep:            keepOf(&job.ObjectMeta),
		Created:         inventory.KnownStamp(job.CreationTimestamp.Time),
		BackoffLimit:    defaultBackoffLimit,
		FailedPods:      int(job.Status.Failed),
		Completions:     1, // also of a Job that names none: the first success ends it
		SucceededPods:   int(job.Status.Succeeded),
		Suspended:       job.Spec.Suspend != nil && *job.Spec.Suspend,
		Stopped:         job.Spec.Parallelism != nil && *job.Spec.Parallelism == 0,
		Cleaning:        job.Annotations[inventory.CleaningAnnotation],
		Cleaned:         job.Annotations[inventory.CleanedAnnotation],
		Deletion:        deletionOf(&job.ObjectMeta),
	}
	if job.Spec.Completions != nil {
		found.Completions = int(*job.Spec.Completions)
	}
	if job.Spec.BackoffLimit != nil {
		found.BackoffLimit = int(*job.Spec.BackoffLimit)
	}
	for _, condition := range job.Status.Conditions {
		ended := condition.Type == batchv1.JobComplete || condition.Type == batchv1.JobFailed
		if !ended || condition.Status != corev1.ConditionTrue {
			continue
		}
		found.Terminal = true
		found.Failed = condition.Type == batchv1.JobFailed
		found.Finished = inventory.KnownStamp(condition.LastTransitionTime.Time)
		if !found.Finished.Known() && job.Status.CompletionTime != nil {
			found.Finished = inventory.KnownStamp(job.Status.CompletionTime.Time)
		}
	}
	if !strings.HasPrefix(job.Name, jobPrefix) && found.ConfigMap == "" && found.Session == "" {
		return found, false
	}
	found.Fault = jobFault(job, found)
	return found, true
}

// jobFault returns how a Job differs from what BOS v1 makes; empty if it does not.
func jobFault(job *batchv1.Job, found inventory.Job) string {
	switch {
	case !strings.HasPrefix(job.Name, jobPrefix):
		return "its name does not begin with " + jobPrefix
	case len(job.OwnerReferences) > 0:
		return "it belongs to " + job.OwnerReferences[0].Kind + " " + job.OwnerReferences[0].Name
	case container(&job.Spec.Template.Spec, boaContainer) == nil:
		return "it has no container " + boaContainer
	case !inventory.IsSessionID(found.Session):
		return "its " + sessionVariable + " is no session ID of BOS v1"
	case found.ConfigMap == "":
		return "it has no volume " + sessionVolume
	}
	return ""
}

// projectPod returns what the rules need of a Pod. ours is false if it does no work for BOS.
func projectPod(pod *corev1.Pod) (found inventory.Pod, ours bool) {
	job := pod.Labels[jobNameLabel]
	found = inventory.Pod{
		Name:    pod.Name,
		Job:     job,
		Session: variable(&pod.Spec, sessionVariable),
		Over:    pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed,
	}
	if id, ok := strings.CutPrefix(job, jobPrefix); ok && found.Session == "" && inventory.IsSessionID(id) {
		found.Session = id
	}
	if pod.DeletionTimestamp != nil {
		found.Deleted = inventory.KnownStamp(pod.DeletionTimestamp.Time)
	}
	for _, status := range pod.Status.ContainerStatuses {
		ended := status.State.Terminated
		switch {
		case status.Name == boaContainer && ended != nil:
			found.Boa = inventory.Container{
				Terminated: true,
				ExitCode:   int(ended.ExitCode),
				Finished:   inventory.KnownStamp(ended.FinishedAt.Time),
			}
		case status.Name != boaContainer && ended == nil:
			found.OthersRun = true
		}
	}
	for _, status := range pod.Status.InitContainerStatuses {
		// The proxy of newer meshes is an init container that goes on running.
		if status.State.Running != nil {
			found.OthersRun = true
		}
	}
	return found, found.Session != "" || strings.HasPrefix(job, jobPrefix)
}

// projectConfigMap returns what the rules need of a ConfigMap's metadata.
func projectConfigMap(meta *metav1.ObjectMeta) inventory.ConfigMap {
	found := inventory.ConfigMap{
		Name:            meta.Name,
		UID:             string(meta.UID),
		ResourceVersion: meta.ResourceVersion,
		Keep:            keepOf(meta),
		Created:         inventory.KnownStamp(meta.CreationTimestamp.Time),
		Deletion:        deletionOf(meta),
	}
	switch {
	case len(meta.Labels) > 0:
		found.Fault = "it has labels; BOS v1 sets none"
	case len(meta.OwnerReferences) > 0:
		found.Fault = "it belongs to " + meta.OwnerReferences[0].Kind + " " + meta.OwnerReferences[0].Name
	}
	return found
}

func deletionOf(meta *metav1.ObjectMeta) (d inventory.Deletion) {
	if meta.DeletionTimestamp != nil {
		d.Since, d.Finalizers = inventory.KnownStamp(meta.DeletionTimestamp.Time), meta.Finalizers
	}
	return d
}

func keepOf(meta *metav1.ObjectMeta) inventory.Keep {
	var k inventory.Keep
	if value, ok := meta.Annotations[keepAnnotation]; ok {
		k.Keep = &value
	}
	if value, ok := meta.Annotations[keepUntilAnnotation]; ok {
		k.Until = &value
	}
	for _, name := range slices.Sorted(maps.Keys(meta.Annotations)) {
		known := append([]string{inventory.CleaningAnnotation, inventory.CleanedAnnotation}, inventory.KeepAnnotations...)
		if strings.HasPrefix(strings.ToLower(name), inventory.AnnotationPrefix) && !slices.Contains(known, name) {
			k.Odd = name
		}
	}
	return k
}

func container(spec *corev1.PodSpec, name string) *corev1.Container {
	for i := range spec.Containers {
		if spec.Containers[i].Name == name {
			return &spec.Containers[i]
		}
	}
	return nil
}

// variable returns a variable of the container boa, or else of any container: whoever has a
// SESSION_ID claims to work for that session.
func variable(spec *corev1.PodSpec, name string) string {
	value := ""
	for _, c := range spec.Containers {
		for _, env := range c.Env {
			if env.Name != name {
				continue
			}
			if c.Name == boaContainer {
				return env.Value
			}
			value = cmp.Or(value, env.Value)
		}
	}
	return value
}

// sessionConfigMap returns the ConfigMap of the volume boot-session. The other ConfigMap that a
// BOA Job mounts holds the CA of the whole system; only the volume's name tells them apart.
func sessionConfigMap(spec *corev1.PodSpec) string {
	for _, v := range spec.Volumes {
		if v.Name == sessionVolume && v.ConfigMap != nil {
			return v.ConfigMap.Name
		}
	}
	return ""
}
