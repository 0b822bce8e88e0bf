package lab_test

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"bosgc/internal/lab"
)

func restConfig(t testing.TB, server *lab.Server) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", server.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 1000, 1000
	return config
}

func typedClient(t *testing.T, server *lab.Server) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(restConfig(t, server))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestTypedListInPages(t *testing.T) {
	forProfiles(t, func(t *testing.T, csm string) {
		server := start(t, lab.Options{CSM: csm, Seed: 1, Sessions: 60}, lab.ServerOptions{})
		client := typedClient(t, server)
		names := map[string]bool{}
		options := metav1.ListOptions{Limit: 7}
		for {
			list, err := client.BatchV1().Jobs(lab.Namespace).List(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			for _, job := range list.Items {
				if names[job.Name] || job.UID == "" || job.ResourceVersion == "" || job.CreationTimestamp.IsZero() {
					t.Errorf("job %s: twice, or without what every object has", job.Name)
				}
				names[job.Name] = true
			}
			if options.Continue = list.Continue; list.Continue == "" {
				break
			}
		}
		if len(names) != len(server.Kube.Names("jobs", lab.Namespace)) {
			t.Errorf("%d of %d jobs", len(names), len(server.Kube.Names("jobs", lab.Namespace)))
		}
	})
}

func TestMetadataClient(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 40}, lab.ServerOptions{})
	client, err := metadata.NewForConfig(restConfig(t, server))
	if err != nil {
		t.Fatal(err)
	}
	configMaps := client.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace(lab.Namespace)
	list, err := configMaps.List(t.Context(), metav1.ListOptions{Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 5 || list.Continue == "" || list.Items[0].UID == "" {
		t.Fatalf("%d items, continue %q", len(list.Items), list.Continue)
	}
	one := list.Items[0]
	if _, err := configMaps.Get(t.Context(), one.Name, metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	wrong := types.UID("another")
	err = configMaps.Delete(t.Context(), one.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &wrong}})
	if !apierrors.IsConflict(err) {
		t.Errorf("deleted by another UID: %v", err)
	}
	err = configMaps.Delete(t.Context(), one.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &one.UID, ResourceVersion: &one.ResourceVersion},
	})
	if err != nil {
		t.Error(err)
	}
	if err := configMaps.Delete(t.Context(), one.Name, metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestDeleteAfterChange(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 5}, lab.ServerOptions{})
	jobs := typedClient(t, server).BatchV1().Jobs(lab.Namespace)
	job, err := jobs.Get(t.Context(), server.Kube.Names("jobs", lab.Namespace)[0], metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	patch := []byte(`{"metadata":{"annotations":{"bosgc/keep":"true"}}}`)
	changed, err := jobs.Patch(t.Context(), job.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil || changed.Annotations["bosgc/keep"] != "true" || changed.ResourceVersion == job.ResourceVersion {
		t.Fatalf("%v, %v", changed, err)
	}
	if _, err = jobs.Update(t.Context(), job, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("an update of what was: %v", err)
	}
	exactly := &metav1.Preconditions{UID: &job.UID, ResourceVersion: &job.ResourceVersion}
	options := metav1.DeleteOptions{Preconditions: exactly}
	if err = jobs.Delete(t.Context(), job.Name, options); !apierrors.IsConflict(err) {
		t.Errorf("a delete of what was: %v", err)
	}
}

// The Pods of a Job are deleted with it only if the client asks for it.
func TestPropagation(t *testing.T) {
	background, foreground := metav1.DeletePropagationBackground, metav1.DeletePropagationForeground
	orphan := metav1.DeletePropagationOrphan
	for name, test := range map[string]struct {
		policy *metav1.DeletionPropagation
		left   int
	}{"default": {nil, 1}, "orphan": {&orphan, 1}, "background": {&background, 0}, "foreground": {&foreground, 0}} {
		t.Run(name, func(t *testing.T) {
			server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 1, Only: []string{"running"}}, lab.ServerOptions{})
			client, job := typedClient(t, server), "boa-"+server.BOS.IDs()[0]
			options := metav1.DeleteOptions{PropagationPolicy: test.policy}
			err := client.BatchV1().Jobs(lab.Namespace).Delete(t.Context(), job, options)
			if err != nil {
				t.Fatal(err)
			}
			ofJob := metav1.ListOptions{LabelSelector: "job-name=" + job}
			pods, err := client.CoreV1().Pods(lab.Namespace).List(t.Context(), ofJob)
			if err != nil || len(pods.Items) != test.left {
				t.Fatalf("%d Pods left, %v", len(pods.Items), err)
			}
			if test.left > 0 && len(pods.Items[0].OwnerReferences) > 0 {
				t.Error("an orphaned Pod still has its owner")
			}
		})
	}
}

func TestContinueExpired(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 20}, lab.ServerOptions{
		Faults: []lab.Fault{{Name: "continue-expired"}},
	})
	configMaps := typedClient(t, server).CoreV1().ConfigMaps(lab.Namespace)
	first, err := configMaps.List(t.Context(), metav1.ListOptions{Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	next := metav1.ListOptions{Limit: 5, Continue: first.Continue}
	if _, err := configMaps.List(t.Context(), next); !apierrors.IsResourceExpired(err) {
		t.Errorf("not expired: %v", err)
	}
	if _, err := configMaps.List(t.Context(), next); err != nil {
		t.Errorf("expired more than once: %v", err)
	}
}

// What is deleted between two pages is still on the second.
func TestPagesShowOneMoment(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 20}, lab.ServerOptions{})
	configMaps := typedClient(t, server).CoreV1().ConfigMaps(lab.Namespace)
	names := server.Kube.Names("configmaps", lab.Namespace)
	first, err := configMaps.List(t.Context(), metav1.ListOptions{Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	if err := configMaps.Delete(t.Context(), names[5], metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	second, err := configMaps.List(t.Context(), metav1.ListOptions{Limit: 5, Continue: first.Continue})
	if err != nil || second.Items[0].Name != names[5] {
		t.Errorf("%v, %v", second.Items[0].Name, err)
	}
}

func TestCronJobVersions(t *testing.T) {
	forProfiles(t, func(t *testing.T, csm string) {
		server := start(t, lab.Options{CSM: csm, Seed: 1}, lab.ServerOptions{})
		client := typedClient(t, server)
		old, errOld := client.BatchV1beta1().CronJobs(lab.Namespace).List(t.Context(), metav1.ListOptions{})
		recent, errRecent := client.BatchV1().CronJobs(lab.Namespace).List(t.Context(), metav1.ListOptions{})
		if errOld != nil || len(old.Items) != 2 {
			t.Errorf("batch/v1beta1: %d, %v", len(old.Items), errOld)
		}
		if csm == "1.0" || csm == "1.2" {
			if !apierrors.IsNotFound(errRecent) {
				t.Errorf("batch/v1: %v", errRecent)
			}
		} else if errRecent != nil || len(recent.Items) != 2 {
			t.Errorf("batch/v1: %d, %v", len(recent.Items), errRecent)
		}
		resources, err := client.Discovery().ServerPreferredResources()
		if err != nil || len(resources) == 0 {
			t.Errorf("discovery: %v", err)
		}
		version, err := client.Discovery().ServerVersion()
		if err != nil || version.GitVersion != "v"+server.World.Profile.Kubernetes {
			t.Errorf("version %v, %v", version, err)
		}
	})
}

func TestCreateAndErrors(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.5", Seed: 1}, lab.ServerOptions{})
	client := typedClient(t, server)
	jobs := client.BatchV1().Jobs(lab.Namespace)
	unnamed := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{GenerateName: "new-"}}
	made, err := jobs.Create(t.Context(), unnamed, metav1.CreateOptions{})
	if err != nil || made.UID == "" || made.CreationTimestamp.IsZero() {
		t.Fatalf("%v, %v", made, err)
	}
	again := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: made.Name}}
	if _, err := jobs.Create(t.Context(), again, metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		t.Errorf("made twice: %v", err)
	}
	if _, err := jobs.Get(t.Context(), "nonsense", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("%v", err)
	}
	err = jobs.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{})
	if err != nil || len(server.Danger()) != 1 {
		t.Errorf("%v, %v", err, server.Danger())
	}
	config := restConfig(t, server)
	config.BearerToken = "wrong"
	stranger, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("a stranger was let in: %v", err)
	}
}

func TestDeploymentFollowsItsSpec(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1}, lab.ServerOptions{})
	client := typedClient(t, server)
	deployment, err := client.AppsV1().Deployments(lab.Namespace).Get(t.Context(), "cray-cfs-batcher", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	zero := int32(0)
	deployment.Spec.Replicas = &zero
	scaled, err := client.AppsV1().Deployments(lab.Namespace).Update(t.Context(), deployment, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	status := scaled.Status
	if status.Replicas != 0 || status.ObservedGeneration != scaled.Generation || scaled.Generation != 2 {
		t.Errorf("%+v, %v", scaled.Status, err)
	}
}

// An object with a finalizer stays after its DELETE until the finalizer has gone, with the time of the first DELETE.
func TestFinalizersHoldADeletedObject(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 1}, lab.ServerOptions{})
	cms := typedClient(t, server).CoreV1().ConfigMaps(lab.Namespace)
	held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "held", Finalizers: []string{"site.example/backup"}}}
	if _, err := cms.Create(t.Context(), held, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	var first metav1.Time
	for range 2 {
		if err := cms.Delete(t.Context(), "held", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		is, err := cms.Get(t.Context(), "held", metav1.GetOptions{})
		if err != nil || is.DeletionTimestamp == nil {
			t.Fatalf("after its DELETE: %+v, %v", is, err)
		}
		if first.IsZero() {
			first, held = *is.DeletionTimestamp, is
		} else if !first.Equal(is.DeletionTimestamp) || is.ResourceVersion != held.ResourceVersion {
			t.Errorf("a second DELETE changed %+v into %+v", held.ObjectMeta, is.ObjectMeta)
		}
	}
	patch := []byte(`{"metadata":{"finalizers":null}}`)
	if _, err := cms.Patch(t.Context(), "held", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := cms.Get(t.Context(), "held", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("without its finalizer: error %v", err)
	}
}
