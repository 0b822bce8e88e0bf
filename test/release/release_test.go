package release

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"debug/macho"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestAllArtefactsAreThereAndMatchTheirSums(t *testing.T) {
	r := open(t)
	want := []string{"SHA256SUMS", "bosgc-" + r.version + ".tgz", "bosgc.krew.yaml"}
	for _, p := range platforms {
		want = append(want, r.name(p.os, p.arch)+".tar.gz", r.name(p.os, p.arch)+".cdx.json")
		if p.os == "linux" {
			want = append(want, r.name("image_linux", p.arch)+".tar")
		}
	}
	var got []string
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("there is\n%q\nexpected\n%q", got, want)
	}

	summed := []string{"SHA256SUMS"}
	for line := range strings.Lines(string(r.read(t, "SHA256SUMS"))) {
		digest, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		summed = append(summed, name)
		if is := sum(r.read(t, name)); is != digest {
			t.Errorf("%s has the sum %s, and SHA256SUMS says %s", name, is, digest)
		}
	}
	if slices.Sort(summed); !slices.Equal(summed, want) {
		t.Errorf("SHA256SUMS has\n%q\nexpected\n%q", summed, want)
	}
}

func TestArchivesHoldWhatAPersonNeeds(t *testing.T) {
	r := open(t)
	for _, p := range platforms {
		files := r.archive(t, p.os, p.arch)
		for _, name := range []string{
			"bosgc", "LICENSE", "README.md", "CHANGELOG.md",
			"completions/bosgc.bash", "completions/bosgc.zsh", "completions/bosgc.fish", "man/bosgc.1", "THIRD_PARTY_LICENSES/go/LICENSE",
		} {
			if len(files[name]) == 0 {
				t.Errorf("%s/%s: %s is missing or empty", p.os, p.arch, name)
			}
		}
	}
}

func TestProgramsAreStaticAndForTheirPlatform(t *testing.T) {
	r := open(t)
	for _, p := range platforms {
		program, info := r.program(t, p.os, p.arch)
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		for key, want := range map[string]string{"CGO_ENABLED": "0", "GOOS": p.os, "GOARCH": p.arch, "-trimpath": "true"} {
			if settings[key] != want {
				t.Errorf("%s/%s: built with %s=%q, expected %q", p.os, p.arch, key, settings[key], want)
			}
		}
		if !bytes.Contains(program, []byte(r.version)) || !bytes.Contains(program, []byte(os.Getenv("BOSGC_COMMIT"))) {
			t.Errorf("%s/%s: the program does not know both its version %s and its commit", p.os, p.arch, r.version)
		}
		if p.os == "linux" {
			checkELF(t, program, p.arch)
		} else {
			checkMachO(t, program, p.arch)
		}
	}
}

func checkELF(t *testing.T, program []byte, arch string) {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]
	if file.Machine != want {
		t.Errorf("linux/%s: the program is for %v, expected %v", arch, file.Machine, want)
	}
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
			t.Errorf("linux/%s: the program has %v, so it is not static", arch, part.Type)
		}
	}
}

// checkMachO allows libraries of the system: macOS has no other way to call its kernel.
func checkMachO(t *testing.T, program []byte, arch string) {
	t.Helper()
	file, err := macho.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}[arch]
	if file.Cpu != want {
		t.Errorf("darwin/%s: the program is for %v, expected %v", arch, file.Cpu, want)
	}
	libraries, err := file.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	for _, library := range libraries {
		if !strings.HasPrefix(library, "/usr/lib/lib") && !strings.HasPrefix(library, "/System/Library/Frameworks/") {
			t.Errorf("darwin/%s: the program needs %s", arch, library)
		}
	}
}

func TestTheProgramSaysItsVersion(t *testing.T) {
	r := open(t)
	program, _ := r.program(t, runtime.GOOS, runtime.GOARCH)
	file := filepath.Join(t.TempDir(), "bosgc")
	if err := os.WriteFile(file, program, 0o700); err != nil {
		t.Fatal(err)
	}
	said, err := exec.CommandContext(t.Context(), file, "version", "--output", "json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var is struct{ Version, Commit string }
	if err := json.Unmarshal(said, &is); err != nil {
		t.Fatal(err)
	}
	if is.Version != r.version || is.Commit != os.Getenv("BOSGC_COMMIT") {
		t.Errorf("it says %s; expected version %q and commit %q", said, r.version, os.Getenv("BOSGC_COMMIT"))
	}
}

func TestTheSBOMNamesEveryModuleOfItsProgram(t *testing.T) {
	r := open(t)
	for _, p := range platforms {
		program, info := r.program(t, p.os, p.arch)
		var bom struct {
			BomFormat string
			Metadata  struct {
				Component  struct{ Name, Version string }
				Properties []struct{ Name, Value string }
			}
			Components []struct{ Name, Version string }
		}
		if err := json.Unmarshal(r.read(t, r.name(p.os, p.arch)+".cdx.json"), &bom); err != nil {
			t.Fatal(err)
		}
		if bom.BomFormat != "CycloneDX" || bom.Metadata.Component.Name != "bosgc" || bom.Metadata.Component.Version != r.version {
			t.Errorf("%s/%s: the SBOM is of %s %+v", p.os, p.arch, bom.BomFormat, bom.Metadata.Component)
		}
		ofThis := false
		for _, property := range bom.Metadata.Properties {
			ofThis = ofThis || property.Name == "cdx:gomod:binary:hash:SHA-256" && property.Value == sum(program)
		}
		if !ofThis {
			t.Errorf("%s/%s: the SBOM is of another program", p.os, p.arch)
		}
		var got []string
		for _, component := range bom.Components {
			got = append(got, component.Name+" "+component.Version)
		}
		want := modules(info)
		want = append(want, "std "+info.GoVersion)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s/%s: the SBOM has\n%q\nexpected\n%q", p.os, p.arch, got, want)
		}
	}
}

func modules(info *buildinfo.BuildInfo) []string {
	var all []string
	for _, module := range info.Deps {
		all = append(all, module.Path+" "+module.Version)
	}
	return all
}

func TestEveryModuleHasItsLicense(t *testing.T) {
	r := open(t)
	for _, p := range platforms {
		files := r.archive(t, p.os, p.arch)
		_, info := r.program(t, p.os, p.arch)
		if len(info.Deps) == 0 {
			t.Errorf("%s/%s: no modules: this test shows nothing", p.os, p.arch)
		}
		for _, module := range info.Deps {
			found := false
			for name := range files {
				found = found || strings.HasPrefix(name, "THIRD_PARTY_LICENSES/"+module.Path+"/")
			}
			if !found {
				t.Errorf("%s/%s: nothing in THIRD_PARTY_LICENSES is of %s", p.os, p.arch, module.Path)
			}
		}
	}
}

// TestKrewManifest checks that what krew would download is what is here.
func TestKrewManifest(t *testing.T) {
	r := open(t)
	checkKrew(t, r.read(t, "bosgc.krew.yaml"), r)
	for _, p := range platforms {
		if files := r.archive(t, p.os, p.arch); len(files["bosgc"]) == 0 || len(files["LICENSE"]) == 0 {
			t.Errorf("%s/%s: the archive lacks what krew takes from it", p.os, p.arch)
		}
	}
}

func TestTheChartInstallsThisVersion(t *testing.T) {
	r := open(t)
	helm := filepath.Join("..", "..", "bin", "helm")
	if _, err := os.Stat(helm); err != nil {
		t.Fatalf("make bin/helm: %v", err)
	}
	chart := filepath.Join(r.dir, "bosgc-"+r.version+".tgz")
	said, err := exec.CommandContext(t.Context(), helm, "template", "bosgc", chart).CombinedOutput()
	if err != nil {
		t.Fatalf("the chart does not render: %v\n%s", err, said)
	}
	for _, want := range []string{
		"kind: CronJob", `image: "bosgc:` + r.version + `"`, "app.kubernetes.io/version: " + r.version, "helm.sh/chart: bosgc-" + r.version,
	} {
		if !strings.Contains(string(said), want) {
			t.Errorf("the rendered chart has no %s", want)
		}
	}
}
