package kube

import (
	"context"
	"fmt"
	"maps"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	batchv1beta1 "k8s.io/api/batch/v1beta1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"bosgc/internal/inventory"
)

// managedBy is the label of the objects that bosgc creates for itself.
const managedBy = "app.kubernetes.io/managed-by"

// Store is the namespace in which bosgc stores what outlives a run: state, journal, lease.
type Store struct {
	client    *Client
	namespace string
}

// Store returns access to bosgc's own objects in a namespace.
func (c *Client) Store(namespace string) *Store { return &Store{client: c, namespace: namespace} }

// Namespace returns the namespace of the store.
func (s *Store) Namespace() string { return s.namespace }

func (s *Store) configMaps() typedcorev1.ConfigMapInterface {
	return s.client.typed.CoreV1().ConfigMaps(s.namespace)
}

// StoredConfigMap is a ConfigMap of bosgc's own.
type StoredConfigMap struct {
	Name            string
	UID             string
	ResourceVersion string // empty if it does not exist yet
	Created         time.Time
	Labels          map[string]string
	Data            map[string]string
	Binary          map[string][]byte
}

// Get reads one of bosgc's own ConfigMaps.
func (s *Store) Get(ctx context.Context, name string) (StoredConfigMap, inventory.Presence, error) {
	cm, err := fetch(ctx, s.client.do, func(ctx context.Context) (*corev1.ConfigMap, error) {
		return s.configMaps().Get(ctx, name, metav1.GetOptions{})
	})
	presence, err := presenceOf(err)
	if presence != inventory.Present {
		return StoredConfigMap{}, presence, explain("get ConfigMap "+name, s.namespace, err)
	}
	found := newStored(&cm.ObjectMeta)
	found.Data, found.Binary = cm.Data, cm.BinaryData
	return found, presence, nil
}

func newStored(meta *metav1.ObjectMeta) StoredConfigMap {
	return StoredConfigMap{
		Name: meta.Name, UID: string(meta.UID), ResourceVersion: meta.ResourceVersion,
		Created: meta.CreationTimestamp.Time, Labels: meta.Labels,
	}
}

// Put replaces the ConfigMap that was read, or creates it if it was never read. The error is ErrChanged
// if somebody else has written it since. It is also ErrChanged if the write was carried out and its
// answer was lost: only the content tells the two apart.
func (s *Store) Put(ctx context.Context, stored StoredConfigMap) (StoredConfigMap, error) {
	labels := map[string]string{managedBy: "bosgc"}
	maps.Copy(labels, stored.Labels)
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name: stored.Name, Namespace: s.namespace, Labels: labels,
			UID: types.UID(stored.UID), ResourceVersion: stored.ResourceVersion,
		},
		Data: stored.Data, BinaryData: stored.Binary,
	}
	written, err := fetch(ctx, s.client.do, func(ctx context.Context) (*corev1.ConfigMap, error) {
		if stored.ResourceVersion == "" {
			return s.configMaps().Create(ctx, cm, metav1.CreateOptions{})
		}
		return s.configMaps().Update(ctx, cm, metav1.UpdateOptions{})
	})
	if err != nil {
		return stored, s.explainWrite("write ConfigMap "+stored.Name, err, stored.ResourceVersion != "")
	}
	stored.UID, stored.ResourceVersion = string(written.UID), written.ResourceVersion
	return stored, nil
}

// explainWrite explains why something was not written. An object that was to be replaced and has
// been deleted has changed too.
func (s *Store) explainWrite(doing string, err error, replacing bool) error {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || replacing && isNotFound(err) {
		return fmt.Errorf("%s: %w: %s", doing, ErrChanged, err.Error())
	}
	return explain(doing, s.namespace, err)
}

// List returns bosgc's own ConfigMaps that have all of the given labels, without their content.
func (s *Store) List(ctx context.Context, with map[string]string) ([]StoredConfigMap, error) {
	selector := labels.Set{managedBy: "bosgc"}
	maps.Copy(selector, with)
	var all []StoredConfigMap
	opts := metav1.ListOptions{LabelSelector: selector.String(), Limit: metadataPage}
	_, _, err := listAll(ctx, s.client, opts, s.client.configMapMetadata(s.namespace).List,
		func() { all = nil },
		func(cm *metav1.PartialObjectMetadata) { all = append(all, newStored(&cm.ObjectMeta)) })
	return all, explain("list ConfigMaps", s.namespace, err)
}

// Delete deletes one of bosgc's own ConfigMaps, if it is still the one that was read. That it
// has been deleted already is no error.
func (s *Store) Delete(ctx context.Context, stored StoredConfigMap) error {
	_, err := s.client.delete(ctx, "ConfigMap "+stored.Name, stored.UID, stored.ResourceVersion,
		s.client.typed.CoreV1().RESTClient().Delete().Namespace(s.namespace).Resource("configmaps").Name(stored.Name))
	return err
}

// CreateEvent records something about a CronJob of this namespace, where "kubectl describe" shows it. It is
// sent at once, and not through a recorder: one that works in the background would lose it
// when the process ends, right after.
func (s *Store) CreateEvent(ctx context.Context, cronJob, kind, reason, message string) error {
	version, uid, err := s.findCronJob(ctx, cronJob)
	if err != nil {
		return explain("get CronJob "+cronJob, s.namespace, err)
	}
	now := metav1.Now()
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{GenerateName: cronJob + ".", Namespace: s.namespace},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: version, Kind: "CronJob", Namespace: s.namespace, Name: cronJob, UID: uid,
		},
		Type: kind, Reason: reason, Message: message,
		Source: corev1.EventSource{Component: "bosgc"}, ReportingController: "bosgc",
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
	_, err = fetch(ctx, s.client.do, func(ctx context.Context) (*corev1.Event, error) {
		return s.client.typed.CoreV1().Events(s.namespace).Create(ctx, event, metav1.CreateOptions{})
	})
	return explain("create an Event", s.namespace, err)
}

// findCronJob returns the version and the UID of a CronJob. Kubernetes before 1.21 serves it as
// batch/v1beta1 only (docs/csm.md, "CronJob").
func (s *Store) findCronJob(ctx context.Context, name string) (version string, uid types.UID, err error) {
	stable, err := fetch(ctx, s.client.do, func(ctx context.Context) (*batchv1.CronJob, error) {
		return s.client.typed.BatchV1().CronJobs(s.namespace).Get(ctx, name, metav1.GetOptions{})
	})
	if err == nil {
		return "batch/v1", stable.UID, nil
	}
	if !isNotFound(err) {
		return "", "", err
	}
	beta, err := fetch(ctx, s.client.do, func(ctx context.Context) (*batchv1beta1.CronJob, error) {
		return s.client.typed.BatchV1beta1().CronJobs(s.namespace).Get(ctx, name, metav1.GetOptions{})
	})
	if err != nil {
		return "", "", err
	}
	return "batch/v1beta1", beta.UID, nil
}
