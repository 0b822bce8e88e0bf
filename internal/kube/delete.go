package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"

	"bosgc/internal/inventory"
)

// HeldError is returned for a delete that the API server has accepted: the object goes once its finalizers are
// removed.
type HeldError struct{ Finalizers []string }

func (e *HeldError) Error() string {
	return "the delete was accepted; held by the finalizers " + strings.Join(e.Finalizers, ", ")
}

// DeleteJob deletes exactly the Job that was judged, with its Pods. existed is false if it
// had been deleted already.
func (c *Client) DeleteJob(ctx context.Context, name, uid, resourceVersion string) (existed bool, err error) {
	return c.delete(ctx, "Job "+name, uid, resourceVersion,
		c.typed.BatchV1().RESTClient().Delete().Namespace(c.options.Namespace).Resource("jobs").Name(name))
}

// DeleteConfigMap deletes exactly the ConfigMap that was judged. existed is false if it had been
// deleted already.
func (c *Client) DeleteConfigMap(ctx context.Context, name, uid, resourceVersion string) (existed bool, err error) {
	return c.delete(ctx, "ConfigMap "+name, uid, resourceVersion,
		c.typed.CoreV1().RESTClient().Delete().Namespace(c.options.Namespace).Resource("configmaps").Name(name))
}

// delete sends a request of client-go's REST client: its typed clients drop the answer, which alone tells an object
// that has gone from one that a finalizer holds.
func (c *Client) delete(
	ctx context.Context, object, uid, resourceVersion string, request *rest.Request,
) (existed bool, err error) {
	// Without both preconditions another object of the same name would be deleted, or the same one
	// after somebody has protected it.
	if uid == "" || resourceVersion == "" {
		return false, fmt.Errorf("delete %s: its UID or resource version is not known", object)
	}
	u := types.UID(uid)
	background := metav1.DeletePropagationBackground // the API's default for Jobs leaves their Pods behind
	opts := metav1.DeleteOptions{
		Preconditions:     &metav1.Preconditions{UID: &u, ResourceVersion: &resourceVersion},
		PropagationPolicy: &background,
	}
	request = request.Body(&opts)
	attempts, lost := 0, false
	var answer runtime.Object
	err = c.do(ctx, func(ctx context.Context) (err error) {
		attempts++
		answer, err = request.Do(ctx).Get()
		var refusal apierrors.APIStatus
		lost = lost || err != nil && !errors.As(err, &refusal) && !utilnet.IsConnectionRefused(err)
		return err
	})
	switch {
	case err == nil:
		return true, heldBy(answer)
	case isNotFound(err):
		// At a second try, the first one has deleted it, whose answer was lost.
		return attempts > 1, nil
	case apierrors.IsConflict(err):
		return true, fmt.Errorf("delete %s: %w: %s", object, ErrChanged, err.Error())
	case lost:
		return true, fmt.Errorf("delete %s in namespace %q: %w: %w", object, c.options.Namespace, ErrLost, err)
	}
	return true, explain("delete "+object, c.options.Namespace, err)
}

// heldBy returns a HeldError if the answer to a delete is the object, held by finalizers.
func heldBy(answer runtime.Object) error {
	object, err := meta.Accessor(answer)
	if err != nil || object.GetDeletionTimestamp() == nil || len(object.GetFinalizers()) == 0 {
		return nil //nolint:nilerr // a Status, which has no metadata of an object, says that it has gone
	}
	return &HeldError{object.GetFinalizers()}
}

// presenceOf returns what the error of a GET proves about the object. Only the API server's own "not
// found" proves that it is absent.
func presenceOf(err error) (inventory.Presence, error) {
	switch {
	case err == nil:
		return inventory.Present, nil
	case isNotFound(err):
		return inventory.Absent, nil
	}
	return inventory.Unknown, err
}

// isNotFound reports whether the API server itself says that an object does not exist. The client
// library turns any other 404, such as a proxy's page, into the same error, and marks it.
func isNotFound(err error) bool {
	return apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}
