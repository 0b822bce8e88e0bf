package lab

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// tellTerminating adds an old session of which the Job or the ConfigMap was deleted, and is held by a finalizer that
// nobody removes. Deleting it again does nothing, and reported as deleted it would be so in each sweep. What follows the
// ConfigMap waits.
func (b *builder) tellTerminating(job bool) {
	end := b.ago(8*day, 60*day)
	hold := func(meta *metav1.ObjectMeta) {
		at := metav1.NewTime(b.now.Add(-2 * time.Hour))
		meta.DeletionTimestamp, meta.Finalizers = &at, []string{"site.example/backup"}
	}
	if job {
		s := b.session(end.Add(-time.Hour), completedExpired).stopped(b.micros(end)).endedAt(end)
		s.list()
		s.configMap(followsSession)
		s.job(terminating, jobComplete(end), func(j *batchv1.Job) { hold(&j.ObjectMeta) })
		return
	}
	s := b.session(end.Add(-time.Hour), terminating).stopped(b.micros(end)).endedAt(end)
	s.list()
	s.configMap(terminating, func(cm *corev1.ConfigMap) { hold(&cm.ObjectMeta) })
}
