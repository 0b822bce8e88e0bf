package outfile

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// only fails unless a folder has nothing but the named files.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	if got, want := strings.Join(found, " "), strings.Join(names, " "); got != want {
		t.Errorf("the folder has %s, want %s", got, want)
	}
}

func TestReplaceWritesAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, content := range []string{"first", "second"} {
		if err := Replace(path, 0o644, text(content)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if got, _ := os.ReadFile(path); err != nil || string(got) != content || info.Mode() != 0o644 {
			t.Errorf("%v, %q, %v", err, got, info.Mode())
		}
	}
	only(t, dir, "file")
}

func TestAWriteThatFailsLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := Replace(path, 0o600, text("old")); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("the disk is full")
	err := Replace(path, 0o600, func(w io.Writer) error { return errors.Join(text("half")(w), failed) })
	if got, _ := os.ReadFile(path); !errors.Is(err, failed) || string(got) != "old" {
		t.Errorf("%v, %q", err, got)
	}
	only(t, dir, "file")
	if err := Replace(filepath.Join(dir, "none", "file"), 0o600, text("")); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), dir) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// Each of these was replaced by a file, or written through, in some program that ran as root.
func TestNothingButAFileIsReplaced(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	elsewhere := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(elsewhere, []byte("root"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket, err := new(net.ListenConfig).Listen(t.Context(), "unix", in("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if err := errors.Join(
		os.Mkdir(in("folder"), 0o700), os.Symlink(elsewhere, in("link")), os.Symlink("nowhere", in("dangling")),
		os.Symlink("/dev/null", in("to-device")), syscall.Mkfifo(in("pipe"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		in("folder"): "a folder", in("link"): "a symbolic link", in("dangling"): "a symbolic link", in("to-device"): "a symbolic link",
		in("pipe"): "a named pipe", in("socket"): "a socket", os.DevNull: "a device",
	} {
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		written := false
		err = Replace(path, 0o600, func(io.Writer) error {
			written = true
			return nil
		})
		if err == nil || !strings.HasPrefix(err.Error(), want) || written {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s has been replaced: %v", path, err)
		}
	}
	if got, _ := os.ReadFile(elsewhere); string(got) != "root" {
		t.Errorf("the link's target has %q", got)
	}
	only(t, dir, "dangling", "folder", "link", "pipe", "socket", "to-device")
}
