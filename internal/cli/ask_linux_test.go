package cli

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/internal/state"
	"bosgc/internal/testterm"
)

// atTerminal runs a command at a terminal at which an answer has been typed.
func (s *system) atTerminal(answer string, args ...string) (code int, stdout, screen string) {
	s.t.Helper()
	tty, shown := testterm.Open(s.t, answer)
	var out bytes.Buffer
	a := &app{environ: slices.Concat(s.environ, []string{"TERM=dumb"}), stdin: tty, stdout: &out, stderr: tty, now: time.Now}
	code = a.run(s.t.Context(), append(args, "--kubeconfig", s.Kubeconfig()))
	return code, out.String(), shown()
}

// lastSweep returns the run that the state tells of as the last sweep.
func (s *system) lastSweep() string {
	s.t.Helper()
	now, err := state.NewStore(s.ownStore(), "bosgc").Read(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if now.Last == nil {
		return ""
	}
	return now.Last.ID
}

func TestAPersonIsAskedBeforeAnythingIsDeleted(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 20}, lab.ServerOptions{})
	file, plan := s.saved()
	last := s.lastSweep()
	for _, command := range [][]string{{"sweep"}, {"apply", file}} {
		before := s.exist()
		code, stdout, screen := s.atTerminal("n", command...)
		if code != gc.ExitDone || stdout != "" || !strings.Contains(screen, "Nothing was deleted.") {
			t.Errorf("%s: exit code %d, %q, %s", command, code, stdout, screen)
		}
		for _, want := range []string{"KIND", "ConfigMap", "objects? [y/N]"} {
			if !strings.Contains(screen, want) {
				t.Errorf("%s: there is no %q in %s", command, want, screen)
			}
		}
		s.same(command[0]+" without a yes", s.exist(), before)
	}
	if now := s.lastSweep(); now != last {
		t.Errorf("a declined sweep is recorded as the last one: %s", now)
	}
	if code, stdout, _ := s.atTerminal("n", "sweep", "-o", "json"); code != gc.ExitDone || s.decode(stdout, "").Kind != "Plan" {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	_, _, screen := s.atTerminal("y", "sweep", "--max-deletes", "3")
	if !strings.Contains(screen, "Delete 3 of ") {
		t.Errorf("the limit is not named: %s", screen)
	}
	code, stdout, screen := s.atTerminal("y", "apply", file)
	if code != gc.ExitDone || plan.Summary.Delete == 0 || !strings.Contains(stdout, " deleted") {
		t.Errorf("exit code %d, %s%s", code, stdout, screen)
	}
}

func TestYesAndDryRunDoNotAsk(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 20}, lab.ServerOptions{})
	file, _ := s.saved()
	before := s.exist()
	for _, command := range [][]string{{"sweep", "--dry-run"}, {"apply", file, "--dry-run"}} {
		code, stdout, screen := s.atTerminal("y", command...)
		if code != gc.ExitDone || !strings.Contains(stdout, "\nPlan ") || strings.Contains(screen, "[y/N]") {
			t.Errorf("%s: exit code %d, %.200s, %s", command, code, stdout, screen)
		}
		s.same(strings.Join(command, " "), s.exist(), before)
	}
	code, stdout, screen := s.atTerminal("n", "sweep", "--yes", "--max-deletes", "3")
	if code != gc.ExitDone || !strings.Contains(stdout, "3 deleted") || strings.Contains(screen, "[y/N]") {
		t.Errorf("exit code %d, %.200s, %s", code, stdout, screen)
	}
}

// The second signal is one that nothing handles any more.
func TestASignalIsToldBeforeAnythingEnds(t *testing.T) {
	if os.Getenv("BOSGC_TEST_SIGNAL") == "" {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
		command.Env = append(os.Environ(), "BOSGC_TEST_SIGNAL=1")
		output, err := command.CombinedOutput()
		if status, ok := command.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
			t.Errorf("%v: a second Ctrl-C does not end it:\n%s", err, output)
		}
		if !strings.Contains(string(output), "Ctrl-C again ends it at once") || !strings.Contains(string(output), "told first") {
			t.Errorf("%s", output)
		}
		return
	}
	tty, shown := testterm.Open(t)
	a := &app{stderr: tty}
	told := false
	ctx, end := untilSignal(t.Context(), func() { a.sayInterrupted(); told = true })
	defer end()
	_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
	<-ctx.Done()
	os.Stderr.WriteString(shown())
	if told {
		os.Stderr.WriteString("told first\n")
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
	time.Sleep(10 * time.Second) // the second signal has to end this process before
}
