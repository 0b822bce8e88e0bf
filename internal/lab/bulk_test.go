package lab_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"

	"bosgc/internal/lab"
)

func newBulk(t *testing.T) *lab.World {
	t.Helper()
	world, err := lab.NewBulk(lab.BulkOptions{
		CSM: "1.4", Seed: 3, Sessions: 200, Garbage: 50, Foreign: 1000, ForeignBytes: 5000,
		Now: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	return world
}

func serve(t *testing.T, world *lab.World) (*lab.Server, kubernetes.Interface) {
	t.Helper()
	server, err := lab.Start(world, lab.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server, typedClient(t, server)
}

func TestSameSeedSameBulk(t *testing.T) {
	a, b := newBulk(t), newBulk(t)
	if !slices.Equal(a.Truth(), b.Truth()) || !maps.Equal(a.Facts(), b.Facts()) {
		t.Error("the same options make two worlds")
	}
	var texts []string
	for o := range a.KubeObjects() {
		texts = append(texts, string(o.JSON))
		if !json.Valid(o.JSON) {
			t.Fatalf("%s %s is no JSON: %s", o.Resource, o.Name, o.JSON)
		}
	}
	for o := range b.KubeObjects() {
		if len(texts) == 0 || texts[0] != string(o.JSON) {
			t.Fatalf("%s %s differs", o.Resource, o.Name)
		}
		texts = texts[1:]
	}
	goes := 0
	for _, o := range a.Truth() {
		if o.Kind == lab.KindSession && o.Goes() {
			goes++
		}
	}
	if goes < 95 || goes > 100 {
		t.Errorf("%d of 200 sessions go", goes)
	}
	if _, err := lab.NewBulk(lab.BulkOptions{CSM: "1.6"}); err == nil {
		t.Error("a release without BOS v1 has sessions")
	}
}

// Whole and as metadata, in pages and at once, by name and by label, a client sees the same objects in order.
func TestBulkIsServedLikeStoredObjects(t *testing.T) {
	server, client := serve(t, newBulk(t))
	cms := client.CoreV1().ConfigMaps(lab.Namespace)
	another := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "hms-one-more"}}
	if _, err := cms.Create(t.Context(), another, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	all, err := cms.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var paged []corev1.ConfigMap
	for options := (metav1.ListOptions{Limit: 7}); ; {
		page, err := cms.List(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		paged = append(paged, page.Items...)
		if options.Continue = page.Continue; page.Continue == "" {
			break
		}
	}
	meta, err := metadata.NewForConfig(restConfig(t, server))
	if err != nil {
		t.Fatal(err)
	}
	configMaps := meta.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace(lab.Namespace)
	partial, err := configMaps.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	names := server.Kube.Names("configmaps", lab.Namespace)
	n := len(names)
	if len(all.Items) != n || len(paged) != n || len(partial.Items) != n || !slices.IsSorted(names) || n < 1200 {
		t.Fatalf("%d at once, %d in pages, %d as metadata, %d names", len(all.Items), len(paged), len(partial.Items), n)
	}
	versions := map[string]bool{}
	for i, cm := range all.Items {
		versions[cm.ResourceVersion] = true
		one, err := cms.Get(t.Context(), cm.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range []metav1.ObjectMeta{paged[i].ObjectMeta, partial.Items[i].ObjectMeta, one.ObjectMeta} {
			if other.Name != names[i] || other.UID != cm.UID || other.UID == "" ||
				other.ResourceVersion != cm.ResourceVersion || !maps.Equal(other.Labels, cm.Labels) {
				t.Errorf("%s: %+v and %+v", names[i], other, cm.ObjectMeta)
			}
		}
		settings := cm.Data["settings.yaml"]
		if strings.Contains(cm.Name, "-settings-") &&
			(len(settings) < 5000 || len(cm.ManagedFields) != 1 || one.Data["settings.yaml"] != settings) {
			t.Errorf("%s: %d bytes", cm.Name, len(cm.Data["settings.yaml"]))
		}
	}
	if len(versions) != len(names) {
		t.Errorf("%d versions of %d objects", len(versions), len(names))
	}
	labelled, err := cms.List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=slurm"})
	if err != nil || len(labelled.Items) < 100 || !strings.HasPrefix(labelled.Items[0].Name, "slurm-settings-") {
		t.Errorf("%d by their label, %v", len(labelled.Items), err)
	}
	byPhase := metav1.ListOptions{FieldSelector: "status.phase=Failed"}
	failed, err := client.CoreV1().Pods(lab.Namespace).List(t.Context(), byPhase)
	if err != nil || len(failed.Items) == 0 {
		t.Errorf("%d by their phase, %v", len(failed.Items), err)
	}
	if _, sent := server.Traffic("kube"); sent < 2*1000*5000 {
		t.Errorf("%d bytes for two lists of 1,000 objects of 5,000", sent)
	}
}

func TestBulkChangesInOneServerOnly(t *testing.T) {
	world := newBulk(t)
	server, client := serve(t, world)
	_, other := serve(t, world)
	jobs, err := client.BatchV1().Jobs(lab.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "job-name"})
	if err != nil || len(jobs.Items) < 3 {
		t.Fatalf("%d Jobs, %v", len(jobs.Items), err)
	}
	pods := func(client kubernetes.Interface, job string) (found []corev1.Pod) {
		ofJob := metav1.ListOptions{LabelSelector: "job-name=" + job}
		list, err := client.CoreV1().Pods(lab.Namespace).List(t.Context(), ofJob)
		if err != nil {
			t.Fatal(err)
		}
		return list.Items
	}
	background, orphan, stale := metav1.DeletePropagationBackground, metav1.DeletePropagationOrphan, types.UID("stale")
	remove := client.BatchV1().Jobs(lab.Namespace).Delete
	first, second, third := jobs.Items[0].Name, jobs.Items[1].Name, jobs.Items[2].Name

	wrong := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &stale}}
	if err := remove(t.Context(), first, wrong); !apierrors.IsConflict(err) {
		t.Errorf("another UID: %v", err)
	}
	exactly := metav1.DeleteOptions{PropagationPolicy: &background, Preconditions: &metav1.Preconditions{
		UID: &jobs.Items[0].UID, ResourceVersion: &jobs.Items[0].ResourceVersion,
	}}
	if err := remove(t.Context(), first, exactly); err != nil {
		t.Error(err)
	}
	if left := pods(client, first); len(left) != 0 {
		t.Errorf("%d Pods are left", len(left))
	}
	if err := remove(t.Context(), first, metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a second time: %v", err)
	}
	if err := remove(t.Context(), second, metav1.DeleteOptions{PropagationPolicy: &orphan}); err != nil {
		t.Error(err)
	}
	left := pods(client, second)
	if len(left) == 0 || len(left[0].OwnerReferences) != 0 || len(left[0].Spec.Containers) == 0 {
		t.Errorf("%d Pods of the second, not all orphaned and whole", len(left))
	}
	changed := jobs.Items[2].DeepCopy()
	changed.Annotations = map[string]string{"bosgc/keep": "true"}
	if _, err := client.BatchV1().Jobs(lab.Namespace).Update(t.Context(), changed, metav1.UpdateOptions{}); err != nil {
		t.Error(err)
	}
	now, err := client.BatchV1().Jobs(lab.Namespace).Get(t.Context(), third, metav1.GetOptions{})
	if err != nil || now.Annotations["bosgc/keep"] != "true" || now.ResourceVersion == changed.ResourceVersion ||
		now.UID != changed.UID || len(now.Spec.Template.Spec.Containers) == 0 {
		t.Errorf("the third is not as it was changed: %+v, %v", now.ObjectMeta, err)
	}
	if server.Kube.Has("jobs", lab.Namespace, first) || !server.Kube.Has("jobs", lab.Namespace, third) {
		t.Error("what is deleted is there, or what is changed is not")
	}
	there, err := other.BatchV1().Jobs(lab.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "job-name"})
	if err != nil || len(there.Items) != len(jobs.Items) || there.Items[2].Annotations != nil {
		t.Errorf("the other server has %d of %d Jobs, %v", len(there.Items), len(jobs.Items), err)
	}
}
