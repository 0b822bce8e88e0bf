package chart

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// helms are the programs that people use the chart with, as make builds them.
var helms = []string{"helm", "helm4"}

// TestNullForAnyMap sets each map and list of values.yaml to null, which removes it: the chart does without, or says by
// name what is missing.
func TestNullForAnyMap(t *testing.T) {
	document := valuesDocument(t)
	var paths []string
	var walk func(prefix string, n *yaml.Node)
	walk = func(prefix string, n *yaml.Node) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if v := n.Content[i+1]; v.Kind == yaml.MappingNode || v.Kind == yaml.SequenceNode {
				paths = append(paths, prefix+n.Content[i].Value)
				if v.Kind == yaml.MappingNode {
					walk(prefix+n.Content[i].Value+".", v)
				}
			}
		}
	}
	walk("", document.Content[0])
	if len(paths) < 50 {
		t.Fatalf("only %d paths", len(paths))
	}
	for _, helm := range helms {
		for _, path := range paths {
			t.Run(helm+" "+path, func(t *testing.T) {
				t.Parallel()
				_, err := HelmOf(t, helm, "", "template", "bosgc", Dir(), "--kube-version", newest,
					"--set", everythingOfMonitoring+",networkPolicy.enabled=true,networkPolicy.scrape[0].podSelector.a=b", "--set", path+"=null")
				if err == nil {
					return
				}
				key := path[strings.LastIndex(path, ".")+1:]
				_, message, _ := strings.Cut(err.Error(), "exit status")
				if !strings.Contains(message, "'"+key+"'") && !strings.Contains(message, key+" is") || strings.Contains(message, "nil pointer") {
					t.Errorf("the message does not say what is missing: %s", message)
				}
			})
		}
	}
}

// TestChartOfAnother renders the chart as a dependency: by another name, with a condition, and a registry for all.
func TestChartOfAnother(t *testing.T) {
	parent := t.TempDir()
	if err := os.CopyFS(filepath.Join(parent, "charts", "bosgc"), os.DirFS(Dir())); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"Chart.yaml": `{apiVersion: v2, name: site, version: 1.0.0, dependencies: [{name: bosgc, version: 0.1.0, alias: gc, condition: gc.enabled, tags: [night]}]}`,
		"values.yaml": `{global: {imageRegistry: registry.example.com/mirror, other: 1}, tags: {night: true},
gc: {enabled: true, image: {repository: "registry.local:5000/csm/bosgc"}, affinity: null, podLabels: null, config: {keepTemplates: "golden-*,blue", bosEtcdEndpoints: null}}}`,
	} {
		if err := os.WriteFile(filepath.Join(parent, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, helm := range helms {
		cron := of[batchv1.CronJob](t, objectsOf(t, helm, "site", parent), "CronJob", "site-gc")
		pod := cron.Spec.JobTemplate.Spec.Template.Spec
		if want := "registry.example.com/mirror/csm/bosgc:0.1.0"; pod.Containers[0].Image != want {
			t.Errorf("%s: the image is %s, want %s", helm, pod.Containers[0].Image, want)
		}
		if lines := environ(pod); !slices.Contains(lines, "BOSGC_KEEP_TEMPLATES=golden-*,blue") {
			t.Errorf("%s: %v", helm, lines)
		}
		if out, err := HelmOf(t, helm, "", "template", "site", parent, "--set", "gc.enabled=false"); err != nil || strings.TrimSpace(out) != "" {
			t.Errorf("%s: switched off, it renders %q, error %v", helm, out, err)
		}
	}
}

// TestNamesOfReleases: a release may be called what a Service may not.
func TestNamesOfReleases(t *testing.T) {
	for release, want := range map[string]string{
		"bosgc": "bosgc", "night": "night-bosgc", "night.1": "night-1-bosgc", "1night": "bosgc-1night", "2.bosgc": "bosgc-2-bosgc",
		strings.Repeat("9a.", 17): "bosgc-" + strings.TrimSuffix(strings.Repeat("9a-", 17)[:46], "-"),
	} {
		objects := objectsOf(t, "helm", strings.TrimSuffix(release, "."), Dir())
		of[batchv1.CronJob](t, objects, "CronJob", want)
		of[corev1.Service](t, objects, "Service", want+"-exporter")
		of[appsv1.Deployment](t, objects, "Deployment", want+"-exporter")
	}
}

// TestRegistryForAll: it takes the place of the registry in image.repository, where there is one.
func TestRegistryForAll(t *testing.T) {
	for repository, want := range map[string]string{
		"bosgc":                           "registry.example.com/bosgc",
		"csm/bosgc":                       "registry.example.com/csm/bosgc",
		"registry.local/bosgc":            "registry.example.com/bosgc",
		"registry.local:5000/a/b/bosgc":   "registry.example.com/a/b/bosgc",
		"localhost/bosgc":                 "registry.example.com/bosgc",
		"registry.local/bosgc,image.tag=": "registry.example.com/bosgc",
	} {
		for _, registry := range []string{"registry.example.com", "registry.example.com/"} {
			objects := objectsOf(t, "helm", "bosgc", Dir(), "--set", "global.imageRegistry="+registry+",image.repository="+repository)
			cron := of[batchv1.CronJob](t, objects, "CronJob", "bosgc")
			if got := cron.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Image; got != want+":0.1.0" {
				t.Errorf("%s: %s, want %s", repository, got, want)
			}
		}
	}
}
