package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"bosgc/gc"
	"bosgc/internal/lab"
)

// terminal returns a terminal, and a function that returns what was shown on it, once it is closed.
func terminal(t *testing.T) (tty *os.File, shown func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: there are no terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	number, unlock := uint32(0), uint32(0)
	for request, value := range map[uintptr]*uint32{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		if _, _, failed := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(value))); failed != 0 {
			t.Fatal(failed)
		}
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&text, master) // ends with an error once the terminal is closed
	}()
	return tty, func() string {
		tty.Close()
		select {
		case <-read:
		case <-time.After(10 * time.Second):
			t.Fatal("the terminal does not end")
		}
		return text.String()
	}
}

// after returns what a terminal shows in the end, after carriage returns and erased lines.
func after(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		if at := strings.LastIndex(line, eraseLine); at >= 0 {
			line = line[at+len(eraseLine):]
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

func TestATerminalShowsHowFarItIsAndThenNothingOfIt(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 30}, lab.ServerOptions{})
	tty, shown := terminal(t)
	var out bytes.Buffer
	code := Run(t.Context(), []string{"plan", "--kubeconfig", s.Kubeconfig()}, slices.Concat(s.environ, []string{"TERM=xterm"}), &out, tty)
	text := shown()
	if code != gc.ExitDone || !strings.HasPrefix(out.String(), "Plan ") || strings.Contains(out.String(), "\x1b") {
		t.Errorf("exit code %d, stdout %.200q", code, out.String())
	}
	for _, want := range []string{`reading the lists of BOS, CFS and Kubernetes: 0 of 6`, `asking BOS for sessions: \d+ of \d+`, `reading ConfigMaps: \d+ of \d+`} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("%q was not shown: %q", want, text)
		}
	}
	if left := after(text); left != "" {
		t.Errorf("left on the terminal: %q", left)
	}
}

func TestNothingIsRewrittenWhereNobodyCanSeeIt(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 10}, lab.ServerOptions{})
	for name, args := range map[string][]string{"a program listens": {"plan", "-o", "json"}, "a terminal that cannot": {"plan"}} {
		tty, shown := terminal(t)
		var out bytes.Buffer
		Run(t.Context(), append(args, "--kubeconfig", s.Kubeconfig()), slices.Concat(s.environ, []string{"TERM=dumb"}), &out, tty)
		if text := shown(); text != "" {
			t.Errorf("%s: %q", name, text)
		}
	}
	_, _, stderr := s.run([]string{"plan"}, "TERM=xterm")
	if strings.Contains(stderr, "\x1b") || strings.Contains(stderr, "\r") {
		t.Errorf("in a pipe: %q", stderr)
	}
}

func TestWhatIsLoggedGoesAboveTheLine(t *testing.T) {
	t.Parallel()
	tty, shown := terminal(t)
	p := &progress{file: tty}
	p.show(gc.Progress{What: "asking", Of: 9})
	fmt.Fprintln(p, "a line of the log")
	p.show(gc.Progress{What: "asking", Done: 9, Of: 9})
	p.show(gc.Progress{})
	fmt.Fprintln(p, "the last word")
	text := shown()
	if got := after(text); got != "a line of the log\nthe last word\n" {
		t.Errorf("the terminal shows %q (%q)", got, text)
	}
	if strings.Count(text, "asking: 0 of 9") != 2 {
		t.Errorf("the line was not drawn again under the log: %q", text)
	}
}

func TestTheLineHoldsWhatIsLeftOfTheTimeAndFits(t *testing.T) {
	t.Parallel()
	tty, shown := terminal(t)
	p := &progress{file: tty}
	p.show(gc.Progress{What: "asking", Of: 900})
	p.show(gc.Progress{What: "asking", Done: 3, Of: 900, Left: time.Hour}) // too soon for an estimate and for drawing again
	p.since, p.drawn = p.since.Add(-estimateAfter), time.Time{}
	p.show(gc.Progress{What: "asking", Done: 4, Of: 900, Left: 90 * time.Second})
	p.show(gc.Progress{What: strings.Repeat("long ", 40), Of: 5})
	p.show(gc.Progress{})
	text := shown()
	if !strings.Contains(text, "asking: 4 of 900, about 1m30s left") || strings.Contains(text, "3 of 900") {
		t.Errorf("shown: %q", text)
	}
	for part := range strings.SplitSeq(text, eraseLine) {
		if len(part) >= 80 {
			t.Errorf("%d columns wrap and cannot be erased: %q", len(part), part)
		}
	}
}
