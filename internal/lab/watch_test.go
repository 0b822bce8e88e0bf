package lab_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"bosgc/internal/lab"
)

// watched is a watch of ConfigMaps by client-go, from the resource version of a list on.
func watched(t *testing.T, server *lab.Server, accept string, o metav1.ListOptions) (typedcorev1.ConfigMapInterface, watch.Interface) {
	t.Helper()
	config := restConfig(t, server)
	config.AcceptContentTypes = accept
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	cms := client.CoreV1().ConfigMaps(lab.Namespace)
	list, err := cms.List(t.Context(), metav1.ListOptions{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	o.ResourceVersion = list.ResourceVersion
	w, err := cms.Watch(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return cms, w
}

// next returns the next event of a watch; an event of no type if the watch has ended.
func next(t *testing.T, w watch.Interface) watch.Event {
	t.Helper()
	select {
	case e := <-w.ResultChan():
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no event")
	}
	return watch.Event{}
}

func TestWatchShowsEachChange(t *testing.T) {
	for name, accept := range map[string]string{"JSON": runtime.ContentTypeJSON, "protobuf": runtime.ContentTypeProtobuf} {
		t.Run(name, func(t *testing.T) {
			server := start(t, lab.Options{CSM: "1.5", Seed: 1, Sessions: 3}, lab.ServerOptions{})
			cms, w := watched(t, server, accept, metav1.ListOptions{LabelSelector: "app=mine"})
			for _, cm := range []*corev1.ConfigMap{
				{ObjectMeta: metav1.ObjectMeta{Name: "other"}},
				{ObjectMeta: metav1.ObjectMeta{Name: "mine", Labels: map[string]string{"app": "mine"}}},
			} {
				if _, err := cms.Create(t.Context(), cm, metav1.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			patch := []byte(`{"data":{"a":"b"}}`)
			if _, err := cms.Patch(t.Context(), "mine", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := cms.Delete(t.Context(), "mine", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			last := ""
			for _, want := range []watch.EventType{watch.Added, watch.Modified, watch.Deleted} {
				e := next(t, w)
				cm, ok := e.Object.(*corev1.ConfigMap)
				if e.Type != want || !ok || cm.Name != "mine" || cm.ResourceVersion <= last {
					t.Fatalf("%s %+v after version %s, want %s", e.Type, e.Object, last, want)
				}
				last = cm.ResourceVersion
			}
		})
	}
}

func TestWatchEnds(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.5", Seed: 1, Sessions: 3}, lab.ServerOptions{})
	server.Kube.SetBookmarks(20 * time.Millisecond)
	one := int64(1)
	_, w := watched(t, server, "", metav1.ListOptions{AllowWatchBookmarks: true, TimeoutSeconds: &one})
	if e := next(t, w); e.Type != watch.Bookmark || e.Object.(*corev1.ConfigMap).ResourceVersion == "" {
		t.Errorf("%s %+v, want a bookmark", e.Type, e.Object)
	}
	for e := next(t, w); e.Type != ""; e = next(t, w) {
		if e.Type != watch.Bookmark {
			t.Errorf("%s %+v", e.Type, e.Object)
		}
	}
	_, w = watched(t, server, "", metav1.ListOptions{})
	server.Kube.EndWatches()
	if e := next(t, w); e.Type != "" {
		t.Errorf("%s %+v, want the end", e.Type, e.Object)
	}
}

// A watch from before what the server remembers is expired: what changed in between cannot be told any more.
func TestWatchExpires(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.5", Seed: 1, Sessions: 3}, lab.ServerOptions{})
	cms, _ := watched(t, server, "", metav1.ListOptions{})
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}
	made, err := cms.Create(t.Context(), cm, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := cms.Delete(t.Context(), "mine", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	server.Kube.ForgetChanges()
	w, err := cms.Watch(t.Context(), metav1.ListOptions{ResourceVersion: made.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	e := next(t, w)
	if e.Type != watch.Error || !apierrors.IsResourceExpired(apierrors.FromObject(e.Object)) {
		t.Errorf("%s %+v, want 410 Expired", e.Type, e.Object)
	}
}
