package kube

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// LoadConfig finds the API server: in an explicit kubeconfig, in $KUBECONFIG and the default file,
// or with the service account of the Pod that bosgc runs in.
func LoadConfig(kubeconfig, kubeContext string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: kubeContext}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err == nil {
		return config, nil
	}
	if known := ContextNames(kubeconfig); kubeContext != "" && len(known) > 0 && !slices.Contains(known, kubeContext) {
		return nil, fmt.Errorf("no way to the Kubernetes API: %w; expected for --context one of %s",
			err, strings.Join(known, ", "))
	}
	return nil, fmt.Errorf("no way to the Kubernetes API: %w; "+
		"give --kubeconfig or KUBECONFIG, or run in a Pod with a service account", err)
}

// ContextNames returns the contexts of the kubeconfig in alphabetical order; none if it cannot be read.
func ContextNames(kubeconfig string) []string {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := rules.Load()
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(config.Contexts))
}

// PodNamespace returns the namespace of the Pod that bosgc runs in; empty if the configuration is
// not that of a Pod's service account.
func PodNamespace(config *rest.Config) string {
	if config.BearerTokenFile == "" {
		return ""
	}
	// It lies beside the token in every Pod, and in no other place that a token comes from.
	text, err := os.ReadFile(filepath.Join(filepath.Dir(config.BearerTokenFile), "namespace"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

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
