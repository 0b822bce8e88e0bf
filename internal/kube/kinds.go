package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	batchv1beta1 "k8s.io/api/batch/v1beta1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	jsonserializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
)

// The kinds that are used are registered here, and each has its client below. Each of client-go's own packages of
// clients brings all kinds of all groups along, which is 10 MB of a binary of 34, and 6 MB of its memory.
var (
	known      = newScheme()
	codecs     = serializer.NewCodecFactory(known)
	parameters = runtime.NewParameterCodec(known)
)

func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"}) // a Status has this version, whatever was asked for
	utilruntime.Must(metav1.AddMetaToScheme(s))
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, batchv1beta1.AddToScheme, coordinationv1.AddToScheme, authorizationv1.AddToScheme,
	} {
		utilruntime.Must(add(s))
	}
	return s
}

// serializers decode answers.
type serializers struct{ runtime.NegotiatedSerializer }

func (s serializers) SupportedMediaTypes() []runtime.SerializerInfo {
	all := slices.Clone(s.NegotiatedSerializer.SupportedMediaTypes())
	for i := range all {
		if all[i].MediaType == runtime.ContentTypeJSON {
			all[i].Serializer = jsonserializer.NewSerializerWithOptions(atItsBeginning{}, known, known, jsonserializer.SerializerOptions{})
		}
	}
	return all
}

// atItsBeginning finds out what kind of object a text is by its first two fields, where every API server has its kind and
// version. The library's own way is to read all of it, once more, which costs as much as decoding it.
type atItsBeginning struct {
	jsonserializer.SimpleMetaFactory
}

func (f atItsBeginning) Interpret(text []byte) (*schema.GroupVersionKind, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	_, _ = d.Token() // what is wrong with it is found by who reads all of it
	said := map[json.Token]string{}
	for range 2 {
		key, _ := d.Token()
		value, _ := d.Token()
		said[key], _ = value.(string)
	}
	version, err := schema.ParseGroupVersion(said["apiVersion"])
	if err != nil || version.Version == "" || said["kind"] == "" {
		return f.SimpleMetaFactory.Interpret(text)
	}
	kind := version.WithKind(said["kind"])
	return &kind, nil
}

// group is one version of one group of the API.
type group struct{ rest.Interface }

func newGroup(config *rest.Config, client *http.Client, version schema.GroupVersion) (group, error) {
	config = rest.CopyConfig(config)
	config.APIPath, config.GroupVersion = "/apis", &version
	if version.Group == "" {
		config.APIPath = "/api"
	}
	config.NegotiatedSerializer = serializers{rest.CodecFactoryForGeneratedClient(known, codecs).WithoutConversion()}
	c, err := rest.RESTClientForConfigAndClient(config, client)
	return group{c}, err
}

type (
	coreV1          struct{ group }
	appsV1          struct{ group }
	batchV1         struct{ group }
	batchV1beta1    struct{ group }
	coordinationV1  struct{ group }
	authorizationV1 struct{ group }
)

func (g coreV1) Pods(namespace string) resource[corev1.Pod, corev1.PodList] {
	return resource[corev1.Pod, corev1.PodList]{group: g.group, name: "pods", namespace: namespace}
}

func (g coreV1) ConfigMaps(namespace string) resource[corev1.ConfigMap, corev1.ConfigMapList] {
	return resource[corev1.ConfigMap, corev1.ConfigMapList]{group: g.group, name: "configmaps", namespace: namespace}
}

// ConfigMapsMetadata is the same without what they hold.
func (g coreV1) ConfigMapsMetadata(namespace string) resource[metav1.PartialObjectMetadata, metav1.PartialObjectMetadataList] {
	return resource[metav1.PartialObjectMetadata, metav1.PartialObjectMetadataList]{group: g.group, name: "configmaps", namespace: namespace, metadata: true}
}

func (g coreV1) Namespaces() resource[corev1.Namespace, corev1.NamespaceList] {
	return resource[corev1.Namespace, corev1.NamespaceList]{group: g.group, name: "namespaces"}
}

func (g coreV1) Events(namespace string) resource[corev1.Event, corev1.EventList] {
	return resource[corev1.Event, corev1.EventList]{group: g.group, name: "events", namespace: namespace}
}

func (g appsV1) Deployments(namespace string) resource[appsv1.Deployment, appsv1.DeploymentList] {
	return resource[appsv1.Deployment, appsv1.DeploymentList]{group: g.group, name: "deployments", namespace: namespace}
}

func (g batchV1) Jobs(namespace string) resource[batchv1.Job, batchv1.JobList] {
	return resource[batchv1.Job, batchv1.JobList]{group: g.group, name: "jobs", namespace: namespace}
}

func (g batchV1) CronJobs(namespace string) resource[batchv1.CronJob, batchv1.CronJobList] {
	return resource[batchv1.CronJob, batchv1.CronJobList]{group: g.group, name: "cronjobs", namespace: namespace}
}

func (g batchV1beta1) CronJobs(namespace string) resource[batchv1beta1.CronJob, batchv1beta1.CronJobList] {
	return resource[batchv1beta1.CronJob, batchv1beta1.CronJobList]{group: g.group, name: "cronjobs", namespace: namespace}
}

func (g coordinationV1) Leases(namespace string) resource[coordinationv1.Lease, coordinationv1.LeaseList] {
	return resource[coordinationv1.Lease, coordinationv1.LeaseList]{group: g.group, name: "leases", namespace: namespace}
}

func (g authorizationV1) SelfSubjectAccessReviews() resource[authorizationv1.SelfSubjectAccessReview, metav1.List] {
	return resource[authorizationv1.SelfSubjectAccessReview, metav1.List]{group: g.group, name: "selfsubjectaccessreviews"}
}

// resource is one kind of object, in one namespace or in none. T and L are its type and that of its list.
type resource[T, L any] struct {
	group     group
	name      string
	namespace string
	metadata  bool // it is read without what it holds; T and L are those of metadata
}

// to directs a request there. A kind that is read by its metadata alone comes as another kind of object.
func (r resource[T, L]) to(request *rest.Request, as string) *rest.Request {
	if r.metadata {
		as = ";as=" + as + ";g=meta.k8s.io;v=v1"
		request.SetHeader("Accept", "application/vnd.kubernetes.protobuf"+as+",application/json"+as)
	}
	return request.NamespaceIfScoped(r.namespace, r.namespace != "").Resource(r.name)
}

// send gives what comes back.
func send[O any](ctx context.Context, request *rest.Request) (*O, error) {
	return as[O](request.Do(ctx).Get())
}

// as gives an answer, which is never another kind of thing: somebody else's answer, read as a list, is an empty
// one.
func as[O any](answer runtime.Object, err error) (*O, error) {
	if err != nil {
		return nil, err
	}
	object, ok := any(answer).(*O)
	if !ok {
		return nil, fmt.Errorf("the API server answered with %T; expected %T", answer, object)
	}
	return object, nil
}

const (
	partial     = "PartialObjectMetadata"
	partialList = "PartialObjectMetadataList"
)

func (r resource[T, L]) Get(ctx context.Context, name string, opts metav1.GetOptions) (*T, error) {
	return send[T](ctx, r.to(r.group.Get(), partial).Name(name).VersionedParams(&opts, parameters))
}

func (r resource[T, L]) list(opts metav1.ListOptions) *rest.Request {
	return r.to(r.group.Get(), partialList).VersionedParams(&opts, parameters)
}

func (r resource[T, L]) Create(ctx context.Context, object *T, opts metav1.CreateOptions) (*T, error) {
	return send[T](ctx, r.to(r.group.Post(), partial).VersionedParams(&opts, parameters).Body(object))
}

// Update writes the object of that name.
func (r resource[T, L]) Update(ctx context.Context, name string, object *T, opts metav1.UpdateOptions) (*T, error) {
	return send[T](ctx, r.to(r.group.Put(), partial).Name(name).VersionedParams(&opts, parameters).Body(object))
}

func (r resource[T, L]) Patch(ctx context.Context, name string, kind types.PatchType, data []byte, opts metav1.PatchOptions) (*T, error) {
	return send[T](ctx, r.to(r.group.Patch(kind), partial).Name(name).VersionedParams(&opts, parameters).Body(data))
}

// Delete tells of the error alone: what the API server answers is the object or a Status, as it likes.
func (r resource[T, L]) Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error {
	return r.to(r.group.Delete(), partial).Name(name).Body(&opts).Do(ctx).Error()
}
