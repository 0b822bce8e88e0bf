package simkube

import (
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// sendError writes an error as a Status; one that is not an API error as a 500.
func sendError(w http.ResponseWriter, r *http.Request, err error) {
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		known = apierrors.NewInternalError(err)
	}
	status := known.Status()
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	send(w, r, int(status.Code), &status)
}

func errUnauthorized() error { return apierrors.NewUnauthorized("Unauthorized") }

func errNoResource() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound,
		Message: "the server could not find the requested resource", Details: &metav1.StatusDetails{},
	}}
}

func errMethod(q request) error { return apierrors.NewMethodNotSupported(q.group(), q.Method) }

func errNotFound(q request) error { return apierrors.NewNotFound(q.group(), q.name) }

func errExpired() error {
	return apierrors.NewResourceExpired("The provided continue parameter is too old to display a consistent " +
		"list result. You must start a new list without the continue parameter.")
}

func errModified(q request) error {
	return apierrors.NewConflict(q.group(), q.name, errors.New("the object has been modified; "+
		"please apply your changes to the latest version and try again"))
}

// checkPreconditions returns a conflict if an object is not the one that the client saw.
func checkPreconditions(q request, given *metav1.Preconditions, o object) error {
	if given == nil {
		return nil
	}
	differs := func(what, want, have string) error {
		return apierrors.NewConflict(q.group(), q.name, fmt.Errorf("the %s in the precondition (%s) does not match "+
			"the %s in record (%s). The object might have been deleted and then recreated", what, want, what, have))
	}
	if given.UID != nil && *given.UID != types.UID(o.metaText("uid")) {
		return differs("UID", string(*given.UID), o.metaText("uid"))
	}
	if given.ResourceVersion != nil && *given.ResourceVersion != o.metaText("resourceVersion") {
		return differs("ResourceVersion", *given.ResourceVersion, o.metaText("resourceVersion"))
	}
	return nil
}
