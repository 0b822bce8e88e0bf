package kube

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"bosgc/internal/inventory"
)

// Lease is who holds a lock, and since when it was last renewed.
type Lease struct {
	Holder   string // empty if nobody
	Renewed  time.Time
	Acquired time.Time
	Duration time.Duration // after Renewed, as the holder has promised

	uid             string
	resourceVersion string
	transitions     int32
}

// HeldBy is the lease as another holder takes it over.
func (l Lease) HeldBy(holder string, now time.Time, lasts time.Duration) Lease {
	l.Holder, l.Renewed, l.Acquired, l.Duration = holder, now, now, lasts
	l.transitions++
	return l
}

// GetLease reads a lock.
func (s *Store) GetLease(ctx context.Context, name string) (Lease, inventory.Presence, error) {
	var found Lease
	err := s.client.try(ctx, func(ctx context.Context) error {
		lease, err := s.client.leases.Leases(s.namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			found = leaseOf(lease)
		}
		return err
	})
	presence, err := presenceOf(err)
	return found, presence, explain("get Lease "+name, s.namespace, err)
}

func leaseOf(l *coordinationv1.Lease) Lease {
	found := Lease{uid: string(l.UID), resourceVersion: l.ResourceVersion}
	if l.Spec.HolderIdentity != nil {
		found.Holder = *l.Spec.HolderIdentity
	}
	if l.Spec.RenewTime != nil {
		found.Renewed = l.Spec.RenewTime.Time
	}
	if l.Spec.AcquireTime != nil {
		found.Acquired = l.Spec.AcquireTime.Time
	}
	if l.Spec.LeaseDurationSeconds != nil {
		found.Duration = time.Duration(*l.Spec.LeaseDurationSeconds) * time.Second
	}
	if l.Spec.LeaseTransitions != nil {
		found.transitions = *l.Spec.LeaseTransitions
	}
	return found
}

// PutLease writes a lock over the very one that was read, or makes it if there was none.
// ErrChanged says that somebody else was faster.
func (s *Store) PutLease(ctx context.Context, name string, l Lease) (Lease, error) {
	seconds := int32(l.Duration / time.Second)
	renewed, acquired := metav1.NewMicroTime(l.Renewed), metav1.NewMicroTime(l.Acquired)
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: s.namespace, UID: types.UID(l.uid), ResourceVersion: l.resourceVersion,
			Labels: map[string]string{managedBy: "bosgc"},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &l.Holder, RenewTime: &renewed, AcquireTime: &acquired,
			LeaseDurationSeconds: &seconds, LeaseTransitions: &l.transitions,
		},
	}
	var written *coordinationv1.Lease
	err := s.client.try(ctx, func(ctx context.Context) (err error) {
		if l.resourceVersion == "" {
			written, err = s.client.leases.Leases(s.namespace).Create(ctx, lease, metav1.CreateOptions{})
		} else {
			written, err = s.client.leases.Leases(s.namespace).Update(ctx, lease.Name, lease, metav1.UpdateOptions{})
		}
		return err
	})
	if err != nil {
		return l, s.unwritten("write Lease "+name, err, l.resourceVersion != "")
	}
	return leaseOf(written), nil
}
