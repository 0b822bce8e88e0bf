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
	if code != gc.ExitDone || !strings.Contains(out.String(), "\nPlan ") || strings.Contains(out.String(), "\x1b") {
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

// A person sees what matters; with -q, and unless it is asked for, no log.
func TestATerminalIsNotFilledWithTheLog(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 10}, lab.ServerOptions{})
	environ := slices.DeleteFunc(slices.Clone(s.environ), func(line string) bool { return strings.HasPrefix(line, "BOSGC_LOG_LEVEL=") })
	for name, tt := range map[string]struct {
		extra string
		flags []string
		want  string
	}{
		"by default":    {"TERM=dumb", nil, ""},
		"what is set":   {"BOSGC_LOG_LEVEL=info", nil, "sweep ended"},
		"no progress":   {"TERM=xterm", []string{"-q"}, ""},
		"with progress": {"TERM=xterm", nil, "reading"},
	} {
		tty, shown := testterm.Open(t)
		var out bytes.Buffer
		args := slices.Concat([]string{"sweep", "--yes", "--kubeconfig", s.Kubeconfig()}, tt.flags)
		Run(t.Context(), args, slices.Concat(environ, []string{tt.extra}), &out, tty)
		if text := shown(); (text == "") != (tt.want == "") || !strings.Contains(text, tt.want) {
			t.Errorf("%s: %q, want %q", name, text, tt.want)
		}
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
