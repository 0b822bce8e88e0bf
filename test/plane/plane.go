// Package plane runs a real Kubernetes control plane for tests: etcd, kube-apiserver with RBAC and
// kube-controller-manager, on loopback. There is no scheduler and no node, so Pods stay Pending until
// a test calls SetPodPhase.
package plane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Options configure Start. The zero value is the whole control plane without namespaces of its own.
type Options struct {
	// Namespaces are created before Start returns, each with its default ServiceAccount.
	Namespaces []string
	// Version is an older Kubernetes than the newest. "1.24", which CSM 1.6 runs, is the oldest that can
	// be built. EndJob needs a newer one.
	Version string
	// NoControllers leaves out the controller manager: Jobs stay as they are written, and deletes do not
	// cascade. It starts faster.
	NoControllers bool
	// NoWatchCache makes the API server read every list from etcd, as older ones do. Newer ones can
	// continue a list from memory after etcd has forgotten it.
	NoWatchCache bool
	// PodSecurityPolicies switches on the admission of Pods by PodSecurityPolicies, as CSM up to 1.6 does. Kubernetes
	// had it up to 1.24. No Pod is admitted before a policy exists.
	PodSecurityPolicies bool
	// Audit makes the API server log every request; see Requests.
	Audit bool
}

// Plane is a running control plane.
type Plane struct {
	// Config logs in as the administrator (system:masters).
	Config *rest.Config
	// Client is made from Config.
	Client kubernetes.Interface

	// Listen opens a port where what runs in the cluster reaches the test. If it is nil, the port is on
	// loopback.
	Listen func(context.Context) (net.Listener, error)

	bin     string // folder of the API server and the controllers
	audit   string // log file; empty without one
	env     *envtest.Environment
	etcdURL string
	http    *http.Client // for etcd
}

// Start starts a control plane and stops it when the test ends. Where it cannot run, the test is
// skipped. Under CI it fails instead, because nobody would miss a skipped test there.
func Start(t testing.TB, opts Options) *Plane {
	t.Helper()
	p := &Plane{bin: Binaries(t, opts.Version), http: http.DefaultClient}
	dir := scratch(t)
	if err := p.startServer(t, dir, opts); err != nil {
		t.Fatalf("control plane: %v", err)
	}
	if !opts.NoControllers {
		if err := p.startControllers(t, dir, opts.Version); err != nil {
			t.Fatalf("control plane: %v", err)
		}
	}
	for _, name := range opts.Namespaces {
		p.CreateNamespace(t, name, opts.NoControllers)
	}
	return p
}

// Attach returns the Plane of a control plane that runs already. dial connects to its etcd.
func Attach(t testing.TB, config *rest.Config, etcdURL string, dial func(ctx context.Context, network, address string) (net.Conn, error)) *Plane {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &Plane{Config: config, Client: client, etcdURL: etcdURL, http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Unavailable ends a test that cannot run here: it skips it, or fails it under CI.
func Unavailable(t testing.TB, reason error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("UNAVAILABLE: %v", reason)
	}
	t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", reason)
}

// Binaries returns the folder that build.sh made for a version ("" is the newest), or that the caller
// brought.
func Binaries(t testing.TB, version string) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		Unavailable(t, errors.New("it needs Linux"))
	}
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "controlplane", "build.sh")
	var out, problem bytes.Buffer
	cmd := exec.CommandContext(t.Context(), script, "--find", version)
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		Unavailable(t, fmt.Errorf("%s (%w)", strings.TrimSpace(problem.String()), err))
	}
	return strings.TrimSpace(out.String())
}

// scratch creates a folder that is removed when the test process ends, however it ends. t.TempDir
// would leave etcd's files behind whenever a run is killed.
func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bosgc-plane-")
	if err != nil {
		t.Fatal(err)
	}
	// The kernel closes the pipe, also for a process that was killed.
	cleaner := exec.CommandContext(context.Background(), "setsid", "sh", "-c",
		`cat; for i in 1 2 3 4 5; do rm -rf "$1" && break; sleep 1; done`, "sh", dir)
	life, err := cleaner.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cleaner.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		life.Close()
		_ = cleaner.Wait()
	})
	return dir
}

// mortal writes a script that runs a binary so that it dies with the process that started it.
func mortal(dir, bin, binary string) (string, error) {
	script := filepath.Join(dir, binary)
	text := fmt.Sprintf("#!/bin/sh\nexec setpriv --pdeathsig KILL '%s' \"$@\"\n", filepath.Join(bin, binary))
	return script, os.WriteFile(script, []byte(text), 0o700) //nolint:gosec // G306: a script has to be executable
}

func (p *Plane) startServer(t testing.TB, dir string, opts Options) error {
	etcd, err := mortal(dir, Binaries(t, ""), "etcd")
	if err != nil {
		return err
	}
	apiserver, err := mortal(dir, p.bin, "kube-apiserver")
	if err != nil {
		return err
	}
	data, certs := filepath.Join(dir, "data"), filepath.Join(dir, "certs")
	if err := errors.Join(os.Mkdir(data, 0o700), os.Mkdir(certs, 0o700)); err != nil {
		return err
	}
	apiLog, err := os.Create(filepath.Join(dir, "kube-apiserver.log"))
	if err != nil {
		return err
	}
	defer apiLog.Close()

	never := false
	p.env = &envtest.Environment{
		// Otherwise a stray USE_EXISTING_CLUSTER would aim these tests at whatever kubectl points to.
		UseExistingCluster:       &never,
		ControlPlaneStartTimeout: time.Minute,
		ControlPlaneStopTimeout:  20 * time.Second,
	}
	p.env.ControlPlane.Etcd = &envtest.Etcd{Path: etcd, DataDir: data}
	p.env.ControlPlane.APIServer = &envtest.APIServer{Path: apiserver, CertDir: certs, Out: apiLog, Err: apiLog}
	p.env.ControlPlane.APIServer.Configure().
		Set("storage-media-type", "application/json"). // so that Backdate can rewrite what is stored
		Set("advertise-address", "127.0.0.1").
		Set("endpoint-reconciler-type", "none"). // it refuses loopback addresses
		Disable("disable-admission-plugins")     // envtest disables ServiceAccount admission
	if opts.PodSecurityPolicies {
		p.env.ControlPlane.APIServer.Configure().Set("enable-admission-plugins", "NodeRestriction,PodSecurityPolicy")
	}
	if opts.NoWatchCache {
		p.env.ControlPlane.APIServer.Configure().Set("watch-cache", "false")
	}
	if opts.Audit {
		if err := p.audited(dir); err != nil {
			return err
		}
	}
	t.Cleanup(func() {
		if err := p.env.Stop(); err != nil {
			t.Logf("control plane: stop: %v", err)
		}
	})
	if p.Config, err = p.env.Start(); err != nil {
		return fmt.Errorf("%w\n%s", err, tail(apiLog.Name()))
	}
	p.etcdURL = p.env.ControlPlane.Etcd.URL.String()
	p.Client, err = kubernetes.NewForConfig(p.Config)
	return err
}

func (p *Plane) startControllers(t testing.TB, dir, version string) error {
	user, err := p.env.AddUser(envtest.User{Name: "system:kube-controller-manager"}, nil)
	if err != nil {
		return err
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return err
	}
	certs := p.env.ControlPlane.APIServer.CertDir
	config, ca := filepath.Join(dir, "controllers.kubeconfig"), filepath.Join(certs, "ca.crt")
	if err := errors.Join(os.WriteFile(config, kubeconfig, 0o600), os.WriteFile(ca, p.Config.CAData, 0o600)); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "kube-controller-manager.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	script, err := mortal(dir, p.bin, "kube-controller-manager")
	if err != nil {
		return err
	}
	// Not the test's context: that one ends before the cleanups run, and they stop the processes in order.
	cmd := exec.CommandContext(context.Background(), script,
		"--kubeconfig="+config,
		"--secure-port=0",
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file="+filepath.Join(certs, "sa-signer.key"),
		"--root-ca-file="+ca,
		"--controllers=*,-"+podCollector(version),
	)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // what it would still write is deleted next
		<-ended
	})

	deadline := time.After(time.Minute)
	for {
		_, err := p.Client.CoreV1().ServiceAccounts("default").Get(t.Context(), "default", metav1.GetOptions{})
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("kube-controller-manager ended\n%s", tail(log.Name()))
		case <-deadline:
			return fmt.Errorf("kube-controller-manager does nothing: %w\n%s", err, tail(log.Name()))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// podCollector returns the name of a controller that, without nodes, would delete every Pod that a
// test claims to run on one.
func podCollector(version string) string {
	if version == "1.24" {
		return "podgc"
	}
	return "pod-garbage-collector-controller"
}

// CreateNamespace creates a namespace and waits for its default ServiceAccount, or creates it where no
// controller does: no Pod is admitted before it exists.
func (p *Plane) CreateNamespace(t testing.TB, name string, makeAccount bool) {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := p.Client.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	if makeAccount {
		p.serviceAccount(t, name, "default")
		return
	}
	Eventually(t, 30*time.Second, func() error {
		_, err := p.Client.CoreV1().ServiceAccounts(name).Get(t.Context(), "default", metav1.GetOptions{})
		return err
	})
}

// Eventually calls check until it returns nil. The test fails with its last error if that takes too
// long.
func Eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still after %v: %v", within, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// tail returns the end of a log, which has the reason of a failure.
func tail(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-3000):])
}
