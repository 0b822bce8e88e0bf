package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"bosgc/internal/inventory"
)

// sessionKey is the one key of a ConfigMap that BOS v1 makes.
const sessionKey = "data.json"

// GetJob reads one Job as it is now.
func (c *Client) GetJob(ctx context.Context, name string) (found inventory.Job, presence inventory.Presence, err error) {
	err = c.ask(ctx, func(ctx context.Context) error {
		job, err := c.batch.Jobs(c.options.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			found, _ = projectJob(job)
		}
		return err
	})
	presence, err = presenceOf(err)
	return found, presence, explain("get Job "+name, c.options.Namespace, err)
}

// GetJobManifest gives a Job as the API server has it.
func (c *Client) GetJobManifest(ctx context.Context, name string) (Manifest, inventory.Presence, error) {
	var found *batchv1.Job
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		found, err = c.batch.Jobs(c.options.Namespace).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	if presence, err := presenceOf(err); presence != inventory.Present {
		return Manifest{}, presence, explain("get Job "+name, c.options.Namespace, err)
	}
	found.APIVersion, found.Kind = "batch/v1", "Job"
	w, presence, err := whole(&found.ObjectMeta, found)
	w.Job, _ = projectJob(found)
	return w, presence, err
}

// GetConfigMapManifest gives a ConfigMap as the API server has it.
func (c *Client) GetConfigMapManifest(ctx context.Context, name string) (Manifest, inventory.Presence, error) {
	var found *corev1.ConfigMap
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		found, err = c.core.ConfigMaps(c.options.Namespace).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	if presence, err := presenceOf(err); presence != inventory.Present {
		return Manifest{}, presence, explain("get ConfigMap "+name, c.options.Namespace, err)
	}
	found.APIVersion, found.Kind = "v1", "ConfigMap"
	w, presence, err := whole(&found.ObjectMeta, found)
	w.Keep = keepOf(&found.ObjectMeta)
	return w, presence, err
}

// Manifest is one object with everything in it.
type Manifest struct {
	UID, ResourceVersion string
	JSON                 json.RawMessage
	Job                  inventory.Job  // what it says, of a Job
	Keep                 inventory.Keep // what protects it, of a ConfigMap
}

func whole(meta *metav1.ObjectMeta, object any) (Manifest, inventory.Presence, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return Manifest{}, inventory.Unknown, fmt.Errorf("encode %s: %w", meta.Name, err)
	}
	return Manifest{UID: string(meta.UID), ResourceVersion: meta.ResourceVersion, JSON: text}, inventory.Present, nil
}

// ReadBody reads a ConfigMap's content and says whether it is what BOS v1 makes; then the whole of it comes along. If it has
// gone since it was listed, there is false.
func (c *Client) ReadBody(ctx context.Context, cm inventory.ConfigMap) (found inventory.ConfigMap, manifest json.RawMessage, there bool) {
	var full *corev1.ConfigMap
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		full, err = c.core.ConfigMaps(c.options.Namespace).Get(ctx, cm.Name, metav1.GetOptions{})
		return err
	})
	if notFound(err) {
		return cm, nil, false
	}
	if err != nil {
		cm.Body, cm.BodyFault = inventory.BodyFailed, explain("get ConfigMap "+cm.Name, c.options.Namespace, err).Error()
		return cm, nil, true
	}
	user := cm.User
	cm = projectConfigMap(&full.ObjectMeta)
	cm.User = user
	cm.Body = inventory.BodyExact
	if cm.BodyFault = bodyFault(full); cm.BodyFault != "" {
		cm.Body = inventory.BodyOther
		return cm, nil, true
	}
	full.APIVersion, full.Kind = "v1", "ConfigMap"
	w, _, _ := whole(&full.ObjectMeta, full) // without its manifest it is only read once more
	return cm, w.JSON, true
}

// ReadKeep reads what protects a ConfigMap as it is now. Absent is a ConfigMap that has gone.
func (c *Client) ReadKeep(ctx context.Context, name string) (keep inventory.Keep, presence inventory.Presence, err error) {
	err = c.ask(ctx, func(ctx context.Context) error {
		meta, err := c.core.ConfigMapsMetadata(c.options.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			keep = keepOf(&meta.ObjectMeta)
		}
		return err
	})
	presence, err = presenceOf(err)
	return keep, presence, explain("get ConfigMap "+name, c.options.Namespace, err)
}

// bodyFault says how a ConfigMap's content differs from what BOS v1 makes; empty if it does
// not. The content itself is never shown: kernel parameters in it may hold secrets.
func bodyFault(cm *corev1.ConfigMap) string {
	text, ok := cm.Data[sessionKey]
	if !ok || len(cm.Data)+len(cm.BinaryData) != 1 {
		return fmt.Sprintf("it has not exactly one key %s", sessionKey)
	}
	var template struct {
		BootSets map[string]json.RawMessage `json:"boot_sets"`
	}
	if err := json.Unmarshal([]byte(text), &template); err != nil || template.BootSets == nil {
		return "its " + sessionKey + " is no session template with boot_sets"
	}
	return ""
}

// DeleteJob deletes exactly the Job that was judged, with its Pods. existed is false if it
// was gone already.
func (c *Client) DeleteJob(ctx context.Context, name, uid, resourceVersion string) (existed bool, err error) {
	return c.delete(ctx, "Job "+name, uid, resourceVersion, func(ctx context.Context, opts metav1.DeleteOptions) error {
		// Without this the API's default for Jobs leaves the Pods behind.
		background := metav1.DeletePropagationBackground
		opts.PropagationPolicy = &background
		return c.batch.Jobs(c.options.Namespace).Delete(ctx, name, opts)
	})
}

// DeleteConfigMap deletes exactly the ConfigMap that was judged. existed is false if it was
// gone already.
func (c *Client) DeleteConfigMap(ctx context.Context, name, uid, resourceVersion string) (existed bool, err error) {
	return c.delete(ctx, "ConfigMap "+name, uid, resourceVersion, func(ctx context.Context, opts metav1.DeleteOptions) error {
		return c.core.ConfigMaps(c.options.Namespace).Delete(ctx, name, opts)
	})
}

func (c *Client) delete(ctx context.Context, object, uid, resourceVersion string, request func(context.Context, metav1.DeleteOptions) error) (existed bool, err error) {
	// Without both preconditions another object of the same name, or the same one after
	// somebody has protected it, would go.
	if uid == "" || resourceVersion == "" {
		return false, fmt.Errorf("delete %s: its UID or resource version is not known", object)
	}
	u := types.UID(uid)
	opts := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &u, ResourceVersion: &resourceVersion}}
	attempts, lost := 0, false
	err = c.ask(ctx, func(ctx context.Context) error {
		attempts++
		err := request(ctx, opts)
		var refusal apierrors.APIStatus
		lost = lost || err != nil && !errors.As(err, &refusal) && !utilnet.IsConnectionRefused(err)
		return err
	})
	switch {
	case err == nil:
		return true, nil
	case notFound(err):
		// At a second try it is the first one, whose answer was lost, that has deleted it.
		return attempts > 1, nil
	case apierrors.IsConflict(err):
		return true, fmt.Errorf("delete %s: %w: %s", object, ErrChanged, err.Error())
	case lost:
		return true, fmt.Errorf("delete %s in namespace %q: %w: %w", object, c.options.Namespace, ErrLost, err)
	}
	return true, explain("delete "+object, c.options.Namespace, err)
}

// presenceOf turns the error of a GET into what is known. Only the API server's own "not
// found" for the object counts as absence.
func presenceOf(err error) (inventory.Presence, error) {
	switch {
	case err == nil:
		return inventory.Present, nil
	case notFound(err):
		return inventory.Absent, nil
	}
	return inventory.Unknown, err
}

// notFound is the API server's own word that an object is not there. Any other 404, such as a
// proxy's page, is turned into the same error by the client library, and marked.
func notFound(err error) bool {
	return apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}
