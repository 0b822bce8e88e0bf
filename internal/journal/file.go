package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// file is the journal of a run as JSON lines. It is made with the first entry.
type file struct {
	dir, name string
	open      *os.File
	broken    error
}

// try finds out whether the folder can be written, before anything is deleted. It must exist: one
// made here would hide that a volume is not mounted, and vanish with the Pod.
func (f *file) try() error {
	probe, err := os.CreateTemp(f.dir, ".bosgc-*")
	if err != nil {
		return f.failed(err)
	}
	_, err = probe.WriteString("\n")
	return f.failed(errors.Join(err, probe.Sync(), probe.Close(), os.Remove(probe.Name())))
}

func (f *file) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the journal in BOSGC_JOURNAL_DIR=%q cannot be written: %w", f.dir, err)
}

// add brings lines to the disk. After an error there is no second try: what the kernel could not
// bring there once it may have thrown away, and then say of nothing that it is safe.
func (f *file) add(lines [][]byte) error {
	if f.broken == nil {
		f.broken = f.failed(f.append(lines))
	}
	return f.broken
}

func (f *file) append(lines [][]byte) error {
	if f.open == nil {
		// For its owner alone: kernel parameters may hold secrets.
		created, err := os.OpenFile(filepath.Join(f.dir, f.name), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		f.open = created
		// Else a crash can leave what is in the file on the disk, and the file in no folder.
		if err := syncDir(f.dir); err != nil {
			return err
		}
	}
	if _, err := f.open.Write(bytes.Join(lines, nil)); err != nil {
		return err
	}
	return f.open.Sync()
}

func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil // a file system on which folders need no such thing
	}
	return err
}

func (f *file) close() {
	if f.open != nil {
		_ = f.open.Close()
	}
}
