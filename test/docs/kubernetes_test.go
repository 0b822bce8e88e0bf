package docs

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"bosgc/test/chart"
	"bosgc/test/plane"
)

// installed is what a page about an installed release assumes: the release, what a sweep has left, and
// two sessions.
const installed = `
helm upgrade --install bosgc deploy/helm/bosgc -n bosgc --create-namespace --set config.dryRun=true
kubectl -n bosgc create configmap bosgc-state --from-literal=format=1 --from-literal=sightings.json='{}' --from-literal=runs.json='[]' --from-literal=last-run.json='{"exitCode":0}' \
	--from-literal=metrics.prom="$(printf '%s\n' 'bosgc_bos_sessions 12' 'bosgc_bos_list_bytes 9' 'bosgc_bos_list_limit_bytes 4194304')"$'\n' --from-literal=list.json='{"sessions":12,"unseen":0}'
kubectl -n bosgc create configmap bosgc-state-unreadable --from-literal=format=2
kubectl -n services create configmap 11111111-2222-4333-8444-555555555555
kubectl -n services create configmap 22222222-2222-4333-8444-555555555555
kubectl -n services create deployment cray-bos --image=cray-bos
kubectl -n services run cray-bos-1 --image=cray-bos
kubectl -n services create service clusterip cray-bos-etcd-client --tcp=2379
kubectl -n services create secret generic cray-bos-etcd-tls
printf '{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"bosgc","namespace":"bosgc"},"spec":{"holderIdentity":"bosgc-1_run"}}' | kubectl apply -f -
`

// onTheLab is what the tour begins with.
const onTheLab = `
bosgc-lab --csm 1.4 --seed 7 --sessions 40 --env lab.env 2>lab.log &
until [ -s lab.env ]; do sleep 0.1; done
set -a; . ./lab.env; set +a
`

// before is what pages assume.
var before = map[string]string{
	"README.md":         onTheLab,
	"docs/leftovers.md": onTheLab,
	"docs/plans.md":     onTheLab,
	"docs/install.md": `
cp -r deploy/helm/bosgc bosgc
kubectl -n default create secret generic admin-client-auth --from-literal=client-secret=secret
kubectl -n services create configmap cray-configmap-ca-public-key --from-literal=certificate_authority.crt=certificate
`,
	"docs/runbook.md": installed,
	"docs/rescue.md":  installed,
}

// TestPagesOnKubernetes types the pages that use kubectl or helm, from beginning to end, with the real
// programs and a real control plane. It has no nodes. A page that starts the lab uses that from then
// on.
func TestPagesOnKubernetes(t *testing.T) {
	// Otherwise it complains in the middle that it has none.
	ctrllog.SetLogger(ctrllog.Log.WithSink(ctrllog.NullLogSink{}))
	built(t, "bosgc", "bosgc-lab")
	bin := plane.Binaries(t, "")
	if _, err := chart.Helm(t, "", "version"); err != nil {
		t.Fatal(err)
	}
	tools := t.TempDir() // only these two: other folders may have another bosgc
	for name, file := range map[string]string{"kubectl": filepath.Join(bin, "kubectl"), "helm": filepath.Join(root(t), "bin", "helm")} {
		if err := os.Symlink(file, filepath.Join(tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range pages(t) {
		steps := p.steps()
		if !slices.ContainsFunc(steps, step.forCluster) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.path, d.before = []string{tools}, before[p.name]
			control := plane.Start(t, plane.Options{Namespaces: []string{"services"}, NoControllers: true})
			d.env = append(d.env, "KUBECONFIG="+control.Kubeconfig(t))
			follow(t, d, p, steps).report(t)
		})
	}
}

// TestValuesOnKubernetes renders the chart with all values that documents show, and with those of all
// their helm commands, also where they are not typed.
func TestValuesOnKubernetes(t *testing.T) {
	tried := 0
	for _, p := range pages(t) {
		dir := t.TempDir()
		for _, b := range p.blocks {
			if b.language != "yaml" {
				continue
			}
			tried++
			text := values(t, []byte(strings.Join(b.text, "\n")))
			file := filepath.Join(dir, cmp.Or(b.file, "values.yaml"))
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := chart.Helm(t, "", "template", "bosgc", chart.Dir(), "-f", file); err != nil {
				t.Errorf("%s:%d: %v", p.name, b.line, err)
			}
		}
		texts := p.spans
		for _, s := range p.steps() {
			if s.notRun != "" {
				texts = append(texts, span{s.line, s.typed})
			}
		}
		for _, s := range texts {
			for _, args := range templates(dir, s.text) {
				tried++
				if _, err := chart.Helm(t, "", args...); err != nil {
					t.Errorf("%s:%d: %v", p.name, s.line, err)
				}
			}
		}
	}
	if tried < 10 {
		t.Errorf("only %d values and commands", tried)
	}
}

// templates returns the arguments with which helm only renders what the text would install.
func templates(dir, text string) [][]string {
	var all [][]string
	for _, words := range simple(text) {
		if filepath.Base(words[0]) != "helm" || len(words) < 4 || words[1] != "install" && words[1] != "upgrade" {
			continue
		}
		args := []string{"template", words[2], chart.Dir()}
		for _, word := range words[4:] {
			if word == "--reset-then-reuse-values" { // helm template does not know it
				continue
			}
			file := filepath.Join(dir, word)
			if strings.HasSuffix(word, ".yaml") {
				if _, err := os.Stat(file); err != nil {
					file = os.DevNull // the reader has it from another page
				}
				word = file
			}
			args = append(args, strings.Trim(word, `'"`))
		}
		all = append(all, args)
	}
	return all
}

// values returns values of the chart: what is shown, or the part of a manifest of loftsman.
func values(t *testing.T, text []byte) []byte {
	t.Helper()
	var manifest struct {
		APIVersion string `yaml:"apiVersion"`
		Spec       struct {
			Charts []struct {
				Values map[string]any `yaml:"values"`
			} `yaml:"charts"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal(text, &manifest); err != nil || manifest.APIVersion == "" {
		return text
	}
	if len(manifest.Spec.Charts) != 1 {
		t.Errorf("%d charts in\n%s", len(manifest.Spec.Charts), text)
		return nil
	}
	out, err := yaml.Marshal(manifest.Spec.Charts[0].Values)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
