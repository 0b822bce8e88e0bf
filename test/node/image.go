package node

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// BuildImage compiles a Go program, a package of the module in a folder, into an image that has
// nothing else. It returns the image as an OCI archive.
func BuildImage(t testing.TB, name, module, program, user string) string {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "binary")
	// With the flags of the Makefile, so that what was compiled for it is not compiled again.
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", binary, program)
	build.Dir = module
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	text, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "image.tar")
	if err := os.WriteFile(archive, ociArchive(name, text, user), 0o600); err != nil {
		t.Fatal(err)
	}
	return archive
}

type (
	file struct {
		name string
		text []byte
		mode int64
	}
	object map[string]any
)

// ociArchive returns an image of one file in the layout of the OCI image specification: each part
// under its digest.
func ociArchive(name string, binary []byte, user string) []byte {
	const (
		entrypoint = "usr/local/bin/program"
		prefix     = "application/vnd.oci.image."
	)
	files := []file{{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644}}
	add := func(kind string, text []byte) object {
		sum := fmt.Sprintf("%x", sha256.Sum256(text))
		files = append(files, file{"blobs/sha256/" + sum, text, 0o644})
		return object{"mediaType": prefix + kind, "digest": "sha256:" + sum, "size": len(text)}
	}
	layer := add("layer.v1.tar", tarOf(file{entrypoint, binary, 0o755}))
	config := add("config.v1+json", jsonOf(object{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": object{"User": user, "Entrypoint": []string{"/" + entrypoint}},
		"rootfs": object{"type": "layers", "diff_ids": []any{layer["digest"]}},
	}))
	manifest := add("manifest.v1+json", jsonOf(object{
		"schemaVersion": 2, "mediaType": prefix + "manifest.v1+json", "config": config, "layers": []object{layer},
	}))
	manifest["annotations"] = object{"io.containerd.image.name": name}
	index := jsonOf(object{"schemaVersion": 2, "manifests": []object{manifest}})
	return tarOf(append(files, file{"index.json", index, 0o644})...)
}

func jsonOf(o object) []byte {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // plain data always marshals
	}
	return text
}

func tarOf(files ...file) []byte {
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	var err error
	for _, f := range files {
		err = errors.Join(err, archive.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.text)), Mode: f.mode}))
		_, failed := archive.Write(f.text)
		err = errors.Join(err, failed)
	}
	if err = errors.Join(err, archive.Close()); err != nil {
		panic(err) // writing to memory does not fail
	}
	return buffer.Bytes()
}
