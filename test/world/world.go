// Package world puts the sessions of a simulated CSM into a real Kubernetes, and runs bosgc against
// both.
package world

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bosgc/gc"
	"bosgc/internal/cli"
	"bosgc/internal/lab"
	"bosgc/test/plane"
)

// Site is a simulated BOS and CFS beside a real Kubernetes.
type Site struct {
	*lab.Server
	plane *plane.Plane
}

// Load starts a world and puts its Kubernetes part, as it is, into the real one. There, no controller
// and no scheduler handles its Jobs, CronJobs and Pods: they would run what only seems to run in the
// world.
func Load(t testing.TB, p *plane.Plane, options lab.Options) *Site {
	t.Helper()
	options.Now = time.Now()
	world, err := lab.NewWorld(options)
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.Start(world, lab.ServerOptions{Listen: p.Listen})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	from, err := clientcmd.BuildConfigFromFlags("", server.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	source := kubernetes.NewForConfigOrDie(from)
	ctx, all := t.Context(), metav1.ListOptions{}
	jobs, errJobs := source.BatchV1().Jobs(lab.Namespace).List(ctx, all)
	crons, errCrons := source.BatchV1().CronJobs(lab.Namespace).List(ctx, all)
	pods, errPods := source.CoreV1().Pods(lab.Namespace).List(ctx, all)
	cms, errCMs := source.CoreV1().ConfigMaps(lab.Namespace).List(ctx, all)
	if err := errors.Join(errJobs, errCrons, errPods, errCMs); err != nil {
		t.Fatal(err)
	}
	put := func(resource, version, kind string, o client.Object) {
		o.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(version, kind))
		p.Put(t, resource, o)
	}
	for i := range jobs.Items {
		jobs.Items[i].Spec.ManagedBy = ptr.To(plane.ManagedBy)
		put("jobs", "batch/v1", "Job", &jobs.Items[i])
	}
	for i := range crons.Items {
		crons.Items[i].Spec.Suspend = ptr.To(true)
		put("cronjobs", "batch/v1", "CronJob", &crons.Items[i])
	}
	for i := range pods.Items {
		pods.Items[i].Spec.SchedulerName = "nobody"
		put("pods", "v1", "Pod", &pods.Items[i])
	}
	for i := range cms.Items {
		put("configmaps", "v1", "ConfigMap", &cms.Items[i])
	}
	plane.Eventually(t, 20*time.Second, func() error {
		got, err := p.Client.CoreV1().ConfigMaps(lab.Namespace).List(ctx, all)
		if err == nil && len(got.Items) < len(cms.Items) {
			err = fmt.Errorf("%d of %d ConfigMaps", len(got.Items), len(cms.Items))
		}
		return err
	})
	return &Site{Server: server, plane: p}
}

// Run runs one command of bosgc with a login to the real Kubernetes. It gets the variables in environ,
// and those that lead to the simulated systems.
func (s *Site) Run(t testing.TB, config *rest.Config, environ []string, args ...string) (gc.Document, int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append(args, "-o", "json", "--kubeconfig", plane.WriteKubeconfig(t, config))
	environ = append(append([]string{"BOSGC_LOG_LEVEL=error"}, environ...), s.Env()...)
	code := cli.Run(t.Context(), args, environ, &stdout, &stderr)
	var d gc.Document
	if err := json.Unmarshal(stdout.Bytes(), &d); err != nil && code == gc.ExitDone {
		t.Fatalf("exit code %d, no document: %v\n%s", code, err, stderr.String())
	}
	if stdout.Len() == 0 {
		t.Logf("exit code %d: %s", code, stderr.String())
	}
	return d, code
}

// Exist lists what exists as "Kind name": objects in the real Kubernetes, and the rest in the
// simulated systems.
func (s *Site) Exist(t testing.TB) map[string]bool {
	t.Helper()
	set := map[string]bool{}
	for _, o := range s.Objects() {
		if o.Kind == lab.KindSession || o.Kind == lab.KindCFSSession {
			set[o.Kind+" "+o.Name] = true
		}
	}
	jobs, err := s.plane.Client.BatchV1().Jobs(lab.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range jobs.Items {
		set["Job "+o.Name] = true
	}
	cms, err := s.plane.Client.CoreV1().ConfigMaps(lab.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range cms.Items {
		if o.Labels["app.kubernetes.io/managed-by"] != "bosgc" { // objects that bosgc stores for itself
			set["ConfigMap "+o.Name] = true
		}
	}
	return set
}

// OnlyStaying checks what exists against the truth: everything that is to be deleted is gone, and
// nothing else.
func (s *Site) OnlyStaying(t testing.TB, before map[string]bool) {
	t.Helper()
	truth := map[string]lab.Object{}
	for _, o := range s.World.Truth() {
		truth[o.Kind+" "+o.Name] = o
	}
	now := s.Exist(t)
	for o := range before {
		if stays := !truth[o].Goes(); stays && !now[o] {
			t.Errorf("%s is gone (%s %s)", o, truth[o].Verdict, truth[o].Reason)
		} else if !stays && now[o] {
			t.Errorf("%s is still there (%s %s)", o, truth[o].Verdict, truth[o].Reason)
		}
	}
	for o := range now {
		if !before[o] {
			t.Errorf("%s is new", o)
		}
	}
}
