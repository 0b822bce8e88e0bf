package kube

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Permission is one verb on one resource of the namespace that is swept.
type Permission struct {
	Group    string // API group; empty is the core one
	Resource string
	Verb     string
	Name     string // of the one object that is meant; empty is all of them
}

// ForDeleting says whether a plan can do without it: it serves the look at a Job directly before
// a delete, or the delete itself.
func (p Permission) ForDeleting() bool {
	return p.Verb == "delete" || p.Verb == "get" && p.Resource == "jobs"
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

// SweepPermissions is all that a sweep needs in Kubernetes, and nothing that it does not use. The
// chart's Role is tested to be the same.
func SweepPermissions() []Permission {
	return []Permission{
		{"", "configmaps", "get", ""},
		{"", "configmaps", "list", ""},
		{"", "configmaps", "delete", ""},
		{"", "pods", "list", ""},
		{"batch", "cronjobs", "list", ""},
		{"batch", "jobs", "get", ""},
		{"batch", "jobs", "list", ""},
		{"batch", "jobs", "delete", ""},
	}
}

// CleanPermissions is what taking a named session apart needs besides, and going on with that; a cancel also restarts
// the Deployment of the batcher. Without them a sweep leaves to others what was interrupted.
func CleanPermissions(batcher string) []Permission {
	clean := []Permission{{"batch", "jobs", "patch", ""}}
	if batcher != "" {
		clean = append(clean, Permission{"apps", "deployments", "get", batcher}, Permission{"apps", "deployments", "patch", batcher})
	}
	return clean
}

// StatePermissions is all that bosgc needs where it keeps state, lock and journal. Without
// deleting, that is the state alone.
func StatePermissions(deleting bool) []Permission {
	state := []Permission{
		{"", "configmaps", "get", ""},
		{"", "configmaps", "create", ""},
		{"", "configmaps", "update", ""},
	}
	if !deleting {
		return state
	}
	return append(state,
		Permission{"", "configmaps", "list", ""},
		Permission{"", "configmaps", "delete", ""},
		Permission{"coordination.k8s.io", "leases", "get", ""},
		Permission{"coordination.k8s.io", "leases", "create", ""},
		Permission{"coordination.k8s.io", "leases", "update", ""},
	)
}

// MissingPermissions asks which of the permissions this client does not have in a namespace. That question
// itself needs none. The error says that the server could not be asked.
func (c *Client) MissingPermissions(ctx context.Context, namespace string, wanted []Permission) ([]Permission, error) {
	allowed := make([]bool, len(wanted))
	all, ctx := errgroup.WithContext(ctx)
	for i, p := range wanted {
		all.Go(func() error {
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: namespace, Group: p.Group, Resource: p.Resource, Verb: p.Verb, Name: p.Name,
				},
			}}
			return c.ask(ctx, func(ctx context.Context) error {
				answer, err := c.access.SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
				if err == nil {
					allowed[i] = answer.Status.Allowed
				}
				return err
			})
		})
	}
	if err := all.Wait(); err != nil {
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
