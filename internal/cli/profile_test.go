package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/metrics"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// TestProfile is "make profile". It profiles one run with the arguments BOSGC_PROFILE_ARGS, and writes into the folder
// BOSGC_PROFILE the files cpu.pprof, allocs.pprof (all allocations) and peak.pprof (the heap at its largest). The lab
// is a process of its own, BOSGC_PROFILE_LAB, and so not in the profiles. BOSGC_PROFILE_ENV has further settings.
func TestProfile(t *testing.T) {
	dir := os.Getenv("BOSGC_PROFILE")
	if dir == "" {
		t.Skip(`a measurement, and no test: see "make profile"`)
	}
	environ := append(labProcess(t, filepath.Join(dir, "lab.env")), strings.Fields(os.Getenv("BOSGC_PROFILE_ENV"))...)
	cpu, err := os.Create(filepath.Join(dir, "cpu.pprof"))
	if err != nil {
		t.Fatal(err)
	}
	defer cpu.Close()
	ended := make(chan struct{})
	peak := watchPeak(ended)
	if err := pprof.StartCPUProfile(cpu); err != nil {
		t.Fatal(err)
	}
	code := Run(context.Background(), strings.Fields(os.Getenv("BOSGC_PROFILE_ARGS")), environ, io.Discard, os.Stderr)
	pprof.StopCPUProfile()
	close(ended)
	write := func(name string, profile []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), profile, 0o644); err != nil {
			t.Error(err)
		}
	}
	most := <-peak
	write("peak.pprof", most.profile)
	write("allocs.pprof", heapProfile())
	t.Logf("exit code %d; at most %d KiB were alive after a collection", code, most.live>>10)
}

// labProcess starts the lab and returns the environment for its clients.
func labProcess(t *testing.T, env string) []string {
	t.Helper()
	_ = os.Remove(env)
	args := append(strings.Fields(os.Getenv("BOSGC_PROFILE_WORLD")), "--env", env)
	process := exec.Command(os.Getenv("BOSGC_PROFILE_LAB"), args...)
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Signal(os.Interrupt)
		_ = process.Wait()
	})
	for range 600 {
		if text, err := os.ReadFile(env); err == nil && len(text) > 0 {
			environ := strings.Fields(string(text))
			for _, line := range environ {
				name, value, _ := strings.Cut(line, "=")
				t.Setenv(name, value) // KUBECONFIG is read by the client library itself
			}
			return environ
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the lab does not start")
	return nil
}

type peakHeap struct {
	live    uint64 // bytes left by a garbage collection
	profile []byte
}

// watchPeak takes a profile whenever a garbage collection has left more than any before.
func watchPeak(ended <-chan struct{}) <-chan peakHeap {
	result := make(chan peakHeap)
	go func() {
		var most peakHeap
		for {
			sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
			metrics.Read(sample)
			if live := sample[0].Value.Uint64(); live > most.live+most.live/50 {
				most = peakHeap{live, heapProfile()}
			}
			select {
			case <-ended:
				result <- most
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return result
}

func heapProfile() []byte {
	var b bytes.Buffer
	_ = pprof.Lookup("heap").WriteTo(&b, 0) // a buffer never fails
	return b.Bytes()
}
