package bench

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Contender is one way to collect what a world has to delete.
type Contender struct {
	Name    string
	command func(tools, *World, []Family) []string
	// sample is the number of families to collect where all of them would take hours; 0 to collect all
	sample int
	stdin  bool // it reads the sessions from stdin
}

// contenders are measured side by side, in this order.
var contenders = []Contender{
	{Name: bosgc, command: func(x tools, _ *World, _ []Family) []string { return []string{x.bosgc, "sweep"} }},
	{Name: floor, command: func(x tools, _ *World, _ []Family) []string { return []string{x.rival, "floor"} }},
	{Name: script, sample: 15, stdin: true, command: func(x tools, _ *World, _ []Family) []string { return []string{x.script} }},
	{Name: peer, sample: 20, command: func(x tools, w *World, some []Family) []string {
		gets := w.Sessions
		if len(some) < len(w.Answer) { // a sample reads the same share of the sessions
			gets = len(some) * w.Sessions / len(w.Answer)
		}
		return []string{x.rival, "peer", strconv.Itoa(gets)}
	}},
}

const (
	bosgc  = "bosgc"
	floor  = "floor"
	script = "script"
	peer   = "usual peer"
)

// tools are the programs that are measured.
type tools struct{ bosgc, rival, script, kubectl string }

// build builds the programs, static as in the Makefile. BOSGC_BENCH_BINARY names a bosgc to use
// instead.
func build(t testing.TB) tools {
	t.Helper()
	dir := t.TempDir()
	x := tools{bosgc: filepath.Join(dir, "bosgc"), rival: filepath.Join(dir, "rival"), script: filepath.Join(dir, "script.sh")}
	copyTo(t, x.script, "script.sh")
	compile(t, x.rival, ".", "./cmd/rival")
	if ready := os.Getenv("BOSGC_BENCH_BINARY"); ready != "" {
		copyTo(t, x.bosgc, ready) // it may be rebuilt in between
	} else {
		compile(t, x.bosgc, "../..", ".")
	}
	return x
}

func copyTo(t testing.TB, file, from string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(file, text, 0o700) //nolint:gosec // G306: it has to be executable
	}
	if err != nil {
		t.Fatal(err)
	}
}

func compile(t testing.TB, file, dir, what string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", "grpcnotrace", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", file, what)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// unlimited makes one sweep collect everything, however long that takes. All other settings are
// defaults.
var unlimited = []string{"BOSGC_MAX_DELETES=100000000", "BOSGC_DEADLINE=24h", "BOSGC_LOG_FORMAT=json"}

// environ returns the variables of a contender, without those that lead to the systems.
func (x tools) environ(t testing.TB, some []Family) []string {
	env := append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "KUBECTL=" + x.kubectl, "RIVAL_ANSWER=" + answerFile(t, some),
	}, unlimited...)
	return env
}

func sessionsOf(families []Family) string {
	var lines strings.Builder
	for _, f := range families {
		lines.WriteString(cmp.Or(f.Session, f.ConfigMap) + "\n")
	}
	return lines.String()
}
