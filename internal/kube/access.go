package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Permission is one verb on one resource of a namespace.
type Permission struct {
	Group    string // API group; empty is the core one
	Resource string // with its subresource, as in a Role
	Verb     string
	Name     string // of the only object that is meant; empty for all of them
}

// ForDeleting reports whether only a run that deletes needs the permission: for the delete, to write a Job to the
// journal, or to see what starts meanwhile.
func (p Permission) ForDeleting() bool {
	return p.Verb == "delete" || p.Verb == "watch" || p.Verb == "get" && p.Resource == "jobs"
}

func (p Permission) String() string {
	text := p.Verb + " " + p.Resource
	if p.Group != "" {
		text += "." + p.Group
	}
	if p.Name != "" {
		text += " " + p.Name
	}
	return text
}

// SweepPermissions returns all that a sweep needs in the namespace that it sweeps, and nothing that it does
// not use. A test holds the chart's Role to it.
func SweepPermissions() []Permission {
	return []Permission{
		{"", "configmaps", "get", ""},
		{"", "configmaps", "list", ""},
		{"", "configmaps", "delete", ""},
		{"", "pods", "list", ""},
		{"", "pods", "watch", ""},
		{"batch", "cronjobs", "list", ""},
		{"batch", "cronjobs", "watch", ""},
		{"batch", "jobs", "get", ""},
		{"batch", "jobs", "list", ""},
		{"batch", "jobs", "watch", ""},
		{"batch", "jobs", "delete", ""},
	}
}

// CleanPermissions returns what cleaning up a named session needs as well, and resuming that in a sweep. A
// cancel also restarts the batcher's Deployment.
func CleanPermissions(batcher string) []Permission {
	clean := []Permission{{"batch", "jobs", "patch", ""}}
	if batcher != "" {
		clean = append(clean,
			Permission{"apps", "deployments/scale", "get", batcher},
			Permission{"apps", "deployments/scale", "update", batcher},
		)
	}
	return clean
}

// StatePermissions returns all that bosgc needs in the namespace of its state, lease and journal, which bear name. A run
// that does not delete writes the state alone. Nothing may be changed but by its name. To create cannot be narrowed down
// to names in Kubernetes; and a journal's have the ID of a run.
func StatePermissions(name string, deleting bool) []Permission {
	const configMaps, leases = "configmaps", "leases"
	all := []Permission{
		{"", configMaps, "create", ""},
		{"", configMaps, "update", name + "-state"},
		{"", configMaps, "update", name + "-state-unreadable"},
	}
	if !deleting {
		return append(all,
			Permission{"", configMaps, "get", name + "-state"},
			Permission{"", configMaps, "get", name + "-state-unreadable"},
		)
	}
	return append(all,
		Permission{"", configMaps, "get", ""},
		Permission{"", configMaps, "list", ""},
		Permission{"", configMaps, "delete", ""},
		Permission{"coordination.k8s.io", leases, "create", ""},
		Permission{"coordination.k8s.io", leases, "get", name},
		Permission{"coordination.k8s.io", leases, "update", name},
	)
}

// MissingPermissions asks the API server which of the permissions this client does not have in a namespace. To
// ask needs no permission. An error means that the server could not be asked.
func (c *Client) MissingPermissions(ctx context.Context, namespace string, wanted []Permission) ([]Permission, error) {
	allowed := make([]bool, len(wanted))
	group, ctx := errgroup.WithContext(ctx)
	for i, p := range wanted {
		group.Go(func() (err error) {
			allowed[i], err = c.isAllowed(ctx, namespace, p)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("ask for permissions in namespace %q: %w", namespace, err)
	}
	var missing []Permission
	for i, p := range wanted {
		if !allowed[i] {
			missing = append(missing, p)
		}
	}
	return missing, nil
}

func (c *Client) isAllowed(ctx context.Context, namespace string, p Permission) (allowed bool, err error) {
	resource, subresource, _ := strings.Cut(p.Resource, "/")
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Group: p.Group, Resource: resource, Subresource: subresource, Verb: p.Verb, Name: p.Name,
		},
	}}
	err = c.do(ctx, func(ctx context.Context) error {
		answer, err := c.typed.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if answer.Spec.ResourceAttributes == nil { // another kind of answer is read as an empty one
			return errors.New("the answer is not an access review of the API server")
		}
		allowed = answer.Status.Allowed
		return nil
	})
	return allowed, err
}
