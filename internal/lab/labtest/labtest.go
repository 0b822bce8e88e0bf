// Package labtest starts a simulated system for the tests of packages that use its Kubernetes.
package labtest

import (
	"testing"
	"time"

	"bosgc/internal/kube"
	"bosgc/internal/kubeconfig"
	"bosgc/internal/lab"
)

// Start starts a small system of CSM 1.4 and returns it with a client of its Kubernetes. timeout is
// the deadline of each request of the client.
func Start(t testing.TB, o lab.ServerOptions, timeout time.Duration) (*lab.Server, *kube.Client) {
	t.Helper()
	world, err := lab.NewWorld(lab.Options{CSM: "1.4", Sessions: 1, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.Start(world, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	config, err := kubeconfig.Load(server.Kubeconfig(), "")
	if err != nil {
		t.Fatal(err)
	}
	client, err := kube.New(config, kube.Options{
		Namespace: lab.Namespace, Concurrency: 8, RequestTimeout: timeout, ListTimeout: timeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	return server, client
}
