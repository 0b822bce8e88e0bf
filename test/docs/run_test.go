package docs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a page may take.
const patience = 3 * time.Minute

// desk is where a page is typed.
type desk struct {
	dir    string   // a copy of the project
	path   []string // folders of programs, before the bin of the copy and the machine's own
	before string   // what the page assumes
	env    []string
}

// newDesk returns a desk with a copy of the project and what make has built.
func newDesk(t testing.TB) *desk {
	t.Helper()
	base := t.TempDir()
	d := &desk{dir: filepath.Join(base, "bosgc")}
	home, temporary := filepath.Join(base, "home"), filepath.Join(base, "tmp")
	if err := errors.Join(copyTree(root(t), d.dir), os.Mkdir(home, 0o700), os.Mkdir(temporary, 0o700)); err != nil {
		t.Fatal(err)
	}
	// It has an environment of its own: the tester's kubeconfig must be out of reach of a document, and
	// make and CI set variables that change what is typed.
	for _, line := range os.Environ() {
		name, _, _ := strings.Cut(line, "=")
		if strings.HasPrefix(name, "GO") || name == "VERSION" || name == "COMMIT" || strings.HasSuffix(strings.ToLower(name), "_proxy") {
			d.env = append(d.env, line)
		}
	}
	for _, name := range []string{"GOENV", "GOCACHE", "GOMODCACHE", "GOPATH"} { // these are in the tester's HOME
		value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		d.env = append(d.env, name+"="+strings.TrimSpace(string(value)))
	}
	d.env = append(d.env, "HOME="+home, "TMPDIR="+temporary, "KUBECONFIG="+filepath.Join(home, "no-kubeconfig"), "LC_ALL=C.UTF-8", "TZ=UTC", "TERM=dumb")
	return d
}

// copyTree copies the project, without what is built from it; of bin, it copies only bosgc and its
// lab.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		switch {
		case name == ".git" || name == "dist":
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case filepath.Dir(name) == "bin" && name != filepath.Join("bin", "bosgc") && name != filepath.Join("bin", "bosgc-lab"),
			strings.HasPrefix(name, filepath.Join("bin", "")+string(filepath.Separator)) && filepath.Dir(name) != "bin",
			!entry.Type().IsRegular():
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, info.Mode().Perm())
	})
}

// complaint is the beginning of an error message. Where a document shows one, the command may fail.
var complaint = regexp.MustCompile(`^(bosgc|Error): `)

func complains(lines []string) bool { return slices.ContainsFunc(lines, complaint.MatchString) }

// outcome is what came of a step.
type outcome struct {
	out    []string
	failed string // the reason; empty if it has not failed
}

// typeIn types steps into one shell. Those that are not to be run have no outcome.
func (d *desk) typeIn(t testing.TB, steps []step) map[int]outcome {
	t.Helper()
	notes := t.TempDir()
	note := func(i int, kind string) string { return filepath.Join(notes, strconv.Itoa(i)+"."+kind) }
	var script strings.Builder
	// In a sourced file the trap sees every command that fails, also one in the middle.
	script.WriteString("trap 'echo \"$BASH_COMMAND: exit code $?\" >>\"$NOTE.failed\"' ERR\nexec </dev/null\n")
	put := func(i int, text string) {
		if err := os.WriteFile(note(i, "sh"), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&script, "NOTE='%s'\n. \"$NOTE.sh\" >\"$NOTE.out\" 2>&1\necho >\"$NOTE.done\"\n", filepath.Join(notes, strconv.Itoa(i)))
	}
	const prepared = -1
	put(prepared, d.before)
	for i, s := range steps {
		switch {
		case s.notRun != "":
		case s.file != "":
			put(i, fmt.Sprintf("cat >'%s' <<'END OF FILE'\n%sEND OF FILE", s.file, s.typed))
		default:
			put(i, s.typed)
		}
	}
	if err := os.WriteFile(filepath.Join(notes, "page.sh"), []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	ended := d.bash(t, filepath.Join(notes, "page.sh"))

	outcomes := map[int]outcome{}
	for i := prepared; i < len(steps); i++ {
		if i >= 0 && steps[i].notRun != "" {
			continue
		}
		var o outcome
		text, _ := os.ReadFile(note(i, "out")) // a step that was not reached has no file
		if text := strings.TrimRight(string(text), " \t\n"); text != "" {
			o.out = strings.Split(text, "\n")
		}
		if _, err := os.Stat(note(i, "done")); err != nil {
			o.failed = fmt.Sprintf("the shell ended before its end (%v)", ended)
		} else if failed, err := os.ReadFile(note(i, "failed")); err == nil {
			// The trap also sees that the file itself has failed.
			o.failed, _, _ = strings.Cut(string(failed), "\n. ")
			if i >= 0 && steps[i].compare && (complains(steps[i].shown) || *update && complains(o.out)) {
				o.failed = "" // the reader sees the failure
			}
		}
		if i == prepared && o.failed != "" {
			t.Fatalf("what the page takes for granted could not be had: %s\n%s", o.failed, indent(o.out))
		}
		outcomes[i] = o
	}
	return outcomes
}

// bash runs a script, and ends everything that it has started. The error is that of the shell itself.
func (d *desk) bash(t testing.TB, script string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", script)
	cmd.Dir = d.dir
	path := append([]string{filepath.Join(d.dir, "bin")}, d.path...)
	path = append(path, os.Getenv("PATH"))
	cmd.Env = slices.Concat(d.env, []string{"PATH=" + strings.Join(path, ":")})
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	log, err := os.Create(script + ".log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// A file, because a background process would hold a pipe open and keep Wait waiting.
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // nobody may be left
	}
	if ctx.Err() != nil {
		return fmt.Errorf("it took longer than %v", patience)
	}
	if text, _ := os.ReadFile(script + ".log"); len(text) > 0 {
		return fmt.Errorf("it says %s", text)
	}
	return err
}
