package planfile

import (
	"errors"
	"fmt"
	"io"
	"os"

	"bosgc/gc"
	"bosgc/internal/outfile"
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
	if err != nil {
		return err
	}
	// Only its owner may read it: it names machines and people's templates.
	return outfile.Replace(file, 0o600, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// withoutName removes the name of the file from an error.
func withoutName(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
