package metrics

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bosgc/internal/config"
	"bosgc/test/chart"
	"bosgc/test/plane"
)

// commands returns the lines of a document that are meant to be typed.
func commands(text string) []string {
	var all []string
	within := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			within = line == "```sh"
		} else if within {
			all = append(all, line)
		}
	}
	return all
}

// TestRunbookCommands types what the runbook says, on a control plane where the chart is installed.
// There is no node, so it cannot check logs and what runs.
func TestRunbookCommands(t *testing.T) {
	p := plane.Start(t, plane.Options{Namespaces: []string{"services", "bosgc"}, NoControllers: true})
	kubeconfig := p.Kubeconfig(t)
	if out, err := chart.Helm(t, kubeconfig, "install", "bosgc", chart.Dir(), "-n", "bosgc", "--set", "config.dryRun=true"); err != nil {
		t.Fatal(err, out)
	}
	dir := t.TempDir()
	for _, program := range []string{"sed", "grep"} {
		binary(t, program)
	}
	path := filepath.Dir(bosgc(t)) + ":" + plane.Binaries(t, "") + ":" + os.Getenv("PATH")
	typed := func(command string) (string, string) {
		var out, problem bytes.Buffer
		cmd := exec.CommandContext(t.Context(), "bash", "-c", command)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "PATH="+path)
		cmd.Stdout, cmd.Stderr = &out, &problem
		err := cmd.Run()
		if err != nil && (cmd.ProcessState.ExitCode() != 1 || !strings.Contains(command, "grep")) { // grep found nothing
			t.Errorf("%s: %v\n%s", command, err, problem.String())
		}
		if regexp.MustCompile(`(?i)\berror\b|not found|unknown`).MatchString(problem.String()) {
			t.Errorf("%s: %s", command, problem.String())
		}
		return out.String(), problem.String()
	}
	// What exists only after a sweep, and two sessions, one of which still runs.
	const old, running = "11111111-2222-4333-8444-555555555555", "22222222-2222-4333-8444-555555555555"
	for _, prepare := range []string{
		`kubectl -n bosgc create configmap bosgc-state --from-literal=format=1 --from-literal=sightings.json='{}' --from-literal=runs.json='[]' --from-literal=last-run.json='{"exitCode":0}' --from-literal=metrics.prom=$'bosgc_bos_sessions 12\n' --from-literal=list.json='{"sessions":12,"unseen":0}'`,
		`kubectl -n bosgc create configmap bosgc-state-unreadable --from-literal=format=2`,
		`kubectl -n services create configmap ` + old + `; kubectl -n services create configmap ` + running,
		`printf '{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"bosgc","namespace":"bosgc"},"spec":{"holderIdentity":"bosgc-1_run"}}' | kubectl apply -f -`,
		`kubectl -n services create job boa-` + running + ` --image=boa --dry-run=client -o yaml | kubectl set env --local -f - SESSION_ID=` + running + ` -o yaml | kubectl apply -f -`,
	} {
		typed(prepare)
	}
	tried := 0
	for _, command := range commands(file(t, "docs", "runbook.md")) {
		if regexp.MustCompile(` logs | rollout |port-forward|\bcurl\b|^helm test `).MatchString(command) {
			continue
		}
		tried++
		out, _ := typed(command)
		switch {
		case strings.Contains(command, "last-run") && out != `{"exitCode":0}`,
			strings.Contains(command, "holderIdentity") && !strings.HasPrefix(out, "bosgc-1_run"),
			strings.Contains(command, "list\\.json") && out != `{"sessions":12,"unseen":0}`,
			strings.Contains(command, "grep ^bosgc_bos_sessions") && out != "bosgc_bos_sessions 12\n",
			strings.Contains(command, "grep -cE") && out != "2\n",
			strings.Contains(command, "BOSGC_DRY_RUN") && out != "true",
			strings.Contains(command, "can-i get") && out != "yes\n",
			strings.Contains(command, "component=exporter") && out != "":
			t.Errorf("%s: %q", command, out)
		}
		for _, m := range regexp.MustCompile(`\b([A-Z_]+)=(\d+)`).FindAllStringSubmatch(command, -1) {
			if !slices.Contains(settings(t), m[1]) {
				t.Errorf("%s: there is no setting %s", command, m[1])
			}
			job, _ := typed("kubectl -n bosgc get job bosgc-by-hand -o yaml")
			if !strings.Contains(job, "name: "+m[1]+"\n          value: \""+m[2]+"\"") || !strings.Contains(job, "- sweep\n") {
				t.Errorf("%s: the Job is\n%s", command, job)
			}
		}
		if strings.Contains(command, "- plan/") {
			if job, _ := typed("kubectl -n bosgc get job bosgc-plan -o yaml"); !strings.Contains(job, "- plan\n") {
				t.Errorf("%s: the Job is\n%s", command, job)
			}
		}
	}
	if tried < 25 {
		t.Errorf("only %d commands", tried)
	}
}

// settings returns the names of all environment variables that the program knows.
func settings(t *testing.T) []string {
	t.Helper()
	c, err := config.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range c.Settings(nil) {
		names = append(names, s.Name)
	}
	return names
}

// TestSettingsInDocuments checks that each setting and each value of the chart that documents name
// exists.
func TestSettingsInDocuments(t *testing.T) {
	values := file(t, "deploy", "helm", "bosgc", "README.md")
	for _, path := range []string{"metrics.md", "runbook.md"} {
		text := file(t, "docs", path)
		for _, name := range regexp.MustCompile(`\bBOSGC_[A-Z_]+`).FindAllString(text, -1) {
			if !slices.Contains(settings(t), name) {
				t.Errorf("docs/%s: there is no setting %s", path, name)
			}
		}
		for _, m := range regexp.MustCompile("`((?:config|monitoring|exporter|cronjob|networkPolicy|resources|istio)\\.[A-Za-z.]+)[`:*]").FindAllStringSubmatch(text, -1) {
			name := strings.TrimSuffix(m[1], ".")
			if !strings.Contains(values, "| `"+name+"`") && !strings.Contains(values, "| `"+name+".") && !strings.HasPrefix(name, "resources.") {
				t.Errorf("docs/%s: the chart has no value %s", path, name)
			}
		}
	}
}
