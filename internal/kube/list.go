package kube

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	batchv1beta1 "k8s.io/api/batch/v1beta1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/internal/inventory"
)

// Listing is one complete list, projected page by page.
type Listing struct {
	Jobs       []inventory.Job
	Pods       []inventory.Pod
	ConfigMaps []inventory.ConfigMap
	References []inventory.Reference // to ConfigMaps with the name of a session
	CA         bool                  // whether the ConfigMap with the system's CA is among them
	Count      int                   // all objects, also those of no interest
	Requests   int
}

// ListJobs lists the Jobs that are, or look like, those of BOS, and what all Jobs refer to.
func (c *Client) ListJobs(ctx context.Context) (Listing, error) {
	l, err := listing(ctx, c, c.batch.Jobs(c.options.Namespace), metav1.ListOptions{Limit: wholePage}, func(l *Listing, page *batchv1.JobList) {
		for i := range page.Items {
			l.addJob(&page.Items[i])
		}
	})
	return l, explain("list Jobs", c.options.Namespace, err)
}

func (l *Listing) addJob(job *batchv1.Job) {
	l.Count++
	found, ours := projectJob(job)
	if ours {
		l.Jobs = append(l.Jobs, found)
	}
	l.refer(&job.Spec.Template.Spec, inventory.Reference{Kind: "Job", Name: job.Name, Session: found.Session})
}

// ListPods lists the Pods of BOA Jobs, and what all Pods refer to.
func (c *Client) ListPods(ctx context.Context) (Listing, error) { return c.pods(ctx, "") }

// ListJobPods lists the Pods of one Job.
func (c *Client) ListJobPods(ctx context.Context, job string) (Listing, error) {
	return c.pods(ctx, jobNameLabel+"="+job)
}

func (c *Client) pods(ctx context.Context, selector string) (Listing, error) {
	opts := metav1.ListOptions{LabelSelector: selector, Limit: wholePage}
	l, err := listing(ctx, c, c.core.Pods(c.options.Namespace), opts, func(l *Listing, page *corev1.PodList) {
		for i := range page.Items {
			l.addPod(&page.Items[i])
		}
	})
	return l, explain("list Pods", c.options.Namespace, err)
}

func (l *Listing) addPod(pod *corev1.Pod) {
	l.Count++
	found, ours := projectPod(pod)
	if ours {
		l.Pods = append(l.Pods, found)
	}
	l.refer(&pod.Spec, inventory.Reference{Kind: "Pod", Name: pod.Name, Session: found.Session})
}

// ListCronJobs lists what the templates of all CronJobs refer to. Kubernetes 1.19 and 1.20 (CSM
// 1.0 and 1.2) have them as batch/v1beta1 only.
func (c *Client) ListCronJobs(ctx context.Context) (Listing, error) {
	opts := metav1.ListOptions{Limit: pageSize}
	l, err := listing(ctx, c, c.batch.CronJobs(c.options.Namespace), opts, func(l *Listing, page *batchv1.CronJobList) {
		for i := range page.Items {
			l.addCronJob(page.Items[i].Name, &page.Items[i].Spec.JobTemplate.Spec.Template.Spec)
		}
	})
	if apierrors.IsNotFound(err) {
		requests := l.Requests
		l, err = listing(ctx, c, c.beta.CronJobs(c.options.Namespace), opts, func(l *Listing, page *batchv1beta1.CronJobList) {
			for i := range page.Items {
				l.addCronJob(page.Items[i].Name, &page.Items[i].Spec.JobTemplate.Spec.Template.Spec)
			}
		})
		l.Requests += requests
	}
	return l, explain("list CronJobs", c.options.Namespace, err)
}

func (l *Listing) addCronJob(name string, spec *corev1.PodSpec) {
	l.Count++
	l.refer(spec, inventory.Reference{Kind: "CronJob", Name: name})
}

// ListConfigMaps lists those that are named like a session, by their metadata alone: a body can
// be a mebibyte, and there are thousands that are nobody's business.
func (c *Client) ListConfigMaps(ctx context.Context) (Listing, error) {
	of := c.core.ConfigMapsMetadata(c.options.Namespace)
	l, err := listing(ctx, c, of, metav1.ListOptions{Limit: pageSize}, func(l *Listing, page *metav1.PartialObjectMetadataList) {
		for i := range page.Items {
			l.addConfigMap(&page.Items[i].ObjectMeta)
		}
	})
	return l, explain("list ConfigMaps", c.options.Namespace, err)
}

func (l *Listing) addConfigMap(meta *metav1.ObjectMeta) {
	l.Count++
	l.CA = l.CA || meta.Name == caConfigMap
	if inventory.IsSessionID(meta.Name) {
		l.ConfigMaps = append(l.ConfigMaps, projectConfigMap(meta))
	}
}

// explain says what was being done and, where a permission is missing, what would grant it.
func explain(doing, namespace string, err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s in namespace %q: %w; the service account needs this permission in that namespace", doing, namespace, err)
	}
	return fmt.Errorf("%s in namespace %q: %w", doing, namespace, err)
}
