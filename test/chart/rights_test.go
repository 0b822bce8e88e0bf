package chart

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"bosgc/gc"
	"bosgc/internal/batcher"
	"bosgc/internal/kube"
	"bosgc/internal/lab"
	"bosgc/internal/state"
	"bosgc/test/plane"
	"bosgc/test/world"
)

// TestInstallSaysWhatTheRolesAllow compares the table in docs/install.md with the Roles.
func TestInstallSaysWhatTheRolesAllow(t *testing.T) {
	objects := template(t, "--kube-version", newest, "--set", "config.dryRun=false,cancel.enabled=true")
	var want []string
	for role, where := range map[string]string{
		"bosgc": "`config.namespace`", "bosgc-state": "`config.stateNamespace`", "bosgc-events": "release",
		"bosgc-exporter": "`config.stateNamespace`",
	} {
		for _, grant := range grants(of[rbacv1.Role](t, objects, "Role", role)) {
			want = append(want, where+" "+grant)
		}
	}
	text, err := os.ReadFile(filepath.Join(Dir(), "../../../docs/install.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| in namespace | resource | verbs | why |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	groups := map[string]string{
		"jobs": "batch", "cronjobs": "batch", "deployments/scale": "apps", "leases": "coordination.k8s.io",
	}
	var where string
	var got []string
	for _, line := range strings.Split(table, "\n")[1:] {
		cells := strings.Split(line, "|")
		if len(cells) != 6 {
			t.Fatalf("a row of another form: %s", line)
		}
		if cell := strings.TrimSpace(cells[1]); cell != "" {
			where = cell
		}
		resource, names, _ := strings.Cut(strings.TrimSpace(cells[2]), " ")
		rule := rbacv1.PolicyRule{
			APIGroups: []string{groups[resource]}, Resources: []string{resource},
			Verbs: strings.Split(strings.TrimSpace(cells[3]), ", "),
		}
		if names != "" {
			rule.ResourceNames = strings.Split(strings.ReplaceAll(names, "`", ""), ", ")
		}
		for _, grant := range grants(&rbacv1.Role{Rules: []rbacv1.PolicyRule{rule}}) {
			got = append(got, where+" "+grant)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("docs/install.md says\n%s\nthe Roles allow\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// home is the namespace of a release that is not in that of BOS, as docs/install.md recommends.
const home = "bosgc"

// rights is a release in a namespace of its own, and what is none of its business.
type rights struct {
	*site
	world   *world.Site
	login   *rest.Config
	account kubernetes.Interface
}

func (r *rights) helm(t *testing.T, command, set string) {
	t.Helper()
	if _, err := Helm(t, r.kubeconfig, command, "bosgc", Dir(), "-n", home, "--create-namespace", "--set", set); err != nil {
		t.Fatal(err)
	}
	r.login = r.ConfigFor(t, home, "bosgc")
	r.account = kubernetes.NewForConfigOrDie(r.login)
}

// eventually waits until a Role is in force: until an attempt ends as it is to.
func (r *rights) eventually(t *testing.T, allowed bool, what string, attempt func() error) {
	t.Helper()
	plane.Eventually(t, 10*time.Second, func() error {
		if err := attempt(); apierrors.IsForbidden(err) == allowed || allowed && err != nil && !apierrors.IsInvalid(err) {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	})
}

var (
	patch  = []byte(`{"metadata":{"labels":{"borrowed":"1"}}}`)
	tried  = metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}}
	gone   = metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}
	merged = types.MergePatchType
)

// attempts are what somebody would try who has taken over the account, by what they would do. None changes anything, so
// that each can be tried where it is permitted.
func (r *rights) attempts(t *testing.T) map[string]func() error {
	ctx := t.Context()
	configMap := func(namespace, name string) map[string]func() error {
		at := r.account.CoreV1().ConfigMaps(namespace)
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
		return map[string]func() error{
			"update": func() error {
				_, err := at.Update(ctx, cm, metav1.UpdateOptions{DryRun: gone.DryRun})
				return err
			},
			"patch":  func() error { _, err := at.Patch(ctx, name, merged, patch, tried); return err },
			"delete": func() error { return at.Delete(ctx, name, gone) },
			"create": func() error {
				_, err := at.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "new"}}, metav1.CreateOptions{DryRun: gone.DryRun})
				return err
			},
		}
	}
	lease := func(namespace, name string) map[string]func() error {
		at := r.account.CoordinationV1().Leases(namespace)
		return map[string]func() error{
			"get": func() error { _, err := at.Get(ctx, name, metav1.GetOptions{}); return err },
			"update": func() error {
				_, err := at.Update(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.UpdateOptions{DryRun: gone.DryRun})
				return err
			},
			"patch":  func() error { _, err := at.Patch(ctx, name, merged, patch, tried); return err },
			"delete": func() error { return at.Delete(ctx, name, gone) },
		}
	}
	deployments := r.account.AppsV1().Deployments(lab.Namespace)
	deployment := func(name string) map[string]func() error {
		return map[string]func() error{
			"patch":  func() error { _, err := deployments.Patch(ctx, name, merged, patch, tried); return err },
			"delete": func() error { return deployments.Delete(ctx, name, gone) },
			"scale": func() error {
				scale := &autoscalingv1.Scale{
					ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: lab.Namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: 1},
				}
				_, err := deployments.UpdateScale(ctx, name, scale, metav1.UpdateOptions{DryRun: gone.DryRun})
				return err
			},
		}
	}
	jobs := r.account.BatchV1().Jobs(lab.Namespace)
	all := map[string]func() error{
		"patch a Job":  func() error { _, err := jobs.Patch(ctx, "boa-x", merged, patch, tried); return err },
		"delete a Job": func() error { return jobs.Delete(ctx, "boa-x", gone) },
		"create a Job": func() error { _, err := jobs.Create(ctx, &batchv1.Job{}, metav1.CreateOptions{}); return err },
		"read a Secret": func() error {
			_, err := r.account.CoreV1().Secrets(home).Get(ctx, "x", metav1.GetOptions{})
			return err
		},
	}
	for what, of := range map[string]map[string]func() error{
		"BOS's Job template": configMap(lab.Namespace, "boa-job-template"),
		"a ConfigMap there":  configMap(home, "foreign"),
		"the state":          configMap(home, "bosgc-state"),
		"the state in BOS's": configMap(lab.Namespace, "bosgc-state"),
		"a journal":          configMap(home, "bosgc-journal-r-0000-00"),
		"the lock":           lease(home, "bosgc"),
		"another lease":      lease(home, "other"),
		"a lease of BOS's":   lease(lab.Namespace, "bosgc"),
		"the batcher":        deployment("cray-cfs-batcher"),
		"another Deployment": deployment("cray-bos"),
	} {
		for verb, attempt := range of {
			all[verb+" "+what] = attempt
		}
	}
	return all
}

// only fails unless exactly these attempts are permitted.
func (r *rights) only(t *testing.T, permitted ...string) {
	t.Helper()
	attempts := r.attempts(t)
	for _, what := range permitted {
		if attempts[what] == nil {
			t.Fatalf("no attempt is %q", what)
		}
	}
	for what, attempt := range attempts {
		r.eventually(t, slices.Contains(permitted, what), what, attempt)
	}
}

func (r *rights) addForeign(t *testing.T) {
	t.Helper()
	ctx, c := t.Context(), r.Client
	labels := map[string]string{"a": "b"}
	pod := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}},
	}
	for namespace, names := range map[string][]string{
		lab.Namespace: {"bosgc-state"}, home: {"foreign", "bosgc-state", "bosgc-journal-r-0000-00"},
	} {
		for _, name := range names {
			cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
			if _, err := c.CoreV1().ConfigMaps(namespace).Create(ctx, cm, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"bosgc", "other"} {
			lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name}}
			if _, err := c.CoordinationV1().Leases(namespace).Create(ctx, lease, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	one := int32(1)
	for _, name := range []string{"cray-cfs-batcher", "cray-bos"} {
		d := &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       appsv1.DeploymentSpec{Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: pod},
		}
		if _, err := c.AppsV1().Deployments(lab.Namespace).Create(ctx, d, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	suspended := true
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "boa-x"}, Spec: batchv1.JobSpec{Template: pod, Suspend: &suspended}}
	if _, err := c.BatchV1().Jobs(lab.Namespace).Create(ctx, job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestRightsCannotBeBorrowed tries, as the account of a release in a namespace of its own, what somebody would try who
// has taken it over; and then what bosgc itself does.
func TestRightsCannotBeBorrowed(t *testing.T) {
	t.Parallel()
	r := &rights{site: start(t, plane.Options{NoControllers: true})}
	r.world = world.Load(t, r.Plane, lab.Options{CSM: "1.4", Seed: 7, Sessions: 40})
	r.CreateNamespace(t, home, true)
	r.addForeign(t)

	r.helm(t, "install", "config.dryRun=true")
	t.Run("a dry run", func(t *testing.T) {
		r.only(t, "create a ConfigMap there", "create the state", "update the state", "create a journal")
	})
	r.helm(t, "upgrade", "config.dryRun=true,cancel.enabled=true")
	t.Run("a dry run that could cancel", func(t *testing.T) {
		r.only(t, "create a ConfigMap there", "create the state", "update the state", "create a journal")
	})
	sweeps := []string{
		"create a ConfigMap there", "create the state", "create a journal", "update the state",
		"delete a ConfigMap there", "delete the state", "delete a journal",
		"delete BOS's Job template", "delete the state in BOS's", "delete a Job", "get the lock", "update the lock",
	}
	r.helm(t, "upgrade", "config.dryRun=false")
	t.Run("a sweep", func(t *testing.T) { r.only(t, sweeps...) })
	r.helm(t, "upgrade", "config.dryRun=false,cancel.enabled=true")
	t.Run("a sweep that may cancel", func(t *testing.T) {
		r.only(t, append(slices.Clone(sweeps), "patch a Job", "scale the batcher")...)
	})
	for namespace, names := range map[string][]string{home: {"bosgc-state"}, lab.Namespace: {"bosgc-state"}} {
		for _, name := range names {
			if err := r.Client.CoreV1().ConfigMaps(namespace).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("what bosgc does", func(t *testing.T) { r.works(t) })
}

// works does with the account what bosgc does: a sweep, a clean, a restart of the batcher, and the exporter's reading.
func (r *rights) works(t *testing.T) {
	cron, err := r.Client.BatchV1().CronJobs(home).Get(t.Context(), "bosgc", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	environ := environ(cron.Spec.JobTemplate.Spec.Template.Spec)
	if !slices.Contains(environ, "BOSGC_BOS_URL=http://cray-bos."+lab.Namespace) {
		t.Errorf("BOS is not found from another namespace: %q", environ)
	}
	before := r.world.Exist(t)
	finished := ""
	for _, o := range r.world.World.Truth() {
		if o.Kind == lab.KindSession && o.Verdict == "keep" && before["Job boa-"+o.Name] && finished == "" && o.Reason == "too-young" {
			finished = o.Name
		}
	}
	if finished == "" {
		t.Fatal("no session can be named")
	}
	if d, code := r.world.Run(t, r.login, environ, "clean", finished, "--yes", "--own-settings"); code != gc.ExitDone {
		t.Errorf("clean: exit code %d, %+v", code, d.Procedures)
	}
	if d, code := r.world.Run(t, r.login, environ, "sweep", "--own-settings"); code != gc.ExitDone || d.Outcomes[gc.Deleted] == 0 {
		t.Errorf("sweep: exit code %d, %+v", code, d.Outcomes)
	}
	client, err := kube.New(r.login, kube.Options{Namespace: lab.Namespace, Concurrency: 4, RequestTimeout: 20 * time.Second, ListTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	store := state.NewStore(client.Store(home), "bosgc")
	b := batcher.Batcher{Kube: client, State: store, Name: "cray-cfs-batcher", Log: slog.New(slog.DiscardHandler)}
	r.playDeployment(t, b.Name)
	if err := b.Restart(t.Context(), "run"); err != nil {
		t.Errorf("the batcher: %v", err)
	}
	if left, err := store.ReadBatcher(t.Context()); err != nil || left != (state.Batcher{}) {
		t.Errorf("%v, the state still has %+v", err, left)
	}
	exporter := kubernetes.NewForConfigOrDie(r.ConfigFor(t, home, "bosgc-exporter"))
	if _, err := exporter.CoreV1().ConfigMaps(home).Get(t.Context(), "bosgc-state", metav1.GetOptions{}); err != nil {
		t.Errorf("the exporter: %v", err)
	}
}

// playDeployment does what the controllers of a Deployment and the kubelet do: it has one Pod that is ready, or none.
func (r *rights) playDeployment(t *testing.T, name string) {
	t.Helper()
	ctx, pods, deployments := t.Context(), r.Client.CoreV1().Pods(lab.Namespace), r.Client.AppsV1().Deployments(lab.Namespace)
	step := func() error {
		d, err := deployments.Get(ctx, name, metav1.GetOptions{})
		if err != nil || d.Status.Replicas == *d.Spec.Replicas {
			return err
		}
		if *d.Spec.Replicas == 0 {
			now := int64(0)
			if err := pods.Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
				return err
			}
		} else {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: d.Spec.Template.Labels}, Spec: hardened(d.Spec.Template.Spec)}
			pod, err := pods.Create(ctx, pod, metav1.CreateOptions{})
			if err != nil {
				return err
			}
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			if _, err := pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
				return err
			}
		}
		d.Status.Replicas = *d.Spec.Replicas
		_, err = deployments.UpdateStatus(ctx, d, metav1.UpdateOptions{})
		return err
	}
	if err := step(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for ctx.Err() == nil {
			if err := step(); err != nil && ctx.Err() == nil && !apierrors.IsConflict(err) {
				t.Errorf("the batcher's Pod: %v", err)
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
}

// hardened returns what the level restricted admits.
func hardened(spec corev1.PodSpec) corev1.PodSpec {
	no, yes := false, true
	spec.Containers[0].SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no, RunAsNonRoot: &yes,
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	return spec
}
