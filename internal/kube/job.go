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

// GetJob reads one Job as it is now.
func (c *Client) GetJob(ctx context.Context, name string) (inventory.Job, inventory.Presence, error) {
	job, presence, err := c.fetchJob(ctx, name)
	if presence != inventory.Present {
		return inventory.Job{}, presence, err
	}
	found, _ := projectJob(job)
	return found, presence, nil
}

// GetJobManifest reads one Job with everything in it.
func (c *Client) GetJobManifest(ctx context.Context, name string) (Manifest, inventory.Presence, error) {
	job, presence, err := c.fetchJob(ctx, name)
	if presence != inventory.Present {
		return Manifest{}, presence, err
	}
	job.APIVersion, job.Kind = "batch/v1", "Job" // the client library drops both
	m, presence, err := newManifest(&job.ObjectMeta, job)
	m.Job, _ = projectJob(job)
	return m, presence, err
}

func (c *Client) fetchJob(ctx context.Context, name string) (*batchv1.Job, inventory.Presence, error) {
	job, err := fetch(ctx, c.do, func(ctx context.Context) (*batchv1.Job, error) {
		return c.jobs().Get(ctx, name, metav1.GetOptions{})
	})
	presence, err := presenceOf(err)
	return job, presence, explain("get Job "+name, c.options.Namespace, err)
}

// AnnotateJob sets annotations of the Job with that UID. Nothing else of it is touched, so it does not
// matter which version of it was read: its status changes all the time while it runs. The error is
// ErrChanged if there is another Job of that name. A Job that has been deleted is an error too.
func (c *Client) AnnotateJob(
	ctx context.Context, name, uid string, annotations map[string]string,
) (inventory.Job, error) {
	return c.patchJob(ctx, name, uid, map[string]any{
		"metadata": map[string]any{"uid": uid, "annotations": annotations},
	})
}

// ScaleDownJob leaves the Job with that UID without Pods, and does not delete it. Suspending it would
// do the same, but not before Kubernetes 1.21 (CSM 1.3).
func (c *Client) ScaleDownJob(ctx context.Context, name, uid string) (inventory.Job, error) {
	return c.patchJob(ctx, name, uid, map[string]any{
		"metadata": map[string]any{"uid": uid},
		"spec":     map[string]any{"parallelism": 0},
	})
}

func (c *Client) patchJob(ctx context.Context, name, uid string, patch map[string]any) (inventory.Job, error) {
	if uid == "" {
		return inventory.Job{}, fmt.Errorf("change Job %s: its UID is not known", name)
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return inventory.Job{}, err
	}
	changed, err := fetch(ctx, c.do, func(ctx context.Context) (*batchv1.Job, error) {
		return c.jobs().Patch(ctx, name, types.MergePatchType, text, metav1.PatchOptions{})
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

// Manifest is one object with everything in it.
type Manifest struct {
	UID, ResourceVersion string
	JSON                 json.RawMessage
	Job                  inventory.Job  // what the rules need of it, if it is a Job
	Keep                 inventory.Keep // what protects it, if it is a ConfigMap
}

func newManifest(meta *metav1.ObjectMeta, object any) (Manifest, inventory.Presence, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return Manifest{}, inventory.Unknown, fmt.Errorf("encode %s: %w", meta.Name, err)
	}
	return Manifest{UID: string(meta.UID), ResourceVersion: meta.ResourceVersion, JSON: text}, inventory.Present, nil
}
