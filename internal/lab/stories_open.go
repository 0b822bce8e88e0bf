package lab

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// openStories are situations in which bosgc does not do what is right yet. They are told only by name, and a test holds
// that bosgc fails each of them: a story that it passes moves to the others.
var openStories = []story{
	{"job-terminating", 0, onlyWithBOSv1, func(b *builder) { b.terminating(true) }},
	{"configmap-terminating", 0, onlyWithBOSv1, func(b *builder) { b.terminating(false) }},
}

// terminating is an object that somebody has deleted, and that a finalizer holds.
var terminating = verdict{"keep", "terminating"}

func onlyWithoutBOSv1(p Profile) bool { return !p.BOSv1 }

// terminating adds an old session of which the Job or the ConfigMap was deleted, and is held by a finalizer that nobody
// removes. Deleting it again does nothing, and reported as deleted it would be so in each sweep.
func (b *builder) terminating(job bool) {
	end := b.ago(8*day, 60*day)
	hold := func(meta *metav1.ObjectMeta) {
		at := metav1.NewTime(b.now.Add(-2 * time.Hour))
		meta.DeletionTimestamp, meta.Finalizers = &at, []string{"site.example/backup"}
	}
	s := b.session(end.Add(-time.Hour), completedExpired).stopped(b.micros(end)).endedAt(end)
	s.list()
	if job {
		s.configMap(followsSession)
		s.job(terminating, jobComplete(end), func(j *batchv1.Job) { hold(&j.ObjectMeta) })
		return
	}
	s.configMap(terminating, func(cm *corev1.ConfigMap) { hold(&cm.ObjectMeta) })
}
