package release

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// krewManifest is what krew knows (pkg/index/types.go there).
type krewManifest struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec struct {
		Version          string `yaml:"version"`
		Homepage         string `yaml:"homepage"`
		ShortDescription string `yaml:"shortDescription"`
		Description      string `yaml:"description"`
		Platforms        []struct {
			Selector struct {
				MatchLabels map[string]string `yaml:"matchLabels"`
			} `yaml:"selector"`
			URI    string `yaml:"uri"`
			SHA256 string `yaml:"sha256"`
			Files  []struct {
				From string `yaml:"from"`
				To   string `yaml:"to"`
			} `yaml:"files"`
			Bin string `yaml:"bin"`
		} `yaml:"platforms"`
	} `yaml:"spec"`
}

// checkKrew checks a manifest against the archives that it names.
func checkKrew(t *testing.T, text []byte, r release) {
	t.Helper()
	var m krewManifest
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true) // krew ignores what it does not know
	if err := decoder.Decode(&m); err != nil {
		t.Fatal(err)
	}
	if m.APIVersion != "krew.googlecontainertools.github.com/v1alpha2" || m.Kind != "Plugin" || m.Metadata.Name != "bosgc" || m.Spec.Version != "v"+r.version {
		t.Errorf("it is of %s %s %s %s", m.APIVersion, m.Kind, m.Metadata.Name, m.Spec.Version)
	}
	if n := len(m.Spec.ShortDescription); n == 0 || n > 50 || m.Spec.Description == "" || m.Spec.Homepage == "" {
		t.Errorf("its short description has %d characters; krew's index wants 50 at most", n)
	}
	if len(m.Spec.Platforms) != len(platforms) {
		t.Fatalf("it has %d platforms, want %d", len(m.Spec.Platforms), len(platforms))
	}
	for i, p := range platforms {
		got := m.Spec.Platforms[i]
		archive := r.name(p.os, p.arch) + ".tar.gz"
		if got.Selector.MatchLabels["os"] != p.os || got.Selector.MatchLabels["arch"] != p.arch || len(got.Selector.MatchLabels) != 2 {
			t.Errorf("%s/%s: it is for %v", p.os, p.arch, got.Selector.MatchLabels)
		}
		if !strings.HasSuffix(got.URI, "/"+archive) || !strings.HasPrefix(got.URI, "https://") {
			t.Errorf("%s/%s: it is at %s", p.os, p.arch, got.URI)
		}
		if want := sum(r.read(t, archive)); got.SHA256 != want {
			t.Errorf("%s/%s: its sum is %s, want %s", p.os, p.arch, got.SHA256, want)
		}
		if len(got.Files) != 2 || got.Files[0].From != r.name(p.os, p.arch)+"/bosgc" || got.Bin != "bosgc" {
			t.Errorf("%s/%s: it takes %v and runs %s", p.os, p.arch, got.Files, got.Bin)
		}
	}
}

// TestRepositoryKrewManifest does the same with archives that a test can make.
func TestRepositoryKrewManifest(t *testing.T) {
	r := release{t.TempDir(), "1.2.3"}
	for _, p := range platforms {
		if err := os.WriteFile(filepath.Join(r.dir, r.name(p.os, p.arch)+".tar.gz"), []byte(p.os+p.arch), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := exec.CommandContext(t.Context(), "./krew.sh", r.version, "https://example.com/v1.2.3", r.dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	checkKrew(t, text, r)
}
