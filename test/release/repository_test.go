package release

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func project(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// workflow is what these tests look at; make test-repository checks the rest with actionlint.
type workflow struct {
	On   map[string]struct{ Branches, Tags []string }
	Jobs map[string]struct {
		Steps []struct{ Uses, Run string }
	}
}

func TestRepositoryWorkflows(t *testing.T) {
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\.PHONY: (\S+)$|^(bin/[^%\n:]*):`).FindAllStringSubmatch(project(t, "Makefile"), -1) {
		for _, target := range strings.Fields(m[1] + " " + m[2]) {
			targets[target] = true
		}
	}
	commands := map[string]string{}
	for _, name := range []string{"ci", "release"} {
		var w workflow
		decode(t, project(t, ".github", "workflows", name+".yml"), &w)
		for _, job := range w.Jobs {
			for _, step := range job.Steps {
				commands[name] += step.Run + "\n"
			}
		}
		if name == "ci" && !slices.Equal(w.On["push"].Branches, []string{"main"}) || name == "release" && len(w.On["push"].Tags) != 1 {
			t.Errorf("%s runs on %v", name, w.On)
		}
	}
	if strings.TrimSpace(commands["ci"]) != ".ci/run" {
		t.Errorf("ci runs %q", commands["ci"])
	}
	for _, want := range []string{"release-snapshot", "push-image", "push-chart"} {
		if !strings.Contains(commands["release"], want) {
			t.Errorf("a release does not make %s", want)
		}
	}
	for _, m := range regexp.MustCompile(`\bmake ([^\n]+)`).FindAllStringSubmatch(commands["release"], -1) {
		for word := range strings.FieldsSeq(m[1]) {
			if !strings.Contains(word, "=") && !strings.Contains(word, "$") && !targets[word] {
				t.Errorf("a release makes %s, which is no target", word)
			}
		}
	}
}

// TestRepositoryIssueForms checks the forms against the rules for them: a form that breaks one is not shown.
func TestRepositoryIssueForms(t *testing.T) {
	paths, err := filepath.Glob("../../.github/ISSUE_TEMPLATE/*.yml")
	if err != nil || len(paths) != 3 {
		t.Fatalf("%v, error %v", paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(path) == "config.yml" {
			continue
		}
		var form struct {
			Name, Description string
			Labels            []string
			Body              []struct {
				Type, ID   string
				Attributes struct {
					Label, Description, Value, Placeholder, Render string
					Options                                        []string
				}
				Validations struct{ Required bool }
			}
		}
		decoder := yaml.NewDecoder(strings.NewReader(string(text)))
		decoder.KnownFields(true)
		if err := decoder.Decode(&form); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if form.Name == "" || form.Description == "" || len(form.Body) == 0 {
			t.Errorf("%s: a form needs name, description and body", path)
		}
		ids, labels, asks := map[string]bool{}, map[string]bool{}, false
		for _, field := range form.Body {
			switch field.Type {
			case "markdown":
				if field.Attributes.Value == "" || field.ID != "" {
					t.Errorf("%s: a text without a value, or with the id %q", path, field.ID)
				}
				continue
			case "textarea", "input":
			case "dropdown":
				if len(field.Attributes.Options) < 2 {
					t.Errorf("%s: %s has nothing to choose", path, field.ID)
				}
			default:
				t.Errorf("%s: a field cannot be a %q", path, field.Type)
			}
			if field.Attributes.Label == "" || ids[field.ID] || labels[field.Attributes.Label] || !regexp.MustCompile(`^[\w-]+$`).MatchString(field.ID) {
				t.Errorf("%s: the id %q or label %q is missing or there twice", path, field.ID, field.Attributes.Label)
			}
			ids[field.ID], labels[field.Attributes.Label] = true, true
			asks = asks || field.Validations.Required
		}
		if !asks {
			t.Errorf("%s: nothing is required", path)
		}
	}
}

func TestRepositoryOwners(t *testing.T) {
	for line := range strings.Lines(project(t, ".github", "CODEOWNERS")) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if len(fields) < 2 || !strings.HasPrefix(fields[1], "@") {
			t.Errorf("%q names nobody", line)
		}
		if path := strings.TrimPrefix(fields[0], "/"); path != "*" {
			if _, err := os.Stat(filepath.Join("..", "..", path)); err != nil {
				t.Errorf("%s: %v", fields[0], err)
			}
		}
	}
	var renovate struct {
		Schema  string `json:"$schema"`
		Extends []string
	}
	if err := json.Unmarshal([]byte(project(t, ".github", "renovate.json")), &renovate); err != nil || renovate.Schema == "" || len(renovate.Extends) == 0 {
		t.Errorf("renovate.json: %+v, error %v", renovate, err)
	}
}

// TestRepositoryChartMetadata checks what a catalogue of charts shows.
func TestRepositoryChartMetadata(t *testing.T) {
	var chart struct {
		Version     string   `yaml:"version"`
		AppVersion  string   `yaml:"appVersion"`
		Home        string   `yaml:"home"`
		Icon        string   `yaml:"icon"`
		Sources     []string `yaml:"sources"`
		Maintainers []struct{ Name, Email string }
		Annotations map[string]string `yaml:"annotations"`
	}
	decode(t, project(t, "deploy", "helm", "bosgc", "Chart.yaml"), &chart)
	if chart.Home == "" || chart.Icon == "" || len(chart.Sources) == 0 || len(chart.Maintainers) == 0 {
		t.Errorf("home %q, icon %q, sources %v, maintainers %v", chart.Home, chart.Icon, chart.Sources, chart.Maintainers)
	}
	var images []struct {
		Name, Image string
		Platforms   []string
	}
	decode(t, chart.Annotations["artifacthub.io/images"], &images)
	if len(images) != 1 || !strings.HasSuffix(images[0].Image, "/bosgc:"+chart.AppVersion) || !slices.Equal(images[0].Platforms, []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("images: %+v; the version is %s", images, chart.AppVersion)
	}
	var links []struct{ Name, URL string }
	decode(t, chart.Annotations["artifacthub.io/links"], &links)
	for _, link := range links {
		if _, path, ok := strings.Cut(link.URL, "/bosgc/"); !ok || project(t, path) == "" {
			t.Errorf("%s leads to no document: %s", link.Name, link.URL)
		}
	}
	var changes []struct{ Kind, Description string }
	decode(t, chart.Annotations["artifacthub.io/changes"], &changes)
	for _, change := range changes {
		if !slices.Contains([]string{"added", "changed", "deprecated", "removed", "fixed", "security"}, change.Kind) || change.Description == "" {
			t.Errorf("change %+v", change)
		}
	}
	if len(links) == 0 || len(changes) == 0 || chart.Annotations["artifacthub.io/license"] != "Apache-2.0" {
		t.Errorf("annotations: %v", chart.Annotations)
	}
}

// TestRepositoryPlaceholders: addresses that only those who publish bosgc can know are plainly placeholders.
func TestRepositoryPlaceholders(t *testing.T) {
	for _, path := range []string{
		"SECURITY.md", ".github/CODEOWNERS", ".github/ISSUE_TEMPLATE/config.yml", ".github/workflows/release.yml", "deploy/helm/bosgc/Chart.yaml",
		"test/release/krew.sh", "test/release/push.sh",
	} {
		for _, m := range regexp.MustCompile(`https?://([^/\s"'$]+)|\b(registry\.[a-z.]+)|@([a-z.]+\.[a-z]+)`).FindAllStringSubmatch(project(t, path), -1) {
			if host := m[1] + m[2] + m[3]; host != "example.com" && host != "registry.example.com" {
				t.Errorf("%s: %s is no placeholder", path, m[0])
			}
		}
	}
}

// TestRepositoryImageHasTheChartsTag: what make image builds is what the chart looks for.
func TestRepositoryImageHasTheChartsTag(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "make", "-C", "../..", "--dry-run", "image", "GO_IMAGE=registry.example.com/golang@sha256:1").Output()
	if err != nil {
		t.Fatal(err)
	}
	var chart struct {
		AppVersion string `yaml:"appVersion"`
	}
	decode(t, project(t, "deploy", "helm", "bosgc", "Chart.yaml"), &chart)
	for _, want := range []string{"IMAGE='bosgc:" + chart.AppVersion + "'", "GO_IMAGE='registry.example.com/golang@sha256:1'"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s is not in %s", want, out)
		}
	}
}
