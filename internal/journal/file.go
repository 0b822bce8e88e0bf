package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// file is the journal of a run as JSON lines. It is created with the first entry.
type file struct {
	dir, name string
	handle    *os.File
	err       error // of the first write that failed
}

// checkWritable checks that the folder can be written, before anything is deleted. The folder must
// exist: one created here would hide that a volume is not mounted, and vanish with the Pod.
func (f *file) checkWritable() error {
	probe, err := os.CreateTemp(f.dir, ".bosgc-*")
	if err != nil {
		return f.wrap(err)
	}
	_, err = probe.WriteString("\n")
	return f.wrap(errors.Join(err, probe.Sync(), probe.Close(), os.Remove(probe.Name())))
}

func (f *file) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the journal in BOSGC_JOURNAL_DIR=%q cannot be written: %w", f.dir, err)
}

// appendLines writes lines to the disk. After an error it does not try again: the kernel may have
// thrown away what it could not write, and would then report the next sync as a success.
func (f *file) appendLines(lines [][]byte) error {
	if f.err == nil {
		f.err = f.wrap(f.writeAndSync(lines))
	}
	return f.err
}

func (f *file) writeAndSync(lines [][]byte) error {
	if f.handle == nil {
		// Readable for its owner alone: kernel parameters may hold secrets.
		path := filepath.Join(f.dir, f.name)
		created, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		f.handle = created
		// Without this, a crash can leave the content on the disk and the file in no folder.
		if err := syncDir(f.dir); err != nil {
			return err
		}
	}
	if _, err := f.handle.Write(bytes.Join(lines, nil)); err != nil {
		return err
	}
	return f.handle.Sync()
}

func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil // a file system whose folders cannot be synced
	}
	return err
}

func (f *file) close() {
	if f.handle != nil {
		_ = f.handle.Close()
	}
}
