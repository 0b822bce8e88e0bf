package batcher

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bosgc/internal/kube"
	"bosgc/internal/lab"
	"bosgc/internal/lab/labtest"
	"bosgc/internal/state"
)

// start starts a simulated system and returns its batcher. before is called directly before each write is carried out;
// it may be nil.
func start(t *testing.T, before func(*http.Request)) (*lab.Server, Batcher) {
	t.Helper()
	server, client := labtest.Start(t, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if r.Method != http.MethodGet && before != nil {
			before(r)
		}
	}}, 5*time.Second)
	store := state.NewStore(client.Store(lab.Namespace), "bosgc")
	return server, Batcher{Kube: client, State: store, Name: lab.Batcher, Log: slog.New(slog.DiscardHandler)}
}

func isScale(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/scale") }

// change scales the batcher as somebody else would.
func change(t *testing.T, b Batcher, replicas int32) {
	t.Helper()
	s, err := b.scale(t.Context())
	if err == nil {
		_, err = b.Kube.SetScale(t.Context(), s, replicas)
	}
	if err != nil {
		t.Error(err)
	}
}

func expect(t *testing.T, b Batcher, replicas int32, left state.Batcher) {
	t.Helper()
	s, err := b.scale(t.Context())
	if err != nil || s.Replicas != replicas {
		t.Errorf("%v, %d replicas, want %d", err, s.Replicas, replicas)
	}
	noted, err := b.State.ReadBatcher(t.Context())
	noted.At, left.At = time.Time{}, time.Time{}
	if err != nil || noted != left {
		t.Errorf("%v, the state has %+v, want %+v", err, noted, left)
	}
}

func fault(t *testing.T, server *lab.Server, text string) {
	t.Helper()
	f, err := lab.ParseFault(text)
	if err == nil {
		err = server.AddFault(f)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRestart(t *testing.T) {
	for _, replicas := range []int32{0, 1, 3} {
		noted := false
		var b Batcher
		_, b = start(t, func(r *http.Request) {
			if !isScale(r) || noted || b.State == nil {
				return
			}
			left, err := b.State.ReadBatcher(context.Background())
			noted = err == nil && left.Deployment == lab.Batcher && left.Replicas == replicas && left.Run == "run"
		})
		if replicas != 1 { // it has one
			change(t, b, replicas)
		}
		if err := b.Restart(t.Context(), "run"); err != nil {
			t.Error(err)
		}
		expect(t, b, replicas, state.Batcher{})
		if noted != (replicas > 0) {
			t.Errorf("%d replicas: noted before the first step: %v", replicas, noted)
		}
	}
}

// Whoever scales the batcher in the middle of a restart means it: to 0, or to another number.
func TestRestartRespectsWhoScalesMeanwhile(t *testing.T) {
	for _, at := range []string{"/configmaps", "/scale"} { // before the note is written, and before the step to 0
		for _, replicas := range []int32{0, 3} {
			var b Batcher
			var done atomic.Bool
			_, b = start(t, func(r *http.Request) {
				if strings.HasSuffix(r.URL.Path, at) && done.CompareAndSwap(false, true) {
					change(t, b, replicas)
				}
			})
			err := b.Restart(t.Context(), "run")
			if errors.Is(err, errScaledToZero) != (replicas == 0) || replicas > 0 && err != nil {
				t.Errorf("to %d before %s: %v", replicas, at, err)
			}
			expect(t, b, replicas, state.Batcher{})
		}
	}
}

// Without the note nothing would bring the batcher up again.
func TestNothingIsScaledWithoutANote(t *testing.T) {
	for _, fails := range []string{"status=403,method=POST,path=configmaps", "status=500,path=bosgc-state"} {
		var scaled atomic.Int32
		server, b := start(t, func(r *http.Request) {
			if isScale(r) {
				scaled.Add(1)
			}
		})
		fault(t, server, "system=kube,"+fails)
		if err := b.Restart(t.Context(), "run"); err == nil {
			t.Errorf("%s: restarted", fails)
		}
		server.ClearFaults()
		if expect(t, b, 1, state.Batcher{}); scaled.Load() != 0 {
			t.Errorf("%s: scaled %d times", fails, scaled.Load())
		}
	}
}

// A step that was not answered may still be carried out. Until that is settled the note stays.
func TestAStepInDoubtIsNotForgotten(t *testing.T) {
	server, b := start(t, nil)
	fault(t, server, "status=500,system=kube,method=PUT,path=/scale")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := b.Restart(ctx, "run"); !errors.Is(err, kube.ErrLost) {
		t.Error(err)
	}
	left := state.Batcher{Deployment: lab.Batcher, Replicas: 1, Run: "run"}
	expect(t, b, 1, left)
	server.ClearFaults()
	change(t, b, 0) // it was carried out, late
	if repaired, err := b.Repair(t.Context(), left); err != nil || !repaired {
		t.Errorf("repaired %v, error %v", repaired, err)
	}
	expect(t, b, 1, state.Batcher{})
}

func TestARefusedStepIsForgotten(t *testing.T) {
	server, b := start(t, nil)
	fault(t, server, "status=403,system=kube,method=PUT,path=/scale")
	if err := b.Restart(t.Context(), "run"); err == nil || errors.Is(err, kube.ErrLost) {
		t.Error(err)
	}
	expect(t, b, 1, state.Batcher{})
}

func TestRepair(t *testing.T) {
	down := state.Batcher{Deployment: lab.Batcher, Replicas: 2, Run: "dead"}
	many, none := down, down
	many.Replicas, none.Replicas = 1000, 0
	for name, tt := range map[string]struct {
		replicas   int32
		left       state.Batcher
		want       int32
		wantLeft   state.Batcher
		isRepaired bool
		err        error
	}{
		"no restart":                 {1, state.Batcher{}, 1, state.Batcher{}, false, nil},
		"at 0 by somebody else":      {0, state.Batcher{}, 0, state.Batcher{}, false, nil},
		"died while it was down":     {0, down, 2, state.Batcher{}, true, nil},
		"died before the step to 0":  {2, down, 2, state.Batcher{}, true, nil},
		"scaled up by somebody else": {3, down, 3, state.Batcher{}, true, nil},
		"too many":                   {0, many, 0, many, false, ErrDown},
		"of none":                    {0, none, 0, none, false, ErrDown},
		"too many, scaled up since":  {1, many, 1, state.Batcher{}, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, b := start(t, nil)
			if tt.replicas != 1 {
				change(t, b, tt.replicas)
			}
			if err := b.note(t.Context(), tt.left); err != nil {
				t.Fatal(err)
			}
			repaired, err := b.Repair(t.Context(), tt.left)
			if repaired != tt.isRepaired || !errors.Is(err, tt.err) {
				t.Errorf("repaired %v, error %v", repaired, err)
			}
			expect(t, b, tt.want, tt.wantLeft)
		})
	}
}

// A batcher that was removed, by an upgrade for instance, must not stop every later run.
func TestRepairForgetsWhatIsGone(t *testing.T) {
	_, b := start(t, nil)
	left := state.Batcher{Deployment: "gone", Replicas: 1, Run: "dead"}
	if err := b.note(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	if repaired, err := b.Repair(t.Context(), left); repaired || err != nil {
		t.Errorf("repaired %v, error %v", repaired, err)
	}
	expect(t, b, 1, state.Batcher{})
}
