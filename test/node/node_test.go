package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"bosgc/internal/lab"
	"bosgc/test/plane"
	"bosgc/test/world"
)

const root = "../.."

// sysctls are settings that a kubelet would change for the whole machine.
var sysctls = []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"}

func settings(t *testing.T) (values []string) {
	t.Helper()
	for _, name := range sysctls {
		text, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, name+" = "+strings.TrimSpace(string(text)))
	}
	return values
}

func TestInstalledByHelmItSweeps(t *testing.T) {
	before := settings(t)
	t.Run("node", sweepOnANode)
	if after := settings(t); !slices.Equal(before, after) {
		t.Errorf("the machine has other settings now: %v, not %v", after, before)
	}
}

func sweepOnANode(t *testing.T) {
	Needed(t) // before anything is compiled
	helm, err := filepath.Abs(filepath.Join(root, "bin", "helm"))
	if err == nil {
		_, err = os.Stat(helm)
	}
	if err != nil {
		plane.Unavailable(t, fmt.Errorf("run: make bin/helm (%w)", err))
	}
	image := os.Getenv("IMAGE_ARCHIVE")
	if image == "" {
		image = BuildImage(t, "localhost/bosgc:test", root, ".", "65534:65534")
	}
	n := Start(t, image)
	n.CreateNamespace(t, lab.Namespace, false)
	enforce := []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`)
	if _, err := n.Client.CoreV1().Namespaces().Patch(t.Context(), lab.Namespace, types.MergePatchType, enforce, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	s := world.Load(t, n.Plane, lab.Options{CSM: "1.4", Seed: 5, Sessions: 60})
	before := s.Exist(t)

	n.Run(t, helm, "install", "bosgc", filepath.Join(root, "deploy", "helm", "bosgc"), "--namespace", lab.Namespace,
		"--set", "image.repository=localhost/bosgc,image.tag=test,image.pullPolicy=Never",
		"--set", "cronjob.schedule=* * * * *",
		"--set", "config.dryRun=false",
		"--set", "config.bosURL="+s.URL("bos")+",config.cfsURL="+s.URL("cfs"))
	job := n.firstJob(t, "bosgc-")
	pod := n.podOf(t, job)
	if job.Status.Succeeded != 1 || pod.Status.ContainerStatuses[0].State.Terminated.ExitCode != 0 {
		t.Errorf("the Job ended as %+v, its Pod as %+v", job.Status, pod.Status.ContainerStatuses)
	}
	n.checkContainer(t, pod)
	n.checkLog(t, pod)
	n.checkExporter(t, len(before)-len(s.Exist(t)))
	for o := range s.Exist(t) { // the Jobs and ConfigMaps of bosgc itself are new
		if strings.HasPrefix(o, "Job bosgc-") || strings.HasPrefix(o, "ConfigMap bosgc-") {
			before[o] = true
		}
	}
	s.OnlyStaying(t, before)
	if danger := s.Danger(); len(danger) > 0 {
		t.Errorf("%v", danger)
	}
	n.Run(t, helm, "uninstall", "bosgc", "--namespace", lab.Namespace)
}

// firstJob waits until the first Job with a name prefix has ended.
func (n *Node) firstJob(t *testing.T, prefix string) *batchv1.Job {
	t.Helper()
	var first *batchv1.Job
	plane.Eventually(t, 2*time.Minute, func() error {
		jobs, err := n.Client.BatchV1().Jobs(lab.Namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, job := range jobs.Items {
			if strings.HasPrefix(job.Name, prefix) && job.Status.Succeeded+job.Status.Failed > 0 {
				first = &job
				return nil
			}
		}
		return errors.New("no Job has ended")
	})
	return first
}

func (n *Node) podOf(t *testing.T, job *batchv1.Job) *corev1.Pod {
	t.Helper()
	pods, err := n.Client.CoreV1().Pods(lab.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job.Name})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("%d Pods, error %v", len(pods.Items), err)
	}
	return &pods.Items[0]
}

// checkContainer checks what the container runtime was told, after all defaults and admission plugins.
func (n *Node) checkContainer(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	id := strings.TrimPrefix(pod.Status.ContainerStatuses[0].ContainerID, "containerd://")
	var container struct {
		Spec struct {
			Process struct {
				User            struct{ UID, GID int }
				Capabilities    struct{ Bounding, Effective []string }
				NoNewPrivileges bool
			}
			Root  struct{ Readonly bool }
			Linux struct {
				Seccomp *struct{ DefaultAction string }
			}
		}
	}
	out := n.enter(t, "--all", "ctr", "--namespace", "k8s.io", "containers", "info", id)
	if err := json.Unmarshal([]byte(out), &container); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	spec := container.Spec
	if p := spec.Process; p.User.UID != 65534 || p.User.GID != 65534 || !p.NoNewPrivileges || len(p.Capabilities.Bounding)+len(p.Capabilities.Effective) > 0 {
		t.Errorf("it ran as %+v", p)
	}
	if !spec.Root.Readonly || spec.Linux.Seccomp == nil || spec.Linux.Seccomp.DefaultAction == "" {
		t.Errorf("its root is read-only: %v, its system calls are filtered: %+v", spec.Root.Readonly, spec.Linux.Seccomp)
	}
}

// checkExporter reads the metrics from the exporter's own Pod, after that of the sweep has ended.
func (n *Node) checkExporter(t *testing.T, atLeast int) {
	t.Helper()
	pods := n.Client.CoreV1().Pods(lab.Namespace)
	plane.Eventually(t, time.Minute, func() error {
		list, err := pods.List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=exporter"})
		if err != nil {
			return err
		}
		if len(list.Items) != 1 {
			return fmt.Errorf("%d Pods", len(list.Items))
		}
		text, err := pods.ProxyGet("http", list.Items[0].Name, "9090", "/metrics", nil).DoRaw(t.Context())
		if err != nil {
			return fmt.Errorf("%s: %w", list.Items[0].Status.Phase, err)
		}
		deleted := 0.0
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			if n, err := strconv.ParseFloat(value, 64); err == nil && strings.HasPrefix(name, "bosgc_deleted_total{") {
				deleted += n
			}
		}
		if int(deleted) < atLeast || atLeast == 0 || !strings.Contains(string(text), `bosgc_state_ok{installation="services.bosgc"} 1`) {
			return fmt.Errorf("%v deleted, at least %d are gone\n%s", deleted, atLeast, text)
		}
		return nil
	})
}

// checkLog checks the log as the kubelet stores it: each line after its time, stream, and F for a
// whole line.
func (n *Node) checkLog(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	log := n.enter(t, "--all", "cat", fmt.Sprintf("/var/log/pods/%s_%s_%s/bosgc/0.log", pod.Namespace, pod.Name, pod.UID))
	entries := 0
	for line := range strings.Lines(log) {
		fields := strings.SplitN(line, " ", 4)
		if len(fields) != 4 || fields[1] != "stderr" {
			continue
		}
		var entry struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(fields[3]), &entry); err != nil || entry.Time == "" || entry.Level == "" || entry.Msg == "" {
			t.Errorf("not an entry of a log: %v: %s", err, line)
		}
		entries++
	}
	if entries == 0 || t.Failed() {
		t.Errorf("the log:\n%s", log)
	}
}
