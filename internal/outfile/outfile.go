// Package outfile writes the files that a person or another program reads.
package outfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Check returns why a file is not written: something else than a regular file is there. What was replaced by a file
// would be lost, and as root that can be a device; a symbolic link leads to a file that somebody else has chosen.
func Check(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return withoutName(err)
	}
	what := "something"
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeSymlink != 0:
		what = "a symbolic link"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	case mode&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	}
	return fmt.Errorf("%s is there, which is not replaced; expected the name of a regular or a new file", what)
}

// Replace writes a file and puts it in place of the one of that name, if any, once it is whole: whoever reads it
// meanwhile sees the whole old one or the whole new one. The errors do not repeat the name.
func Replace(path string, mode fs.FileMode, write func(io.Writer) error) error {
	if err := Check(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".bosgc-*")
	if err != nil {
		return withoutName(err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // does nothing after the rename
	if err = write(f); err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	return withoutName(err)
}

func withoutName(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}
