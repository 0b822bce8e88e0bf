package kube

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"bosgc/internal/inventory"
)

// managedBy marks the objects that bosgc makes for itself.
const managedBy = "app.kubernetes.io/managed-by"

// Store is the namespace in which bosgc keeps what outlives a run: state, journal, lock.
type Store struct {
	client    *Client
	namespace string
}

// Store gives access to bosgc's own objects in a namespace.
func (c *Client) Store(namespace string) *Store { return &Store{client: c, namespace: namespace} }

// Namespace is where the store is.
func (s *Store) Namespace() string { return s.namespace }

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
	var found StoredConfigMap
	err := s.client.ask(ctx, func(ctx context.Context) error {
		cm, err := s.client.core.ConfigMaps(s.namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			found = kept(&cm.ObjectMeta)
			found.Data, found.Binary = cm.Data, cm.BinaryData
		}
		return err
	})
	presence, err := presenceOf(err)
	return found, presence, explain("get ConfigMap "+name, s.namespace, err)
}

func kept(meta *metav1.ObjectMeta) StoredConfigMap {
	return StoredConfigMap{Name: meta.Name, UID: string(meta.UID), ResourceVersion: meta.ResourceVersion, Created: meta.CreationTimestamp.Time, Labels: meta.Labels}
}

// Put writes a ConfigMap over the very one that was read, or makes it if it was never read.
// ErrChanged says that somebody else has written it since, or that an answer was lost: what
// was asked for may have been done. Whoever writes has to be able to tell by the content.
func (s *Store) Put(ctx context.Context, k StoredConfigMap) (StoredConfigMap, error) {
	labels := map[string]string{managedBy: "bosgc"}
	for name, value := range k.Labels {
		labels[name] = value
	}
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: k.Name, Namespace: s.namespace, ResourceVersion: k.ResourceVersion, UID: types.UID(k.UID), Labels: labels},
		Data:       k.Data, BinaryData: k.Binary,
	}
	var written *corev1.ConfigMap
	err := s.client.ask(ctx, func(ctx context.Context) (err error) {
		if k.ResourceVersion == "" {
			written, err = s.client.core.ConfigMaps(s.namespace).Create(ctx, cm, metav1.CreateOptions{})
		} else {
			written, err = s.client.core.ConfigMaps(s.namespace).Update(ctx, cm.Name, cm, metav1.UpdateOptions{})
		}
		return err
	})
	if err != nil {
		return k, s.unwritten("write ConfigMap "+k.Name, err, k.ResourceVersion != "")
	}
	k.UID, k.ResourceVersion = string(written.UID), written.ResourceVersion
	return k, nil
}

// unwritten explains why something was not written. An object that was to be replaced and has
// been deleted has changed too.
func (s *Store) unwritten(doing string, err error, replacing bool) error {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || replacing && notFound(err) {
		return fmt.Errorf("%s: %w: %s", doing, ErrChanged, err.Error())
	}
	return explain(doing, s.namespace, err)
}

// List names bosgc's own ConfigMaps that have all of the given labels, without their content.
func (s *Store) List(ctx context.Context, with map[string]string) ([]StoredConfigMap, error) {
	selector := labels.Set{managedBy: "bosgc"}
	for name, value := range with {
		selector[name] = value
	}
	opts := metav1.ListOptions{LabelSelector: selector.String(), Limit: pageSize}
	var all []StoredConfigMap
	_, err := pages(ctx, s.client, s.client.core.ConfigMapsMetadata(s.namespace), opts, func(page *metav1.PartialObjectMetadataList, begins bool) {
		if begins {
			all = nil
		}
		for i := range page.Items {
			all = append(all, kept(&page.Items[i].ObjectMeta))
		}
	})
	return all, explain("list ConfigMaps", s.namespace, err)
}

// Delete removes one of bosgc's own ConfigMaps, if it is still the one that was read. That it
// is gone already is fine.
func (s *Store) Delete(ctx context.Context, k StoredConfigMap) error {
	_, err := s.client.delete(ctx, "ConfigMap "+k.Name, k.UID, k.ResourceVersion, func(ctx context.Context, opts metav1.DeleteOptions) error {
		return s.client.core.ConfigMaps(s.namespace).Delete(ctx, k.Name, opts)
	})
	return err
}

// CreateEvent notes something on a CronJob of this namespace, where "kubectl describe" shows it. It is
// sent at once, and not through a recorder: one that works in the background would lose it
// when the process ends, which it does right after.
func (s *Store) CreateEvent(ctx context.Context, cronJob, kind, reason, message string) error {
	var uid types.UID
	err := s.client.ask(ctx, func(ctx context.Context) error {
		found, err := s.client.batch.CronJobs(s.namespace).Get(ctx, cronJob, metav1.GetOptions{})
		if err == nil {
			uid = found.UID
		}
		return err
	})
	version := "batch/v1"
	if notFound(err) { // Kubernetes before 1.21 (docs/csm.md, "CronJob")
		version = "batch/v1beta1"
		err = s.client.ask(ctx, func(ctx context.Context) error {
			found, err := s.client.beta.CronJobs(s.namespace).Get(ctx, cronJob, metav1.GetOptions{})
			if err == nil {
				uid = found.UID
			}
			return err
		})
	}
	if err != nil {
		return explain("get CronJob "+cronJob, s.namespace, err)
	}
	now := metav1.Now()
	event := &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: cronJob + ".", Namespace: s.namespace},
		InvolvedObject: corev1.ObjectReference{APIVersion: version, Kind: "CronJob", Namespace: s.namespace, Name: cronJob, UID: uid},
		Type:           kind, Reason: reason, Message: message,
		Source: corev1.EventSource{Component: "bosgc"}, ReportingController: "bosgc",
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
	err = s.client.ask(ctx, func(ctx context.Context) error {
		_, err := s.client.core.Events(s.namespace).Create(ctx, event, metav1.CreateOptions{})
		return err
	})
	return explain("create an Event", s.namespace, err)
}
