package kube

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	batchv1beta1 "k8s.io/api/batch/v1beta1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/internal/inventory"
)

// Listing is what bosgc needs of one complete list.
type Listing struct {
	Jobs        []inventory.Job
	Pods        []inventory.Pod
	ConfigMaps  []inventory.ConfigMap
	References  []inventory.Reference // to ConfigMaps with the name of a session
	CA          bool                  // whether the ConfigMap with the system's CA is among them
	JobTemplate bool                  // whether the ConfigMap that comes with BOS v1 is among them
	Count       int                   // all objects, also those of no interest
	Requests    int
	Version     string // of the list: a watch from here on misses nothing
}

// ListJobs lists the Jobs that are, or look like, those of BOS, and what all Jobs refer to.
func (c *Client) ListJobs(ctx context.Context) (Listing, error) {
	var l Listing
	version, requests, err := listAll(ctx, c, metav1.ListOptions{Limit: objectPage}, c.jobs().List, l.reset, l.addJob)
	l.Version, l.Requests = version, requests
	return l, explain("list Jobs", c.options.Namespace, err)
}

// ListPods lists the Pods of BOA Jobs, and what all Pods refer to.
func (c *Client) ListPods(ctx context.Context) (Listing, error) { return c.listPods(ctx, "") }

// ListJobPods lists the Pods of one Job.
func (c *Client) ListJobPods(ctx context.Context, job string) (Listing, error) {
	return c.listPods(ctx, jobNameLabel+"="+job)
}

func (c *Client) listPods(ctx context.Context, selector string) (Listing, error) {
	var l Listing
	opts := metav1.ListOptions{LabelSelector: selector, Limit: objectPage}
	version, requests, err := listAll(ctx, c, opts, c.pods().List, l.reset, l.addPod)
	l.Version, l.Requests = version, requests
	return l, explain("list Pods", c.options.Namespace, err)
}

// ListCronJobs lists what the templates of all CronJobs refer to. Kubernetes 1.19 and 1.20 (CSM
// 1.0 and 1.2) serve CronJobs as batch/v1beta1 only.
func (c *Client) ListCronJobs(ctx context.Context) (Listing, error) {
	var l Listing
	opts := metav1.ListOptions{Limit: objectPage}
	version, requests, err := listAll(ctx, c, opts, c.typed.BatchV1().CronJobs(c.options.Namespace).List, l.reset,
		func(j *batchv1.CronJob) { l.addCronJob(j.Name, &j.Spec.JobTemplate.Spec.Template.Spec) })
	if apierrors.IsNotFound(err) {
		before := requests
		version, requests, err = listAll(ctx, c, opts, c.typed.BatchV1beta1().CronJobs(c.options.Namespace).List, l.reset,
			func(j *batchv1beta1.CronJob) { l.addCronJob(j.Name, &j.Spec.JobTemplate.Spec.Template.Spec) })
		requests += before
	}
	l.Version, l.Requests = version, requests
	return l, explain("list CronJobs", c.options.Namespace, err)
}

// ListConfigMaps lists the ConfigMaps that are named like a session, by their metadata.
func (c *Client) ListConfigMaps(ctx context.Context) (Listing, error) {
	var l Listing
	opts := metav1.ListOptions{Limit: metadataPage}
	version, requests, err := listAll(ctx, c, opts, c.configMapMetadata(c.options.Namespace).List, l.reset, l.addConfigMap)
	l.Version, l.Requests = version, requests
	return l, explain("list ConfigMaps", c.options.Namespace, err)
}

func (l *Listing) reset() { *l = Listing{} }

func (l *Listing) addJob(job *batchv1.Job) {
	l.Count++
	found, ours := projectJob(job)
	if ours {
		l.Jobs = append(l.Jobs, found)
	}
	l.addReferences(&job.Spec.Template.Spec, inventory.Reference{Kind: "Job", Name: job.Name, Session: found.Session})
}

func (l *Listing) addPod(pod *corev1.Pod) {
	l.Count++
	found, ours := projectPod(pod)
	if ours {
		l.Pods = append(l.Pods, found)
	}
	l.addReferences(&pod.Spec, inventory.Reference{Kind: "Pod", Name: pod.Name, Session: found.Session})
}

func (l *Listing) addCronJob(name string, spec *corev1.PodSpec) {
	l.Count++
	l.addReferences(spec, inventory.Reference{Kind: "CronJob", Name: name})
}

func (l *Listing) addConfigMap(cm *metav1.PartialObjectMetadata) {
	l.Count++
	l.CA = l.CA || cm.Name == caConfigMap
	l.JobTemplate = l.JobTemplate || cm.Name == jobTemplate
	if inventory.IsSessionID(cm.Name) {
		l.ConfigMaps = append(l.ConfigMaps, projectConfigMap(&cm.ObjectMeta))
	}
}

// addReferences adds every ConfigMap named like a session that a Pod made from spec would need.
func (l *Listing) addReferences(spec *corev1.PodSpec, from inventory.Reference) {
	add := func(name string) {
		if inventory.IsSessionID(name) {
			from.ConfigMap = name
			l.References = append(l.References, from)
		}
	}
	for _, v := range spec.Volumes {
		if v.ConfigMap != nil {
			add(v.ConfigMap.Name)
		}
		if v.Projected != nil {
			for _, source := range v.Projected.Sources {
				if source.ConfigMap != nil {
					add(source.ConfigMap.Name)
				}
			}
		}
	}
	containers := append(append([]corev1.Container{}, spec.InitContainers...), spec.Containers...)
	for _, e := range spec.EphemeralContainers {
		containers = append(containers, corev1.Container(e.EphemeralContainerCommon))
	}
	for _, c := range containers {
		for _, source := range c.EnvFrom {
			if source.ConfigMapRef != nil {
				add(source.ConfigMapRef.Name)
			}
		}
		for _, env := range c.Env {
			if env.ValueFrom != nil && env.ValueFrom.ConfigMapKeyRef != nil {
				add(env.ValueFrom.ConfigMapKeyRef.Name)
			}
		}
	}
}
