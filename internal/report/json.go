package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"bosgc/gc"
)

const indent = "  "

// JSON writes a plan, a report or any other result as one document. The objects of a plan or report are written one by
// one: all of them as one text weigh more than all that was read to judge them.
func JSON(w io.Writer, document any) error {
	d, ok := document.(gc.Document)
	if !ok || len(d.Objects) == 0 {
		text, err := json.MarshalIndent(document, "", indent)
		if err == nil {
			_, err = w.Write(append(EscapeJSON(text), '\n'))
		}
		return err
	}
	objects := d.Objects
	d.Objects = []gc.Object{}
	frame, err := json.MarshalIndent(d, "", indent)
	if err != nil {
		return err
	}
	// No string in JSON holds a line break, so that this can be nothing but the field itself.
	before, after, ok := bytes.Cut(frame, []byte("\n"+indent+`"objects": []`))
	if !ok {
		return errors.New("the document has no field objects to write its objects to")
	}
	buffered := bufio.NewWriter(w)
	_, _ = buffered.Write(EscapeJSON(before)) // Flush returns the error
	_, _ = buffered.WriteString("\n" + indent + `"objects": [`)
	separator := ""
	for i := range objects {
		text, err := json.MarshalIndent(&objects[i], indent+indent, indent)
		if err != nil {
			return err
		}
		_, _ = buffered.WriteString(separator + "\n" + indent + indent)
		if _, err := buffered.Write(EscapeJSON(text)); err != nil {
			return err
		}
		separator = ","
	}
	_, _ = buffered.WriteString("\n" + indent + "]")
	_, _ = buffered.Write(append(EscapeJSON(after), '\n'))
	return buffered.Flush()
}
