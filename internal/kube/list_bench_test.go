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

// BenchmarkJobs and the others below read one list with all its pages, in both forms of answers. What is measured
// begins with the bytes of the answer.
func BenchmarkJobs(b *testing.B) {
	list := &batchv1.JobList{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "JobList"}}
	for i := range benchPage {
		spec := podSpecOf(i)
		one := int32(1)
		job := batchv1.Job{
			ObjectMeta: metaOf(i, "boa-"+idOf(i)),
			Spec:       batchv1.JobSpec{Parallelism: &one, Completions: &one, Template: corev1.PodTemplateSpec{Spec: spec}},
			Status: batchv1.JobStatus{Conditions: []batchv1.JobCondition{
				{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: benchTime},
			}},
		}
		list.Items = append(list.Items, job)
	}
	benchmark(b, list, &list.ListMeta, func(c *Client) (Listing, error) { return c.ListJobs(b.Context()) })
}

func BenchmarkPods(b *testing.B) {
	list := &corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}}
	for i := range benchPage {
		meta := metaOf(i, "boa-"+idOf(i)+"-abcde")
		meta.Labels = map[string]string{"job-name": "boa-" + idOf(i), "controller-uid": string(meta.UID)}
		ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Reason: "Completed", StartedAt: benchTime, FinishedAt: benchTime,
		}}
		list.Items = append(list.Items, corev1.Pod{
			ObjectMeta: meta, Spec: podSpecOf(i),
			Status: corev1.PodStatus{Phase: corev1.PodSucceeded, ContainerStatuses: []corev1.ContainerStatus{
				{Name: boaContainer, State: ended}, {Name: "istio-proxy", State: ended},
			}},
		})
	}
	benchmark(b, list, &list.ListMeta, func(c *Client) (Listing, error) { return c.ListPods(b.Context()) })
}

func BenchmarkConfigMaps(b *testing.B) {
	list := newMetadataList()
	for i := range benchPage {
		list.Items = append(list.Items, metav1.PartialObjectMetadata{ObjectMeta: metaOf(i, idOf(i))})
	}
	benchmark(b, list, &list.ListMeta, func(c *Client) (Listing, error) { return c.ListConfigMaps(b.Context()) })
}

// benchPage is the number of objects in one page of an answer.
const benchPage = 500

var benchTime = metav1.NewTime(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))

func idOf(i int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", i) }

func metaOf(i int, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: "services", UID: types.UID(idOf(i + benchPage)),
		ResourceVersion: fmt.Sprint(100000 + i), CreationTimestamp: benchTime,
		ManagedFields: []metav1.ManagedFieldsEntry{{
			Manager: "OpenAPI-Generator", Operation: "Update", APIVersion: "v1", Time: &benchTime, FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(`{"f:data":{".":{},"f:data.json":{}}}`),
		}},
	}
}

func podSpecOf(i int) corev1.PodSpec {
	volume := func(name, of string) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: configMapVolume(of)}
	}
	env := []corev1.EnvVar{{Name: sessionVariable, Value: idOf(i)}, {Name: templateVariable, Value: "template"}}
	for n := range 8 {
		env = append(env, corev1.EnvVar{Name: fmt.Sprintf("VARIABLE_%d", n), Value: "some value"})
	}
	return corev1.PodSpec{
		Containers: []corev1.Container{
			{Name: boaContainer, Image: "cray-boa", Env: env},
			{Name: "istio-proxy", Image: "proxyv2"},
		},
		Volumes: []corev1.Volume{volume(sessionVolume, idOf(i)), volume("ca-pubkey", caConfigMap)},
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
	meta.ResourceVersion = "1"
	options := Options{Namespace: "services", Concurrency: 1, RequestTimeout: time.Minute, ListTimeout: time.Minute}
	for name, form := range map[string]string{"protobuf": runtime.ContentTypeProtobuf, "json": runtime.ContentTypeJSON} {
		meta.Continue = "next"
		page := encode(b, form, list)
		meta.Continue = ""
		last := encode(b, form, list)
		for _, n := range []int{1000, 10000} {
			b.Run(fmt.Sprintf("form=%s/objects=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(n / benchPage * len(page)))
				for b.Loop() {
					answers := &recorded{form: form, page: page, last: last, left: n / benchPage}
					c, err := New(&rest.Config{Host: "http://kube", Transport: answers}, options)
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
