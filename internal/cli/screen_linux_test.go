package cli

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/internal/testterm"
)

var update = flag.Bool("update", false, "write the files of testdata that a test compares with")

// columns and rows are those of the smallest usual terminal.
const columns, rows = 80, 24

// lastScreen returns what a terminal shows in the end.
func lastScreen(t *testing.T, text string) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(strings.TrimRight(testterm.Screen(text), "\n") + "\n") {
		line = strings.TrimRight(line, "\n")
		if n := utf8.RuneCountInString(line); n > columns {
			t.Errorf("%d columns: %s", n, line)
		}
		lines = append(lines, line)
	}
	lines = append(lines, "$ ") // the next prompt takes a line, too
	return strings.Join(lines[max(0, len(lines)-rows):], "\n") + "\n"
}

// varies is what differs from run to run on a screen.
var varies = []struct {
	pattern *regexp.Regexp
	to      string
}{
	{regexp.MustCompile(`\d{8}t\d{6}z-[0-9a-f]{8}`), "20261129t000000z-00000000"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d UTC`), "2026-11-29 00:00 UTC"},
	// How often it was tried depends on how fast the machine is.
	{regexp.MustCompile(`(?s)(before an answer: EOF).*?\n\n`), "$1\n\n"},
}

// The last screen of a small terminal tells how a sweep ended, whatever came before.
func TestTheLastScreenTellsHowItEnded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sessions int
		fault    string
		environ  string
		code     int
		want     []string
	}{
		"well": {40, "", "", gc.ExitDone, []string{"KIND ", ": 51 deleted, 94 kept, 7 unknown"}},
		"bos-down": {
			40, "bos-down", "BOSGC_REQUEST_TIMEOUT=1s", gc.ExitIncomplete,
			[]string{" 3 deleted", "Not read completely: bos-sessions", "Exit code 6: ", `"bosgc doctor"`},
		},
		"guard": {
			40, "", "BOSGC_MAX_ORPHAN_PERCENT=0", gc.ExitRefused,
			[]string{" deleted, ", "Exit code 4: the orphan guard", "\n    bosgc guard release configmap\n"},
		},
		"5000": {5000, "", "", gc.ExitIncomplete, []string{" 1000 deleted, ", " waiting, ", "BOS was not asked for its list", "Exit code 6: "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.sessions > 1000 && testing.Short() {
				t.Skip("NOT RUN: -short leaves out the system of 5,000 sessions; make test runs it")
			}
			s := start(t, lab.Options{CSM: "1.4", Seed: 7, Sessions: tt.sessions}, lab.ServerOptions{})
			if tt.fault != "" {
				if err := s.AddFault(lab.Fault{Name: tt.fault}); err != nil {
					t.Fatal(err)
				}
			}
			tty, shown := testterm.Open(t, "y")
			environ := slices.Concat(s.environ, []string{"TERM=xterm", "NO_COLOR=1", tt.environ})
			a := &app{environ: environ, stdin: tty, stdout: tty, stderr: tty, now: time.Now}
			code := a.run(t.Context(), []string{"sweep", "--yes", "--kubeconfig", s.Kubeconfig()})
			screen := lastScreen(t, shown())
			for _, v := range varies {
				screen = v.pattern.ReplaceAllString(screen, v.to)
			}
			for _, want := range tt.want {
				if !strings.Contains(screen, want) {
					t.Errorf("%q is not on the last screen", want)
				}
			}
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			file := filepath.Join("testdata", "screens", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(screen), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(file)
			if err != nil || string(golden) != screen {
				t.Errorf("%v; the last screen is\n%s\nwant\n%s", err, screen, golden)
			}
		})
	}
}
