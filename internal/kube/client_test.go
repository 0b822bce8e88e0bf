package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"bosgc/internal/inventory"
)

const (
	id    = "5a0df9d1-2c3b-4f5e-8a9b-0123456789ab"
	other = "6a0df9d1-2c3b-4f5e-8a9b-0123456789ab"
)

// serve starts an API server that answers as handle says, and a client for it.
func serve(t *testing.T, handle http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	c, err := New(&rest.Config{Host: server.URL}, Options{Namespace: "services", Concurrency: 2, RequestTimeout: 5 * time.Second, ListTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func reply(t *testing.T, w http.ResponseWriter, status int, body any) {
	t.Helper()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		t.Error(err)
	}
}

func failure(t *testing.T, w http.ResponseWriter, code int, reason metav1.StatusReason) {
	t.Helper()
	reply(t, w, code, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: int32(code), Reason: reason, Message: string(reason)})
}

func jobs(next string, names ...string) batchv1.JobList {
	list := batchv1.JobList{TypeMeta: metav1.TypeMeta{Kind: "JobList", APIVersion: "batch/v1"}}
	list.Continue = next
	for _, name := range names {
		list.Items = append(list.Items, batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return list
}

func TestAListThatExpiresBeginsAgain(t *testing.T) {
	requests := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		switch {
		case r.URL.Query().Get("continue") == "" && requests == 1:
			reply(t, w, 200, jobs("page2", "boa-old", "boa-gone-since"))
		case r.URL.Query().Get("continue") == "page2" && requests == 2:
			failure(t, w, http.StatusGone, metav1.StatusReasonExpired)
		case r.URL.Query().Get("continue") == "":
			reply(t, w, 200, jobs("page2", "boa-old"))
		default:
			reply(t, w, 200, jobs("", "boa-new"))
		}
	})
	l, err := c.ListJobs(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, job := range l.Jobs {
		names = append(names, job.Name)
	}
	if got := strings.Join(names, " "); got != "boa-old boa-new" {
		t.Errorf("Jobs are %q: what was seen before the list expired must not be among them", got)
	}
	if l.Count != 2 || l.Requests != 4 {
		t.Errorf("count %d, requests %d; want 2 and 4", l.Count, l.Requests)
	}
}

func TestAPageThatIsTriedAgainIsTheSamePage(t *testing.T) {
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		page := r.URL.Query().Get("continue")
		asked = append(asked, page)
		switch {
		case page == "":
			reply(t, w, 200, jobs("page2", "boa-a"))
		case len(asked) == 2:
			failure(t, w, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable)
		default:
			reply(t, w, 200, jobs("", "boa-b"))
		}
	})
	l, err := c.ListJobs(context.Background())
	if err != nil || l.Count != 2 || strings.Join(asked, " ") != " page2 page2" {
		t.Errorf("%d Jobs, error %v, asked for pages %q", l.Count, err, asked)
	}
}

func TestAListThatAlwaysExpiresIsAnError(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("continue") == "" {
			reply(t, w, 200, jobs("page2", "boa-old"))
			return
		}
		failure(t, w, http.StatusGone, metav1.StatusReasonExpired)
	})
	if _, err := c.ListJobs(context.Background()); err == nil {
		t.Error("half a list passed for a whole one")
	}
}

func TestABusyServerIsAskedAgain(t *testing.T) {
	requests := 0
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests++
		switch requests {
		case 1:
			failure(t, w, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable)
		case 2:
			panic(http.ErrAbortHandler) // the connection breaks
		default:
			reply(t, w, 200, jobs("", "boa-x"))
		}
	})
	if l, err := c.ListJobs(context.Background()); err != nil || len(l.Jobs) != 1 {
		t.Errorf("after %d requests: %v, error %v", requests, l.Jobs, err)
	}
}

func TestASilentServerIsGivenUp(t *testing.T) {
	over := make(chan struct{})
	c := serve(t, func(_ http.ResponseWriter, _ *http.Request) { <-over })
	defer close(over)
	c.options.RequestTimeout = 50 * time.Millisecond
	_, err := c.ListJobs(context.Background())
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "did not answer within 50ms") {
		t.Errorf("error is %v", err)
	}
}

func TestARefusedListNamesThePermission(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		failure(t, w, http.StatusForbidden, metav1.StatusReasonForbidden)
	})
	_, err := c.ListPods(context.Background())
	if err == nil || !strings.Contains(err.Error(), "list Pods") || !strings.Contains(err.Error(), "permission") {
		t.Errorf("error is %v", err)
	}
}

func TestCronJobsOfOldKubernetes(t *testing.T) {
	var paths []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		if strings.HasPrefix(r.URL.Path, "/apis/batch/v1/") {
			failure(t, w, http.StatusNotFound, metav1.StatusReasonNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"kind":"CronJobList","apiVersion":"batch/v1beta1","items":[{"metadata":{"name":"nightly"},"spec":{"jobTemplate":{"spec":{"template":{"spec":{
			"containers":[{"name":"c","envFrom":[{"configMapRef":{"name":%q}}]}]}}}}}}]}`, id)
	})
	l, err := c.ListCronJobs(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(l.References) != 1 || l.References[0] != (inventory.Reference{ConfigMap: id, Kind: "CronJob", Name: "nightly"}) {
		t.Errorf("references are %v (asked %v)", l.References, paths)
	}
}

func TestConfigMapsAreListedWithoutTheirBodies(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if accept := r.Header.Get("Accept"); !strings.Contains(accept, "as=PartialObjectMetadataList") {
			t.Errorf("asked for %q", accept)
		}
		list := metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadataList", APIVersion: "meta.k8s.io/v1"}}
		for _, meta := range []metav1.ObjectMeta{
			{Name: id, UID: "u", ResourceVersion: "7"},
			{Name: other, Labels: map[string]string{"a": "b"}},
			{Name: "cray-configmap-ca-public-key"},
		} {
			list.Items = append(list.Items, metav1.PartialObjectMetadata{ObjectMeta: meta})
		}
		reply(t, w, 200, list)
	})
	l, err := c.ListConfigMaps(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if l.Count != 3 || len(l.ConfigMaps) != 2 || l.ConfigMaps[0].Fault != "" || l.ConfigMaps[1].Fault == "" {
		t.Errorf("listing is %+v", l)
	}
}

// Read as a list of Jobs, a list of other things is an empty one, and all sessions would look as if nothing ran for them.
func TestAnotherKindOfAnswerIsNoEmptyList(t *testing.T) {
	for _, answer := range []string{
		`{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[]}`,
		`{"kind":"ConfigMapList","apiVersion":"v1","metadata":{},"items":[{"metadata":{"name":"a"}}]}`,
		`{"kind":"Status","apiVersion":"v1","status":"Success","code":200}`,
		`{"kind":"JobList","apiVersion":"batch/v7","metadata":{},"items":[]}`,
		`{"kind":"Surprise","apiVersion":"v1"}`,
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(answer))
		})
		if l, err := c.ListJobs(context.Background()); err == nil {
			t.Errorf("%s is a list of %d Jobs", answer, l.Count)
		}
		if l, err := c.ListConfigMaps(context.Background()); err == nil {
			t.Errorf("%s is a list of %d ConfigMaps", answer, l.Count)
		}
	}
}

// An answer says what it is at its beginning, but nothing obliges it to.
func TestKindAndVersionMayComeInAnyOrder(t *testing.T) {
	for _, answer := range []string{
		`{"kind":"JobList","apiVersion":"batch/v1","metadata":{},"items":[{"metadata":{"name":"boa-x"}}]}`,
		`{"apiVersion":"batch/v1","kind":"JobList","items":[{"metadata":{"name":"boa-x"}}],"metadata":{}}`,
		`{"kind":"JobList","items":[{"metadata":{"name":"boa-x"}}],"metadata":{},"apiVersion":"batch/v1"}`,
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(answer))
		})
		if l, err := c.ListJobs(context.Background()); err != nil || l.Count != 1 {
			t.Errorf("%s: %d Jobs, %v", answer, l.Count, err)
		}
	}
}

func TestDeletesNameExactlyWhatWasJudged(t *testing.T) {
	var got metav1.DeleteOptions
	var path string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.Method + " " + r.URL.Path
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &got); err != nil {
			t.Errorf("body %q: %v", body, err)
		}
		reply(t, w, 200, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Success"})
	})
	ctx := context.Background()
	if existed, err := c.DeleteJob(ctx, "boa-"+id, "uid", "42"); err != nil || !existed {
		t.Fatalf("existed %v, error %v", existed, err)
	}
	if path != "DELETE /apis/batch/v1/namespaces/services/jobs/boa-"+id || string(*got.Preconditions.UID) != "uid" ||
		*got.Preconditions.ResourceVersion != "42" || *got.PropagationPolicy != metav1.DeletePropagationBackground {
		t.Errorf("%s with %+v", path, got)
	}
	got = metav1.DeleteOptions{}
	if existed, err := c.DeleteConfigMap(ctx, id, "uid", "42"); err != nil || !existed {
		t.Fatalf("existed %v, error %v", existed, err)
	}
	if path != "DELETE /api/v1/namespaces/services/configmaps/"+id || *got.Preconditions.ResourceVersion != "42" {
		t.Errorf("%s with %+v", path, got)
	}
	path = ""
	if _, err := c.DeleteConfigMap(ctx, id, "uid", ""); err == nil || path != "" {
		t.Errorf("a delete without a resource version: %q, error %v", path, err)
	}
}

func TestWhatDeletesAreAnswered(t *testing.T) {
	code, reason := 0, metav1.StatusReason("")
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { failure(t, w, code, reason) })
	ctx := context.Background()
	code, reason = http.StatusNotFound, metav1.StatusReasonNotFound
	if existed, err := c.DeleteJob(ctx, "boa-x", "u", "1"); err != nil || existed {
		t.Errorf("gone already: existed %v, error %v", existed, err)
	}
	code, reason = http.StatusConflict, metav1.StatusReasonConflict
	if _, err := c.DeleteJob(ctx, "boa-x", "u", "1"); !errors.Is(err, ErrChanged) {
		t.Errorf("changed since: error %v", err)
	}
	code, reason = http.StatusForbidden, metav1.StatusReasonForbidden
	if _, err := c.DeleteJob(ctx, "boa-x", "u", "1"); err == nil || errors.Is(err, ErrChanged) {
		t.Errorf("forbidden: error %v", err)
	}
}

// A proxy's 404 says nothing about an object.
func TestAForeign404IsNoProofOfAbsence(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) })
	ctx := context.Background()
	if existed, err := c.DeleteConfigMap(ctx, id, "u", "1"); err == nil {
		t.Errorf("delete: existed %v, no error", existed)
	}
	if _, presence, err := c.GetJob(ctx, "boa-"+id); err == nil || presence != inventory.Unknown {
		t.Errorf("get: %v, error %v", presence, err)
	}
	if cm, _, there := c.ReadBody(ctx, inventory.ConfigMap{Name: id}); !there || cm.Body != inventory.BodyFailed {
		t.Errorf("body: %+v, there %v", cm, there)
	}
}

func TestADeleteWhoseAnswerWasLostCounts(t *testing.T) {
	requests := 0
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests == 1 {
			panic(http.ErrAbortHandler)
		}
		failure(t, w, http.StatusNotFound, metav1.StatusReasonNotFound)
	})
	if existed, err := c.DeleteConfigMap(context.Background(), id, "u", "1"); err != nil || !existed || requests != 2 {
		t.Errorf("existed %v, error %v, %d requests", existed, err, requests)
	}
}

func TestBody(t *testing.T) {
	tests := []struct {
		name string
		data map[string]string
		want inventory.Body
	}{
		{"exact", map[string]string{"data.json": `{"name":"t","boot_sets":{"compute":{}}}`}, inventory.BodyExact},
		{"no boot sets", map[string]string{"data.json": `{"name":"t"}`}, inventory.BodyOther},
		{"boot sets are null", map[string]string{"data.json": `{"boot_sets":null}`}, inventory.BodyOther},
		{"boot sets are a list", map[string]string{"data.json": `{"boot_sets":[]}`}, inventory.BodyOther},
		{"no JSON", map[string]string{"data.json": `hello`}, inventory.BodyOther},
		{"another key", map[string]string{"data.yaml": `{"boot_sets":{}}`}, inventory.BodyOther},
		{"a second key", map[string]string{"data.json": `{"boot_sets":{}}`, "more": ""}, inventory.BodyOther},
		{"nothing", nil, inventory.BodyOther},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				reply(t, w, 200, corev1.ConfigMap{TypeMeta: metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Name: id, UID: "new", ResourceVersion: "9"}, Data: tt.data})
			})
			cm, manifest, there := c.ReadBody(context.Background(), inventory.ConfigMap{Name: id, UID: "old", ResourceVersion: "1", User: "Pod x"})
			if !there || cm.Body != tt.want || (manifest != nil) != (tt.want == inventory.BodyExact) || (cm.BodyFault == "") != (tt.want == inventory.BodyExact) {
				t.Errorf("body %v, fault %q", cm.Body, cm.BodyFault)
			}
			if cm.UID != "new" || cm.ResourceVersion != "9" || cm.User != "Pod x" {
				t.Errorf("what was read is not what is deleted later: %+v", cm)
			}
		})
	}
	t.Run("gone since", func(t *testing.T) {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			failure(t, w, http.StatusNotFound, metav1.StatusReasonNotFound)
		})
		if cm, _, there := c.ReadBody(context.Background(), inventory.ConfigMap{Name: id}); there {
			t.Errorf("%+v", cm)
		}
	})
	t.Run("refused", func(t *testing.T) {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			failure(t, w, http.StatusForbidden, metav1.StatusReasonForbidden)
		})
		if cm, _, there := c.ReadBody(context.Background(), inventory.ConfigMap{Name: id}); !there || cm.Body != inventory.BodyFailed || cm.BodyFault == "" {
			t.Errorf("%+v", cm)
		}
	})
}

func TestNotMoreRequestsAtOnceThanAllowed(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	entered, leave := make(chan struct{}, 8), make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		entered <- struct{}{}
		<-leave
		mu.Lock()
		now--
		mu.Unlock()
		reply(t, w, 200, jobs(""))
	})
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if _, err := c.ListJobs(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	<-entered
	<-entered // both slots are taken; the others wait in the client
	close(leave)
	all.Wait()
	if most > 2 {
		t.Errorf("%d requests at once, 2 are allowed", most)
	}
}

func TestProjectJob(t *testing.T) {
	boa := func(change func(*batchv1.Job)) *batchv1.Job {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "boa-" + id}}
		job.Spec.Template.Spec = corev1.PodSpec{
			Containers: []corev1.Container{{Name: "boa", Env: []corev1.EnvVar{{Name: "SESSION_ID", Value: id}, {Name: "SESSION_TEMPLATE_ID", Value: "compute"}}}},
			Volumes: []corev1.Volume{
				{Name: "ca-pubkey", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "cray-configmap-ca-public-key"}}}},
				{Name: "boot-session", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: id}}}},
			},
		}
		if change != nil {
			change(job)
		}
		return job
	}
	exact, ours := projectJob(boa(nil))
	if !ours || exact.Fault != "" || exact.Session != id || exact.ConfigMap != id || exact.Template != "compute" || exact.BackoffLimit != 6 || exact.Terminal {
		t.Errorf("%+v", exact)
	}
	end := metav1.NewTime(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	failed, _ := projectJob(boa(func(j *batchv1.Job) {
		j.Status.Conditions = []batchv1.JobCondition{
			{Type: batchv1.JobSuspended, Status: corev1.ConditionTrue},
			{Type: batchv1.JobComplete, Status: corev1.ConditionFalse, LastTransitionTime: end},
			{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, LastTransitionTime: end},
		}
	}))
	if !failed.Terminal || !failed.Failed || !failed.Finished.At().Equal(end.Time) {
		t.Errorf("%+v", failed)
	}
	for name, change := range map[string]func(*batchv1.Job){
		"no container boa": func(j *batchv1.Job) { j.Spec.Template.Spec.Containers[0].Name = "main" },
		"no volume":        func(j *batchv1.Job) { j.Spec.Template.Spec.Volumes = nil },
		"no session":       func(j *batchv1.Job) { j.Spec.Template.Spec.Containers[0].Env = nil },
		"odd session":      func(j *batchv1.Job) { j.Spec.Template.Spec.Containers[0].Env[0].Value = "../x" },
		"an owner":         func(j *batchv1.Job) { j.OwnerReferences = []metav1.OwnerReference{{Kind: "CronJob", Name: "x"}} },
		"another name":     func(j *batchv1.Job) { j.Name = "my-boa" },
	} {
		if job, ours := projectJob(boa(change)); !ours || job.Fault == "" {
			t.Errorf("%s: ours %v, fault %q", name, ours, job.Fault)
		}
	}
	if _, ours := projectJob(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "cfs-" + id}}); ours {
		t.Error("a Job of CFS is taken for one of BOS")
	}
}

func TestReferencesFromEverywhere(t *testing.T) {
	ref := corev1.LocalObjectReference{Name: id}
	for name, spec := range map[string]corev1.PodSpec{
		"volume":    {Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: ref}}}}},
		"projected": {Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: ref}}}}}}}},
		"envFrom":   {Containers: []corev1.Container{{EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: ref}}}}}},
		"env":       {Containers: []corev1.Container{{Env: []corev1.EnvVar{{ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: ref}}}}}}},
		"init":      {InitContainers: []corev1.Container{{EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: ref}}}}}},
		"ephemeral": {EphemeralContainers: []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: ref}}}}}}},
	} {
		var l Listing
		l.refer(&spec, inventory.Reference{Kind: "Pod", Name: "p"})
		if len(l.References) != 1 || l.References[0].ConfigMap != id {
			t.Errorf("%s: %v", name, l.References)
		}
	}
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{`{"boot_sets":{}}`, `{"boot_sets":null}`, `[]`, ``, `{"boot_sets":{"a":{"b":[[[]]]}}}`, strings.Repeat("[", 20000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fault := bodyFault(&corev1.ConfigMap{Data: map[string]string{"data.json": text}})
		if fault == "" && !json.Valid([]byte(text)) {
			t.Fatalf("%q is no JSON, and passes for a session template", text)
		}
	})
}
