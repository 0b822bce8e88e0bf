package cli

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/internal/testterm"
)

func TestATerminalShowsHowFarItIsAndThenNothingOfIt(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 30}, lab.ServerOptions{})
	tty, shown := testterm.Open(t)
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
	if left := testterm.Screen(text); left != "" {
		t.Errorf("left on the terminal: %q", left)
	}
}

func TestNothingIsRewrittenWhereNobodyCanSeeIt(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 10}, lab.ServerOptions{})
	for name, args := range map[string][]string{"a program listens": {"plan", "-o", "json"}, "a terminal that cannot": {"plan"}} {
		tty, shown := testterm.Open(t)
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
