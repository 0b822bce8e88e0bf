package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Every kind of list, in both forms, says where it goes on before its items. What is cut off says nothing, or the same.
func TestWhereAListGoesOn(t *testing.T) {
	meta := metav1.ListMeta{ResourceVersion: "42", Continue: `eyJ2Ijoi"<é`, RemainingItemCount: new(int64)}
	item := metav1.ObjectMeta{Name: "items", Annotations: map[string]string{"metadata": `{"continue":"of an item"}`}}
	for _, list := range []runtime.Object{
		&batchv1.JobList{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "JobList"}, ListMeta: meta, Items: []batchv1.Job{{ObjectMeta: item}}},
		&corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: meta, Items: []corev1.Pod{{ObjectMeta: item}}},
		&metav1.PartialObjectMetadataList{
			TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadataList"}, ListMeta: meta,
			Items: []metav1.PartialObjectMetadata{{ObjectMeta: item}},
		},
	} {
		for _, form := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
			info, _ := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), form)
			text, err := runtime.Encode(info.Serializer, list)
			if err != nil {
				t.Fatal(err)
			}
			if got := continueOf(text); got != meta.Continue {
				t.Errorf("%T as %s goes on at %q; expected %q", list, form, got, meta.Continue)
			}
			for n := range text {
				if got := continueOf(text[:n]); got != "" && got != meta.Continue {
					t.Errorf("%T as %s, cut off after %d bytes, goes on at %q", list, form, n, got)
				}
			}
		}
	}
	for _, text := range []string{"", "null", "[]", `"metadata"`, `{"metadata":7}`, `{"metadata":{"continue":7}}`, `{"items":[],"metadata":{"continue":"late"}}`, protobuf + "\xff\xff"} {
		if got := continueOf([]byte(text)); got != "" {
			t.Errorf("%q goes on at %q", text, got)
		}
	}
}

// paged is an API server with a list of ConfigMaps in three pages of one. form says how a page is written.
func paged(t *testing.T, asked func(page string), form string) *Client {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		page := r.URL.Query().Get("continue")
		asked(page)
		next := map[string]string{"": "2", "2": "3"}[page]
		w.Header().Set("Content-Type", "application/json")
		meta, items := fmt.Sprintf(`"metadata":{"resourceVersion":"1","continue":%q}`, next), fmt.Sprintf(`"items":[{"metadata":{"name":"cm-%s"}}]`, page)
		_, _ = io.WriteString(w, strings.NewReplacer("META", meta, "ITEMS", items).Replace(form))
	})
}

const wellFormed = `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1",META,ITEMS}`

// While a page is read, the next one is on its way.
func TestTheNextPageIsOnItsWay(t *testing.T) {
	var asked atomic.Int32
	c := paged(t, func(string) { asked.Add(1) }, wellFormed)
	var seen []string
	requests, err := pages(t.Context(), c, c.core.ConfigMapsMetadata("services"), metav1.ListOptions{}, func(page *metav1.PartialObjectMetadataList, begins bool) {
		if begins != (len(seen) == 0) {
			t.Errorf("page %d begins the list: %v", len(seen)+1, begins)
		}
		seen = append(seen, page.Items[0].Name)
		want := int32(min(len(seen)+1, 3))
		for range 500 {
			if asked.Load() == want {
				return
			}
			time.Sleep(10 * time.Millisecond) // for what another goroutine does
		}
		t.Errorf("while page %d is read %d have been asked for; expected %d", len(seen), asked.Load(), want)
	})
	if want := []string{"cm-", "cm-2", "cm-3"}; err != nil || requests != 3 || asked.Load() != 3 || !slices.Equal(seen, want) {
		t.Errorf("%d requests, %d of them received, pages %q (%v); expected 3 and %q", requests, asked.Load(), seen, err, want)
	}
}

// Metadata can be large. Then one page at a time is held.
func TestALargePageIsHeldAlone(t *testing.T) {
	var asked atomic.Int32
	c := paged(t, func(string) { asked.Add(1) }, strings.Replace(wellFormed, "ITEMS", `"note":"`+strings.Repeat("x", heldTwice)+`",ITEMS`, 1))
	seen := int32(0)
	_, err := pages(t.Context(), c, c.core.ConfigMapsMetadata("services"), metav1.ListOptions{}, func(*metav1.PartialObjectMetadataList, bool) {
		time.Sleep(50 * time.Millisecond) // in which another page would be asked for
		if seen++; asked.Load() != seen {
			t.Errorf("while page %d is read %d have been asked for", seen, asked.Load())
		}
	})
	if err != nil || seen != 3 {
		t.Errorf("%d pages of 3 (%v)", seen, err)
	}
}

// A list that does not say where it goes on before its items is read all the same, once.
func TestAListInAnotherOrderIsReadToItsEnd(t *testing.T) {
	var asked []string
	c := paged(t, func(page string) { asked = append(asked, page) }, `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1",ITEMS,META}`)
	l, err := c.ListConfigMaps(t.Context())
	if want := []string{"", "2", "3"}; err != nil || l.Count != 3 || l.Requests != 3 || !slices.Equal(asked, want) {
		t.Errorf("%d ConfigMaps in %d requests, for %q (%v); expected 3 in 3, for %q", l.Count, l.Requests, asked, err, want)
	}
}

// Of a list that cannot be read nothing is taken, whatever has come of its next page.
func TestAPageThatCannotBeRead(t *testing.T) {
	for _, form := range []string{
		`{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1",META,"items":[{"metadata":7}]}`,
		`{"kind":"PodList","apiVersion":"v1",META,ITEMS}`,
		`{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1",META,"items":[`,
		`{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1",META,ITEMS,"metadata":{"continue":""}}`,
		`{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1",META,ITEMS,"metadata":{"continue":"elsewhere"}}`,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		c := paged(t, func(string) {}, form)
		if l, err := c.ListConfigMaps(ctx); err == nil {
			t.Errorf("%s was taken for a list of %d", form, l.Count)
		}
		cancel()
	}
}
