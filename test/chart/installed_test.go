package chart

import (
	"cmp"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/test/plane"
	"bosgc/test/world"
)

// site is a control plane and what an administrator types there.
type site struct {
	*plane.Plane
	kubeconfig string
}

func start(t *testing.T, opts plane.Options) *site {
	t.Helper()
	if _, err := Helm(t, "", "version"); err != nil {
		t.Fatal(err)
	}
	opts.Namespaces = []string{lab.Namespace}
	opts.PodSecurityPolicies = opts.Version == "1.24" // as CSM runs it
	p := plane.Start(t, opts)
	s := &site{Plane: p, kubeconfig: p.Kubeconfig(t)}
	if opts.PodSecurityPolicies {
		s.kubectl(t, "apply", "-f", "testdata/podsecuritypolicies.yaml")
		s.refusesSeccompProfiles(t)
		return s
	}
	// What the level forbids is refused here, not only warned of.
	label := []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`)
	if _, err := p.Client.CoreV1().Namespaces().Patch(t.Context(), lab.Namespace, types.MergePatchType, label, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	s.refusesWhatIsNotHardened(t)
	return s
}

func (s *site) helm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := Helm(t, s.kubeconfig, append(args, "-n", lab.Namespace)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *site) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return plane.Kubectl(t, s.kubeconfig, append(args, "-n", lab.Namespace)...)
}

// monitors are the kinds that operators of monitoring install.
const monitors = "servicemonitors,podmonitors,prometheusrules,vmservicescrapes,vmrules"

// knowMonitoring installs these kinds, as an operator would.
func (s *site) knowMonitoring(t *testing.T) {
	t.Helper()
	s.kubectl(t, "apply", "-f", "testdata/crds.yaml")
	s.kubectl(t, "wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
}

// have returns the kinds of the objects of the release.
func (s *site) have(t *testing.T) string {
	t.Helper()
	out := s.kubectl(t, "get", "cronjobs,deployments,services,serviceaccounts,roles,rolebindings,networkpolicies,secrets,configmaps,"+monitors,
		"-l", "app.kubernetes.io/instance=bosgc", "-o", "name")
	var kinds []string
	for line := range strings.Lines(out) {
		if kind, _, ok := strings.Cut(line, "/"); ok {
			kind, _, _ = strings.Cut(kind, ".")
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return strings.Join(kinds, " ")
}

// admitted waits for the Pod of an object that creates Pods.
func (s *site) admitted(t *testing.T, selector string) corev1.Pod {
	t.Helper()
	var pod corev1.Pod
	plane.Eventually(t, 30*time.Second, func() error {
		pods, err := s.Client.CoreV1().Pods(lab.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return err
		}
		if len(pods.Items) > 0 {
			pod = pods.Items[0]
			return nil
		}
		events, err := s.Client.CoreV1().Events(lab.Namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "type=Warning"})
		if err != nil {
			return err
		}
		var reasons []string
		for _, e := range events.Items {
			reasons = append(reasons, e.Message)
		}
		return fmt.Errorf("no Pod with %s; %s", selector, strings.Join(reasons, "; "))
	})
	return pod
}

func (s *site) refusesWhatIsNotHardened(t *testing.T) {
	t.Helper()
	_, err := s.Client.CoreV1().Pods(lab.Namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "soft"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "soft", Image: "soft"}}},
	}, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "PodSecurity") {
		t.Fatalf("the level restricted is not enforced, so what follows proves nothing: error %v", err)
	}
}

// refusesSeccompProfiles makes sure that the policies are in force: an account may create a Pod, but none that sets a
// seccomp profile.
func (s *site) refusesSeccompProfiles(t *testing.T) {
	t.Helper()
	config := rest.CopyConfig(s.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + lab.Namespace + ":default"}
	account, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "policy"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "policy", Image: "policy"}}},
	}
	once := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	plane.Eventually(t, 30*time.Second, func() error { // until the rights are known
		_, err := account.CoreV1().Pods(lab.Namespace).Create(t.Context(), pod, once)
		return err
	})
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	_, err = account.CoreV1().Pods(lab.Namespace).Create(t.Context(), pod, once)
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "seccomp may not be set") {
		t.Fatalf("a Pod with a seccomp profile is not refused, so what follows proves nothing: error %v", err)
	}
}

func TestInstall(t *testing.T) {
	for _, tt := range []struct{ kubernetes, api string }{{"", "batch/v1"}, {"1.24", "batch/v1"}, {"1.24", "batch/v1beta1"}} {
		t.Run(cmp.Or(tt.kubernetes, "newest")+" "+path.Base(tt.api), func(t *testing.T) {
			t.Parallel()
			s := start(t, plane.Options{Version: tt.kubernetes})
			s.knowMonitoring(t)
			set := []string{"--set", "cronjob.schedule=* * * * *", "--set", "config.namespace=" + lab.Namespace}
			if tt.api != "batch/v1" {
				set = append(set, "--set", "cronjob.apiVersion="+tt.api)
			}
			notes := s.helm(t, append([]string{"install", "bosgc", Dir()}, set...)...)
			installed := time.Now()
			if !strings.Contains(s.helm(t, "get", "manifest", "bosgc"), "apiVersion: "+tt.api+"\nkind: CronJob") {
				t.Errorf("the CronJob is not %s", tt.api)
			}
			const before = "cronjob deployment role role role role rolebinding rolebinding rolebinding rolebinding service serviceaccount serviceaccount"
			if got := s.have(t); got != before {
				t.Errorf("installed: %s, want %s", got, before)
			}
			t.Run("the exporter", func(t *testing.T) { s.exporterAdmitted(t) })
			t.Run("the commands of the notes", func(t *testing.T) { s.followNotes(t, notes) })
			t.Run("everything set", func(t *testing.T) { s.everythingSet(t) })
			t.Run("by schedule", func(t *testing.T) {
				if tt.api != "batch/v1" {
					return // once for each Kubernetes is enough
				}
				plane.Eventually(t, time.Until(installed)+90*time.Second, func() error {
					out := s.kubectl(t, "get", "jobs", "-o", `jsonpath={range .items[*]}{.metadata.ownerReferences[0].kind}/{.metadata.annotations.cronjob\.kubernetes\.io/instantiate} {end}`)
					for _, job := range strings.Fields(out) {
						if job == "CronJob/" {
							return nil
						}
					}
					return fmt.Errorf("no Job of the CronJob's own: %s", out)
				})
			})
			t.Run("stopped by hand, an upgrade lets it stay so", func(t *testing.T) {
				s.kubectl(t, "patch", "cronjob", "bosgc", "-p", `{"spec":{"suspend":true}}`)
				s.helm(t, append([]string{"upgrade", "bosgc", Dir(), "--set", "config.keepLast=2"}, set...)...)
				if got := s.kubectl(t, "get", "cronjob", "bosgc", "-o", "jsonpath={.spec.suspend}"); got != "true" {
					t.Errorf("suspend is %q", got)
				}
			})
			t.Run("upgrade, rollback, uninstall", func(t *testing.T) {
				s.helm(t, "upgrade", "bosgc", Dir(), "--set", "mode=serve", "--set", everythingOfMonitoring)
				want := "configmap deployment podmonitor prometheusrule role role rolebinding rolebinding service serviceaccount servicemonitor vmrule vmservicescrape"
				if got := s.have(t); got != want {
					t.Errorf("upgraded: %s, want %s", got, want)
				}
				s.admitted(t, "app.kubernetes.io/component=sweeper,app.kubernetes.io/instance=bosgc,pod-template-hash")
				s.helm(t, "rollback", "bosgc", "1")
				if got := s.have(t); got != before {
					t.Errorf("rolled back: %s, want %s", got, before)
				}
				s.helm(t, "uninstall", "bosgc")
				if got := s.have(t); got != "" {
					t.Errorf("left behind: %s", got)
				}
				plane.Eventually(t, 30*time.Second, func() error {
					if out := s.kubectl(t, "get", "jobs,pods,secrets", "-o", "name"); strings.Contains(out, "bosgc") {
						return fmt.Errorf("left behind: %s", out)
					}
					return nil
				})
			})
		})
	}
}

// exporterAdmitted checks the exporter as the server stores it, after all defaults and admission
// plugins.
func (s *site) exporterAdmitted(t *testing.T) {
	pod := s.admitted(t, "app.kubernetes.io/instance=bosgc,app.kubernetes.io/component=exporter")
	if c := pod.Spec.Containers[0]; !slices.Equal(c.Args, []string{"exporter"}) || pod.Spec.ServiceAccountName != "bosgc-exporter" {
		t.Errorf("it runs %q with the account %s", c.Args, pod.Spec.ServiceAccountName)
	}
	if !slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Projected != nil }) {
		t.Error("it has no token")
	}
	const account = lab.Namespace + ":bosgc-exporter"
	state := authorizationv1.ResourceAttributes{Resource: "configmaps", Name: "bosgc-state", Verb: "get"}
	s.until(t, true, account, state)
	for _, ask := range []authorizationv1.ResourceAttributes{
		{Resource: "configmaps", Name: "bosgc-state"},
		{Resource: "configmaps"},
		{Resource: "secrets"},
		{Resource: "pods"},
		{Group: "batch", Resource: "jobs"},
		{Group: "coordination.k8s.io", Resource: "leases"},
	} {
		for _, ask.Verb = range []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"} {
			if ask == state {
				continue
			}
			if allowed, err := s.may(t, account, ask); err != nil || allowed {
				t.Errorf("it may %s %s %s: %v, error %v", ask.Verb, ask.Resource, ask.Name, allowed, err)
			}
		}
	}
}

// followNotes does what NOTES.txt tells a new user, as far as it can be done without a node.
func (s *site) followNotes(t *testing.T, notes string) {
	bin := t.TempDir()
	if err := os.Symlink(filepath.Join(plane.Binaries(t, ""), "kubectl"), filepath.Join(bin, "kubectl")); err != nil {
		t.Fatal(err)
	}
	commands := 0
	for line := range strings.Lines(notes + notes) { // people type them again
		command := strings.TrimSpace(line)
		if !strings.HasPrefix(command, "kubectl ") {
			continue
		}
		commands++
		if strings.Contains(command, " logs ") {
			continue
		}
		if before, after, ok := strings.Cut(command, " port-forward "); ok { // there is nothing to forward to
			service, ports, _ := strings.Cut(after, " ")
			command = before + " get " + service + " -o jsonpath='{.spec.ports[?(@.port==" + strings.TrimPrefix(ports, "9090:") + ")].name}' | grep -x metrics"
		}
		run(t, "KUBECONFIG="+s.kubeconfig+" PATH="+bin+":$PATH; export KUBECONFIG PATH; "+command)
	}
	if commands != 2*6 {
		t.Errorf("%d commands in the notes:\n%s", commands, notes)
	}
	if out := s.kubectl(t, "get", "jobs", "-l", "app.kubernetes.io/instance=bosgc,cronjob-name=bosgc", "-o", "name"); strings.Count(out, "job.batch/") < 2 {
		t.Errorf("its Jobs are not found by label: %s", out)
	}
	plan, sweep := s.admitted(t, "job-name=bosgc-plan"), s.admitted(t, "job-name=bosgc-by-hand")
	for pod, want := range map[*corev1.Pod]string{&plan: "plan", &sweep: "sweep"} {
		if got := pod.Spec.Containers[0].Args; !slices.Equal(got, []string{want}) {
			t.Errorf("the Pod %s runs %q, want %q", pod.Name, got, want)
		}
		if pod.Labels["cronjob-name"] != "bosgc" {
			t.Errorf("its labels are %v", pod.Labels)
		}
		if !slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Projected != nil }) {
			t.Errorf("the Pod %s has no token", pod.Name)
		}
	}
}

// everythingSet makes the server itself validate the chart with all values set, and admit its Pods.
func (s *site) everythingSet(t *testing.T) {
	for _, mode := range []string{"cronjob", "serve"} {
		out := s.helm(t, "template", "full", Dir(), "-f", "testdata/full.yaml", "--set", "mode="+mode, "--validate", "--no-hooks")
		file := filepath.Join(t.TempDir(), mode+".yaml")
		if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		s.kubectl(t, "apply", "--validate=strict", "--dry-run=server", "-f", file)
		s.helm(t, "upgrade", "--install", "full", Dir(), "-f", "testdata/full.yaml", "--set", "mode="+mode)
		hook := s.helm(t, "template", "full", Dir(), "-f", "testdata/full.yaml", "--set", "mode="+mode, "-s", "templates/tests.yaml")
		if err := os.WriteFile(file, []byte(hook), 0o600); err != nil {
			t.Fatal(err)
		}
		s.kubectl(t, "apply", "--validate=strict", "--dry-run=server", "-f", file) // it needs the account
		if mode == "cronjob" {
			s.kubectl(t, "create", "job", "--from=cronjob/full-bosgc", "full-by-hand")
		}
		pod := s.admitted(t, "app.kubernetes.io/instance=full,app.kubernetes.io/component=sweeper"+map[string]string{"cronjob": ",job-name", "serve": ",pod-template-hash"}[mode])
		if c := pod.Spec.Containers[0]; len(c.Env) < 10 || len(c.VolumeMounts) != 5 || pod.Spec.ServiceAccountName != "sweeper" {
			t.Errorf("mode %s: %d variables, %d mounts, account %s", mode, len(c.Env), len(c.VolumeMounts), pod.Spec.ServiceAccountName)
		}
		if mode == "cronjob" {
			s.admitted(t, "app.kubernetes.io/instance=full,app.kubernetes.io/component=exporter")
		}
		out = s.kubectl(t, "get", monitors, "-l", "app.kubernetes.io/instance=full,release=cray-sysmgmt-health", "-o", "name")
		if got := strings.Count(out, "/full-bosgc\n"); got != 5 {
			t.Errorf("mode %s: the cluster has %d of 5 objects for monitoring:\n%s", mode, got, out)
		}
	}
	s.helm(t, "uninstall", "full")
	out := s.kubectl(t, "get", "all,roles,rolebindings,serviceaccounts,networkpolicies,configmaps,"+monitors, "-l", "app.kubernetes.io/instance=full", "-o", "name")
	for left := range strings.Lines(out) {
		// The garbage collector deletes these a moment later.
		if !strings.HasPrefix(left, "pod/") && !strings.HasPrefix(left, "job.batch/") && !strings.HasPrefix(left, "replicaset.apps/") {
			t.Errorf("left behind: %s", left)
		}
	}
}

// may asks the API server what a ServiceAccount may do.
func (s *site) may(t *testing.T, account string, ask authorizationv1.ResourceAttributes) (bool, error) {
	ask.Namespace = cmp.Or(ask.Namespace, lab.Namespace)
	review, err := s.Client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               "system:serviceaccount:" + account,
			Groups:             []string{"system:serviceaccounts", "system:authenticated"},
			ResourceAttributes: &ask,
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

// exactly checks that an account may use these verbs on a resource in a namespace, and no others: on any object, or on
// the one that is named.
func (s *site) exactly(t *testing.T, account, namespace, resource, name string, verbs ...string) {
	t.Helper()
	ask := authorizationv1.ResourceAttributes{Namespace: namespace, Resource: resource, Name: name}
	if resource == "leases" {
		ask.Group = "coordination.k8s.io"
	}
	for _, ask.Verb = range []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"} {
		s.until(t, slices.Contains(verbs, ask.Verb), account, ask)
	}
}

// until waits until a change of a Role takes effect.
func (s *site) until(t *testing.T, allowed bool, account string, ask authorizationv1.ResourceAttributes) {
	t.Helper()
	plane.Eventually(t, 10*time.Second, func() error {
		got, err := s.may(t, account, ask)
		if err == nil && got != allowed {
			err = fmt.Errorf("%s may %s %s %s: %v", account, ask.Verb, ask.Resource, ask.Name, got)
		}
		return err
	})
}

// environ returns the environment that the installed CronJob gives its container.
func (s *site) environ(t *testing.T) []string {
	t.Helper()
	cron, err := s.Client.BatchV1().CronJobs(lab.Namespace).Get(t.Context(), "bosgc", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return environ(cron.Spec.JobTemplate.Spec.Template.Spec)
}

// watched returns a login to the same server through a proxy that records the requests for objects in
// the namespace.
func watched(t *testing.T, config *rest.Config) (seen func() map[string]bool, through *rest.Config) {
	t.Helper()
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	var lock sync.Mutex
	used := map[string]bool{}
	forward := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, object, ok := strings.Cut(r.URL.Path, "/namespaces/"+lab.Namespace+"/"); ok {
			resource, name, _ := strings.Cut(object, "/")
			verb := strings.ToLower(r.Method)
			switch {
			case r.URL.Query().Get("watch") == "true":
				verb = "watch"
			case verb == "get" && name == "":
				verb = "list"
			}
			lock.Lock()
			used[verb+" "+resource] = true
			lock.Unlock()
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	through = rest.CopyConfig(config)
	through.Host = server.URL
	through.CAData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return func() map[string]bool {
		lock.Lock()
		defer lock.Unlock()
		return maps.Clone(used)
	}, through
}

// TestSweepWithTheChartsPermissions runs the program as its Pod would: with a token of the
// ServiceAccount that the chart creates, and with the chart's settings.
func TestSweepWithTheChartsPermissions(t *testing.T) {
	t.Parallel()
	s := start(t, plane.Options{NoControllers: true})
	w := world.Load(t, s.Plane, lab.Options{CSM: "1.4", Seed: 7, Sessions: 80})
	before := w.Exist(t)
	const account = lab.Namespace + ":bosgc"
	// In another namespace, so that one Role does not hide what the other lacks.
	const state = "state"
	s.CreateNamespace(t, state, true)
	// There are many sweeps below, and none of them may confirm an orphan.
	const set = "config.orphanSightings=99,config.stateNamespace=" + state

	s.helm(t, "install", "bosgc", Dir(), "--set", set+",config.dryRun=true")
	config := s.ConfigFor(t, lab.Namespace, "bosgc")
	s.until(t, true, account, authorizationv1.ResourceAttributes{Verb: "list", Resource: "pods"})
	t.Run("a dry run", func(t *testing.T) {
		for _, ask := range []authorizationv1.ResourceAttributes{
			{Group: "batch", Resource: "jobs"},
			{Group: "batch", Resource: "cronjobs"},
			{Resource: "configmaps"},
			{Resource: "pods"},
			{Group: "apps", Resource: "deployments"},
			{Resource: "secrets"},
		} {
			for _, ask.Verb = range []string{"delete", "deletecollection", "create", "update", "patch"} {
				if allowed, err := s.may(t, account, ask); err != nil || allowed {
					t.Errorf("it may %s %s: %v, error %v", ask.Verb, ask.Resource, allowed, err)
				}
			}
		}
		s.exactly(t, account, state, "configmaps", "", "create")
		s.exactly(t, account, state, "configmaps", "bosgc-state", "create", "get", "update")
		s.exactly(t, account, state, "leases", "bosgc")
		s.exactly(t, account, lab.Namespace, "events", "", "create")
		for _, command := range []string{"plan", "sweep"} {
			d, code := w.Run(t, config, s.environ(t), command)
			if code != gc.ExitDone || d.Summary.Delete == 0 {
				t.Errorf("%s: exit code %d, %d to delete", command, code, d.Summary.Delete)
			}
		}
		if !maps.Equal(w.Exist(t), before) {
			t.Error("something is gone")
		}
	})
	s.helm(t, "upgrade", "bosgc", Dir(), "--set", set+",config.dryRun=false")
	s.until(t, true, account, authorizationv1.ResourceAttributes{Verb: "delete", Resource: "configmaps"})
	s.exactly(t, account, state, "configmaps", "", "get", "list", "create", "delete")
	s.exactly(t, account, state, "configmaps", "bosgc-state", "get", "list", "create", "update", "delete")
	s.exactly(t, account, state, "leases", "", "create")
	s.exactly(t, account, state, "leases", "bosgc", "get", "create", "update")
	s.exactly(t, account, state, "events", "")
	s.exactly(t, account, state, "pods", "")

	role, err := s.Client.RbacV1().Roles(lab.Namespace).Get(t.Context(), "bosgc", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, rule := range role.Rules {
		for _, verb := range rule.Verbs {
			t.Run("without "+verb+" "+rule.Resources[0], func(t *testing.T) {
				ask := authorizationv1.ResourceAttributes{Verb: verb, Group: rule.APIGroups[0], Resource: rule.Resources[0]}
				less := role.DeepCopy()
				less.ResourceVersion = ""
				less.Rules[i].Verbs = slices.DeleteFunc(less.Rules[i].Verbs, func(v string) bool { return v == verb })
				if len(less.Rules[i].Verbs) == 0 {
					less.Rules = slices.Delete(less.Rules, i, i+1)
				}
				if _, err := s.Client.RbacV1().Roles(lab.Namespace).Update(t.Context(), less, metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
				s.until(t, false, account, ask)
				if d, code := w.Run(t, config, s.environ(t), "sweep"); code == gc.ExitDone {
					t.Errorf("nothing is amiss: %+v", d.Outcomes)
				}
				whole := role.DeepCopy()
				whole.ResourceVersion = ""
				if _, err := s.Client.RbacV1().Roles(lab.Namespace).Update(t.Context(), whole, metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
				s.until(t, true, account, ask)
			})
		}
	}
	t.Run("with all of them, each of which is used", func(t *testing.T) {
		seen, config := watched(t, config)
		d, code := w.Run(t, config, s.environ(t), "sweep")
		if code != gc.ExitDone || d.Summary.Delete == 0 {
			t.Errorf("exit code %d, %+v", code, d.Outcomes)
		}
		w.OnlyStaying(t, before)
		granted := map[string]bool{}
		for _, rule := range role.Rules {
			for _, verb := range rule.Verbs {
				granted[verb+" "+rule.Resources[0]] = true
			}
		}
		used := seen()
		for _, notes := range []string{"get cronjobs", "post events"} { // these are in the Role for Events
			delete(used, notes)
		}
		if !maps.Equal(used, granted) {
			t.Errorf("the Role grants %v; used was %v", slices.Sorted(maps.Keys(granted)), slices.Sorted(maps.Keys(used)))
		}
	})
	t.Run("the exporter can read what they left", func(t *testing.T) {
		exporter, err := s.Client.AppsV1().Deployments(lab.Namespace).Get(t.Context(), "bosgc-exporter", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		where := map[string]string{}
		for _, v := range exporter.Spec.Template.Spec.Containers[0].Env {
			where[v.Name] = v.Value
		}
		login, err := kubernetes.NewForConfig(s.ConfigFor(t, lab.Namespace, exporter.Spec.Template.Spec.ServiceAccountName))
		if err != nil {
			t.Fatal(err)
		}
		left, err := login.CoreV1().ConfigMaps(where["BOSGC_STATE_NAMESPACE"]).Get(t.Context(), cmp.Or(where["BOSGC_STATE_NAME"], "bosgc")+"-state", metav1.GetOptions{})
		if err != nil || len(left.Data)+len(left.BinaryData) == 0 {
			t.Errorf("it finds %v, error %v", left.Data, err)
		}
	})
	t.Run("cancelling is one Deployment's matter", func(t *testing.T) {
		batcher := authorizationv1.ResourceAttributes{Group: "apps", Resource: "deployments", Subresource: "scale", Verb: "update", Name: "cray-cfs-batcher"}
		jobs := authorizationv1.ResourceAttributes{Group: "batch", Resource: "jobs", Verb: "patch"}
		s.until(t, false, account, batcher)
		s.until(t, false, account, jobs)
		s.helm(t, "upgrade", "bosgc", Dir(), "--set", "config.dryRun=false,cancel.enabled=true")
		s.until(t, true, account, batcher)
		s.until(t, true, account, jobs)
		for _, other := range []string{"cray-bos", ""} {
			any := batcher
			any.Name = other
			s.until(t, false, account, any)
		}
	})
	t.Run("from a namespace of its own", func(t *testing.T) {
		if _, err := Helm(t, s.kubeconfig, "install", "bosgc-2", Dir(), "-n", "tools", "--create-namespace", "--set", "config.dryRun=false"); err != nil {
			t.Fatal(err)
		}
		ask := authorizationv1.ResourceAttributes{Verb: "delete", Group: "batch", Resource: "jobs"}
		s.until(t, true, "tools:bosgc-2", ask)
		ask.Namespace = "tools"
		s.until(t, false, "tools:bosgc-2", ask)
	})
}
