package kube

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestProjectPodReadsTheDeletion(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{Time: at}}}
	if found, _ := projectPod(pod); !found.Deleted.At().Equal(at) {
		t.Errorf("%+v", found)
	}
	if found, _ := projectPod(&corev1.Pod{}); found.Deleted.Known() {
		t.Errorf("%+v", found)
	}
}

func TestAJobTellsHowManyPodsHaveToSucceed(t *testing.T) {
	three := int32(3)
	for want, job := range map[[2]int]batchv1.Job{
		{1, 0}: {ObjectMeta: metav1.ObjectMeta{Name: "boa-1"}},
		{3, 2}: {
			ObjectMeta: metav1.ObjectMeta{Name: "boa-1"}, Spec: batchv1.JobSpec{Completions: &three}, Status: batchv1.JobStatus{Succeeded: 2},
		},
	} {
		if got, _ := projectJob(&job); got.Completions != want[0] || got.SucceededPods != want[1] {
			t.Errorf("completions %d, succeeded %d, want %v", got.Completions, got.SucceededPods, want)
		}
	}
}
