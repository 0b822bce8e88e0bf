package chart

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"bosgc/internal/config"
	"bosgc/internal/kube"
)

// newest is the version that stands for the newest Kubernetes when a chart is only rendered.
const newest = "1.36"

func template(t *testing.T, args ...string) []*unstructured.Unstructured {
	t.Helper()
	return templateOf(t, Dir(), args...)
}

// templateOf renders the chart in another folder.
func templateOf(t *testing.T, chart string, args ...string) []*unstructured.Unstructured {
	t.Helper()
	return objectsOf(t, "helm", "bosgc", chart, args...)
}

// objectsOf renders a release of a chart with one of the helms.
func objectsOf(t *testing.T, helm, release, chart string, args ...string) []*unstructured.Unstructured {
	t.Helper()
	out, err := HelmOf(t, helm, "", append([]string{"template", release, chart, "-n", "services"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(out), 4096)
	for {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Object) > 0 {
			objects = append(objects, o)
		}
	}
}

// of returns an object as its type.
func of[T any](t *testing.T, objects []*unstructured.Unstructured, kind, name string) *T {
	t.Helper()
	var found []*T
	for _, o := range objects {
		if o.GetKind() == kind && o.GetName() == name {
			into := new(T)
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, into, true); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			found = append(found, into)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects are %s %s, want one", len(found), kind, name)
	}
	return found[0]
}

func environ(pod corev1.PodSpec) []string {
	var lines []string
	for _, v := range pod.Containers[0].Env {
		lines = append(lines, v.Name+"="+v.Value)
	}
	return lines
}

// everythingOfMonitoring enables all objects that an operator has to know.
const everythingOfMonitoring = "config.metricsLinger=45s,monitoring.serviceMonitor.enabled=true,monitoring.vmServiceScrape.enabled=true," +
	"monitoring.podMonitor.enabled=true,monitoring.prometheusRule.enabled=true,monitoring.vmRule.enabled=true,monitoring.dashboard.enabled=true"

func TestEveryKubernetesOfCSM(t *testing.T) {
	cronjob := map[string]int{
		"ServiceAccount": 2, "Role": 4, "RoleBinding": 4, "NetworkPolicy": 3, "CronJob": 1, "Deployment": 1, "Service": 1, "Pod": 1,
		"ServiceMonitor": 1, "VMServiceScrape": 1, "PodMonitor": 1, "PrometheusRule": 1, "VMRule": 1, "ConfigMap": 1,
	}
	serve := maps.Clone(cronjob)
	maps.Copy(serve, map[string]int{"ServiceAccount": 1, "Role": 2, "RoleBinding": 2, "NetworkPolicy": 2})
	delete(serve, "CronJob")
	for version, want := range map[string]string{
		"1.19": "batch/v1beta1", "1.20": "batch/v1beta1", "1.21": "batch/v1", "1.22": "batch/v1",
		"1.24": "batch/v1", "1.25": "batch/v1", newest: "batch/v1", "v1.20.13-vendor.2": "batch/v1beta1",
	} {
		for mode, all := range map[string]map[string]int{"cronjob": cronjob, "serve": serve} {
			kinds, names := map[string]int{}, map[string]bool{}
			for _, o := range template(t, "--kube-version", version, "--set", "networkPolicy.enabled=true,mode="+mode, "--set", everythingOfMonitoring) {
				kinds[o.GetKind()]++
				if o.GetKind() == "CronJob" && o.GetAPIVersion() != want {
					t.Errorf("Kubernetes %s: the CronJob is %s, want %s", version, o.GetAPIVersion(), want)
				}
				id := o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
				if names[id] {
					t.Errorf("%s is there twice", id)
				}
				names[id] = true
			}
			if !maps.Equal(kinds, all) {
				t.Errorf("Kubernetes %s, mode %s: %v, want %v", version, mode, kinds, all)
			}
		}
	}
	if _, err := Helm(t, "", "template", Dir(), "--kube-version", "1.18"); err == nil {
		t.Error("Kubernetes 1.18 is accepted")
	}
}

// grants lists what a Role allows: one verb of one resource each, of one object if it is named.
func grants(role *rbacv1.Role) []string {
	var all []string
	for _, rule := range role.Rules {
		for _, verb := range rule.Verbs {
			for _, name := range append(rule.ResourceNames, make([]string, max(0, 1-len(rule.ResourceNames)))...) {
				all = append(all, fmt.Sprintf("%v %v %s %s", rule.APIGroups, rule.Resources, verb, name))
			}
		}
	}
	slices.Sort(all)
	return all
}

func sameGrants(t *testing.T, role *rbacv1.Role, want []string) {
	t.Helper()
	slices.Sort(want)
	if got := grants(role); !slices.Equal(got, want) {
		t.Errorf("the Role %s has\n%s\nwant\n%s", role.Name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// asked formats a permission as grants does.
func asked(p kube.Permission) string {
	return fmt.Sprintf("%v %v %s %s", []string{p.Group}, []string{p.Resource}, p.Verb, p.Name)
}

// eventPermissions are needed to write Events on the release's CronJob.
var eventPermissions = []string{
	asked(kube.Permission{Group: "batch", Resource: "cronjobs", Verb: "get", Name: "bosgc"}),
	asked(kube.Permission{Resource: "events", Verb: "create"}),
}

// TestRoleIsWhatTheProgramAsksFor compares the Roles with the tables that the program itself checks at
// the start.
func TestRoleIsWhatTheProgramAsksFor(t *testing.T) {
	for _, tt := range []struct {
		set  string
		want func(kube.Permission) bool
	}{
		{"config.dryRun=false", func(kube.Permission) bool { return true }},
		{"config.dryRun=false,cancel.enabled=true", func(kube.Permission) bool { return true }},
		{"mode=cronjob", func(p kube.Permission) bool { return !p.ForDeleting() }},
		{"config.dryRun=true", func(p kube.Permission) bool { return !p.ForDeleting() }},
		{"config.dryRun=true,cancel.enabled=true", func(p kube.Permission) bool { return !p.ForDeleting() }},
	} {
		t.Run(tt.set, func(t *testing.T) {
			var sweep, state []string
			for _, p := range kube.SweepPermissions() {
				if tt.want(p) {
					sweep = append(sweep, asked(p))
				}
			}
			deletes := strings.Contains(tt.set, "dryRun=false")
			if deletes && strings.Contains(tt.set, "cancel.enabled=true") {
				for _, p := range kube.CleanPermissions("cray-cfs-batcher") {
					sweep = append(sweep, asked(p))
				}
			}
			for _, p := range kube.StatePermissions("bosgc", deletes) {
				state = append(state, asked(p))
			}
			objects := template(t, "--kube-version", newest, "--set", tt.set)
			sameGrants(t, of[rbacv1.Role](t, objects, "Role", "bosgc"), sweep)
			sameGrants(t, of[rbacv1.Role](t, objects, "Role", "bosgc-state"), state)
			sameGrants(t, of[rbacv1.Role](t, objects, "Role", "bosgc-events"), slices.Clone(eventPermissions))
			sameGrants(t, of[rbacv1.Role](t, objects, "Role", "bosgc-exporter"),
				[]string{asked(kube.Permission{Resource: "configmaps", Verb: "get", Name: "bosgc-state"})})
		})
	}
}

// given are the settings that the chart never has as a value of its own.
var given = map[string]bool{"BOSGC_CLIENT_SECRET": true}

// TestEverySettingIsAValue sets every value of config and lets the program read what arrives in the
// Pod.
func TestEverySettingIsAValue(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"secret", "file"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("testdata/every-setting.yaml")
	if err != nil {
		t.Fatal(err)
	}
	values := filepath.Join(dir, "values.yaml")
	if err := os.WriteFile(values, bytes.ReplaceAll(text, []byte("/DIR"), []byte(dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	cron := of[batchv1.CronJob](t, template(t, "--kube-version", newest, "-f", values), "CronJob", "bosgc")
	lines := environ(cron.Spec.JobTemplate.Spec.Template.Spec)
	c, err := config.Load(lines)
	if err != nil {
		t.Error(err)
	}
	for _, s := range c.Settings(lines) {
		switch {
		case given[s.Name]:
		case s.Origin == "default":
			t.Errorf("%s does not arrive", s.Name)
		case s.Value == s.Default:
			t.Errorf("%s arrives as its default %q, which proves nothing", s.Name, s.Value)
		}
	}
	known := map[string]bool{}
	for _, s := range c.Settings(nil) {
		known[s.Name] = true
	}
	for _, line := range lines {
		if name, _, _ := strings.Cut(line, "="); !known[name] {
			t.Errorf("%s is no setting of the program", name)
		}
	}
}

// TestDocumentedDefaults compares what values.yaml says of each setting with the program.
func TestDocumentedDefaults(t *testing.T) {
	snake := regexp.MustCompile(`([a-z])([A-Z])|([A-Z])([A-Z][a-z])`)
	documented := map[string]value{}
	for _, v := range values(t) {
		if key, ok := strings.CutPrefix(v.key, "config."); ok {
			documented["BOSGC_"+strings.ToUpper(snake.ReplaceAllString(key, "${1}${3}_${2}${4}"))] = v
		}
	}
	for _, s := range (config.Config{}).Settings(nil) {
		v, ok := documented[s.Name]
		if given[s.Name] {
			continue
		} else if !ok {
			t.Errorf("%s is not documented", s.Name)
			continue
		}
		delete(documented, s.Name)
		_, said, ok := strings.Cut(v.comment, "Default: ")
		if want := "`" + s.Default + "`"; !ok || s.Default != "" && said != want {
			t.Errorf("%s: its default is said to be %q, and is %s", v.key, said, want)
		}
		if v.key == "config.dryRun" { // who installs a chart has not read a plan yet
			if v.set != "true" {
				t.Errorf("%s is %q", v.key, v.set)
			}
		} else if got := cmp.Or(v.set, s.Default); got != s.Default {
			t.Errorf("%s: the chart sets %q, the program's default is %q", v.key, got, s.Default)
		}
	}
	for name, v := range documented {
		t.Errorf("%s (%s) is no setting of the program", v.key, name)
	}
}

func TestBadValuesAreRefusedByName(t *testing.T) {
	for set, key := range map[string]string{
		"config.sessionTTL=7":                           "/config/sessionTTL",
		"config.sessionTTL=7 d":                         "/config/sessionTTL",
		"config.sessionTTL=-7d":                         "/config/sessionTTL",
		"config.sessionTTL=7y":                          "/config/sessionTTL",
		"config.sessionTTL=7d7d":                        "/config/sessionTTL",
		"config.sessionTTL=d":                           "/config/sessionTTL",
		"config.sessionTTL=1.5d":                        "/config/sessionTTL",
		"config.sessionTtl=7d":                          "'sessionTtl'",
		"config.clientSecret=x":                         "'clientSecret'",
		"config.deadline=0s":                            "/config/deadline",
		"config.deadline=null":                          "'deadline'",
		"config.requestTimeout=0s":                      "/config/requestTimeout",
		"config.keepLast=-1":                            "/config/keepLast",
		"config.keepLast=some":                          "/config/keepLast",
		"config.maxDeletes=0":                           "/config/maxDeletes",
		"config.maxOrphanPercent=101":                   "/config/maxOrphanPercent",
		"config.kubeConcurrency=0":                      "/config/kubeConcurrency",
		"config.dryRun=yes":                             "/config/dryRun",
		"config.cfs=all":                                "/config/cfs",
		"config.cfsLink=loose":                          "/config/cfsLink",
		"config.keepTemplates=7":                        "/config/keepTemplates",
		"config.bosURL=cray-bos":                        "/config/bosURL",
		"config.tokenURL=https://user:password@gateway": "/config/tokenURL",
		"config.namespace=Services":                     "/config/namespace",
		"config.batcher=":                               "/config/batcher",
		"config.metricsAddr=9090":                       "/config/metricsAddr",
		"config.metricsAddr=:65536":                     "/config/metricsAddr",
		"config.metricsAddr=:0":                         "/config/metricsAddr",
		"config.metricsAddr=:99999":                     "/config/metricsAddr",
		"service.port=65536":                            "/service/port",
		"service.port=0":                                "/service/port",
		"service.port=http":                             "/service/port",
		"networkPolicy.apiServerPorts={70000}":          "/networkPolicy/apiServerPorts/0",
		"nameOverride=gc.night":                         "/nameOverride",
		"fullnameOverride=bos.gc":                       "/fullnameOverride",
		"fullnameOverride=9gc":                          "/fullnameOverride",
		"global.imageRegistry=7":                        "/global/imageRegistry",
		"enabled=maybe":                                 "/enabled",
		"hostAliases=none":                              "/hostAliases",
		"topologySpreadConstraints.maxSkew=1":           "/topologySpreadConstraints",
		"dnsConfig=none":                                "/dnsConfig",
		"monitoring.namespace=Monitoring":               "/monitoring/namespace",
		"monitoring.podMonitor.honorLabels=yes":         "/monitoring/podMonitor/honorLabels",
		"monitoring.serviceMonitor.relabelings.a=b":     "/monitoring/serviceMonitor/relabelings",
		"config.requestTimeout=16m":                     "config.requestTimeout is 16m; expected no more than config.deadline (15m)",
		"config.deadline=1m,config.listTimeout=2m":      "config.listTimeout is 2m",
		"config.cfs=off,config.cfsLink=inferred":        "config.cfsLink is inferred",
		"monitoring.serviceMonitor.enabled=true,monitoring.serviceMonitor.interval=10s,monitoring.serviceMonitor.scrapeTimeout=30s": "scrapeTimeout is 30s",
		"monitoring.vmServiceScrape.interval=10s,monitoring.vmServiceScrape.scrapeTimeout=1m":                                       "scrapeTimeout is 1m",
		"mode=serve,monitoring.vmRule.enabled=true,config.interval=2h":                                                              "monitoring.rules.missedAfter is 3h; expected more than twice config.interval (2h)",
		"monitoring.vmRule.enabled=true,cronjob.schedule=30 3 * * *":                                                                "monitoring.rules.missedAfter is 3h, and cronjob.schedule (30 3 * * *) is daily",
		"monitoring.prometheusRule.enabled=true,cronjob.schedule=@daily":                                                            "is daily",
		"monitoring.prometheusRule.enabled=true,monitoring.rules.sessionsWarning=900":                                               "monitoring.rules.sessionsWarning is 900",
		"monitoring.prometheusRule.enabled=true,config.orphanGrace=2d":                                                              "monitoring.rules.orphansFor is 26h",
		"monitoring.prometheusRule.enabled=true,config.orphanSightings=3":                                                           "monitoring.rules.orphanSweeps is 3",
		"config.caFile=ca.crt":                          "/config/caFile",
		"config.logLevel=verbose":                       "/config/logLevel",
		"config.stateName=Bosgc":                        "/config/stateName",
		"config.stateName=null":                         "'stateName'",
		"config.cronjob=a.b":                            "/config/cronjob",
		"exporter.enabled=1":                            "/exporter/enabled",
		"exporter.replicas=2":                           "'replicas'",
		"exporter.resources.limit.memory=1Gi":           "'limit'",
		"monitoring.enabled=true":                       "'enabled'",
		"monitoring.labels.release=1":                   "/monitoring/labels/release",
		"monitoring.serviceMonitor.interval=1d":         "/monitoring/serviceMonitor/interval",
		"monitoring.podMonitor.interval=30":             "/monitoring/podMonitor/interval",
		"monitoring.podMonitor.enabled=true":            "config.metricsLinger is 0s",
		"monitoring.vmServiceScrape.scrapeTimeout=5s1m": "/monitoring/vmServiceScrape/scrapeTimeout",
		"monitoring.vmRule.interval=1m":                 "'interval'",
		"monitoring.rules.missedAfter=3":                "/monitoring/rules/missedAfter",
		"monitoring.rules.orphansFor=0h":                "/monitoring/rules/orphansFor",
		"monitoring.rules.eligibleAfter=null":           "'eligibleAfter'",
		"monitoring.rules.sessionsWarning=0":            "/monitoring/rules/sessionsWarning",
		"monitoring.rules.sessionsCritical=1.5":         "/monitoring/rules/sessionsCritical",
		"monitoring.rules.runbookURL=docs/#x":           "/monitoring/rules/runbookURL",
		"monitoring.rules.runbookURL=a b":               "/monitoring/rules/runbookURL",
		"monitoring.dashboard.namespace=Grafana":        "/monitoring/dashboard/namespace",
		"mode=daemon":                                   "/mode",
		"modus=serve":                                   "'modus'",
		"image.digest=latest":                           "/image/digest",
		"image.pullPolicy=never":                        "/image/pullPolicy",
		"cronjob.schedule=hourly":                       "/cronjob/schedule",
		"cronjob.apiVersion=batch/v2":                   "/cronjob/apiVersion",
		"cronjob.ttlSecondsAfterFinished=1d":            "/cronjob/ttlSecondsAfterFinished",
		"podSecurityContext=null":                       "podSecurityContext",
		"securityContext=null":                          "securityContext",
		"extraEnv[0].name=BOSGC_DRY_RUN":                "config.dryRun",
		"cronjob.activeDeadlineSeconds=20m":             "/cronjob/activeDeadlineSeconds",
		"cronjob.suspended=true":                        "'suspended'",
		"istio.inject=enabled":                          "/istio/inject",
		"cancel.enabled=1":                              "/cancel/enabled",
		"networkPolicy.dns=null,networkPolicy.bos=":     "/networkPolicy/bos",
		"podLabels.rank=1":                              "/podLabels/rank",
		"serviceAccount.name=Bosgc":                     "/serviceAccount/name",
		"serviceAccount.create=false":                   "serviceAccount.name",
		"cronjob.activeDeadlineSeconds=900":             "cronjob.activeDeadlineSeconds",
		"extraEnv[0].value=x":                           "/extraEnv/0",
	} {
		_, err := Helm(t, "", "template", Dir(), "--kube-version", newest, "--set", set)
		if err == nil {
			t.Errorf("%s is accepted", set)
		} else if !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %q is not in the message: %v", set, key, err)
		}
	}
}
