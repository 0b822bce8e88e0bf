package planfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bosgc/gc"
)

// Read reads a saved plan from a file. It reads at most MaxSize bytes.
func Read(file string) (*Plan, error) {
	const expected = "; expected a plan, as made with: bosgc plan --save FILE"
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%w%s", withoutName(err), expected)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("%w%s", withoutName(err), expected)
	}
	return Decode(text)
}

// Write writes a plan to a file for Read, with the settings by the names of their variables. The errors do not repeat
// the file's name.
func Write(file string, d gc.Document, settings map[string]string) error {
	text, err := Encode(d, settings)
	if err == nil {
		err = replaceFile(file, text)
	}
	return withoutName(err)
}

// withoutName removes the name of the file from an error.
func withoutName(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// replaceFile replaces a file after all of the new one is written. A write that ends halfway leaves the old plan.
func replaceFile(file string, text []byte) error {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		return errors.New("it is there and is no file; expected the name of a file")
	}
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // does nothing after the rename
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
