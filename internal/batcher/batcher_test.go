package batcher

import (
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"bosgc/internal/kube"
	"bosgc/internal/lab"
	"bosgc/internal/lab/labtest"
)

// start starts a simulated system and returns its batcher. onPatch is called directly before the
// n-th PATCH is carried out.
func start(t *testing.T, onPatch func(n int32)) Batcher {
	t.Helper()
	var patches atomic.Int32
	_, client := labtest.Start(t, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if r.Method == http.MethodPatch && onPatch != nil {
			onPatch(patches.Add(1))
		}
	}}, 5*time.Second)
	return Batcher{Kube: client, Name: lab.Batcher, Log: slog.New(slog.DiscardHandler)}
}

// change changes the Deployment as somebody else would. An empty text removes the annotation.
func change(t *testing.T, b Batcher, replicas int32, text string) {
	t.Helper()
	d, err := b.deployment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	value := &text
	if text == "" {
		value = nil
	}
	_, err = b.Kube.ChangeDeployment(t.Context(), d,
		kube.DeploymentChange{Replicas: &replicas, Annotations: map[string]*string{annotation: value}})
	if err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, b Batcher, replicas int32, text string) {
	t.Helper()
	d, err := b.deployment(t.Context())
	if err != nil || d.Replicas != replicas || d.Annotations[annotation] != text {
		t.Errorf("%v, %d replicas and annotation %q, want %d and %q",
			err, d.Replicas, d.Annotations[annotation], replicas, text)
	}
}

func TestRestart(t *testing.T) {
	for _, replicas := range []int32{0, 1, 3} {
		b := start(t, nil)
		change(t, b, replicas, "")
		if err := b.Restart(t.Context(), "run"); err != nil {
			t.Error(err)
		}
		expect(t, b, replicas, "")
	}
}

// Whoever scales the batcher to 0 in the middle of a restart wants it down.
func TestRestartRespectsAScaleToZero(t *testing.T) {
	for at := int32(1); at <= 2; at++ { // before the annotation is written, and before the step to 0
		var b Batcher
		var scaled atomic.Bool
		b = start(t, func(n int32) {
			if n == at && scaled.CompareAndSwap(false, true) {
				d, err := b.deployment(t.Context())
				zero := int32(0)
				if err == nil {
					_, err = b.Kube.ChangeDeployment(t.Context(), d, kube.DeploymentChange{Replicas: &zero})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		if err := b.Restart(t.Context(), "run"); !errors.Is(err, errScaledToZero) {
			t.Errorf("before PATCH %d: %v", at, err)
		}
		expect(t, b, 0, "")
	}
}

func TestRepair(t *testing.T) {
	down := `{"replicas":2,"down":true,"run":"dead","at":"2026-01-02T15:04:05Z"}`
	early := `{"replicas":2,"run":"dead","at":"2026-01-02T15:04:05Z"}`
	many := `{"replicas":1000,"down":true,"run":"dead","at":"2026-01-02T15:04:05Z"}`
	for name, tt := range map[string]struct {
		replicas int32
		text     string
		want     int32
		left     string // the annotation afterwards
		repaired bool
		err      error
	}{
		"no restart":                 {1, "", 1, "", false, nil},
		"at 0 by somebody else":      {0, "", 0, "", false, nil},
		"died while it was down":     {0, down, 2, "", true, nil},
		"died before the step to 0":  {2, early, 2, "", true, nil},
		"at 0 before that step":      {0, early, 0, "", true, nil},
		"scaled up by somebody else": {3, down, 3, "", true, nil},
		"too many":                   {0, many, 0, many, false, ErrDown},
		"not understood":             {0, "1", 0, "1", false, ErrDown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, nil)
			change(t, b, tt.replicas, tt.text)
			repaired, err := b.Repair(t.Context())
			if repaired != tt.repaired || !errors.Is(err, tt.err) {
				t.Errorf("repaired %v, error %v", repaired, err)
			}
			expect(t, b, tt.want, tt.left)
		})
	}
}
