package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"bosgc/gc"
	"bosgc/internal/explain"
	"bosgc/internal/journal"
	"bosgc/internal/restore"
	"bosgc/policy"
)

// Names writes one kind/name a line: of what is to be deleted or was, or to be put back or was; of an explanation, of
// the object itself. kubectl understands those of Jobs and ConfigMaps, and bosgc all but those of components.
func Names(w io.Writer, document any) error {
	buffered := bufio.NewWriter(w) // Flush returns the error
	switch d := document.(type) {
	case gc.Document:
		for i := range d.Objects {
			if o := &d.Objects[i]; isNamed(d.Kind, o) {
				writeName(buffered, string(o.Kind), o.Name)
			}
		}
	case *explain.Explanation:
		writeName(buffered, string(d.Object.Kind), d.Object.Name)
	case *journal.Document:
		for _, e := range d.Entries {
			writeName(buffered, e.Kind, e.Name)
		}
	case restore.Document:
		for _, s := range d.Steps {
			if s.Outcome == gc.Restored || s.Outcome == "" && (s.Action == restore.Create || s.Action == restore.Set) {
				writeName(buffered, s.Kind, s.Name)
			}
		}
	default:
		return fmt.Errorf("a %T has no names", document)
	}
	return buffered.Flush()
}

// isNamed reports whether an object is to be deleted by a plan, or was deleted by what a report is of.
func isNamed(document string, o *gc.Object) bool {
	if document == "Report" {
		return o.Outcome == gc.Deleted
	}
	return o.Verdict == policy.Delete
}

func writeName(w *bufio.Writer, kind, name string) {
	word := strings.ToLower(kindWord(policy.Kind(kind)))
	if policy.Kind(kind) == policy.Job {
		word = "job.batch" // what kubectl writes
	}
	_, _ = w.WriteString(Clean(word + "/" + name))
	_ = w.WriteByte('\n')
}
