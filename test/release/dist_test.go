// Package release checks what make release-snapshot has built.
package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

var platforms = []struct{ os, arch string }{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"},
}

// release is a folder of artefacts and the version in their names.
type release struct{ dir, version string }

func open(t *testing.T) release {
	t.Helper()
	dir := os.Getenv("BOSGC_DIST")
	if dir == "" {
		t.Skip("BOSGC_DIST names no folder: make release-snapshot builds one and runs this")
	}
	found, err := filepath.Glob(filepath.Join(dir, "bosgc_*_linux_amd64.tar.gz"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s has %d programs for linux/amd64, expected one: run make release-snapshot (%v)", dir, len(found), err)
	}
	version := strings.TrimPrefix(filepath.Base(found[0]), "bosgc_")
	return release{dir, strings.TrimSuffix(version, "_linux_amd64.tar.gz")}
}

func (r release) name(system, arch string) string {
	return fmt.Sprintf("bosgc_%s_%s_%s", r.version, system, arch)
}

func (r release) read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// archive returns the files in the archive of a platform, without the folder that contains them.
func (r release) archive(t *testing.T, system, arch string) map[string][]byte {
	t.Helper()
	name := r.name(system, arch)
	files := map[string][]byte{}
	for file, content := range untar(t, gunzip(t, r.read(t, name+".tar.gz"))) {
		inside, ok := strings.CutPrefix(file, name+"/")
		if !ok {
			t.Fatalf("%s.tar.gz has %s, which is outside of its folder", name, file)
		}
		files[inside] = content
	}
	return files
}

func (r release) program(t *testing.T, system, arch string) ([]byte, *buildinfo.BuildInfo) {
	t.Helper()
	program := r.archive(t, system, arch)["bosgc"]
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		t.Fatalf("the program for %s/%s says nothing about itself: %v", system, arch, err)
	}
	return program, info
}

func gunzip(t *testing.T, content []byte) []byte {
	t.Helper()
	stream, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	content, err = io.ReadAll(stream)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func untar(t *testing.T, content []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for stream := tar.NewReader(bytes.NewReader(content)); ; {
		header, err := stream.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if files[path.Clean(header.Name)], err = io.ReadAll(stream); err != nil {
			t.Fatal(err)
		}
	}
}

func sum(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }
