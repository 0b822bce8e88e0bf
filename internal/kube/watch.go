package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	batchv1beta1 "k8s.io/api/batch/v1beta1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"bosgc/internal/margin"
)

// ErrExpired is returned for a watch from a version that the API server does not remember: what has changed since can
// be learnt from a list alone.
var ErrExpired = errors.New("the API server does not remember what has changed since")

// Change is what has become of one object.
type Change struct {
	Name string
	Gone bool
	Listing
}

// Watcher is told what a watch sees.
type Watcher struct {
	From   string // version of the list that the watch goes on from
	Begun  func() // the API server has accepted the watch; what had changed until then follows
	Report func(Change)
}

// WatchJobs watches Jobs until the watch ends, and returns the version to go on from. The API server ends a watch
// after margin.WatchLife, which is no error.
func (c *Client) WatchJobs(ctx context.Context, w Watcher) (version string, err error) {
	return watchAll(ctx, c, w, "watch Jobs", c.jobs().Watch, func(l *Listing, job *batchv1.Job) { l.addJob(job) })
}

// WatchPods does the same for Pods.
func (c *Client) WatchPods(ctx context.Context, w Watcher) (version string, err error) {
	return watchAll(ctx, c, w, "watch Pods", c.pods().Watch, func(l *Listing, pod *corev1.Pod) { l.addPod(pod) })
}

// WatchCronJobs does the same for CronJobs; see ListCronJobs for their versions.
func (c *Client) WatchCronJobs(ctx context.Context, w Watcher) (version string, err error) {
	const what = "watch CronJobs"
	version, err = watchAll(ctx, c, w, what, c.typed.BatchV1().CronJobs(c.options.Namespace).Watch,
		func(l *Listing, j *batchv1.CronJob) { l.addCronJob(j.Name, &j.Spec.JobTemplate.Spec.Template.Spec) })
	if apierrors.IsNotFound(err) {
		version, err = watchAll(ctx, c, w, what, c.typed.BatchV1beta1().CronJobs(c.options.Namespace).Watch,
			func(l *Listing, j *batchv1beta1.CronJob) {
				l.addCronJob(j.Name, &j.Spec.JobTemplate.Spec.Template.Spec)
			})
	}
	return version, err
}

// watchAll runs one watch to its end. It takes no slot of the client: a watch is silent nearly all of the time. It is
// client-go's plain watch, and not its RetryWatcher, which does not say when its connection is lost.
func watchAll[T interface {
	runtime.Object
	metav1.Object
}](
	ctx context.Context, c *Client, w Watcher, what string,
	begin func(context.Context, metav1.ListOptions) (watch.Interface, error), project func(*Listing, T),
) (version string, err error) {
	version = w.From
	silent := fmt.Errorf("the API server did not end the watch after %s", margin.WatchLife)
	// A connection that has died without a word looks like a namespace in which nothing happens.
	ctx, cancel := context.WithTimeoutCause(ctx, margin.WatchLife+margin.WatchOverdue, silent)
	defer cancel()
	seconds := int64(margin.WatchLife / time.Second)
	stream, err := begin(ctx, metav1.ListOptions{
		ResourceVersion: version, AllowWatchBookmarks: true, TimeoutSeconds: &seconds,
	})
	switch {
	case apierrors.IsResourceExpired(err) || apierrors.IsGone(err):
		return version, ErrExpired
	case err != nil:
		return version, explain(what, c.options.Namespace, err)
	}
	defer stream.Stop()
	w.Begun()
	for event := range stream.ResultChan() {
		if event.Type == watch.Error {
			if err := apierrors.FromObject(event.Object); !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
				return version, explain(what, c.options.Namespace, err)
			}
			return version, ErrExpired
		}
		object, ok := event.Object.(T)
		if !ok || object.GetResourceVersion() == "" {
			return version, fmt.Errorf("%s: the API server sent a %T; expected a %T with its version", what, event.Object, object)
		}
		version = object.GetResourceVersion()
		if event.Type == watch.Bookmark {
			continue // only the version is in it
		}
		change := Change{Name: object.GetName(), Gone: event.Type == watch.Deleted}
		if !change.Gone {
			project(&change.Listing, object)
		}
		w.Report(change)
	}
	return version, context.Cause(ctx)
}
