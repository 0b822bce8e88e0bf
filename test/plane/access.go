package plane

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Kubeconfig writes the administrator's kubeconfig and returns its path.
func (p *Plane) Kubeconfig(t testing.TB) string {
	t.Helper()
	return WriteKubeconfig(t, p.Config)
}

// WriteKubeconfig writes a kubeconfig that logs in as cfg does, and returns its path.
func WriteKubeconfig(t testing.TB, cfg *rest.Config) string {
	t.Helper()
	const name = "plane"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{name: {Server: cfg.Host, CertificateAuthorityData: cfg.CAData}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{name: {
			Token: cfg.BearerToken, ClientCertificateData: cfg.CertData, ClientKeyData: cfg.KeyData,
		}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}, file)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Grant gives a ServiceAccount a Role with these rules in the namespace in. It creates the account if
// it does not exist.
func (p *Plane) Grant(t testing.TB, namespace, account, in string, rules ...rbacv1.PolicyRule) {
	t.Helper()
	p.serviceAccount(t, namespace, account)
	meta := metav1.ObjectMeta{GenerateName: account + "-"}
	role, err := p.Client.RbacV1().Roles(in).Create(t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Client.RbacV1().RoleBindings(in).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// TokenFor requests a token for a ServiceAccount, as its Pod would get one. It creates the account if
// it does not exist.
func (p *Plane) TokenFor(t testing.TB, namespace, account string) string {
	t.Helper()
	p.serviceAccount(t, namespace, account)
	accounts := p.Client.CoreV1().ServiceAccounts(namespace)
	request, err := accounts.CreateToken(t.Context(), account, &authv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

// ConfigFor returns a configuration that logs in as a ServiceAccount, with a token of TokenFor.
func (p *Plane) ConfigFor(t testing.TB, namespace, account string) *rest.Config {
	t.Helper()
	cfg := rest.AnonymousClientConfig(p.Config)
	cfg.BearerToken = p.TokenFor(t, namespace, account)
	return cfg
}

func (p *Plane) serviceAccount(t testing.TB, namespace, name string) {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := p.Client.CoreV1().ServiceAccounts(namespace).Create(t.Context(), account, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// Kubectl runs kubectl with a kubeconfig and returns what it printed.
func Kubectl(t testing.TB, kubeconfig string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(Binaries(t, ""), "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %v: %v\n%s", args, err, out)
	}
	return string(out)
}
