package plane

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ManagedBy is a spec.managedBy of a Job that keeps the Job controller away, so that EndJob can write
// the status. It can be set only when the Job is created.
const ManagedBy = "bosgc.test/plane"

// EndJob finishes a Job with ManagedBy: as batchv1.JobComplete or batchv1.JobFailed, with these times.
func (p *Plane) EndJob(t testing.TB, namespace, name string, how batchv1.JobConditionType, started, ended time.Time) {
	t.Helper()
	jobs := p.Client.BatchV1().Jobs(namespace)
	job, err := jobs.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if job.Spec.ManagedBy == nil || *job.Spec.ManagedBy != ManagedBy {
		t.Fatalf("EndJob: Job %s was made without spec.managedBy: %s", name, ManagedBy)
	}
	start, end := metav1.NewTime(started), metav1.NewTime(ended)
	job.Status = batchv1.JobStatus{StartTime: &start}
	// The API server accepts the final condition only together with the one that announces it.
	announced := batchv1.JobFailureTarget
	if how == batchv1.JobComplete {
		announced = batchv1.JobSuccessCriteriaMet
		job.Status.Succeeded = 1
		job.Status.CompletionTime = &end
	} else {
		job.Status.Failed = 1
	}
	for _, condition := range []batchv1.JobConditionType{announced, how} {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{
			Type: condition, Status: corev1.ConditionTrue, LastProbeTime: end, LastTransitionTime: end,
		})
	}
	if _, err := jobs.UpdateStatus(t.Context(), job, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// SetPodPhase writes the status that a kubelet would write: the phase, and for each container the
// state that goes with it. states may have another state for a container, by its name.
func (p *Plane) SetPodPhase(t testing.TB, namespace, name string, phase corev1.PodPhase, states ...corev1.ContainerStatus) {
	t.Helper()
	pods := p.Client.CoreV1().Pods(namespace)
	pod, err := pods.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod.Status.Phase = phase
	pod.Status.ContainerStatuses = nil
	for _, container := range pod.Spec.Containers {
		status := corev1.ContainerStatus{Name: container.Name, Image: container.Image, State: stateIn(phase)}
		status.Ready = status.State.Running != nil
		if i := slices.IndexFunc(states, func(s corev1.ContainerStatus) bool { return s.Name == container.Name }); i >= 0 {
			status = states[i]
		}
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, status)
	}
	if _, err := pods.UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func stateIn(phase corev1.PodPhase) corev1.ContainerState {
	now := metav1.Now()
	switch phase {
	case corev1.PodRunning:
		return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}
	case corev1.PodSucceeded:
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", FinishedAt: now}}
	case corev1.PodFailed:
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 1, FinishedAt: now}}
	default:
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
	}
}

// Backdate changes the creationTimestamp of an object of a built-in resource ("jobs", "configmaps",
// "pods"). No API allows that, so it is done in etcd, behind the API server's back.
func (p *Plane) Backdate(t testing.TB, resource, namespace, name string, created time.Time) {
	t.Helper()
	key := []byte(path.Join("/registry", resource, namespace, name))
	// A controller may write the object between the read and the write here; then the controller's write
	// stands, and this one is repeated.
	Eventually(t, 5*time.Second, func() error {
		var found struct {
			KVs []struct {
				Value       []byte `json:"value"`
				ModRevision string `json:"mod_revision"`
			} `json:"kvs"`
		}
		if err := p.etcd(t.Context(), "range", map[string]any{"key": key}, &found); err != nil {
			return err
		}
		if len(found.KVs) != 1 {
			return fmt.Errorf("etcd has no %s", key)
		}
		value, err := recreated(found.KVs[0].Value, created)
		if err != nil {
			return err
		}
		var done struct {
			Succeeded bool `json:"succeeded"`
		}
		err = p.etcd(t.Context(), "txn", map[string]any{
			"compare": []any{map[string]any{"key": key, "target": "MOD", "modRevision": found.KVs[0].ModRevision}},
			"success": []any{map[string]any{"requestPut": map[string]any{"key": key, "value": value}}},
		}, &done)
		if err == nil && !done.Succeeded {
			err = fmt.Errorf("%s kept changing", key)
		}
		return err
	})
}

// recreated changes a stored object's creationTimestamp and nothing else in it.
func recreated(object []byte, created time.Time) ([]byte, error) {
	var fields, meta map[string]json.RawMessage
	if err := json.Unmarshal(object, &fields); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(fields["metadata"], &meta); err != nil {
		return nil, err
	}
	var err error
	if meta["creationTimestamp"], err = json.Marshal(created.UTC().Truncate(time.Second)); err != nil {
		return nil, err
	}
	if fields["metadata"], err = json.Marshal(meta); err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}

// etcd calls etcd's JSON gateway.
func (p *Plane) etcd(ctx context.Context, method string, request, response any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, p.etcdURL+"/v3/kv/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	reply, err := p.http.Do(call)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd: %s: %s", method, reply.Status)
	}
	return json.NewDecoder(reply.Body).Decode(response)
}

// Put writes an object to etcd as it is, with its UID, times and status: no API allows to write such a
// past. Its apiVersion and kind must be set.
func (p *Plane) Put(t testing.TB, resource string, object client.Object) {
	t.Helper()
	object.SetResourceVersion("") // etcd has its own versions
	value, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	key := path.Join("/registry", resource, object.GetNamespace(), object.GetName())
	if err := p.etcd(t.Context(), "put", map[string]any{"key": []byte(key), "value": value}, &struct{}{}); err != nil {
		t.Fatal(err)
	}
}

// Compact makes etcd forget all but the newest state, as it does by itself every five minutes. Lists
// that are under way expire.
func (p *Plane) Compact(t testing.TB) {
	t.Helper()
	var now struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	if err := p.etcd(t.Context(), "range", map[string]any{"key": []byte("/")}, &now); err != nil {
		t.Fatal(err)
	}
	if err := p.etcd(t.Context(), "compaction", map[string]any{"revision": now.Header.Revision, "physical": true}, &struct{}{}); err != nil {
		t.Fatal(err)
	}
}
