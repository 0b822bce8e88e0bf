package plane

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	batchv1beta1 "k8s.io/api/batch/v1beta1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

const services = "services"

func TestPlane(t *testing.T) {
	p := Start(t, Options{Namespaces: []string{services}})

	t.Run("a deleted Job takes its Pod along", func(t *testing.T) { deleteTakesPod(t, p) })
	t.Run("a Pod's end is its Job's", func(t *testing.T) { podEndsJob(t, p) })
	t.Run("a Job ended long ago", func(t *testing.T) { endedLongAgo(t, p) })
	t.Run("backdate", func(t *testing.T) { backdate(t, p) })
	t.Run("a Role is a limit", func(t *testing.T) { roleLimits(t, p) })
	t.Run("kubectl", func(t *testing.T) { kubectl(t, p) })
}

func TestWithoutControllers(t *testing.T) {
	p := Start(t, Options{Namespaces: []string{services}, NoControllers: true})
	createJob(t, p, "left-alone", nil)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "admitted"}, Spec: podSpec()}
	if _, err := p.Client.CoreV1().Pods(services).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Error("a Pod is admitted, its ServiceAccount being there:", err)
	}
}

func TestKubernetes124(t *testing.T) {
	p := Start(t, Options{Version: "1.24", Namespaces: []string{services}})
	if out := Kubectl(t, p.Kubeconfig(t), "version"); !strings.Contains(out, "Server Version: v1.24.") {
		t.Errorf("version: %s", out)
	}
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
	template := corev1.PodTemplateSpec{Spec: podSpec()}
	stable := &batchv1.CronJob{ObjectMeta: meta("stable"), Spec: batchv1.CronJobSpec{Schedule: "* * * * *"}}
	stable.Spec.JobTemplate.Spec.Template = template
	if _, err := p.Client.BatchV1().CronJobs(services).Create(t.Context(), stable, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	beta := &batchv1beta1.CronJob{ObjectMeta: meta("beta"), Spec: batchv1beta1.CronJobSpec{Schedule: "* * * * *"}}
	beta.Spec.JobTemplate.Spec.Template = template
	if _, err := p.Client.BatchV1beta1().CronJobs(services).Create(t.Context(), beta, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 75*time.Second, func() error {
		pods, err := p.Client.CoreV1().Pods(services).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, name := range []string{"stable-", "beta-"} {
			if !slices.ContainsFunc(pods.Items, func(pod corev1.Pod) bool { return strings.HasPrefix(pod.Name, name) }) {
				return fmt.Errorf("no Pod of %s among %d", name, len(pods.Items))
			}
		}
		return nil
	})
}

func deleteTakesPod(t *testing.T, p *Plane) {
	createJob(t, p, "deleted", nil)
	podOf(t, p, "deleted")
	background := metav1.DeletePropagationBackground
	err := p.Client.BatchV1().Jobs(services).Delete(t.Context(), "deleted", metav1.DeleteOptions{PropagationPolicy: &background})
	if err != nil {
		t.Fatal(err)
	}
	Eventually(t, 30*time.Second, func() error {
		if pods := podsOf(t, p, "deleted"); len(pods) > 0 {
			return errors.New("the Pod outlives its Job")
		}
		return nil
	})
}

func podEndsJob(t *testing.T, p *Plane) {
	createJob(t, p, "ends", nil)
	pod := podOf(t, p, "ends")
	p.SetPodPhase(t, services, pod.Name, corev1.PodRunning)
	p.SetPodPhase(t, services, pod.Name, corev1.PodSucceeded)
	Eventually(t, 30*time.Second, func() error {
		if job := getJob(t, p, "ends"); !hasCondition(job, batchv1.JobComplete) {
			return fmt.Errorf("status %+v", job.Status)
		}
		return nil
	})
}

func endedLongAgo(t *testing.T, p *Plane) {
	ended := time.Now().Add(-30 * 24 * time.Hour).Truncate(time.Second)
	for name, how := range map[string]batchv1.JobConditionType{"completed": batchv1.JobComplete, "failed": batchv1.JobFailed} {
		createJob(t, p, name, ptr.To(ManagedBy))
		p.EndJob(t, services, name, how, ended.Add(-time.Hour), ended)
		job := getJob(t, p, name)
		if !hasCondition(job, how) || !job.Status.StartTime.Time.Equal(ended.Add(-time.Hour)) {
			t.Errorf("%s: %+v", name, job.Status)
		}
	}
}

func backdate(t *testing.T, p *Plane) {
	created := time.Now().Add(-400 * 24 * time.Hour).Truncate(time.Second)
	createJob(t, p, "old", nil)
	podOf(t, p, "old")
	p.Backdate(t, "jobs", services, "old", created)
	job := getJob(t, p, "old")
	if !job.CreationTimestamp.Time.Equal(created) {
		t.Errorf("created %v, want %v", job.CreationTimestamp, created)
	}
	job.Labels["touched"] = "yes"
	if _, err := p.Client.BatchV1().Jobs(services).Update(t.Context(), job, metav1.UpdateOptions{}); err != nil {
		t.Error("the object is still whole:", err)
	}

	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "old"}, Data: map[string]string{"text": "<&> ü"}}
	maps := p.Client.CoreV1().ConfigMaps(services)
	if _, err := maps.Create(t.Context(), cm, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	p.Backdate(t, "configmaps", services, "old", created)
	list, err := maps.List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=old"})
	if err != nil || len(list.Items) != 1 {
		t.Fatal(list, err)
	}
	if got := list.Items[0]; !got.CreationTimestamp.Time.Equal(created) || got.Data["text"] != cm.Data["text"] {
		t.Errorf("listed as %+v", got)
	}
}

func roleLimits(t *testing.T, p *Plane) {
	const home, account = "default", "reader"
	p.Grant(t, home, account, services, rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"list"}})
	client, err := kubernetes.NewForConfig(p.ConfigFor(t, home, account))
	if err != nil {
		t.Fatal(err)
	}
	// The authorizer learns of a new Role by a watch.
	Eventually(t, 10*time.Second, func() error {
		_, err := client.BatchV1().Jobs(services).List(t.Context(), metav1.ListOptions{})
		return err
	})
	if _, err := client.BatchV1().Jobs(home).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("in another namespace: %v", err)
	}
	if _, err := client.CoreV1().ConfigMaps(services).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("another resource: %v", err)
	}
	if err := client.BatchV1().Jobs(services).Delete(t.Context(), "any", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("another verb: %v", err)
	}
}

func kubectl(t *testing.T, p *Plane) {
	createJob(t, p, "listed", nil)
	podOf(t, p, "listed")
	out := Kubectl(t, p.Kubeconfig(t), "get", "jobs,cm,pods", "-n", services)
	for _, want := range []string{"job.batch/listed", "configmap/kube-root-ca.crt", "pod/listed-"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if out := Kubectl(t, p.Kubeconfig(t), "version"); !strings.Contains(out, "Server Version: v1.") {
		t.Errorf("version: %s", out)
	}
}

func podSpec() corev1.PodSpec {
	return corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		Containers:    []corev1.Container{{Name: "work", Image: "work:1"}},
	}
}

func createJob(t *testing.T, p *Plane, name string, managedBy *string) {
	t.Helper()
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}}
	job.Spec.ManagedBy = managedBy
	job.Spec.Template.Spec = podSpec()
	if _, err := p.Client.BatchV1().Jobs(services).Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func getJob(t *testing.T, p *Plane, name string) *batchv1.Job {
	t.Helper()
	job, err := p.Client.BatchV1().Jobs(services).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func podsOf(t *testing.T, p *Plane, job string) []corev1.Pod {
	t.Helper()
	list, err := p.Client.CoreV1().Pods(services).List(t.Context(), metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func podOf(t *testing.T, p *Plane, job string) (pod corev1.Pod) {
	t.Helper()
	Eventually(t, 30*time.Second, func() error {
		pods := podsOf(t, p, job)
		if len(pods) != 1 {
			return fmt.Errorf("Job %s has %d Pods", job, len(pods))
		}
		pod = pods[0]
		return nil
	})
	return pod
}

func hasCondition(job *batchv1.Job, kind batchv1.JobConditionType) bool {
	for _, condition := range job.Status.Conditions {
		if condition.Type == kind && condition.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}
