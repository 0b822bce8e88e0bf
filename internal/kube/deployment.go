package kube

import (
	"context"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedappsv1 "k8s.io/client-go/kubernetes/typed/apps/v1"

	"bosgc/internal/inventory"
)

// Deployment is what bosgc needs of a Deployment to restart it.
type Deployment struct {
	Name        string
	Replicas    int32 // wanted
	Ready       bool  // all wanted replicas exist, are ready and have the newest template
	Annotations map[string]string

	uid             string
	resourceVersion string
	selector        string
}

// GetDeployment reads one Deployment.
func (c *Client) GetDeployment(ctx context.Context, name string) (Deployment, inventory.Presence, error) {
	found, err := fetch(ctx, c.do, func(ctx context.Context) (*appsv1.Deployment, error) {
		return c.deployments().Get(ctx, name, metav1.GetOptions{})
	})
	presence, err := presenceOf(err)
	if presence != inventory.Present {
		return Deployment{}, presence, explain("get Deployment "+name, c.options.Namespace, err)
	}
	return projectDeployment(found), presence, nil
}

func (c *Client) deployments() typedappsv1.DeploymentInterface {
	return c.typed.AppsV1().Deployments(c.options.Namespace)
}

func projectDeployment(d *appsv1.Deployment) Deployment {
	found := Deployment{
		Name: d.Name, Replicas: 1, Annotations: d.Annotations,
		uid: string(d.UID), resourceVersion: d.ResourceVersion, selector: metav1.FormatLabelSelector(d.Spec.Selector),
	}
	if d.Spec.Replicas != nil { // else it is one
		found.Replicas = *d.Spec.Replicas
	}
	s := d.Status
	found.Ready = s.ObservedGeneration >= d.Generation &&
		s.UpdatedReplicas == found.Replicas && s.ReadyReplicas == found.Replicas && s.Replicas == found.Replicas
	return found
}

// DeploymentChange is what ChangeDeployment changes.
type DeploymentChange struct {
	Replicas    *int32             // nil leaves them as they are
	Annotations map[string]*string // a nil value removes one; others stay as they are
}

// ChangeDeployment changes the Deployment that was read, in one step. The error is ErrChanged if somebody
// else has changed it since.
func (c *Client) ChangeDeployment(ctx context.Context, d Deployment, change DeploymentChange) (Deployment, error) {
	metadata := map[string]any{"uid": d.uid, "resourceVersion": d.resourceVersion}
	if len(change.Annotations) > 0 {
		metadata["annotations"] = change.Annotations
	}
	patch := map[string]any{"metadata": metadata}
	if change.Replicas != nil {
		patch["spec"] = map[string]any{"replicas": *change.Replicas}
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return d, err
	}
	changed, err := fetch(ctx, c.do, func(ctx context.Context) (*appsv1.Deployment, error) {
		return c.deployments().Patch(ctx, d.Name, types.MergePatchType, text, metav1.PatchOptions{})
	})
	switch {
	case apierrors.IsConflict(err):
		return d, fmt.Errorf("change Deployment %s: %w: %s", d.Name, ErrChanged, err.Error())
	case err != nil:
		return d, explain("change Deployment "+d.Name, c.options.Namespace, err)
	}
	return projectDeployment(changed), nil
}

// ListDeploymentPods returns the names of the Pods that a Deployment selects, in whatever state they are.
func (c *Client) ListDeploymentPods(ctx context.Context, d Deployment) ([]string, error) {
	if d.selector == "" || d.selector == "<none>" || d.selector == "<error>" {
		return nil, fmt.Errorf("Deployment %s selects no Pods that could be told from others", d.Name)
	}
	var names []string
	_, _, err := listAll(ctx, c, metav1.ListOptions{LabelSelector: d.selector, Limit: objectPage}, c.pods().List,
		func() { names = nil },
		func(pod *corev1.Pod) { names = append(names, pod.Name) })
	return names, explain("list Pods", c.options.Namespace, err)
}
