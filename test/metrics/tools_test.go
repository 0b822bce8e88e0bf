// Package metrics tests what is built on bosgc's metrics: alerts, dashboard and documents, with a real
// promtool, Prometheus and Pushgateway (Debian: prometheus, prometheus-pushgateway).
package metrics

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"bosgc/internal/metrics"
	"bosgc/test/plane"
)

// file reads a file of the project.
func file(t testing.TB, path ...string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(append([]string{filepath.Dir(here), "..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// binary finds a program of the packages above.
func binary(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		plane.Unavailable(t, fmt.Errorf("%w; Debian has it in prometheus and prometheus-pushgateway", err))
	}
	return path
}

// promtool runs promtool and returns all that it printed.
func promtool(t testing.TB, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary(t, "promtool"), args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// write writes a file that is removed after the test.
func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// get reads a page. Its error has the answer.
func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, text)
	}
	return string(text), err
}

// fresh returns what the program shows before its first sweep: values by series, and the type of each
// metric.
func fresh(t testing.TB) (values map[string]float64, types map[string]string) {
	t.Helper()
	server, err := metrics.Listen(t.Context(), "127.0.0.1:0", metrics.New("1.2.3", "abcdef"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	text, err := get(t.Context(), "http://"+server.Address()+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	types = map[string]string{}
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) == 4 && fields[1] == "TYPE" {
			types[fields[2]] = fields[3]
		}
	}
	return parseText(t, text), types
}

// parseText parses values by series, whose labels are sorted.
func parseText(t testing.TB, text string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cut := strings.LastIndexByte(line, ' ')
		series, err := parseLabelled(line[:cut])
		if err != nil {
			t.Fatal(err)
		}
		value, err := strconv.ParseFloat(line[cut+1:], 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		values[series.with(nil)] = value
	}
	return values
}
