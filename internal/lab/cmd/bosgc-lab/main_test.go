package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The files exist, whole, once everything listens, and nothing is left after the program ends.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	env, truth := filepath.Join(dir, "env"), filepath.Join(dir, "truth")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{
			"--csm", "1.2", "--seed", "3", "--sessions", "10", "--env", env, "--truth", truth,
			"--service-time", "bos=1ms", "--live",
		})
	}()
	var text []byte
	for range 500 {
		if text, _ = os.ReadFile(env); len(text) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[key] = value
	}
	for _, key := range []string{"BOSGC_BOS_URL", "BOSGC_CFS_URL", "KUBECONFIG", "LAB_URL"} {
		if values[key] == "" {
			t.Errorf("no %s in %q", key, text)
		}
	}
	var told struct {
		Objects []struct{ Kind, Name, Verdict, Reason string }
	}
	written, err := os.ReadFile(truth)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(written, &told); err != nil || len(told.Objects) < 10 {
		t.Errorf("%d objects in the truth file, %v", len(told.Objects), err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(values["KUBECONFIG"]); !os.IsNotExist(err) {
		t.Errorf("the kubeconfig is still there: %v", err)
	}
}

func TestBadUsage(t *testing.T) {
	for _, args := range [][]string{
		{"--csm", "9"},
		{"--fault", "nonsense"},
		{"--service-time", "bos=soon"},
		{"--only", "nonsense"},
		{"more"},
		{"--nonsense"},
	} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}
