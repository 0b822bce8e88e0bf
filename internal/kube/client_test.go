package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"bosgc/internal/inventory"
)

const (
	id    = "5a0df9d1-2c3b-4f5e-8a9b-0123456789ab"
	other = "6a0df9d1-2c3b-4f5e-8a9b-0123456789ab"
)

// serve starts an API server that answers as handle does, and returns a client for it.
func serve(t *testing.T, handle http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	options := Options{
		Namespace: "services", Concurrency: 2, RequestTimeout: 5 * time.Second, ListTimeout: 10 * time.Second,
	}
	c, err := New(&rest.Config{Host: server.URL}, options)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func encode(t testing.TB, mediaType string, object runtime.Object) []byte {
	t.Helper()
	info, ok := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), mediaType)
	if !ok {
		t.Fatalf("no serializer for %s", mediaType)
	}
	text, err := runtime.Encode(info.Serializer, object)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// reply answers in protobuf, as API servers do.
func reply(t testing.TB, w http.ResponseWriter, status int, body runtime.Object) {
	t.Helper()
	replyAs(t, w, runtime.ContentTypeProtobuf, status, body)
}

func replyAs(t testing.TB, w http.ResponseWriter, mediaType string, status int, body runtime.Object) {
	t.Helper()
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(encode(t, mediaType, body))
}

func replyJSON(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, body)
}

func failure(t testing.TB, w http.ResponseWriter, code int, reason metav1.StatusReason) {
	t.Helper()
	reply(t, w, code, newFailure(code, reason))
}

func newFailure(code int, reason metav1.StatusReason) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   "Failure", Code: int32(code), Reason: reason, Message: string(reason),
	}
}

func success() *metav1.Status {
	return &metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Success"}
}

func jobs(next string, names ...string) *batchv1.JobList {
	list := &batchv1.JobList{TypeMeta: metav1.TypeMeta{Kind: "JobList", APIVersion: "batch/v1"}}
	list.ResourceVersion, list.Continue = "1", next
	for _, name := range names {
		list.Items = append(list.Items, batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return list
}

func newMetadataList(metas ...metav1.ObjectMeta) *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{
		TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadataList", APIVersion: "meta.k8s.io/v1"},
		ListMeta: metav1.ListMeta{ResourceVersion: "1"},
	}
	for _, meta := range metas {
		list.Items = append(list.Items, metav1.PartialObjectMetadata{ObjectMeta: meta})
	}
	return list
}

func TestAListThatExpiresBeginsAgain(t *testing.T) {
	requests := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		switch {
		case r.URL.Query().Get("continue") == "" && requests == 1:
			reply(t, w, 200, jobs("page2", "boa-old", "boa-gone-since"))
		case r.URL.Query().Get("continue") == "page2" && requests == 2:
			failure(t, w, http.StatusGone, metav1.StatusReasonExpired)
		case r.URL.Query().Get("continue") == "":
			reply(t, w, 200, jobs("page2", "boa-old"))
		default:
			reply(t, w, 200, jobs("", "boa-new"))
		}
	})
	l, err := c.ListJobs(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, job := range l.Jobs {
		names = append(names, job.Name)
	}
	if got := strings.Join(names, " "); got != "boa-old boa-new" {
		t.Errorf("Jobs are %q: what was seen before the list expired must not be among them", got)
	}
	if l.Count != 2 || l.Requests != 4 {
		t.Errorf("count %d, requests %d; want 2 and 4", l.Count, l.Requests)
	}
}

func TestAPageThatIsTriedAgainIsTheSamePage(t *testing.T) {
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		page := r.URL.Query().Get("continue")
		asked = append(asked, page)
		switch {
		case page == "":
			reply(t, w, 200, jobs("page2", "boa-a"))
		case len(asked) == 2:
			failure(t, w, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable)
		default:
			reply(t, w, 200, jobs("", "boa-b"))
		}
	})
	l, err := c.ListJobs(context.Background())
	if err != nil || l.Count != 2 || strings.Join(asked, " ") != " page2 page2" {
		t.Errorf("%d Jobs, error %v, asked for pages %q", l.Count, err, asked)
	}
}

func TestAListThatAlwaysExpiresIsAnError(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("continue") == "" {
			reply(t, w, 200, jobs("page2", "boa-old"))
			return
		}
		failure(t, w, http.StatusGone, metav1.StatusReasonExpired)
	})
	if _, err := c.ListJobs(context.Background()); err == nil {
		t.Error("half a list passed for a whole one")
	}
}

func TestABusyServerIsAskedAgain(t *testing.T) {
	requests := 0
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests++
		switch requests {
		case 1:
			failure(t, w, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable)
		case 2:
			panic(http.ErrAbortHandler) // the connection breaks
		default:
			reply(t, w, 200, jobs("", "boa-x"))
		}
	})
	if l, err := c.ListJobs(context.Background()); err != nil || len(l.Jobs) != 1 {
		t.Errorf("after %d requests: %v, error %v", requests, l.Jobs, err)
	}
}

func TestASilentServerIsGivenUp(t *testing.T) {
	over := make(chan struct{})
	c := serve(t, func(_ http.ResponseWriter, _ *http.Request) { <-over })
	defer close(over)
	c.options.RequestTimeout = 50 * time.Millisecond
	_, err := c.ListJobs(context.Background())
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "did not answer within 50ms") {
		t.Errorf("error is %v", err)
	}
}

// What the authorizer refuses is for want of a permission. What admission refuses has the same status, and whoever then
// looks at the Role looks in the wrong place.
func TestARefusalNamesItsCause(t *testing.T) {
	for message, want := range map[string]string{
		`pods is forbidden: User "system:serviceaccount:services:bosgc" cannot list resource "pods" in API group ""`: "needs this permission",
		`admission webhook "validate.kyverno.svc-fail" denied the request: no deletes here`:                          "no missing permission",
		`pods "x" is forbidden: exceeded quota: compute`:                                                             "no missing permission",
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			status := newFailure(http.StatusForbidden, metav1.StatusReasonForbidden)
			status.Message = message
			reply(t, w, http.StatusForbidden, status)
		})
		_, err := c.ListPods(t.Context())
		if err == nil || !strings.Contains(err.Error(), "list Pods") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v; expected %q", message, err, want)
		}
	}
}

func TestCronJobsOfOldKubernetes(t *testing.T) {
	var paths []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		if strings.HasPrefix(r.URL.Path, "/apis/batch/v1/") {
			failure(t, w, http.StatusNotFound, metav1.StatusReasonNotFound)
			return
		}
		replyJSON(w, `{"kind":"CronJobList","apiVersion":"batch/v1beta1","metadata":{"resourceVersion":"1"},"items":[
			{"metadata":{"name":"nightly"},"spec":{"jobTemplate":{"spec":{"template":{"spec":{
				"containers":[{"name":"c","envFrom":[{"configMapRef":{"name":"`+id+`"}}]}]}}}}}}]}`)
	})
	l, err := c.ListCronJobs(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := inventory.Reference{ConfigMap: id, Kind: "CronJob", Name: "nightly"}
	if len(l.References) != 1 || l.References[0] != want {
		t.Errorf("references are %v (asked %v)", l.References, paths)
	}
}

func TestConfigMapsAreListedWithoutTheirBodies(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if accept := r.Header.Get("Accept"); !strings.Contains(accept, "as=PartialObjectMetadataList") {
			t.Errorf("asked for %q", accept)
		}
		reply(t, w, 200, newMetadataList(
			metav1.ObjectMeta{Name: id, UID: "u", ResourceVersion: "7"},
			metav1.ObjectMeta{Name: other, Labels: map[string]string{"a": "b"}},
			metav1.ObjectMeta{Name: "cray-configmap-ca-public-key"},
		))
	})
	l, err := c.ListConfigMaps(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if l.Count != 3 || len(l.ConfigMaps) != 2 || l.ConfigMaps[0].Fault != "" || l.ConfigMaps[1].Fault == "" {
		t.Errorf("listing is %+v", l)
	}
}

// Read as a list of Jobs, a list of other things is an empty one, and all sessions would look as if
// nothing ran for them.
func TestAnotherKindOfAnswerIsNoEmptyList(t *testing.T) {
	meta, ctx := metav1.ListMeta{ResourceVersion: "1"}, t.Context()
	pods := &corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, ListMeta: meta}
	cms := &corev1.ConfigMapList{
		TypeMeta: metav1.TypeMeta{Kind: "ConfigMapList", APIVersion: "v1"}, ListMeta: meta,
		Items: []corev1.ConfigMap{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}},
	}
	const protobuf, json = runtime.ContentTypeProtobuf, runtime.ContentTypeJSON
	for name, tt := range map[string]struct {
		form, text string
	}{
		"Pods in JSON":           {json, string(encode(t, json, pods))},
		"Pods in protobuf":       {protobuf, string(encode(t, protobuf, pods))},
		"ConfigMaps in JSON":     {json, string(encode(t, json, cms))},
		"ConfigMaps in protobuf": {protobuf, string(encode(t, protobuf, cms))},
		"a Status":               {protobuf, string(encode(t, protobuf, success()))},
		"another version":        {json, `{"kind":"JobList","apiVersion":"batch/v7","metadata":{"resourceVersion":"1"}}`},
		"an unknown kind":        {json, `{"kind":"Surprise","apiVersion":"v1","metadata":{"resourceVersion":"1"}}`},
		"no resource version":    {json, `{"kind":"JobList","apiVersion":"batch/v1","metadata":{},"items":[]}`},
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", tt.form)
			_, _ = io.WriteString(w, tt.text)
		})
		if l, err := c.ListJobs(ctx); err == nil {
			t.Errorf("%s is a list of %d Jobs", name, l.Count)
		}
		if l, err := c.ListConfigMaps(ctx); err == nil {
			t.Errorf("%s is a list of %d ConfigMaps", name, l.Count)
		}
		if stored, err := c.Store("services").List(ctx, nil); err == nil {
			t.Errorf("%s is a list of %d stored ConfigMaps", name, len(stored))
		}
		if _, presence, err := c.GetJob(ctx, "boa-"+id); err == nil || presence != inventory.Unknown {
			t.Errorf("%s is a Job that is %v", name, presence)
		}
		if keep, presence, err := c.ReadKeep(ctx, id); err == nil || presence != inventory.Unknown {
			t.Errorf("%s is a ConfigMap that is %v and has %+v", name, presence, keep)
		}
		if missing, err := c.MissingPermissions(ctx, "services", SweepPermissions()); err == nil {
			t.Errorf("%s is an access review: %v is missing", name, missing)
		}
	}
}

// An answer says what it is at its beginning, but nothing obliges it to.
func TestKindAndVersionMayComeInAnyOrder(t *testing.T) {
	const items = `"items":[{"metadata":{"name":"boa-x"}}]`
	for _, answer := range []string{
		`{"kind":"JobList","apiVersion":"batch/v1","metadata":{"resourceVersion":"1"},` + items + `}`,
		`{"apiVersion":"batch/v1","kind":"JobList",` + items + `,"metadata":{"resourceVersion":"1"}}`,
		`{"kind":"JobList",` + items + `,"metadata":{"resourceVersion":"1"},"apiVersion":"batch/v1"}`,
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { replyJSON(w, answer) })
		if l, err := c.ListJobs(context.Background()); err != nil || l.Count != 1 {
			t.Errorf("%s: %d Jobs, %v", answer, l.Count, err)
		}
	}
}

// API servers answer in protobuf; what does not speak it answers in JSON.
func TestBothFormsOfAnswersAreTheSame(t *testing.T) {
	meta := metav1.ObjectMeta{
		Name: id, UID: "u", ResourceVersion: "7", Annotations: map[string]string{keepAnnotation: "because"},
	}
	answers := map[string]runtime.Object{
		"GET jobs":       jobs("", "boa-"+id),
		"GET configmaps": newMetadataList(meta),
		"GET " + id: &metav1.PartialObjectMetadata{
			TypeMeta:   metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"},
			ObjectMeta: meta,
		},
		"DELETE " + id: success(),
	}
	for _, form := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if answer, ok := answers[r.Method+" "+path.Base(r.URL.Path)]; ok {
				replyAs(t, w, form, 200, answer)
				return
			}
			replyAs(t, w, form, 404, newFailure(404, metav1.StatusReasonNotFound))
		})
		if l, err := c.ListJobs(t.Context()); err != nil || len(l.Jobs) != 1 || l.Jobs[0].Name != "boa-"+id {
			t.Errorf("%s: list of Jobs: %+v, %v", form, l, err)
		}
		l, err := c.ListConfigMaps(t.Context())
		if err != nil || len(l.ConfigMaps) != 1 {
			t.Fatalf("%s: list of ConfigMaps: %+v, %v", form, l, err)
		}
		if cm := l.ConfigMaps[0]; cm.UID != "u" || cm.ResourceVersion != "7" || *cm.Keep.Keep != "because" {
			t.Errorf("%s: list of ConfigMaps: %+v, %v", form, l, err)
		}
		keep, presence, err := c.ReadKeep(t.Context(), id)
		if err != nil || presence != inventory.Present || *keep.Keep != "because" {
			t.Errorf("%s: keep: %+v, %v, %v", form, keep, presence, err)
		}
		if existed, err := c.DeleteConfigMap(t.Context(), id, "u", "7"); err != nil || !existed {
			t.Errorf("%s: delete: existed %v, %v", form, existed, err)
		}
		if _, presence, err := c.GetJob(t.Context(), "boa-other"); err != nil || presence != inventory.Absent {
			t.Errorf("%s: a Job that is not there: %v, %v", form, presence, err)
		}
	}
}

func TestMissingPermissions(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var review authorizationv1.SelfSubjectAccessReview
		decodeBody(t, r, &review)
		review.TypeMeta = metav1.TypeMeta{Kind: "SelfSubjectAccessReview", APIVersion: "authorization.k8s.io/v1"}
		review.Status.Allowed = review.Spec.ResourceAttributes.Verb != "delete"
		reply(t, w, http.StatusCreated, &review)
	})
	missing, err := c.MissingPermissions(t.Context(), "services", SweepPermissions())
	if err != nil || fmt.Sprint(missing) != "[delete configmaps delete jobs.batch]" {
		t.Errorf("missing are %v, error %v", missing, err)
	}
}

func decodeBody(t testing.TB, r *http.Request, into runtime.Object) {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err == nil {
		_, _, err = scheme.Codecs.UniversalDeserializer().Decode(body, nil, into)
	}
	if err != nil {
		t.Errorf("body %q: %v", body, err)
	}
}

func TestDeletesNameExactlyWhatWasJudged(t *testing.T) {
	var got metav1.DeleteOptions
	path := ""
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.Method + " " + r.URL.Path
		decodeBody(t, r, &got)
		reply(t, w, 200, success())
	})
	ctx := context.Background()
	if existed, err := c.DeleteJob(ctx, "boa-"+id, "uid", "42"); err != nil || !existed {
		t.Fatalf("existed %v, error %v", existed, err)
	}
	exactly := func() bool {
		return *got.Preconditions.UID == "uid" && *got.Preconditions.ResourceVersion == "42" &&
			*got.PropagationPolicy == metav1.DeletePropagationBackground
	}
	if path != "DELETE /apis/batch/v1/namespaces/services/jobs/boa-"+id || !exactly() {
		t.Errorf("%s with %+v", path, got)
	}
	got = metav1.DeleteOptions{}
	if existed, err := c.DeleteConfigMap(ctx, id, "uid", "42"); err != nil || !existed {
		t.Fatalf("existed %v, error %v", existed, err)
	}
	if path != "DELETE /api/v1/namespaces/services/configmaps/"+id || !exactly() {
		t.Errorf("%s with %+v", path, got)
	}
	path = ""
	if _, err := c.DeleteConfigMap(ctx, id, "uid", ""); err == nil || path != "" {
		t.Errorf("a delete without a resource version: %q, error %v", path, err)
	}
}

func TestWhatDeletesAreAnswered(t *testing.T) {
	code, reason := 0, metav1.StatusReason("")
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { failure(t, w, code, reason) })
	ctx := context.Background()
	code, reason = http.StatusNotFound, metav1.StatusReasonNotFound
	if existed, err := c.DeleteJob(ctx, "boa-x", "u", "1"); err != nil || existed {
		t.Errorf("gone already: existed %v, error %v", existed, err)
	}
	code, reason = http.StatusConflict, metav1.StatusReasonConflict
	if _, err := c.DeleteJob(ctx, "boa-x", "u", "1"); !errors.Is(err, ErrChanged) {
		t.Errorf("changed since: error %v", err)
	}
	code, reason = http.StatusForbidden, metav1.StatusReasonForbidden
	if _, err := c.DeleteJob(ctx, "boa-x", "u", "1"); err == nil || errors.Is(err, ErrChanged) {
		t.Errorf("forbidden: error %v", err)
	}
}

// A proxy's 404 says nothing about an object.
func TestAForeign404IsNoProofOfAbsence(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) })
	ctx := context.Background()
	if existed, err := c.DeleteConfigMap(ctx, id, "u", "1"); err == nil {
		t.Errorf("delete: existed %v, no error", existed)
	}
	if _, presence, err := c.GetJob(ctx, "boa-"+id); err == nil || presence != inventory.Unknown {
		t.Errorf("get: %v, error %v", presence, err)
	}
	if cm, _, found := c.ReadBody(ctx, inventory.ConfigMap{Name: id}); !found || cm.Body != inventory.BodyFailed {
		t.Errorf("body: %+v, found %v", cm, found)
	}
}

func TestADeleteWhoseAnswerWasLostCounts(t *testing.T) {
	requests := 0
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests == 1 {
			panic(http.ErrAbortHandler)
		}
		failure(t, w, http.StatusNotFound, metav1.StatusReasonNotFound)
	})
	if existed, err := c.DeleteConfigMap(context.Background(), id, "u", "1"); err != nil || !existed || requests != 2 {
		t.Errorf("existed %v, error %v, %d requests", existed, err, requests)
	}
}

func TestBody(t *testing.T) {
	tests := []struct {
		name string
		data map[string]string
		want inventory.Body
	}{
		{"exact", map[string]string{"data.json": `{"name":"t","boot_sets":{"compute":{}}}`}, inventory.BodyExact},
		{"no boot sets", map[string]string{"data.json": `{"name":"t"}`}, inventory.BodyOther},
		{"boot sets are null", map[string]string{"data.json": `{"boot_sets":null}`}, inventory.BodyOther},
		{"boot sets are a list", map[string]string{"data.json": `{"boot_sets":[]}`}, inventory.BodyOther},
		{"no JSON", map[string]string{"data.json": `hello`}, inventory.BodyOther},
		{"another key", map[string]string{"data.yaml": `{"boot_sets":{}}`}, inventory.BodyOther},
		{"a second key", map[string]string{"data.json": `{"boot_sets":{}}`, "more": ""}, inventory.BodyOther},
		{"nothing", nil, inventory.BodyOther},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				reply(t, w, 200, &corev1.ConfigMap{
					TypeMeta:   metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"},
					ObjectMeta: metav1.ObjectMeta{Name: id, UID: "new", ResourceVersion: "9"}, Data: tt.data,
				})
			})
			listed := inventory.ConfigMap{Name: id, UID: "old", ResourceVersion: "1", User: "Pod x"}
			cm, manifest, found := c.ReadBody(t.Context(), listed)
			exact := tt.want == inventory.BodyExact
			if !found || cm.Body != tt.want || (manifest != nil) != exact || (cm.BodyFault == "") != exact {
				t.Errorf("body %v, fault %q", cm.Body, cm.BodyFault)
			}
			if cm.UID != "new" || cm.ResourceVersion != "9" || cm.User != "Pod x" {
				t.Errorf("what was read is not what is deleted later: %+v", cm)
			}
		})
	}
	t.Run("gone since", func(t *testing.T) {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			failure(t, w, http.StatusNotFound, metav1.StatusReasonNotFound)
		})
		if cm, _, found := c.ReadBody(context.Background(), inventory.ConfigMap{Name: id}); found {
			t.Errorf("%+v", cm)
		}
	})
	t.Run("refused", func(t *testing.T) {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			failure(t, w, http.StatusForbidden, metav1.StatusReasonForbidden)
		})
		cm, _, found := c.ReadBody(t.Context(), inventory.ConfigMap{Name: id})
		if !found || cm.Body != inventory.BodyFailed || cm.BodyFault == "" {
			t.Errorf("%+v", cm)
		}
	})
}

func TestNotMoreRequestsAtOnceThanAllowed(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	entered, leave := make(chan struct{}, 8), make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		entered <- struct{}{}
		<-leave
		mu.Lock()
		now--
		mu.Unlock()
		reply(t, w, 200, jobs(""))
	})
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if _, err := c.ListJobs(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	<-entered
	<-entered // both slots are taken; the others wait in the client
	close(leave)
	all.Wait()
	if most > 2 {
		t.Errorf("%d requests at once, 2 are allowed", most)
	}
}

func configMapVolume(name string) corev1.VolumeSource {
	return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: name},
	}}
}

func TestProjectJob(t *testing.T) {
	boa := func(change func(*batchv1.Job)) *batchv1.Job {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "boa-" + id}}
		job.Spec.Template.Spec = corev1.PodSpec{
			Containers: []corev1.Container{{Name: "boa", Env: []corev1.EnvVar{
				{Name: "SESSION_ID", Value: id}, {Name: "SESSION_TEMPLATE_ID", Value: "compute"},
			}}},
			Volumes: []corev1.Volume{
				{Name: "ca-pubkey", VolumeSource: configMapVolume("cray-configmap-ca-public-key")},
				{Name: "boot-session", VolumeSource: configMapVolume(id)},
			},
		}
		if change != nil {
			change(job)
		}
		return job
	}
	exact, ours := projectJob(boa(nil))
	if !ours || exact.Fault != "" || exact.Session != id || exact.ConfigMap != id ||
		exact.Template != "compute" || exact.BackoffLimit != 6 || exact.Terminal {
		t.Errorf("%+v", exact)
	}
	end := metav1.NewTime(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	failed, _ := projectJob(boa(func(j *batchv1.Job) {
		j.Status.Conditions = []batchv1.JobCondition{
			{Type: batchv1.JobSuspended, Status: corev1.ConditionTrue},
			{Type: batchv1.JobComplete, Status: corev1.ConditionFalse, LastTransitionTime: end},
			{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, LastTransitionTime: end},
		}
	}))
	if !failed.Terminal || !failed.Failed || !failed.Finished.At().Equal(end.Time) {
		t.Errorf("%+v", failed)
	}
	for name, change := range map[string]func(*batchv1.Job){
		"no container boa": func(j *batchv1.Job) { j.Spec.Template.Spec.Containers[0].Name = "main" },
		"no volume":        func(j *batchv1.Job) { j.Spec.Template.Spec.Volumes = nil },
		"no session":       func(j *batchv1.Job) { j.Spec.Template.Spec.Containers[0].Env = nil },
		"odd session":      func(j *batchv1.Job) { j.Spec.Template.Spec.Containers[0].Env[0].Value = "../x" },
		"an owner": func(j *batchv1.Job) {
			j.OwnerReferences = []metav1.OwnerReference{{Kind: "CronJob", Name: "x"}}
		},
		"another name": func(j *batchv1.Job) { j.Name = "my-boa" },
	} {
		if job, ours := projectJob(boa(change)); !ours || job.Fault == "" {
			t.Errorf("%s: ours %v, fault %q", name, ours, job.Fault)
		}
	}
	if _, ours := projectJob(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "cfs-" + id}}); ours {
		t.Error("a Job of CFS is taken for one of BOS")
	}
}

func TestReferencesFromEverywhere(t *testing.T) {
	ref := corev1.LocalObjectReference{Name: id}
	projected := &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
		{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: ref}},
	}}
	envFrom := []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: ref}}}
	env := []corev1.EnvVar{{ValueFrom: &corev1.EnvVarSource{
		ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: ref},
	}}}
	for name, spec := range map[string]corev1.PodSpec{
		"volume":    {Volumes: []corev1.Volume{{VolumeSource: configMapVolume(id)}}},
		"projected": {Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{Projected: projected}}}},
		"envFrom":   {Containers: []corev1.Container{{EnvFrom: envFrom}}},
		"env":       {Containers: []corev1.Container{{Env: env}}},
		"init":      {InitContainers: []corev1.Container{{EnvFrom: envFrom}}},
		"ephemeral": {EphemeralContainers: []corev1.EphemeralContainer{
			{EphemeralContainerCommon: corev1.EphemeralContainerCommon{EnvFrom: envFrom}},
		}},
	} {
		var l Listing
		l.addReferences(&spec, inventory.Reference{Kind: "Pod", Name: "p"})
		if len(l.References) != 1 || l.References[0].ConfigMap != id {
			t.Errorf("%s: %v", name, l.References)
		}
	}
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{
		`{"boot_sets":{}}`, `{"boot_sets":null}`, `[]`, ``, `{"boot_sets":{"a":{"b":[[[]]]}}}`, `{"boot_sets":{},"name":7}`, strings.Repeat("[", 20000),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, fault := sessionTemplate(&corev1.ConfigMap{Data: map[string]string{"data.json": text}})
		if fault == "" && !json.Valid([]byte(text)) {
			t.Fatalf("%q is no JSON, and passes for a session template", text)
		}
		if fault != "" && name != "" {
			t.Fatalf("%q is no session template, and names %q", text, name)
		}
	})
}
