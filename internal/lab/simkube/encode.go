package simkube

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	batchv1 "k8s.io/api/batch/v1"
	batchv1beta1 "k8s.io/api/batch/v1beta1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

// Objects are stored as JSON. For protobuf they are converted to the API's Go types.
var (
	apiTypes           = newScheme()
	protobufSerializer = protobuf.NewSerializerWithOptions(apiTypes, apiTypes, protobuf.SerializerOptions{
		StreamingCollectionsEncoding: true, // a page is not held in memory a second time
	})
)

func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"}) // Status and discovery
	utilruntime.Must(metav1.AddMetaToScheme(s))
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, batchv1beta1.AddToScheme,
		coordinationv1.AddToScheme, authorizationv1.AddToScheme, autoscalingv1.AddToScheme,
	} {
		utilruntime.Must(add(s))
	}
	return s
}

// send writes a Status, or the answer of discovery or an access review. An error is never turned into another kind. If
// nothing that the client accepts is served it comes as JSON, so that a 406 does not hide it.
func send(w http.ResponseWriter, r *http.Request, status int, o runtime.Object) {
	if f, ok := negotiate(r.Header.Get("Accept"), status < http.StatusBadRequest); ok && f.protobuf() {
		writeProtobuf(w, status, o)
		return
	}
	writeJSON(w, status, o)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func writeProtobuf(w http.ResponseWriter, status int, o runtime.Object) {
	w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
	w.WriteHeader(status)
	allocator := runtime.AllocatorPool.Get().(*runtime.Allocator)
	defer runtime.AllocatorPool.Put(allocator)
	out := bufio.NewWriterSize(w, 1<<16) // each item of a list is written by itself
	_ = protobufSerializer.EncodeWithAllocator(o, out, allocator)
	_ = out.Flush()
}

// typed returns an item in the form that was asked for, as the API's Go type of that version.
func (q request) typed(i item, f form) (runtime.Object, error) {
	if f.metadataOnly() {
		partial := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{Kind: asPartial, APIVersion: metaVersion}}
		return partial, i.decodeMetadata(&partial.ObjectMeta)
	}
	kind := q.version.WithKind(q.resource.kind)
	o, err := apiTypes.New(kind)
	if err == nil {
		err = i.decode(o)
	}
	if err != nil {
		return nil, err
	}
	o.GetObjectKind().SetGroupVersionKind(kind)
	return o, nil
}

// typedList is typed for a page of a list.
func (q request) typedList(page []item, f form, meta metav1.ListMeta) (runtime.Object, error) {
	if f.metadataOnly() {
		list := &metav1.PartialObjectMetadataList{
			TypeMeta: metav1.TypeMeta{Kind: asPartialList, APIVersion: metaVersion}, ListMeta: meta,
			Items: make([]metav1.PartialObjectMetadata, len(page)),
		}
		for n, i := range page {
			if err := i.decodeMetadata(&list.Items[n].ObjectMeta); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	objects := make([]runtime.Object, 0, len(page))
	for _, i := range page {
		o, err := q.typed(i, f)
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	kind := q.version.WithKind(q.resource.kind + "List")
	list, err := apiTypes.New(kind)
	if err == nil {
		err = apimeta.SetList(list, objects)
	}
	if err != nil {
		return nil, err
	}
	list.GetObjectKind().SetGroupVersionKind(kind)
	accessor, err := apimeta.ListAccessor(list)
	if err != nil {
		return nil, err
	}
	accessor.SetResourceVersion(meta.ResourceVersion)
	accessor.SetContinue(meta.Continue)
	accessor.SetRemainingItemCount(meta.RemainingItemCount)
	return list, nil
}

// decode fills an object of the API's Go types.
func (i item) decode(o runtime.Object) error {
	if i.bulk == nil || !i.bulk.decode(o) {
		return runtime.DefaultUnstructuredConverter.FromUnstructured(i.whole(false), o)
	}
	accessor, err := apimeta.Accessor(o)
	if err == nil {
		accessor.SetResourceVersion(strconv.FormatInt(i.version, 10))
	}
	return err
}

func (i item) decodeMetadata(m *metav1.ObjectMeta) error {
	if i.bulk == nil {
		return runtime.DefaultUnstructuredConverter.FromUnstructured(i.object.metadata(), m)
	}
	*m = i.bulk.Content.Metadata(i.bulk.name)
	m.ResourceVersion = strconv.FormatInt(i.version, 10)
	return nil
}

// RearrangeList changes the items of a list that was sent as protobuf. It returns false if the text is no such list.
func RearrangeList(text []byte, change func([]runtime.Object) []runtime.Object) (changed []byte, ok bool) {
	list, _, err := protobufSerializer.Decode(text, nil, nil)
	if err != nil || !apimeta.IsListType(list) {
		return nil, false
	}
	items, err := apimeta.ExtractList(list)
	if err == nil {
		err = apimeta.SetList(list, change(items))
	}
	if err == nil {
		changed, err = runtime.Encode(protobufSerializer, list)
	}
	return changed, err == nil
}
