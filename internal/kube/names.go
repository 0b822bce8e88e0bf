package kube

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// ContextNames names the contexts of the kubeconfig, in alphabetical order; none if it cannot be read.
func ContextNames(kubeconfig string) []string {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := rules.Load()
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(config.Contexts))
}

// NamespaceNames names all namespaces, as far as one page has them. No run needs them: it is for completion in a shell.
func (c *Client) NamespaceNames(ctx context.Context) ([]string, error) {
	var names []string
	err := c.ask(ctx, func(ctx context.Context) error {
		list, err := send[corev1.NamespaceList](ctx, c.core.Namespaces().list(metav1.ListOptions{Limit: pageSize}))
		if err != nil {
			return err
		}
		names = names[:0]
		for i := range list.Items {
			names = append(names, list.Items[i].Name)
		}
		return nil
	})
	return names, err
}
