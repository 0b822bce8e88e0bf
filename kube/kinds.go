package kube

import (
	"context"
	"fmt"
	"net/http"

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
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, batchv1beta1.AddToScheme, coordinationv1.AddToScheme, authorizationv1.AddToScheme,
	} {
		utilruntime.Must(add(s))
	}
	return s
}

// group is one version of one group of the API.
type group struct{ rest.Interface }

func newGroup(config *rest.Config, client *http.Client, version schema.GroupVersion) (group, error) {
	config = rest.CopyConfig(config)
	config.APIPath, config.GroupVersion = "/apis", &version
	if version.Group == "" {
		config.APIPath = "/api"
	}
	config.NegotiatedSerializer = rest.CodecFactoryForGeneratedClient(known, codecs).WithoutConversion()
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
	return resource[corev1.Pod, corev1.PodList]{g.group, "pods", namespace}
}

func (g coreV1) ConfigMaps(namespace string) resource[corev1.ConfigMap, corev1.ConfigMapList] {
	return resource[corev1.ConfigMap, corev1.ConfigMapList]{g.group, "configmaps", namespace}
}

func (g coreV1) Namespaces() resource[corev1.Namespace, corev1.NamespaceList] {
	return resource[corev1.Namespace, corev1.NamespaceList]{g.group, "namespaces", ""}
}

func (g coreV1) Events(namespace string) resource[corev1.Event, corev1.EventList] {
	return resource[corev1.Event, corev1.EventList]{g.group, "events", namespace}
}

func (g appsV1) Deployments(namespace string) resource[appsv1.Deployment, appsv1.DeploymentList] {
	return resource[appsv1.Deployment, appsv1.DeploymentList]{g.group, "deployments", namespace}
}

func (g batchV1) Jobs(namespace string) resource[batchv1.Job, batchv1.JobList] {
	return resource[batchv1.Job, batchv1.JobList]{g.group, "jobs", namespace}
}

func (g batchV1) CronJobs(namespace string) resource[batchv1.CronJob, batchv1.CronJobList] {
	return resource[batchv1.CronJob, batchv1.CronJobList]{g.group, "cronjobs", namespace}
}

func (g batchV1beta1) CronJobs(namespace string) resource[batchv1beta1.CronJob, batchv1beta1.CronJobList] {
	return resource[batchv1beta1.CronJob, batchv1beta1.CronJobList]{g.group, "cronjobs", namespace}
}

func (g coordinationV1) Leases(namespace string) resource[coordinationv1.Lease, coordinationv1.LeaseList] {
	return resource[coordinationv1.Lease, coordinationv1.LeaseList]{g.group, "leases", namespace}
}

func (g authorizationV1) SelfSubjectAccessReviews() resource[authorizationv1.SelfSubjectAccessReview, metav1.List] {
	return resource[authorizationv1.SelfSubjectAccessReview, metav1.List]{g.group, "selfsubjectaccessreviews", ""}
}

// resource is one kind of object, in one namespace or in none. T and L are its type and that of its list.
type resource[T, L any] struct {
	group     group
	name      string
	namespace string
}

func (r resource[T, L]) send(ctx context.Context, request *rest.Request, into any) error {
	object, ok := into.(runtime.Object)
	if !ok {
		return fmt.Errorf("%T is no type of the Kubernetes API", into)
	}
	return request.NamespaceIfScoped(r.namespace, r.namespace != "").Resource(r.name).Do(ctx).Into(object)
}

func (r resource[T, L]) Get(ctx context.Context, name string, opts metav1.GetOptions) (*T, error) {
	into := new(T)
	err := r.send(ctx, r.group.Get().Name(name).VersionedParams(&opts, parameters), into)
	return into, err
}

func (r resource[T, L]) List(ctx context.Context, opts metav1.ListOptions) (*L, error) {
	into := new(L)
	err := r.send(ctx, r.group.Get().VersionedParams(&opts, parameters), into)
	return into, err
}

func (r resource[T, L]) Create(ctx context.Context, object *T, opts metav1.CreateOptions) (*T, error) {
	into := new(T)
	err := r.send(ctx, r.group.Post().VersionedParams(&opts, parameters).Body(object), into)
	return into, err
}

// Update writes the object of that name.
func (r resource[T, L]) Update(ctx context.Context, name string, object *T, opts metav1.UpdateOptions) (*T, error) {
	into := new(T)
	err := r.send(ctx, r.group.Put().Name(name).VersionedParams(&opts, parameters).Body(object), into)
	return into, err
}

func (r resource[T, L]) Patch(ctx context.Context, name string, kind types.PatchType, data []byte, opts metav1.PatchOptions) (*T, error) {
	into := new(T)
	err := r.send(ctx, r.group.Patch(kind).Name(name).VersionedParams(&opts, parameters).Body(data), into)
	return into, err
}

// Delete tells of the error alone: what the API server answers is the object or a Status, as it likes.
func (r resource[T, L]) Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error {
	return r.group.Delete().NamespaceIfScoped(r.namespace, r.namespace != "").Resource(r.name).Name(name).Body(&opts).Do(ctx).Error()
}
