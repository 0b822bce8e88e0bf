package report

import (
	"fmt"
	"strings"
	"time"

	"bosgc/internal/journal"
)

// Journals returns the runs in the journal as a person reads them.
func Journals(all []journal.Info) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-28s %-20s %8s %7s %9s\n", "RUN", "CREATED", "ENTRIES", "CHUNKS", "KIB")
	for _, r := range all {
		fmt.Fprintf(&b, "%-28s %-20s %8d %7d %9.1f\n",
			Clean(r.Run), r.Created.UTC().Format(time.RFC3339), r.Entries, r.Chunks, float64(r.Bytes)/1024)
	}
	return b.String()
}

// Journal returns the journal of a run as a person reads it; wide adds why each object was to be deleted, in a sentence.
// Names and texts are data, from a journal that anybody may have written to.
func Journal(d journal.Document, wide bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Journal of run %s: %s\n", Clean(d.Run), plural(len(d.Entries), "object"))
	if d.Damage != "" {
		fmt.Fprintln(&b, Clean(d.Damage))
	}
	fmt.Fprintf(&b, "\n%-20s  %-10s  %-45s  %s\n", "TIME", "KIND", "NAME", "REASON")
	for _, e := range d.Entries {
		fmt.Fprintf(&b, "%-20s  %-10s  %-45s  %s\n", e.At.UTC().Format(time.RFC3339), Clean(e.Kind), Clean(e.Name), Clean(e.Reason))
		if wide && e.Detail != "" {
			fmt.Fprintf(&b, "    %s\n", Clean(e.Detail))
		}
	}
	return b.String()
}
