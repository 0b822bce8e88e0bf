package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"bosgc/internal/inventory"
)

// Scale is how many Pods a Deployment has. It is all of a Deployment that bosgc reads and writes: whoever may change
// the rest of one can have it run any image.
type Scale struct {
	Name     string
	Replicas int32 // wanted
	Current  int32 // Pods that its ReplicaSets have

	uid             string
	resourceVersion string
	selector        string
}

// GetScale reads the scale of one Deployment.
func (c *Client) GetScale(ctx context.Context, name string) (Scale, inventory.Presence, error) {
	found, err := fetch(ctx, c.do, func(ctx context.Context) (*autoscalingv1.Scale, error) {
		return c.typed.AppsV1().Deployments(c.options.Namespace).GetScale(ctx, name, metav1.GetOptions{})
	})
	presence, err := presenceOf(err)
	if presence != inventory.Present {
		return Scale{}, presence, explain("get the scale of Deployment "+name, c.options.Namespace, err)
	}
	return projectScale(found), presence, nil
}

func projectScale(s *autoscalingv1.Scale) Scale {
	return Scale{
		Name: s.Name, Replicas: s.Spec.Replicas, Current: s.Status.Replicas,
		uid: string(s.UID), resourceVersion: s.ResourceVersion, selector: s.Status.Selector,
	}
}

// SetScale changes how many Pods a Deployment is to have, if its scale is still the one that was read. The error is
// ErrChanged if somebody else has changed the Deployment since, and ErrLost if this may have been carried out. After any
// other error it was not.
func (c *Client) SetScale(ctx context.Context, s Scale, replicas int32) (Scale, error) {
	doing := fmt.Sprintf("scale Deployment %s to %d", s.Name, replicas)
	wanted := &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{
			Name: s.Name, Namespace: c.options.Namespace, UID: types.UID(s.uid), ResourceVersion: s.resourceVersion,
		},
		Spec: autoscalingv1.ScaleSpec{Replicas: replicas},
	}
	lost := false
	changed, err := fetch(ctx, c.do, func(ctx context.Context) (*autoscalingv1.Scale, error) {
		answer := &autoscalingv1.Scale{}
		// The typed client would try again by itself after some failures. A conflict then says nothing: the first try
		// may have been carried out.
		err := c.typed.AppsV1().RESTClient().Put().Namespace(c.options.Namespace).Resource("deployments").Name(s.Name).
			SubResource("scale").MaxRetries(0).Body(wanted).Do(ctx).Into(answer)
		lost = lost || mayHaveBeenDone(err)
		return answer, err
	})
	switch {
	case err == nil:
		return projectScale(changed), nil
	case lost:
		return s, fmt.Errorf("%s: %w: %w", doing, ErrLost, err)
	case apierrors.IsConflict(err):
		return s, fmt.Errorf("%s: %w: %s", doing, ErrChanged, err.Error())
	}
	return s, explain(doing, c.options.Namespace, err)
}

// mayHaveBeenDone reports whether a request that failed may have been carried out: all but those that were never
// received, and those that the API server refuses by a status of its own.
func mayHaveBeenDone(err error) bool {
	if err == nil || utilnet.IsConnectionRefused(err) {
		return false
	}
	var refusal apierrors.APIStatus
	return !errors.As(err, &refusal) || refusal.Status().Code >= http.StatusInternalServerError
}

// PodsOf counts the Pods that a Deployment selects, in whatever state they are, and those of them that are ready.
func (c *Client) PodsOf(ctx context.Context, s Scale) (all, ready int, err error) {
	if s.selector == "" {
		return 0, 0, fmt.Errorf("the selector of Deployment %s is empty, and would select every Pod", s.Name)
	}
	_, _, err = listAll(ctx, c, metav1.ListOptions{LabelSelector: s.selector, Limit: objectPage}, c.pods().List,
		func() { all, ready = 0, 0 },
		func(pod *corev1.Pod) {
			all++
			if slices.ContainsFunc(pod.Status.Conditions, func(is corev1.PodCondition) bool {
				return is.Type == corev1.PodReady && is.Status == corev1.ConditionTrue
			}) {
				ready++
			}
		})
	return all, ready, explain("list Pods", c.options.Namespace, err)
}
