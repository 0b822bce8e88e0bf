// Package node runs a whole cluster with one real node for tests: containerd, runc, a kubelet and the
// control plane, in namespaces of their own. The containers of Pods really run.
package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"bosgc/test/plane"
)

const (
	address   = "10.200.0.2"            // of the node, on a bridge that nothing outside leads to
	apiServer = "https://10.96.0.1:443" // the Service "kubernetes", whose address the node has too
	etcd      = "http://127.0.0.1:2379"
)

// Node is a running cluster. A test reaches it through its Plane and Run.
type Node struct {
	*plane.Plane
	// Kubeconfig is the path of the administrator's kubeconfig, for commands of Run.
	Kubeconfig string

	dir string
	pid int // the first process in the node's namespaces
}

// Start starts a cluster that has these images, and removes it when the test ends.
func Start(t testing.TB, images ...string) *Node {
	t.Helper()
	bin := Needed(t)
	_, here, _, _ := runtime.Caller(0)
	here = filepath.Dir(here)
	images = append(images, BuildImage(t, "localhost/pause:1", here, "./pause", "65534"))
	dir, err := os.MkdirTemp("", "bosgc-node-") // node.sh removes it, also when the test is killed
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{dir: dir, Kubeconfig: filepath.Join(dir, "admin.kubeconfig")}
	config, err := logins(dir)
	if err != nil {
		t.Fatal(err)
	}
	n.keep(t, filepath.Join(here, "node.sh"), append([]string{dir, bin}, images...))
	config.Dial = n.dial
	n.Plane = plane.Attach(t, config, etcd, n.dial)
	n.Listen = n.listen
	plane.Eventually(t, time.Minute, func() error {
		node, err := n.Client.CoreV1().Nodes().Get(t.Context(), "node", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("the node is not ready: %+v", node.Status.Conditions)
	})
	return n
}

// Needed ends the test where no node can run. Otherwise it returns the folder of the cluster's
// binaries.
func Needed(t testing.TB) string {
	t.Helper()
	bin := plane.Binaries(t, "")
	if err := missing(bin); err != nil {
		plane.Unavailable(t, err)
	}
	return bin
}

func missing(bin string) error {
	if os.Geteuid() != 0 {
		return errors.New("a node needs root")
	}
	var problems []error
	for _, path := range []string{filepath.Join(bin, "kubelet"), filepath.Join(bin, "kube-scheduler"), "/usr/lib/cni/bridge"} {
		if _, err := os.Stat(path); err != nil {
			problems = append(problems, err)
		}
	}
	for _, command := range []string{"containerd", "ctr", "runc", "ip", "unshare", "setpriv", "nsenter"} {
		if _, err := exec.LookPath(command); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("a node needs more (Debian: containerd runc containernetworking-plugins iproute2 util-linux): %w", errors.Join(problems...))
	}
	if _, err := os.Stat("/sys/fs/cgroup/memory/cgroup.procs"); err != nil {
		return errors.New("a node is made with cgroup version 1, which is not here")
	}
	return nil
}

// logins writes the key of ServiceAccount tokens, and a token and a kubeconfig for every component of
// the cluster.
func logins(dir string) (*rest.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"sa.key": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})}
	ca := filepath.Join(dir, "certs", "apiserver.crt") // the API server creates and signs it itself
	var tokens strings.Builder
	admin := rand.Text()
	for name, line := range map[string]string{
		"admin":       admin + `,admin,1,"system:masters"`,
		"controllers": rand.Text() + `,system:kube-controller-manager,2,`,
		"scheduler":   rand.Text() + `,system:kube-scheduler,3,`,
		"kubelet":     rand.Text() + `,system:node:node,4,"system:nodes"`,
	} {
		fmt.Fprintln(&tokens, line)
		token, _, _ := strings.Cut(line, ",")
		text, err := clientcmd.Write(clientcmdapi.Config{
			Clusters:       map[string]*clientcmdapi.Cluster{"node": {Server: apiServer, CertificateAuthority: ca}},
			AuthInfos:      map[string]*clientcmdapi.AuthInfo{"node": {Token: token}},
			Contexts:       map[string]*clientcmdapi.Context{"node": {Cluster: "node", AuthInfo: "node"}},
			CurrentContext: "node",
		})
		if err != nil {
			return nil, err
		}
		files[name+".kubeconfig"] = text
	}
	files["tokens.csv"] = []byte(tokens.String())
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	return &rest.Config{Host: apiServer, BearerToken: admin, TLSClientConfig: rest.TLSClientConfig{CAFile: ca}}, nil
}

// keep runs node.sh, which lives as long as its stdin, and waits for the API server.
func (n *Node) keep(t testing.TB, script string, args []string) {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.CommandContext(context.Background(), "bash", append([]string{script}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt is for the test; node.sh has to clean up
	cmd.Stdout, cmd.Stderr = log, log
	life, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			n.tellLogs(t)
		}
		life.Close()
		if err := <-ended; err != nil {
			text, _ := os.ReadFile(log.Name())
			t.Errorf("node.sh: %v\n%s", err, text)
		}
	})
	plane.Eventually(t, time.Minute, func() error {
		select {
		case err := <-ended:
			ended <- err
			t.Fatal("node.sh ended")
		default:
		}
		if _, err := os.Stat(filepath.Join(n.dir, "certs", "apiserver.crt")); err != nil {
			return err
		}
		n.pid, err = strconv.Atoi(strings.TrimSpace(read(filepath.Join(n.dir, "pid"))))
		return err
	})
}

func read(file string) string {
	text, _ := os.ReadFile(file)
	return string(text)
}

func (n *Node) tellLogs(t testing.TB) {
	logs, _ := filepath.Glob(filepath.Join(n.dir, "*.log"))
	for _, log := range logs {
		text := read(log)
		t.Logf("%s:\n%s", filepath.Base(log), text[max(0, len(text)-2000):])
	}
}

// Run runs a command in the node's network, as the administrator, and returns what it printed.
func (n *Node) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	return n.enter(t, "--net", name, args...)
}

// enter runs a command in one or all of the node's namespaces.
func (n *Node) enter(t testing.TB, which, name string, args ...string) string {
	t.Helper()
	args = append([]string{"--target", strconv.Itoa(n.pid), which, "--", name}, args...)
	cmd := exec.CommandContext(t.Context(), "nsenter", args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+n.Kubeconfig)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func (n *Node) dial(ctx context.Context, network, to string) (conn net.Conn, err error) {
	err = n.within(func() error {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, network, to)
		return err
	})
	return conn, err
}

// listen opens a port that Pods reach.
func (n *Node) listen(ctx context.Context) (listener net.Listener, err error) {
	err = n.within(func() error {
		var config net.ListenConfig
		listener, err = config.Listen(ctx, "tcp", address+":0")
		return err
	})
	return listener, err
}

// within calls do in the node's network. A socket stays in the network in which it was opened.
func (n *Node) within(do func() error) error {
	there, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", n.pid))
	if err != nil {
		return err
	}
	defer there.Close()
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer here.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = do()
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, back) // the thread stays locked and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}
