package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"bosgc/internal/lab"
)

// chartMemory is the memory limit of the chart's sweep.
const chartMemory = 512 << 20

// peakMemory returns the largest amount of memory that a process has had so far, in bytes; 0 once it has ended. What
// the kernel tells of a process that has ended counts its parent, too.
func peakMemory(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if peak == nil {
		return 0
	}
	kib, _ := strconv.Atoi(string(peak[1]))
	return kib << 10
}

// A Pod that needs more than its limit is killed, sweep after sweep, and nobody is told why. Whatever the servers
// answer must fit, also where all of them do it at once.
func TestAnswersWithoutMeasureFitTheMemoryLimit(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "bosgc")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "grpcnotrace", "-o", binary, moduleRoot)
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for name, answer := range map[string][2]string{
		"one text":            {"", ""},
		"deep":                {"[", "["},
		"many small objects":  {"[", "{},"},
		"many small texts":    {"[", `"x",`},
		"many named objects":  {"[", `{"name":"n","tags":{},"status":{"session":{}}},`},
		"one Job":             {`{"kind":"JobList","apiVersion":"batch/v1","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"`, ""},
		"Jobs without an end": {`{"kind":"JobList","apiVersion":"batch/v1","metadata":{"resourceVersion":"1"},"items":[{}`, `,{"metadata":{}}`},
		"Pods without an end": {`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[{}`, `,{"spec":{}}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, lab.Options{CSM: "1.2", Sessions: 5}, lab.ServerOptions{})
			for _, system := range []string{"bos", "cfs", "kube"} {
				if err := s.AddFault(lab.Fault{
					Kind: lab.FaultEndless, System: system, Method: "GET", Body: answer[0], Repeat: answer[1],
					Path: `/(session|sessions|jobs|pods|configmaps|cronjobs)(\?|$)`,
				}); err != nil {
					t.Fatal(err)
				}
			}
			command := exec.CommandContext(t.Context(), binary, "plan", "-o", "json")
			command.Env = append(append(os.Environ(), s.Env()...), "GOMEMLIMIT=460MiB")
			var stderr bytes.Buffer
			command.Stderr = &stderr
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- command.Wait() }()
			used, begun := 0, time.Now()
			for watching := true; watching; {
				used = max(used, peakMemory(command.Process.Pid))
				select {
				case <-ended:
					watching = false
				case <-time.After(5 * time.Millisecond):
				}
			}
			t.Logf("%d MiB, exit code %d, %s", used>>20, command.ProcessState.ExitCode(), time.Since(begun).Round(time.Millisecond))
			if used == 0 || used > chartMemory*9/10 {
				t.Errorf("it used %d MiB; expected at most %d\n%s", used>>20, chartMemory*9/10>>20, stderr.String())
			}
		})
	}
}
