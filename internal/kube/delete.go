package kube

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"bosgc/internal/inventory"
)

// DeleteJob deletes exactly the Job that was judged, with its Pods. existed is false if it
// had been deleted already.
func (c *Client) DeleteJob(ctx context.Context, name, uid, resourceVersion string) (existed bool, err error) {
	return c.delete(ctx, "Job "+name, uid, resourceVersion,
		func(ctx context.Context, opts metav1.DeleteOptions) error { return c.jobs().Delete(ctx, name, opts) })
}

// DeleteConfigMap deletes exactly the ConfigMap that was judged. existed is false if it had been
// deleted already.
func (c *Client) DeleteConfigMap(ctx context.Context, name, uid, resourceVersion string) (existed bool, err error) {
	return c.delete(ctx, "ConfigMap "+name, uid, resourceVersion,
		func(ctx context.Context, opts metav1.DeleteOptions) error {
			return c.configMaps().Delete(ctx, name, opts)
		})
}

func (c *Client) delete(
	ctx context.Context, object, uid, resourceVersion string, request func(context.Context, metav1.DeleteOptions) error,
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
	attempts, lost := 0, false
	err = c.do(ctx, func(ctx context.Context) error {
		attempts++
		err := request(ctx, opts)
		var refusal apierrors.APIStatus
		lost = lost || err != nil && !errors.As(err, &refusal) && !utilnet.IsConnectionRefused(err)
		return err
	})
	switch {
	case err == nil:
		return true, nil
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
