package kube

import (
	"testing"
	"time"

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
