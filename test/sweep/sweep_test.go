// Package sweep runs bosgc against a real kube-apiserver and etcd. What a delete with preconditions, a
// page, an expired list or a Role really does cannot be imitated.
package sweep

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/internal/journal"
	"bosgc/internal/kube"
	"bosgc/internal/lab"
	"bosgc/policy"
	"bosgc/test/plane"
	"bosgc/test/world"
)

// needed are the permissions in Kubernetes that a sweep needs, and no others.
var needed = []rbacv1.PolicyRule{
	{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"get", "list", "watch", "delete"}},
	{APIGroups: []string{"batch"}, Resources: []string{"cronjobs"}, Verbs: []string{"list", "watch"}},
	{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list", "delete"}},
	{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}},
}

// stateNamespace is not the namespace of BOS, so that a permission for the state cannot stand in for
// one that the sweep needs.
const stateNamespace = "bosgc"

var neededForState = []rbacv1.PolicyRule{
	{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list", "create", "delete"}},
	{
		APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"update"},
		ResourceNames: []string{"bosgc-state", "bosgc-state-unreadable"},
	},
	{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}},
	{
		APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "update"},
		ResourceNames: []string{"bosgc"},
	},
}

// without returns the rules without one verb on one resource.
func without(resource, verb string) []rbacv1.PolicyRule {
	var rules []rbacv1.PolicyRule
	for _, rule := range needed {
		if rule.Resources[0] == resource {
			rule.Verbs = slices.DeleteFunc(slices.Clone(rule.Verbs), func(v string) bool { return v == verb })
		}
		if len(rule.Verbs) > 0 {
			rules = append(rules, rule)
		}
	}
	return rules
}

func TestSweepOfARealCluster(t *testing.T) {
	p := plane.Start(t, plane.Options{Namespaces: []string{lab.Namespace, stateNamespace}, NoControllers: true})
	s := world.Load(t, p, lab.Options{CSM: "1.4", Seed: 5, Sessions: 150})
	environ := []string{"BOSGC_STATE_NAMESPACE=" + stateNamespace, "BOSGC_ORPHAN_INTERVAL=0s"}
	before := s.Exist(t)
	truth := map[string]lab.Object{}
	for _, o := range s.World.Truth() {
		truth[o.Kind+" "+o.Name] = o
	}
	accounts := 0
	account := func(t *testing.T, rules []rbacv1.PolicyRule) *rest.Config {
		accounts++
		name := fmt.Sprintf("bosgc-%d", accounts)
		p.Grant(t, lab.Namespace, name, lab.Namespace, rules...)
		p.Grant(t, lab.Namespace, name, stateNamespace, neededForState...)
		config := p.ConfigFor(t, lab.Namespace, name)
		// A Role takes a moment to take effect.
		plane.Eventually(t, 10*time.Second, func() error {
			_, err := kubernetes.NewForConfigOrDie(config).CoreV1().Pods(lab.Namespace).List(t.Context(), metav1.ListOptions{Limit: 1})
			if err != nil && !strings.Contains(err.Error(), `cannot list resource "pods"`) {
				return err
			}
			return nil
		})
		return config
	}
	full := account(t, needed)
	plane.Eventually(t, 10*time.Second, func() error {
		_, err := kubernetes.NewForConfigOrDie(full).CoreV1().Pods(lab.Namespace).List(t.Context(), metav1.ListOptions{Limit: 1})
		return err
	})

	t.Run("the plan agrees with the truth", func(t *testing.T) {
		d, code := s.Run(t, full, environ, "plan")
		if code != gc.ExitDone {
			t.Errorf("exit code %d, sources %+v", code, d.Sources)
		}
		for _, o := range d.Objects {
			key := string(o.Kind) + " " + o.Name
			if got := string(o.Verdict) + " " + string(o.Reason); got != truth[key].Verdict+" "+truth[key].Reason {
				t.Errorf("%s: %s (%s), want %s %s", key, got, o.Detail, truth[key].Verdict, truth[key].Reason)
			}
		}
		if len(d.Objects) != len(truth) {
			t.Errorf("%d objects, want %d", len(d.Objects), len(truth))
		}
	})
	for _, tt := range []struct{ resource, verb string }{
		{"jobs", "list"}, {"pods", "list"}, {"configmaps", "list"}, {"cronjobs", "list"}, {"configmaps", "get"},
	} {
		t.Run("without "+tt.verb+" "+tt.resource+" nothing of Kubernetes goes", func(t *testing.T) {
			d, code := s.Run(t, account(t, without(tt.resource, tt.verb)), environ, "plan")
			if code != gc.ExitIncomplete {
				t.Errorf("exit code %d", code)
			}
			for _, o := range d.Objects {
				if o.Verdict == policy.Delete && o.Kind != policy.CFSSession && tt.verb == "list" {
					t.Errorf("%s %s goes: %s", o.Kind, o.Name, o.Detail)
				}
			}
		})
	}
	for _, tt := range []struct{ resource, verb string }{
		{"configmaps", "delete"}, {"jobs", "delete"}, {"jobs", "watch"}, {"pods", "watch"}, {"cronjobs", "watch"},
	} {
		t.Run("without "+tt.verb+" "+tt.resource+" nothing goes at all", func(t *testing.T) {
			if _, code := s.Run(t, account(t, without(tt.resource, tt.verb)), environ, "sweep"); code != gc.ExitFailed {
				t.Errorf("exit code %d", code)
			}
			if !maps.Equal(s.Exist(t), before) {
				t.Error("something is gone")
			}
		})
	}
	t.Run("the sweep leaves exactly what stays", func(t *testing.T) {
		d, code := s.Run(t, full, environ, "sweep")
		if code != gc.ExitDone {
			t.Errorf("exit code %d, %+v", code, d.Outcomes)
		}
		s.OnlyStaying(t, before)
		confirmed := 0
		for _, o := range truth {
			if o.Confirmed != "" {
				confirmed++
			}
		}
		again, code := s.Run(t, full, environ, "sweep")
		if code != gc.ExitDone || again.Summary.Delete != confirmed {
			t.Errorf("the second sweep: exit code %d, %d to delete, want the %d orphans that it confirms", code, again.Summary.Delete, confirmed)
		}
		third, code := s.Run(t, full, environ, "sweep")
		if code != gc.ExitDone || third.Summary.Delete != 0 {
			t.Errorf("the third sweep: exit code %d, %d to delete", code, third.Summary.Delete)
		}
		store := kubeClient(t, full).Store(stateNamespace)
		entries := 0
		for _, run := range []string{d.Run, again.Run} {
			read, err := journal.Read(t.Context(), store, "bosgc", run)
			if err != nil {
				t.Error(err)
			}
			entries += len(read)
		}
		if gone := len(before) - len(s.Exist(t)); entries < gone || gone == 0 {
			t.Errorf("%d objects are gone, the journal has %d", gone, entries)
		}
	})
}

func kubeClient(t *testing.T, config *rest.Config) *kube.Client {
	t.Helper()
	c, err := kube.New(config, kube.Options{Namespace: lab.Namespace, Concurrency: 4, RequestTimeout: 20 * time.Second, ListTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const id = "5a0df9d1-2c3b-4f5e-8a9b-0123456789ab"

func makeConfigMap(t *testing.T, p *plane.Plane, name string) *corev1.ConfigMap {
	t.Helper()
	cm, err := p.Client.CoreV1().ConfigMaps(lab.Namespace).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"data.json": `{"boot_sets":{}}`},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return cm
}

func TestTheAPIServerRefusesWhatHasChanged(t *testing.T) {
	p := plane.Start(t, plane.Options{Namespaces: []string{lab.Namespace}, NoControllers: true})
	ctx, c, cms := t.Context(), kubeClient(t, p.Config), p.Client.CoreV1().ConfigMaps(lab.Namespace)

	judged := makeConfigMap(t, p, id)
	changed := judged.DeepCopy()
	changed.Annotations = map[string]string{"bosgc/keep": "true"}
	changed, err := cms.Update(ctx, changed, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteConfigMap(ctx, id, string(judged.UID), judged.ResourceVersion); !errors.Is(err, kube.ErrChanged) {
		t.Errorf("an annotated one: error %v", err)
	}
	if _, err := c.DeleteConfigMap(ctx, id, "another-uid", changed.ResourceVersion); !errors.Is(err, kube.ErrChanged) {
		t.Errorf("another one of that name: error %v", err)
	}
	if _, err := cms.Get(ctx, id, metav1.GetOptions{}); err != nil {
		t.Errorf("it is gone: %v", err)
	}
	if existed, err := c.DeleteConfigMap(ctx, id, string(changed.UID), changed.ResourceVersion); err != nil || !existed {
		t.Errorf("the very one: existed %v, error %v", existed, err)
	}
	if existed, err := c.DeleteConfigMap(ctx, id, string(changed.UID), changed.ResourceVersion); err != nil || existed {
		t.Errorf("gone already: existed %v, error %v", existed, err)
	}
}

// compacting makes lists expire: before each page but the first, etcd forgets the past.
type compacting struct {
	next  http.RoundTripper
	first func()
	left  atomic.Int32
}

func (c *compacting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("continue") != "" && c.left.Add(-1) >= 0 {
		c.first()
	}
	return c.next.RoundTrip(r)
}

func TestPagesAndExpiredLists(t *testing.T) {
	p := plane.Start(t, plane.Options{Namespaces: []string{lab.Namespace}, NoControllers: true, NoWatchCache: true})
	const total = 1203
	for i := range total {
		p.Put(t, "configmaps", &corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%08d-0000-4000-8000-000000000000", i), Namespace: lab.Namespace, UID: "u", CreationTimestamp: metav1.Now()},
		})
	}
	list := func(t *testing.T, config *rest.Config) (kube.Listing, error) {
		t.Helper()
		l, err := kubeClient(t, config).ListConfigMaps(t.Context())
		if err == nil && len(l.ConfigMaps) != total {
			t.Errorf("%d of %d ConfigMaps", len(l.ConfigMaps), total)
		}
		return l, err
	}
	plane.Eventually(t, 20*time.Second, func() error {
		l, err := kubeClient(t, p.Config).ListConfigMaps(t.Context())
		if err == nil && len(l.ConfigMaps) < total {
			err = fmt.Errorf("%d of %d", len(l.ConfigMaps), total)
		}
		return err
	})
	l, err := list(t, p.Config)
	if err != nil || l.Requests != 3 {
		t.Errorf("%d requests, error %v", l.Requests, err)
	}
	expiring := func(times int32) *rest.Config {
		config := rest.CopyConfig(p.Config)
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			c := &compacting{next: next, first: func() {
				// Something must have been written since the list began; otherwise there is no past to forget.
				makeConfigMap(t, p, fmt.Sprintf("other-%d", time.Now().UnixNano()))
				p.Compact(t)
			}}
			c.left.Store(times)
			return c
		})
		return config
	}
	if l, err := list(t, expiring(1)); err != nil || l.Requests < 5 {
		t.Errorf("a list that expired once: %d requests, error %v", l.Requests, err)
	}
	if _, err := list(t, expiring(1000)); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("a list that always expires: error %v", err)
	}
}

func TestDeletingAJobTakesItsPods(t *testing.T) {
	p := plane.Start(t, plane.Options{Namespaces: []string{lab.Namespace}})
	ctx := t.Context()
	job, err := p.Client.BatchV1().Jobs(lab.Namespace).Create(ctx, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "boa-" + id},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers:    []corev1.Container{{Name: "boa", Image: "boa", Env: []corev1.EnvVar{{Name: "SESSION_ID", Value: id}}}},
		}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := kubeClient(t, p.Config)
	pods := func() (int, error) {
		l, err := c.ListJobPods(ctx, job.Name)
		return len(l.Pods), err
	}
	plane.Eventually(t, 20*time.Second, func() error {
		n, err := pods()
		if err == nil && n != 1 {
			err = fmt.Errorf("%d Pods", n)
		}
		return err
	})
	plane.Eventually(t, 20*time.Second, func() error { // the controller may still write the Job's status
		now, presence, err := c.GetJob(ctx, job.Name)
		if err != nil || presence != inventory.Present {
			return fmt.Errorf("%v, %w", presence, err)
		}
		_, err = c.DeleteJob(ctx, job.Name, now.UID, now.ResourceVersion)
		return err
	})
	plane.Eventually(t, 20*time.Second, func() error {
		n, err := pods()
		if err == nil && n != 0 {
			err = fmt.Errorf("%d Pods are left", n)
		}
		return err
	})
	if _, presence, err := c.GetJob(ctx, job.Name); err != nil || presence != inventory.Absent {
		t.Errorf("the Job is %v, error %v", presence, err)
	}
}

func TestKubectlWorksAgainstTheLab(t *testing.T) {
	world, err := lab.NewWorld(lab.Options{CSM: "1.2", Sessions: 10, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.Start(world, lab.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	out := plane.Kubectl(t, server.Kubeconfig(), "get", "jobs,cm,pods", "-n", lab.Namespace)
	for _, want := range []string{"job.batch/boa-", "configmap/", "pod/boa-", "COMPLETIONS"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
}
