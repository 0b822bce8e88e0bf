package kill

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bosgc/gc"
	"bosgc/kube"
	"bosgc/lab"
	"bosgc/state"
	"bosgc/test/plane"
	"bosgc/test/world"
)

// build compiles the program, with the race detector where there is a C compiler. Without -trimpath,
// so that what the other tests compiled for theirs is not compiled again.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bosgc")
	args, cgo := []string{"build", "-buildvcs=false", "-o", binary}, "CGO_ENABLED=0"
	if _, err := exec.LookPath("gcc"); err == nil {
		args, cgo = append(args, "-race"), "CGO_ENABLED=1"
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, ".")...)
	cmd.Dir, cmd.Env = filepath.Join("..", ".."), append(os.Environ(), cgo, "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// site is a small world in a namespace of a real Kubernetes, with BOS and CFS beside it, that can be
// put back to its beginning.
type site struct {
	*gate

	t         *testing.T
	plane     *plane.Plane
	namespace string
	options   lab.Options
	binary    string
	environ   []string
	store     *kube.Store

	objects []kept          // of Kubernetes, as they were
	lab     *lab.Server     // BOS and CFS, as they are
	dir     string          // of the journal
	begin   map[string]bool // what there is at first
	end     map[string]bool // what an undisturbed sweep leaves
}

type kept struct {
	name, resource string
	object         client.Object
}

// open copies a world into a namespace of its own.
func open(t *testing.T, p *plane.Plane, w *world.Site, binary, namespace string) *site {
	t.Helper()
	p.CreateNamespace(t, namespace, true)
	s := &site{gate: &gate{}, t: t, plane: p, namespace: namespace, options: w.World.Options, binary: binary}
	api, err := rest.TransportFor(p.Config)
	if err != nil {
		t.Fatal(err)
	}
	s.environ = []string{
		"BOSGC_NAMESPACE=" + namespace, "BOSGC_KEEP_LAST=0", "BOSGC_ORPHAN_SIGHTINGS=1",
		"BOSGC_LOG_LEVEL=error", "GORACE=atexit_sleep_ms=0", "HOME=" + t.TempDir(),
		"KUBECONFIG=" + plane.WriteKubeconfig(t, &rest.Config{Host: s.front(t, "kube", api, func() string { return p.Config.Host })}),
		"BOSGC_BOS_URL=" + s.front(t, "bos", http.DefaultTransport, func() string { return s.lab.URL("bos") }),
		"BOSGC_CFS_URL=" + s.front(t, "cfs", http.DefaultTransport, func() string { return s.lab.URL("cfs") }),
	}
	c, err := kube.New(p.Config, kube.Options{Namespace: namespace, Concurrency: 8, RequestTimeout: 20 * time.Second, ListTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	s.store = c.Store(namespace)
	s.remember()
	s.reset()
	s.begin = s.exist()
	return s
}

// remember notes what the world has in Kubernetes.
func (s *site) remember() {
	ctx, all, from := s.t.Context(), metav1.ListOptions{}, s.plane.Client
	jobs, errJobs := from.BatchV1().Jobs(lab.Namespace).List(ctx, all)
	crons, errCrons := from.BatchV1().CronJobs(lab.Namespace).List(ctx, all)
	pods, errPods := from.CoreV1().Pods(lab.Namespace).List(ctx, all)
	cms, errCMs := from.CoreV1().ConfigMaps(lab.Namespace).List(ctx, all)
	if err := errors.Join(errJobs, errCrons, errPods, errCMs); err != nil {
		s.t.Fatal(err)
	}
	keep := func(resource, version, kind string, o client.Object) {
		o.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(version, kind))
		o.SetNamespace(s.namespace)
		s.objects = append(s.objects, kept{kind + " " + o.GetName(), resource, o})
	}
	for i := range jobs.Items {
		keep("jobs", "batch/v1", "Job", &jobs.Items[i])
	}
	for i := range crons.Items {
		keep("cronjobs", "batch/v1", "CronJob", &crons.Items[i])
	}
	for i := range pods.Items {
		keep("pods", "v1", "Pod", &pods.Items[i])
	}
	for i := range cms.Items {
		keep("configmaps", "v1", "ConfigMap", &cms.Items[i])
	}
}

const own = "app.kubernetes.io/managed-by=bosgc"

func (s *site) configMaps(selector string) (*corev1.ConfigMapList, error) {
	return s.plane.Client.CoreV1().ConfigMaps(s.namespace).List(s.t.Context(), metav1.ListOptions{LabelSelector: selector})
}

// reset puts back what was deleted, and removes what bosgc has made for itself.
func (s *site) reset() {
	ctx, now := s.t.Context(), map[string]bool{}
	if s.lab != nil {
		now = s.exist()
		if err := s.lab.Close(); err != nil {
			s.t.Error(err)
		}
	}
	for _, k := range s.objects {
		pod := k.resource == "pods" || k.resource == "cronjobs" // which nothing deletes here
		if !now[k.name] && (s.lab == nil || !pod) {
			s.plane.Put(s.t, k.resource, k.object)
		}
	}
	err := s.plane.Client.CoreV1().ConfigMaps(s.namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: own})
	gone := s.plane.Client.CoordinationV1().Leases(s.namespace).Delete(ctx, "bosgc", metav1.DeleteOptions{})
	if apierrors.IsNotFound(gone) {
		gone = nil
	}
	w, bad := lab.NewWorld(s.options)
	if err := errors.Join(err, gone, bad); err != nil {
		s.t.Fatal(err)
	}
	if s.lab, err = lab.Start(w, lab.ServerOptions{}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = s.lab.Close() })
	s.dir = s.t.TempDir()
}

// exist lists what there is, as "Kind name", without what bosgc keeps for itself.
func (s *site) exist() map[string]bool {
	s.t.Helper()
	set := map[string]bool{}
	for _, o := range s.lab.Objects() {
		if o.Kind == lab.KindSession || o.Kind == lab.KindCFSSession {
			set[o.Kind+" "+o.Name] = true
		}
	}
	jobs, errJobs := s.plane.Client.BatchV1().Jobs(s.namespace).List(s.t.Context(), metav1.ListOptions{})
	cms, errCMs := s.configMaps("app.kubernetes.io/managed-by!=bosgc")
	if err := errors.Join(errJobs, errCMs); err != nil {
		s.t.Fatal(err)
	}
	for i := range jobs.Items {
		set["Job "+jobs.Items[i].Name] = true
	}
	for i := range cms.Items {
		set["ConfigMap "+cms.Items[i].Name] = true
	}
	return set
}

// result is what became of a process.
type result struct {
	killed   bool
	code     int
	document gc.Document
	stderr   string
}

// run runs a command, and kills it at a request.
func (s *site) run(at int, after bool, args ...string) result {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), s.binary, append(args, "-o", "json")...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append([]string{"BOSGC_JOURNAL_DIR=" + s.dir}, s.environ...)
	s.arm(at, after, func() int {
		if err := cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		return cmd.Process.Pid
	})
	_ = cmd.Wait() // how it ended is in its state
	s.under.Wait()
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	r := result{killed: status.Signaled() && status.Signal() == syscall.SIGKILL, code: cmd.ProcessState.ExitCode(), stderr: stderr.String()}
	if strings.Contains(r.stderr, "DATA RACE") {
		s.t.Errorf("%s", r.stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), &r.document); err != nil && !r.killed {
		s.t.Errorf("exit code %d, no document: %v\n%s", r.code, err, r.stderr)
	}
	return r
}

// age lets ten minutes pass for the lock, as far as anybody can tell: others go by what its holder
// wrote last, and a holder that is dead writes no more. That they wait until then is tested where
// no time has to pass for it (gc, TestLock).
func (s *site) age() {
	leases := s.plane.Client.CoordinationV1().Leases(s.namespace)
	lease, err := leases.Get(s.t.Context(), "bosgc", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return
	}
	if err == nil {
		for _, at := range []*metav1.MicroTime{lease.Spec.RenewTime, lease.Spec.AcquireTime} {
			at.Time = at.Add(-10 * time.Minute)
		}
		_, err = leases.Update(s.t.Context(), lease, metav1.UpdateOptions{})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// counted is how many deletes of each kind the state has.
func (s *site) counted() map[string]int {
	kept, err := state.NewStore(s.store, "bosgc").Read(s.t.Context())
	if err != nil {
		s.t.Error(err)
	}
	counts := map[string]int{}
	for _, m := range kept.Totals["bosgc_deleted_total"].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == "kind" {
				counts[l.GetValue()] += int(m.GetCounter().GetValue())
			}
		}
	}
	return counts
}
