package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"unicode"

	"sigs.k8s.io/yaml"

	"bosgc/gc"
)

// YAML writes what JSON writes, as YAML; the objects of a plan or report one by one, too.
func YAML(w io.Writer, document any) error {
	d, ok := document.(gc.Document)
	if !ok || len(d.Objects) == 0 {
		text, err := encodeYAML(document)
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	}
	objects := d.Objects
	d.Objects = []gc.Object{}
	frame, err := encodeYAML(d)
	if err != nil {
		return err
	}
	// At the beginning of a line this can be nothing but the field itself.
	before, after, ok := bytes.Cut(frame, []byte("\nobjects: []\n"))
	if !ok {
		return JSON(w, document) // the frame is JSON, see below
	}
	buffered := bufio.NewWriter(w)
	_, _ = buffered.Write(before) // Flush returns the error
	_, _ = buffered.WriteString("\nobjects:\n")
	for i := range objects {
		text, err := encodeYAML(&objects[i])
		if err != nil {
			return err
		}
		start := "- "
		for line := range bytes.Lines(text) {
			_, _ = buffered.WriteString(start)
			if _, err := buffered.Write(line); err != nil {
				return err
			}
			start = "  "
		}
	}
	_, _ = buffered.Write(after)
	return buffered.Flush()
}

// encodeYAML returns a value as YAML. Names and errors come from servers: a value with characters that a terminal acts
// on stays JSON, which is YAML too, and in which they are escaped.
func encodeYAML(value any) ([]byte, error) {
	asJSON, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	asJSON = EscapeJSON(asJSON) // YAML takes some of those characters for line breaks
	text, err := yaml.JSONToYAML(asJSON)
	if err != nil {
		return nil, err
	}
	if bytes.ContainsFunc(text, func(r rune) bool { return acted(r) || unicode.IsControl(r) && r != '\n' }) {
		return append(asJSON, '\n'), nil
	}
	return text, nil
}
