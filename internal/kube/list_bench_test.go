package kube

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// BenchmarkJobs and the others below read one list with all its pages, in the form that every API server gives and in
// the one that stands in for it. What is measured begins with the bytes of the answer.
func BenchmarkJobs(b *testing.B) {
	list := &batchv1.JobList{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "JobList"}}
	for i := range pageSize {
		spec := podSpecOf(i)
		one := int32(1)
		job := batchv1.Job{
			ObjectMeta: metaOf(i, "boa-"+idOf(i)), Spec: batchv1.JobSpec{Parallelism: &one, Completions: &one, Template: corev1.PodTemplateSpec{Spec: spec}},
			Status: batchv1.JobStatus{Conditions: []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: benchTime}}},
		}
		list.Items = append(list.Items, job)
	}
	benchmark(b, list, &list.ListMeta, func(c *Client) (Listing, error) { return c.ListJobs(b.Context()) })
}

func BenchmarkPods(b *testing.B) {
	list := &corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}}
	for i := range pageSize {
		meta := metaOf(i, "boa-"+idOf(i)+"-abcde")
		meta.Labels = map[string]string{"job-name": "boa-" + idOf(i), "controller-uid": string(meta.UID)}
		ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: benchTime, FinishedAt: benchTime}}
		list.Items = append(list.Items, corev1.Pod{
			ObjectMeta: meta, Spec: podSpecOf(i),
			Status: corev1.PodStatus{Phase: corev1.PodSucceeded, ContainerStatuses: []corev1.ContainerStatus{{Name: boaContainer, State: ended}, {Name: "istio-proxy", State: ended}}},
		})
	}
	benchmark(b, list, &list.ListMeta, func(c *Client) (Listing, error) { return c.ListPods(b.Context()) })
}

func BenchmarkConfigMaps(b *testing.B) {
	list := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadataList"}}
	for i := range pageSize {
		list.Items = append(list.Items, metav1.PartialObjectMetadata{ObjectMeta: metaOf(i, idOf(i))})
	}
	benchmark(b, list, &list.ListMeta, func(c *Client) (Listing, error) { return c.ListConfigMaps(b.Context()) })
}

var benchTime = metav1.NewTime(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))

func idOf(i int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", i) }

func metaOf(i int, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: "services", UID: types.UID(idOf(i + pageSize)), ResourceVersion: fmt.Sprint(100000 + i), CreationTimestamp: benchTime,
		ManagedFields: []metav1.ManagedFieldsEntry{{
			Manager: "OpenAPI-Generator", Operation: "Update", APIVersion: "v1", Time: &benchTime, FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(`{"f:data":{".":{},"f:data.json":{}}}`),
		}},
	}
}

func podSpecOf(i int) corev1.PodSpec {
	volume := func(name, of string) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: of}}}}
	}
	env := []corev1.EnvVar{{Name: sessionVariable, Value: idOf(i)}, {Name: templateVariable, Value: "template"}}
	for n := range 8 {
		env = append(env, corev1.EnvVar{Name: fmt.Sprintf("VARIABLE_%d", n), Value: "some value"})
	}
	return corev1.PodSpec{
		Containers: []corev1.Container{{Name: boaContainer, Image: "cray-boa", Env: env}, {Name: "istio-proxy", Image: "proxyv2"}},
		Volumes:    []corev1.Volume{volume(sessionVolume, idOf(i)), volume("ca-pubkey", caConfigMap)},
	}
}

// recorded is an API server of which only the answers are left: the same page, again and again.
type recorded struct {
	form       string
	page, last []byte
	left       int
}

func (r *recorded) RoundTrip(request *http.Request) (*http.Response, error) {
	page := r.page
	if r.left--; r.left == 0 {
		page = r.last
	}
	return &http.Response{
		StatusCode: http.StatusOK, Request: request, Header: http.Header{"Content-Type": {r.form}},
		Body: io.NopCloser(bytes.NewReader(page)), ContentLength: int64(len(page)),
	}, nil
}

func benchmark(b *testing.B, list runtime.Object, meta *metav1.ListMeta, read func(*Client) (Listing, error)) {
	for _, form := range []struct{ name, mediaType string }{{"protobuf", "application/vnd.kubernetes.protobuf"}, {"json", "application/json"}} {
		info, ok := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), form.mediaType)
		if !ok {
			b.Fatalf("no serializer for %s", form.mediaType)
		}
		encode := func(next string) []byte {
			meta.Continue = next
			text, err := runtime.Encode(info.Serializer, list)
			if err != nil {
				b.Fatal(err)
			}
			return text
		}
		page, last := encode("next"), encode("")
		for _, n := range []int{1000, 10000} {
			b.Run(fmt.Sprintf("form=%s/objects=%d", form.name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(n / pageSize * len(page)))
				for b.Loop() {
					c, err := New(&rest.Config{Host: "http://kube", Transport: &recorded{form: form.mediaType, page: page, last: last, left: n / pageSize}},
						Options{Namespace: "services", Concurrency: 1, RequestTimeout: time.Minute, ListTimeout: time.Minute})
					if err != nil {
						b.Fatal(err)
					}
					if l, err := read(c); err != nil || l.Count != n {
						b.Fatalf("%d objects of %d: %v", l.Count, n, err)
					}
				}
			})
		}
	}
}
