package kube

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// NamespaceNames returns the first page of all namespaces. No run needs it: it is for completion
// in a shell.
func (c *Client) NamespaceNames(ctx context.Context) ([]string, error) {
	list, err := fetch(ctx, c.do, func(ctx context.Context) (*corev1.NamespaceList, error) {
		return c.typed.CoreV1().Namespaces().List(ctx, metav1.ListOptions{Limit: metadataPage})
	})
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(list.Items))
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names, nil
}

// withAdvice adds what to do about the errors that people meet first.
func withAdvice(err error) error {
	var (
		name      *net.DNSError
		authority x509.UnknownAuthorityError
	)
	switch {
	case err == nil:
		return nil
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%w; the API server does not accept these credentials: "+
			"check --kubeconfig and --context, or log in again", err)
	case utilnet.IsConnectionRefused(err), errors.As(err, &name), errors.As(err, &authority):
		return fmt.Errorf("%w; check --kubeconfig, --context and the network", err)
	}
	return err
}

// explain adds to an error what was being done and, where a permission is missing, what would grant it.
func explain(doing, namespace string, err error) error {
	switch {
	case err == nil:
		return nil
	case IsForbidden(err):
		return fmt.Errorf("%s in namespace %q: %w; the service account needs this permission in that namespace",
			doing, namespace, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s in namespace %q: %w; a policy of this cluster refuses it, such as an admission webhook or a "+
			"quota; it is no missing permission", doing, namespace, err)
	}
	return fmt.Errorf("%s in namespace %q: %w", doing, namespace, err)
}

// IsForbidden reports whether the API server refused a request for want of a permission. Admission answers with the same
// status: webhooks, quotas and other policies. Only the text of the authorizer names a user that "cannot" do it.
func IsForbidden(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "User ") && strings.Contains(err.Error(), " cannot ")
}
