package report

import (
	"fmt"
	"strings"

	"bosgc/internal/progress"
)

// printTimings shows where the time went. Phases that run at the same time overlap, so that they do not add up to the
// whole.
func (p *printer) printTimings(phases []progress.Timing) {
	if len(phases) == 0 {
		return
	}
	nameColumn, end := 0, 0.0
	for _, f := range phases {
		nameColumn, end = max(nameColumn, len(f.Name)), max(end, f.Begun+f.Seconds)
	}
	p.startParagraph()
	fmt.Fprintf(&p.out, "%s\n", p.styled(bold, fmt.Sprintf("Where the time went (%.2f s)", end)))
	fmt.Fprintf(&p.out, "  %-*s %8s %8s %8s %6s\n", nameColumn, "PHASE", "FROM", "TOOK", "AT ONCE", "THINGS")
	for _, f := range phases {
		parallel := "-"
		if f.Seconds > 0 && f.Count > 1 && strings.Contains(f.Name, ": ") {
			parallel = fmt.Sprintf("%.1f", f.Busy/f.Seconds)
		}
		fmt.Fprintf(&p.out, "  %-*s %7.2fs %7.2fs %8s %6d\n", nameColumn, f.Name, f.Begun, f.Seconds, parallel, f.Count)
	}
}
