package kill

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	"bosgc/internal/kube"
	"bosgc/internal/lab"
	"bosgc/internal/state"
	"bosgc/test/plane"
	"bosgc/test/world"
)

// build compiles the program: as it is shipped, and, where there is a C compiler, with the race
// detector. That one is for runs that are killed; a run that only has to finish should not be so slow.
func build(t *testing.T) (shipped, racing string) {
	t.Helper()
	shipped = ship(t)
	if _, err := exec.LookPath("gcc"); err != nil {
		return shipped, shipped
	}
	// Without -trimpath, so that what other tests have compiled is not compiled again.
	return shipped, compile(t, "bosgc-racing", "1", "-race")
}

func ship(t *testing.T) string {
	t.Helper()
	return compile(t, "bosgc", "0", "-trimpath", "-ldflags", "-s -w") // as in the Makefile
}

func compile(t *testing.T, name, cgo string, flags ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	cmd := exec.CommandContext(t.Context(), "go", slices.Concat([]string{"build", "-buildvcs=false", "-o", binary}, flags, []string{"."})...)
	cmd.Dir, cmd.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED="+cgo, "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// site is a small world in a namespace of a real Kubernetes, with BOS and CFS beside it. It can be
// reset.
type site struct {
	*gate

	t         *testing.T
	plane     *plane.Plane
	namespace string
	options   lab.Options
	shipped   string // the program, in both forms
	racing    string
	environ   []string
	store     *kube.Store

	objects  []kept      // the objects in Kubernetes at the start
	lab      *lab.Server // BOS and CFS
	dir      string      // folder of the journal
	orphaned int         // number of kills that have left an orphan

	state  map[string]string // of an earlier sweep, which has seen the orphans; nil for none
	booked map[string]int    // deletes by kind that the state already has
	begin  map[string]bool   // what exists at the start
	end    map[string]bool   // what an undisturbed sweep leaves
}

type kept struct {
	name, resource string
	object         client.Object
}

// open copies a world into a namespace of its own.
func open(t *testing.T, p *plane.Plane, w *world.Site, namespace, shipped, racing string) *site {
	t.Helper()
	p.CreateNamespace(t, namespace, true)
	s := &site{gate: &gate{}, t: t, plane: p, namespace: namespace, options: w.World.Options, shipped: shipped, racing: racing}
	api, err := rest.TransportFor(p.Config)
	if err != nil {
		t.Fatal(err)
	}
	s.environ = []string{
		"BOSGC_NAMESPACE=" + namespace, "BOSGC_KEEP_LAST=0",
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

// remember records what the world has in Kubernetes.
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

// seen runs an earlier sweep, which sees the orphans, and stores its state.
func (s *site) seen() {
	if r := s.run(0, false, "sweep"); r.code != gc.ExitDone {
		s.t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	kept, _, err := s.store.Get(s.t.Context(), "bosgc-state")
	if err != nil {
		s.t.Fatal(err)
	}
	s.state, s.booked = kept.Data, s.counted()
	s.reset()
}

// reset restores what was deleted and removes what bosgc has created for itself.
func (s *site) reset() {
	ctx, now := s.t.Context(), map[string]bool{}
	if s.lab != nil {
		now = s.exist()
		if err := s.lab.Close(); err != nil {
			s.t.Error(err)
		}
	}
	for _, k := range s.objects {
		pod := k.resource == "pods" || k.resource == "cronjobs" // nothing deletes these here
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
	if s.state != nil {
		if _, err := s.store.Put(ctx, kube.StoredConfigMap{Name: "bosgc-state", Data: s.state}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// exist lists what exists as "Kind name", without what bosgc stores for itself.
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

// result is how a process has ended.
type result struct {
	killed   bool
	code     int
	document gc.Document
	stderr   string
}

// run runs a command and kills it at a request.
func (s *site) run(at int, after bool, args ...string) result {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	binary := s.shipped
	if at > 0 {
		binary = s.racing
	}
	cmd := exec.CommandContext(s.t.Context(), binary, append(args, "-o", "json")...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append([]string{"BOSGC_JOURNAL_DIR=" + s.dir}, s.environ...)
	s.arm(at, after, func() int {
		if err := cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		return cmd.Process.Pid
	})
	_ = cmd.Wait() // ProcessState has the result
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

// age stands in for the time for which a new run respects the lock of a dead one. A new run measures
// that time by its own clock, so the lock cannot be made to look old. After that time it treats the
// lock as free, which has a test of its own. So age removes the holder, and saves half a minute in
// each of these tests.
func (s *site) age() {
	leases := s.plane.Client.CoordinationV1().Leases(s.namespace)
	lease, err := leases.Get(s.t.Context(), "bosgc", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return
	}
	if err == nil {
		lease.Spec.HolderIdentity = nil
		_, err = leases.Update(s.t.Context(), lease, metav1.UpdateOptions{})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// counted returns the deletes of each kind that the state has, without those of the earlier sweep.
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
	for kind, n := range s.booked {
		counts[kind] -= n
	}
	return counts
}
