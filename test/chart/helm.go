// Package chart tests the Helm chart with a real helm, against the program's own tables and against a
// real control plane.
package chart

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"bosgc/test/plane"
)

// root returns the folder of the project.
func root() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..", "..")
}

// Dir returns the folder of the chart.
func Dir() string { return filepath.Join(root(), "deploy", "helm", "bosgc") }

// Helm runs the helm that make has built and returns what it printed. The error has its error
// messages.
func Helm(t testing.TB, kubeconfig string, args ...string) (string, error) {
	t.Helper()
	return HelmOf(t, "helm", kubeconfig, args...)
}

// HelmOf does the same with one of several: "helm" is Helm 3, "helm4" is Helm 4.
func HelmOf(t testing.TB, name, kubeconfig string, args ...string) (string, error) {
	t.Helper()
	binary := filepath.Join(root(), "bin", name)
	if _, err := os.Stat(binary); err != nil {
		plane.Unavailable(t, fmt.Errorf("%w; run: make bin/%s", err, name))
	}
	var out, problem bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "HOME="+t.TempDir())
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf(name+" %v: %w\n%s", args, err, problem.String())
	}
	return out.String(), nil
}

// run runs a line as a person types it.
func run(t testing.TB, line string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}
