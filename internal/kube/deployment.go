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

	"bosgc/internal/inventory"
)

// Deployment is one of the swept namespace, as far as restarting it needs.
type Deployment struct {
	Name        string
	Replicas    int32 // wanted
	Ready       bool  // all that are wanted are there and ready, of the newest form
	Annotations map[string]string

	uid             string
	resourceVersion string
	selector        string
}

// GetDeployment reads one.
func (c *Client) GetDeployment(ctx context.Context, name string) (Deployment, inventory.Presence, error) {
	var found *appsv1.Deployment
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		found, err = c.apps.Deployments(c.options.Namespace).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	if presence, err := presenceOf(err); presence != inventory.Present {
		return Deployment{}, presence, explain("get Deployment "+name, c.options.Namespace, err)
	}
	return projectDeployment(found), inventory.Present, nil
}

func projectDeployment(d *appsv1.Deployment) Deployment {
	found := Deployment{
		Name: d.Name, Replicas: 1, Annotations: d.Annotations,
		uid: string(d.UID), resourceVersion: d.ResourceVersion, selector: metav1.FormatLabelSelector(d.Spec.Selector),
	}
	if d.Spec.Replicas != nil { // else Kubernetes takes it for one
		found.Replicas = *d.Spec.Replicas
	}
	s := d.Status
	found.Ready = s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == found.Replicas && s.ReadyReplicas == found.Replicas && s.Replicas == found.Replicas
	return found
}

// DeploymentChange is what is changed of a Deployment.
type DeploymentChange struct {
	Replicas    *int32             // nil: as they are
	Annotations map[string]*string // a nil value removes it; others stay as they are
}

// ChangeDeployment changes the very Deployment that was read, in one step. ErrChanged says that somebody
// else was faster.
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
	var changed *appsv1.Deployment
	err = c.ask(ctx, func(ctx context.Context) (err error) {
		changed, err = c.apps.Deployments(c.options.Namespace).Patch(ctx, d.Name, types.MergePatchType, text, metav1.PatchOptions{})
		return err
	})
	switch {
	case apierrors.IsConflict(err):
		return d, fmt.Errorf("change Deployment %s: %w: %s", d.Name, ErrChanged, err.Error())
	case err != nil:
		return d, explain("change Deployment "+d.Name, c.options.Namespace, err)
	}
	return projectDeployment(changed), nil
}

// ListDeploymentPods names the Pods of a Deployment that are there, in whatever state.
func (c *Client) ListDeploymentPods(ctx context.Context, d Deployment) ([]string, error) {
	if d.selector == "" || d.selector == "<none>" || d.selector == "<error>" {
		return nil, fmt.Errorf("Deployment %s selects no Pods that could be told from others", d.Name)
	}
	opts := metav1.ListOptions{LabelSelector: d.selector, Limit: pageSize}
	var names []string
	_, err := pages(ctx, c, c.core.Pods(c.options.Namespace), opts, func(page *corev1.PodList, begins bool) {
		if begins {
			names = nil
		}
		for i := range page.Items {
			names = append(names, page.Items[i].Name)
		}
	})
	return names, explain("list Pods", c.options.Namespace, err)
}
