package kube

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcoordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"

	"bosgc/internal/inventory"
)

// Lease is a lock that its holder has to renew.
type Lease struct {
	Holder   string // empty if nobody holds it
	Renewed  time.Time
	Acquired time.Time
	Duration time.Duration // how long it lasts after Renewed

	uid             string
	resourceVersion string
	transitions     int32
}

// HeldBy returns the lease as another holder takes it over.
func (l Lease) HeldBy(holder string, now time.Time, duration time.Duration) Lease {
	l.Holder, l.Renewed, l.Acquired, l.Duration = holder, now, now, duration
	l.transitions++
	return l
}

// GetLease reads a lease.
func (s *Store) GetLease(ctx context.Context, name string) (Lease, inventory.Presence, error) {
	lease, err := fetch(ctx, s.client.doAtOnce, func(ctx context.Context) (*coordinationv1.Lease, error) {
		return s.leases().Get(ctx, name, metav1.GetOptions{})
	})
	presence, err := presenceOf(err)
	if presence != inventory.Present {
		return Lease{}, presence, explain("get Lease "+name, s.namespace, err)
	}
	return leaseOf(lease), presence, nil
}

func (s *Store) leases() typedcoordinationv1.LeaseInterface {
	return s.client.typed.CoordinationV1().Leases(s.namespace)
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

// PutLease replaces the lease that was read, or creates it if there was none. The error is
// ErrChanged if somebody else has written it since.
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
	written, err := fetch(ctx, s.client.doAtOnce, func(ctx context.Context) (*coordinationv1.Lease, error) {
		if l.resourceVersion == "" {
			return s.leases().Create(ctx, lease, metav1.CreateOptions{})
		}
		return s.leases().Update(ctx, lease, metav1.UpdateOptions{})
	})
	if err != nil {
		return l, s.explainWrite("write Lease "+name, err, l.resourceVersion != "")
	}
	return leaseOf(written), nil
}
