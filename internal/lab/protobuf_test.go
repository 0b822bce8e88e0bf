package lab_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	batchv1beta1 "k8s.io/api/batch/v1beta1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"bosgc/internal/lab"
)

const (
	jsonType     = runtime.ContentTypeJSON
	protobufType = runtime.ContentTypeProtobuf
)

// wire notes the media types of what goes between a client and the API server.
type wire struct {
	next http.RoundTripper

	mu             sync.Mutex
	sent, answered []string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := w.next.RoundTrip(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.ContentLength > 0 {
		w.sent = append(w.sent, r.Header.Get("Content-Type"))
	}
	if err == nil {
		w.answered = append(w.answered, response.Header.Get("Content-Type"))
	}
	return response, err
}

// mustSpeak fails the test if a body or an answer since the last call was in another media type.
func (w *wire) mustSpeak(t *testing.T, mediaType string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	differs := func(have string) bool { return have != mediaType }
	if len(w.answered) == 0 || slices.ContainsFunc(w.sent, differs) || slices.ContainsFunc(w.answered, differs) {
		t.Errorf("sent %q, answered %q; expected %s alone", w.sent, w.answered, mediaType)
	}
	w.sent, w.answered = nil, nil
}

// speaking returns the configuration of a client that sends one media type, and accepts that or else JSON.
func speaking(t *testing.T, server *lab.Server, mediaType string) (*rest.Config, *wire) {
	t.Helper()
	config, w := restConfig(t, server), &wire{}
	config.ContentType, config.AcceptContentTypes = mediaType, mediaType+","+jsonType
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		w.next = next
		return w
	})
	return config, w
}

func typedFor(t *testing.T, server *lab.Server, mediaType string) (*kubernetes.Clientset, *wire) {
	t.Helper()
	config, w := speaking(t, server, mediaType)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client, w
}

// metadataFor changes the Accept header on the way: the metadata client always asks for protobuf.
func metadataFor(t *testing.T, server *lab.Server, mediaType string) (metadata.Interface, *wire) {
	t.Helper()
	config, w := speaking(t, server, protobufType)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.Header.Set("Accept", strings.ReplaceAll(r.Header.Get("Accept"), protobufType, mediaType))
			return next.RoundTrip(r)
		})
	})
	client, err := metadata.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client, w
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// reader reads the objects of one resource.
type reader struct {
	list func(context.Context, metav1.ListOptions) (runtime.Object, error)
	get  func(context.Context, string) (runtime.Object, error)
}

func readerOf[T, L runtime.Object](client interface {
	Get(context.Context, string, metav1.GetOptions) (T, error)
	List(context.Context, metav1.ListOptions) (L, error)
},
) reader {
	return reader{
		func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return client.List(ctx, o) },
		func(ctx context.Context, name string) (runtime.Object, error) {
			return client.Get(ctx, name, metav1.GetOptions{})
		},
	}
}

func readersOf(client kubernetes.Interface) map[string]reader {
	return map[string]reader{
		"namespaces":       readerOf(client.CoreV1().Namespaces()),
		"configmaps":       readerOf(client.CoreV1().ConfigMaps(lab.Namespace)),
		"pods":             readerOf(client.CoreV1().Pods(lab.Namespace)),
		"events":           readerOf(client.CoreV1().Events(lab.Namespace)),
		"jobs":             readerOf(client.BatchV1().Jobs(lab.Namespace)),
		"cronjobs v1":      readerOf(client.BatchV1().CronJobs(lab.Namespace)),
		"cronjobs v1beta1": readerOf(client.BatchV1beta1().CronJobs(lab.Namespace)),
		"deployments":      readerOf(client.AppsV1().Deployments(lab.Namespace)),
		"leases":           readerOf(client.CoordinationV1().Leases(lab.Namespace)),
	}
}

// addRest adds an object of each resource of which worlds have none, with times in microseconds and binary data.
func addRest(server *lab.Server) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 123456000, time.UTC)
	meta := metav1.ObjectMeta{Name: "aaa", Namespace: lab.Namespace}
	holder, micro := "somebody", metav1.NewMicroTime(at)
	server.Kube.Add("leases", &coordinationv1.Lease{
		ObjectMeta: meta, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, RenewTime: &micro, AcquireTime: &micro},
	})
	server.Kube.Add("events", &corev1.Event{
		ObjectMeta: meta, InvolvedObject: corev1.ObjectReference{Kind: "Lease", Name: "aaa"}, Reason: "Renewed",
		FirstTimestamp: metav1.NewTime(at.Truncate(time.Second)), EventTime: micro, Count: 3,
	})
	server.Kube.Add("configmaps", &corev1.ConfigMap{ObjectMeta: meta, BinaryData: map[string][]byte{"a": {0, 255}}})
}

// worlds returns one server of each kind of world: objects stored one by one, and those of a large world.
func worlds(t *testing.T) map[string]*lab.Server {
	t.Helper()
	large, _ := serve(t, newBulk(t))
	servers := map[string]*lab.Server{"large": large}
	for _, csm := range []string{"1.0", "1.4", "1.6"} {
		servers[csm] = start(t, lab.Options{CSM: csm, Seed: 1, Sessions: 60}, lab.ServerOptions{})
	}
	for _, server := range servers {
		addRest(server)
	}
	return servers
}

// Lists, pages of lists and single objects of every resource are the same in both encodings.
func TestProtobufSaysTheSame(t *testing.T) {
	for world, server := range worlds(t) {
		plain, _ := typedFor(t, server, jsonType)
		client, traffic := typedFor(t, server, protobufType)
		asProtobuf := readersOf(client)
		for resource, asJSON := range readersOf(plain) {
			if world == "1.0" && resource == "cronjobs v1" {
				continue
			}
			what := world + " " + resource
			want := mustList(t, what, asJSON)
			mustEqual(t, what, want, mustList(t, what, asProtobuf[resource]))
			mustEqual(t, what+" in pages", mustPages(t, what, asJSON), mustPages(t, what, asProtobuf[resource]))
			accessor, err := meta.Accessor(want[0])
			if err != nil {
				t.Fatal(err)
			}
			one, errJSON := asJSON.get(t.Context(), accessor.GetName())
			other, errProtobuf := asProtobuf[resource].get(t.Context(), accessor.GetName())
			if errJSON != nil || errProtobuf != nil {
				t.Fatalf("%s: %v, %v", what, errJSON, errProtobuf)
			}
			mustEqual(t, what+" by name", one, other)
			traffic.mustSpeak(t, protobufType)
		}
	}
}

// mustList returns a list that has at least one object.
func mustList(t *testing.T, what string, r reader) []runtime.Object {
	t.Helper()
	list, err := r.list(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	items, err := meta.ExtractList(list)
	if err != nil || len(items) == 0 {
		t.Fatalf("%s: %d items, %v", what, len(items), err)
	}
	return withoutKind(items)
}

// mustPages lists in pages, and returns each page with how many objects follow it.
func mustPages(t *testing.T, what string, r reader) (pages []any) {
	t.Helper()
	for options := (metav1.ListOptions{Limit: 101}); ; {
		list, err := r.list(t.Context(), options)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		items, err := meta.ExtractList(list)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		page := list.(metav1.ListInterface)
		pages = append(pages, withoutKind(items), page.GetRemainingItemCount())
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return pages
		}
	}
}

func mustEqual[T any](t *testing.T, what string, want, have T) {
	t.Helper()
	if !equality.Semantic.DeepEqual(want, have) {
		t.Errorf("%s: %.2000v in protobuf; expected %.2000v", what, have, want)
	}
}

func TestMetadataInProtobuf(t *testing.T) {
	for world, server := range worlds(t) {
		plain, _ := metadataFor(t, server, jsonType)
		client, traffic := metadataFor(t, server, protobufType)
		for _, resource := range []schema.GroupVersionResource{
			corev1.SchemeGroupVersion.WithResource("configmaps"), corev1.SchemeGroupVersion.WithResource("pods"),
			batchv1.SchemeGroupVersion.WithResource("jobs"), batchv1beta1.SchemeGroupVersion.WithResource("cronjobs"),
		} {
			what := world + " " + resource.Resource
			asJSON := readerOf(metadataReader{plain.Resource(resource).Namespace(lab.Namespace)})
			asProtobuf := readerOf(metadataReader{client.Resource(resource).Namespace(lab.Namespace)})
			want := mustList(t, what, asJSON)
			mustEqual(t, what, want, mustList(t, what, asProtobuf))
			mustEqual(t, what+" in pages", mustPages(t, what, asJSON), mustPages(t, what, asProtobuf))
			name := want[0].(*metav1.PartialObjectMetadata).Name
			one, errJSON := asJSON.get(t.Context(), name)
			other, errProtobuf := asProtobuf.get(t.Context(), name)
			if errJSON != nil || errProtobuf != nil {
				t.Fatalf("%s: %v, %v", what, errJSON, errProtobuf)
			}
			mustEqual(t, what+" by name", one, other)
			traffic.mustSpeak(t, protobufType)
		}
	}
}

type partialObject = metav1.PartialObjectMetadata

// metadataReader gets objects without naming subresources, as the typed clients do.
type metadataReader struct{ metadata.ResourceInterface }

func (r metadataReader) Get(ctx context.Context, name string, o metav1.GetOptions) (*partialObject, error) {
	return r.ResourceInterface.Get(ctx, name, o)
}

// withoutKind drops what the items of a list carry in JSON only.
func withoutKind(items []runtime.Object) []runtime.Object {
	for _, item := range items {
		item.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	}
	return items
}

// Objects are created, updated and deleted with every body in protobuf.
func TestWriteInProtobuf(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 20}, lab.ServerOptions{})
	client, traffic := typedFor(t, server, protobufType)
	cms := client.CoreV1().ConfigMaps(lab.Namespace)
	created, err := cms.Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "new-"}, BinaryData: map[string][]byte{"a": {0, 255}},
	}, metav1.CreateOptions{})
	if err != nil || created.UID == "" || created.CreationTimestamp.IsZero() || len(created.BinaryData["a"]) != 2 {
		t.Fatalf("%+v, %v", created, err)
	}
	changed := created.DeepCopy()
	changed.Data = map[string]string{"b": "c"}
	updated, err := cms.Update(t.Context(), changed, metav1.UpdateOptions{})
	if err != nil || updated.Data["b"] != "c" || updated.ResourceVersion == created.ResourceVersion {
		t.Fatalf("%+v, %v", updated, err)
	}
	if _, err := cms.Update(t.Context(), changed, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("an update of an old version: %v", err)
	}
	exactly := func(version string) metav1.DeleteOptions {
		return metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &created.UID, ResourceVersion: &version}}
	}
	if err := cms.Delete(t.Context(), created.Name, exactly(created.ResourceVersion)); !apierrors.IsConflict(err) {
		t.Errorf("a delete of an old version: %v", err)
	}
	dry := exactly(updated.ResourceVersion)
	dry.DryRun = []string{metav1.DryRunAll}
	err = cms.Delete(t.Context(), created.Name, dry)
	if err != nil || !server.Kube.Has("configmaps", lab.Namespace, created.Name) {
		t.Errorf("a dry run: %v", err)
	}
	if err := cms.Delete(t.Context(), created.Name, exactly(updated.ResourceVersion)); err != nil {
		t.Error(err)
	}
	err = cms.Delete(t.Context(), created.Name, metav1.DeleteOptions{})
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) || status.Status().Details.Name != created.Name {
		t.Errorf("deleted twice: %#v", err)
	}
	reviews, question := client.AuthorizationV1().SelfSubjectAccessReviews(), &authorizationv1.SelfSubjectAccessReview{}
	question.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{Verb: "get", Resource: "jobs"}
	review, err := reviews.Create(t.Context(), question, metav1.CreateOptions{})
	if err != nil || !review.Status.Allowed || review.Spec.ResourceAttributes.Verb != "get" {
		t.Errorf("%+v, %v", review, err)
	}
	traffic.mustSpeak(t, protobufType)
}

func TestPropagationInProtobuf(t *testing.T) {
	background, orphan := metav1.DeletePropagationBackground, metav1.DeletePropagationOrphan
	for policy, left := range map[*metav1.DeletionPropagation]int{&background: 0, &orphan: 1} {
		server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 1, Only: []string{"running"}}, lab.ServerOptions{})
		client, traffic := typedFor(t, server, protobufType)
		jobs := client.BatchV1().Jobs(lab.Namespace)
		name := "boa-" + server.BOS.IDs()[0]
		patch := []byte(`{"spec":{"parallelism":0}}`)
		patched, err := jobs.Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil || *patched.Spec.Parallelism != 0 {
			t.Fatalf("%+v, %v", patched, err)
		}
		traffic.sent = nil // the patch is JSON
		if err := jobs.Delete(t.Context(), name, metav1.DeleteOptions{PropagationPolicy: policy}); err != nil {
			t.Fatal(err)
		}
		ofJob := metav1.ListOptions{LabelSelector: "job-name=" + name}
		pods, err := client.CoreV1().Pods(lab.Namespace).List(t.Context(), ofJob)
		if err != nil || len(pods.Items) != left {
			t.Errorf("%s: %d Pods left, %v", *policy, len(pods.Items), err)
		}
		traffic.mustSpeak(t, protobufType)
	}
}

// An Accept header is answered as by a real API server.
func TestNegotiation(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 5}, lab.ServerOptions{})
	const (
		pods    = "/api/v1/namespaces/services/pods"
		none    = pods + "/none"
		partial = ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
		table   = ";as=Table;g=meta.k8s.io;v=v1"
	)
	for _, test := range []struct {
		path, accept string
		status       int
		mediaType    string
		kind         string
	}{
		{pods, "", 200, jsonType, "PodList"},
		{pods, "*/*", 200, jsonType, "PodList"},
		{pods, "application/*", 200, jsonType, "PodList"},
		{pods, jsonType, 200, jsonType, "PodList"},
		{pods, protobufType, 200, protobufType, "PodList"},
		{pods, protobufType + "," + jsonType, 200, protobufType, "PodList"},
		{pods, jsonType + ", " + protobufType, 200, jsonType, "PodList"},
		{pods, jsonType + ";q=0.5," + protobufType + ";q=0.9", 200, protobufType, "PodList"},
		{pods, "application/cbor," + protobufType, 200, protobufType, "PodList"},
		{pods, protobufType + partial + "," + jsonType + partial, 200, protobufType, "PartialObjectMetadataList"},
		{pods, jsonType + partial, 200, jsonType, "PartialObjectMetadataList"},
		{pods, protobufType + table + "," + jsonType + table, 200, jsonType, "Table"},
		{pods, protobufType + ";as=Other;g=meta.k8s.io;v=v1," + jsonType, 200, jsonType, "PodList"},
		{pods, protobufType + table, 406, jsonType, "Status"},
		{pods, "application/cbor", 406, jsonType, "Status"},
		{none, protobufType, 404, protobufType, "Status"},
		{none, jsonType + "," + protobufType, 404, jsonType, "Status"},
		{none, protobufType + partial + "," + jsonType + partial, 404, jsonType, "Status"},
		{none, protobufType + partial + "," + jsonType + partial + "," + protobufType, 404, protobufType, "Status"},
		{"/apis/batch/v2/jobs", protobufType, 404, protobufType, "Status"},
		{pods + "?limit=2&continue=x", protobufType, 400, protobufType, "Status"},
		{"/version", protobufType, 200, jsonType, "gitVersion"},
		{"/api", protobufType, 200, protobufType, "APIVersions"},
		{"/apis", protobufType, 200, protobufType, "APIGroupList"},
		{"/apis/batch", protobufType, 200, protobufType, "APIGroup"},
		{"/apis/batch/v1", protobufType + "," + jsonType, 200, protobufType, "APIResourceList"},
		{"/apis/batch/v1", discovery.AcceptV2 + "," + jsonType, 200, jsonType, "APIResourceList"},
	} {
		what := test.path + ", Accept " + test.accept
		response, body := askKube(t, restConfig(t, server), test.path, test.accept)
		mediaType := response.Header.Get("Content-Type")
		begins := map[string]string{jsonType: "{", protobufType: "k8s\x00"}[test.mediaType]
		if response.StatusCode != test.status || mediaType != test.mediaType {
			t.Errorf("%s: %d %s; expected %d %s", what, response.StatusCode, mediaType, test.status, test.mediaType)
		}
		if !strings.HasPrefix(body, begins) || !strings.Contains(body, test.kind) {
			t.Errorf("%s: %.100q; expected %s", what, body, test.kind)
		}
	}
	stranger := restConfig(t, server)
	stranger.BearerToken = "wrong"
	response, body := askKube(t, stranger, pods, protobufType)
	if response.StatusCode != 401 || !strings.HasPrefix(body, "k8s\x00") {
		t.Errorf("without a token: %d %q", response.StatusCode, body)
	}
}

func askKube(t *testing.T, config *rest.Config, path, accept string) (*http.Response, string) {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, config.Host+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	return roundTrip(t, client, request)
}

func TestDiscoveryInProtobuf(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1}, lab.ServerOptions{})
	plain, _ := typedFor(t, server, jsonType)
	client, traffic := typedFor(t, server, protobufType)
	for _, version := range []string{"v1", "apps/v1", "batch/v1", "batch/v1beta1", "coordination.k8s.io/v1"} {
		want, errJSON := plain.Discovery().ServerResourcesForGroupVersion(version)
		have, errProtobuf := client.Discovery().ServerResourcesForGroupVersion(version)
		if errJSON != nil || errProtobuf != nil || len(want.APIResources) == 0 {
			t.Fatalf("%s: %+v, %v, %v", version, want, errJSON, errProtobuf)
		}
		mustEqual(t, version, want, have)
	}
	traffic.mustSpeak(t, protobufType)
}

// The faults duplicate and reorder change a list in either encoding.
func TestListFaultsInProtobuf(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 20}, lab.ServerOptions{})
	names := func(mediaType string) (names []string) {
		client, traffic := typedFor(t, server, mediaType)
		list, err := client.BatchV1().Jobs(lab.Namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		traffic.mustSpeak(t, mediaType)
		for _, job := range list.Items {
			names = append(names, job.Name)
		}
		return names
	}
	before := names(protobufType)
	addFault(t, server, "reorder,system=kube,count=2")
	backwards := slices.Clone(before)
	slices.Reverse(backwards)
	if a, b := names(protobufType), names(jsonType); !slices.Equal(a, backwards) || !slices.Equal(b, backwards) {
		t.Errorf("reorder: %q and %q, of %q", a, b, before)
	}
	addFault(t, server, "duplicate,system=kube,count=2")
	n := len(before)
	if a, b := names(protobufType), names(jsonType); len(a) != n+(n+1)/2 || !slices.Equal(a, b) || a[n] != before[0] {
		t.Errorf("duplicate: %q and %q, of %q", a, b, before)
	}
}

// A test is told of a delete in JSON, whatever the client speaks.
func TestDeletionInProtobuf(t *testing.T) {
	var content []byte
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 5}, lab.ServerOptions{
		OnDelete: func(d lab.Deletion) { content = d.Content },
	})
	client, _ := typedFor(t, server, protobufType)
	name := server.Kube.Names("configmaps", lab.Namespace)[0]
	if err := client.CoreV1().ConfigMaps(lab.Namespace).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(content), `{"apiVersion":"v1","data":`) || !strings.Contains(string(content), name) {
		t.Errorf("%q", content)
	}
}

// BenchmarkMetadata lists 100,000 ConfigMaps by their metadata, in pages of 500. It measures the server alone.
func BenchmarkMetadata(b *testing.B) {
	world, err := lab.NewBulk(lab.BulkOptions{CSM: "1.4", Seed: 3, Foreign: 100_000, ForeignBytes: 5000})
	if err != nil {
		b.Fatal(err)
	}
	server, err := lab.Start(world, lab.ServerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Close() })
	for name, mediaType := range map[string]string{"json": jsonType, "protobuf": protobufType} {
		b.Run(name, func(b *testing.B) {
			client, err := metadata.NewForConfig(restConfig(b, server))
			if err != nil {
				b.Fatal(err)
			}
			configMaps := client.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace(lab.Namespace)
			var pages []*http.Request
			for options := (metav1.ListOptions{Limit: 500}); ; {
				pages = append(pages, pageRequest(b, server, mediaType, options.Continue))
				list, err := configMaps.List(b.Context(), options)
				if err != nil {
					b.Fatal(err)
				}
				if options.Continue = list.Continue; list.Continue == "" {
					break
				}
			}
			b.ReportAllocs()
			answer := &discarded{header: http.Header{}}
			for b.Loop() {
				answer.size = 0
				for _, page := range pages {
					server.Kube.ServeHTTP(answer, page)
				}
			}
			b.ReportMetric(float64(answer.size)/1e6, "MB/list")
			b.ReportMetric(float64(len(pages)), "pages")
		})
	}
}

func pageRequest(b *testing.B, server *lab.Server, mediaType, next string) *http.Request {
	b.Helper()
	url := "/api/v1/namespaces/" + lab.Namespace + "/configmaps?limit=500&continue=" + next
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+restConfig(b, server).BearerToken)
	request.Header.Set("Accept", mediaType+";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
	return request
}

// discarded is an answer of which only the size is counted.
type discarded struct {
	header http.Header
	size   int
}

func (d *discarded) Header() http.Header { return d.header }

func (d *discarded) WriteHeader(int) {}

func (d *discarded) Write(text []byte) (int, error) {
	d.size += len(text)
	return len(text), nil
}
