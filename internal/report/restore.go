package report

import (
	"cmp"
	"fmt"
	"strings"

	"bosgc/gc"
	"bosgc/internal/restore"
)

// restoreSections are the parts of the table, in its order.
var restoreSections = []struct {
	title string
	is    func(restore.Step) bool
}{
	{"Failed", func(s restore.Step) bool { return s.Outcome == gc.Failed }},
	{"Left alone, because somebody was faster", func(s restore.Step) bool { return s.Outcome == gc.Skipped }},
	{"Not done, because it was stopped", func(s restore.Step) bool { return s.Outcome == gc.Waiting }},
	{"Put back", func(s restore.Step) bool { return s.Outcome == gc.Restored }},
	{"To put back", func(s restore.Step) bool {
		return s.Outcome == "" && (s.Action == restore.Create || s.Action == restore.Set)
	}},
	{"Left alone", func(s restore.Step) bool {
		return s.Outcome == "" && (s.Action == restore.Differs || s.Action == restore.Kept)
	}},
	{"There already", func(s restore.Step) bool { return s.Action == restore.Exists }},
}

// saysAll reports whether the section of an object says everything about it.
func saysAll(s restore.Step) bool {
	switch s.Action {
	case restore.Create:
		return s.Outcome == gc.Restored || s.Outcome == gc.Waiting
	case restore.Set:
		return s.Outcome == gc.Restored || s.Outcome == gc.Waiting
	default:
		return s.Action == restore.Exists
	}
}

// Restore returns a restore as a person reads it. Names and texts are data, from a journal that anybody
// may have written to.
func Restore(d restore.Document) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Restore of run %s\n", Clean(d.Run))
	if d.DryRun {
		b.WriteString("Nothing has been done.\n")
	}
	for _, text := range []string{d.Damage, d.Stopped} {
		if text != "" {
			fmt.Fprintln(&b, Clean(text))
		}
	}
	for _, section := range restoreSections {
		var objects []string
		for _, s := range d.Steps {
			if !section.is(s) {
				continue
			}
			object := fmt.Sprintf("%-10s  %s\n", Clean(s.Kind), Clean(s.Name))
			if !saysAll(s) {
				object += "    " + Clean(cmp.Or(s.Error, s.Detail)) + "\n"
			}
			objects = append(objects, object)
		}
		if len(objects) > 0 {
			fmt.Fprintf(&b, "\n%s (%d)\n%s", section.title, len(objects), strings.Join(objects, ""))
		}
	}
	writeImpossible(&b, d.Steps)
	for _, note := range d.Notes {
		fmt.Fprintf(&b, "\nNote: %s\n", note)
	}
	return b.String()
}

// writeImpossible lists under each reason what does not come back for it.
func writeImpossible(b *strings.Builder, steps []restore.Step) {
	names := map[string][]string{}
	var reasons []string
	for _, s := range steps {
		if s.Action != restore.Impossible {
			continue
		}
		if _, known := names[s.Detail]; !known {
			reasons = append(reasons, s.Detail)
		}
		names[s.Detail] = append(names[s.Detail], fmt.Sprintf("%-10s  %s\n", Clean(s.Kind), Clean(s.Name)))
	}
	for _, reason := range reasons {
		fmt.Fprintf(b, "\nNot put back (%d): %s\n%s", len(names[reason]), Clean(reason), strings.Join(names[reason], ""))
	}
}
