// Package kubeconfig finds the API server: in a kubeconfig, or from inside a Pod.
package kubeconfig

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Load finds the API server: in an explicit kubeconfig, in $KUBECONFIG and the default file,
// or with the service account of the Pod that bosgc runs in.
func Load(path, kubeContext string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	overrides := &clientcmd.ConfigOverrides{CurrentContext: kubeContext}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err == nil {
		return config, nil
	}
	if known := ContextNames(path); kubeContext != "" && len(known) > 0 && !slices.Contains(known, kubeContext) {
		return nil, fmt.Errorf("no way to the Kubernetes API: %w; expected for --context one of %s",
			err, strings.Join(known, ", "))
	}
	return nil, fmt.Errorf("no way to the Kubernetes API: %w; "+
		"give --kubeconfig or KUBECONFIG, or run in a Pod with a service account", err)
}

// ContextNames returns the contexts of the kubeconfig in alphabetical order; none if it cannot be read.
func ContextNames(path string) []string {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
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

// IsOwnCluster reports whether a configuration leads to the cluster of the Pod that bosgc runs in. That it has a Pod's
// service account does not suffice: a kubeconfig may name that token, and another server.
func IsOwnCluster(config *rest.Config) bool {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	return host != "" && config.Host == "https://"+net.JoinHostPort(host, port) && PodNamespace(config) != ""
}
