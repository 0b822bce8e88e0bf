package kube

import (
	"context"
	"encoding/json"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"bosgc/internal/inventory"
)

// AnnotateJob sets annotations of the very Job of that UID. Nothing else of it is touched, so that it does not
// matter which version of it was read: its status changes all the time while it runs. ErrChanged says
// that there is another one of that name; one that has gone is an error too.
func (c *Client) AnnotateJob(ctx context.Context, name, uid string, annotations map[string]string) (inventory.Job, error) {
	return c.patchJob(ctx, name, uid, map[string]any{"metadata": map[string]any{"uid": uid, "annotations": annotations}})
}

// ScaleDownJob makes the very Job of that UID have no Pods any more, and keeps it. Suspending it would do the same,
// but not before Kubernetes 1.21 (CSM 1.3).
func (c *Client) ScaleDownJob(ctx context.Context, name, uid string) (inventory.Job, error) {
	return c.patchJob(ctx, name, uid, map[string]any{"metadata": map[string]any{"uid": uid}, "spec": map[string]any{"parallelism": 0}})
}

func (c *Client) patchJob(ctx context.Context, name, uid string, patch map[string]any) (inventory.Job, error) {
	if uid == "" {
		return inventory.Job{}, fmt.Errorf("change Job %s: its UID is not known", name)
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return inventory.Job{}, err
	}
	var changed *batchv1.Job
	err = c.ask(ctx, func(ctx context.Context) (err error) {
		changed, err = c.batch.Jobs(c.options.Namespace).Patch(ctx, name, types.MergePatchType, text, metav1.PatchOptions{})
		return err
	})
	switch {
	case apierrors.IsConflict(err):
		return inventory.Job{}, fmt.Errorf("change Job %s: %w: %s", name, ErrChanged, err.Error())
	case err != nil:
		return inventory.Job{}, explain("change Job "+name, c.options.Namespace, err)
	}
	found, _ := projectJob(changed)
	return found, nil
}
