package kube

import (
	"context"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ShortestJobTTL returns the shortest time after which Kubernetes deletes a finished Job of BOS by itself, and such a
// Job; no name if there is none. BOS sets no such time: a policy of the cluster does.
func (c *Client) ShortestJobTTL(ctx context.Context) (ttl time.Duration, job string, err error) {
	opts := metav1.ListOptions{Limit: objectPage}
	_, _, err = listAll(ctx, c, opts, c.jobs().List, func() { ttl, job = 0, "" }, func(j *batchv1.Job) {
		if !strings.HasPrefix(j.Name, "boa-") || j.Spec.TTLSecondsAfterFinished == nil {
			return
		}
		if its := time.Duration(*j.Spec.TTLSecondsAfterFinished) * time.Second; job == "" || its < ttl {
			ttl, job = its, j.Name
		}
	})
	return ttl, job, explain("list Jobs", c.options.Namespace, err)
}
