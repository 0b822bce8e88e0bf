package kubeconfig

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/rest"
)

// Only the API server of the Pod's own cluster shows whose Services a Pod's names lead to.
func TestIsOwnCluster(t *testing.T) {
	account, bare := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(account, "namespace"), []byte("services\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	token, alone := filepath.Join(account, "token"), filepath.Join(bare, "token")
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.16.0.1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "443")
	for _, tt := range []struct {
		name string
		rest.Config
		want bool
	}{
		{"a Pod's service account", rest.Config{Host: "https://10.16.0.1:443", BearerTokenFile: token}, true},
		{"its token for another server", rest.Config{Host: "https://other.example:6443", BearerTokenFile: token}, false},
		{"a kubeconfig for the same server", rest.Config{Host: "https://10.16.0.1:443"}, false},
		{"a token that is no service account's", rest.Config{Host: "https://10.16.0.1:443", BearerTokenFile: alone}, false},
	} {
		if got := IsOwnCluster(&tt.Config); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if IsOwnCluster(&rest.Config{Host: "https://:443", BearerTokenFile: token}) {
		t.Error("outside a Pod")
	}
}
