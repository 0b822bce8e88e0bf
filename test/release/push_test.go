package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// registry starts a registry on loopback and returns its address.
func registry(t *testing.T) string {
	t.Helper()
	crane, err := filepath.Abs("../../bin/crane")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(crane); err != nil {
		t.Fatalf("make bin/crane: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), crane, "registry", "serve", "--address", address, "--disk", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return address
		} else if time.Now().After(until) {
			t.Fatal(err)
		}
	}
}

// fetched returns a manifest of the registry.
func fetched(t *testing.T, address, name, reference string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s/v2/%s/manifests/%s", address, name, reference), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || json.Unmarshal(text, into) != nil {
		t.Fatalf("%s: %s: %s, error %v", name, response.Status, text, err)
	}
}

// writeImage writes an OCI archive as the release has it, with one file in its layer.
func writeImage(t *testing.T, r release, arch string) {
	t.Helper()
	files := map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)}
	blob := func(mediaType string, content []byte) map[string]any {
		files["blobs/sha256/"+sum(content)] = content
		return map[string]any{"mediaType": mediaType, "digest": "sha256:" + sum(content), "size": len(content)}
	}
	encode := func(v any) []byte {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	layer := archived(t, map[string][]byte{"usr/local/bin/bosgc": []byte("for " + arch)})
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(layer); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	const oci = "application/vnd.oci.image."
	config := blob(oci+"config.v1+json", encode(map[string]any{
		"architecture": arch, "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + sum(layer)}},
	}))
	manifest := blob(oci+"manifest.v1+json", encode(map[string]any{
		"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config, "layers": []any{blob(oci+"layer.v1.tar+gzip", packed.Bytes())},
	}))
	files["index.json"] = encode(map[string]any{"schemaVersion": 2, "manifests": []any{manifest}})
	if err := os.WriteFile(filepath.Join(r.dir, r.name("image_linux", arch)+".tar"), archived(t, files), 0o600); err != nil {
		t.Fatal(err)
	}
}

func archived(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestPush pushes image and chart to a registry on loopback, and gets them again as a cluster and Helm do: the release of
// BOSGC_DIST, or one that it makes.
func TestPush(t *testing.T) {
	helm, err := filepath.Abs("../../bin/helm")
	if err != nil {
		t.Fatal(err)
	}
	var r release
	if os.Getenv("BOSGC_DIST") != "" {
		r = open(t)
	} else {
		r = release{t.TempDir(), "1.2.3-test"}
		for _, arch := range []string{"amd64", "arm64"} {
			writeImage(t, r, arch)
		}
		if out, err := exec.CommandContext(t.Context(), helm, "package", "--version", r.version, "--app-version", r.version,
			"--destination", r.dir, "../../deploy/helm/bosgc").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	address := registry(t)
	for _, what := range []string{"image", "chart"} {
		push := exec.CommandContext(t.Context(), "./push.sh", what)
		push.Env = append(os.Environ(), "DIST="+r.dir, "REGISTRY="+address+"/csm")
		if out, err := push.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", what, err, out)
		}
	}
	var index struct {
		MediaType string
		Manifests []struct {
			Digest   string
			Platform struct{ OS, Architecture string }
		}
	}
	fetched(t, address, "csm/bosgc", r.version, &index)
	if len(index.Manifests) != 2 || !strings.Contains(index.MediaType, "index") && !strings.Contains(index.MediaType, "manifest.list") {
		t.Fatalf("it is no index of two images: %+v", index)
	}
	for i, arch := range []string{"amd64", "arm64"} {
		m := index.Manifests[i]
		if m.Platform.OS != "linux" || m.Platform.Architecture != arch {
			t.Errorf("image %d is for %+v, want linux/%s", i, m.Platform, arch)
		}
		pulled := filepath.Join(t.TempDir(), "image.tar")
		if out, err := exec.CommandContext(t.Context(), "../../bin/crane", "pull", "--platform", "linux/"+arch, address+"/csm/bosgc:"+r.version, pulled).CombinedOutput(); err != nil {
			t.Errorf("pull for %s: %v\n%s", arch, err, out)
		}
	}
	out, err := exec.CommandContext(t.Context(), helm, "template", "bosgc", "oci://"+address+"/csm/charts/bosgc", "--version", r.version,
		"--plain-http", "--set", "image.repository=registry.example.com/csm/bosgc").CombinedOutput()
	if err != nil || !strings.Contains(string(out), `image: "registry.example.com/csm/bosgc:`+r.version+`"`) {
		t.Errorf("the chart of the registry: %v\n%s", err, out)
	}
}
