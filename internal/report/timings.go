package report

import (
	"fmt"
	"strings"

	"bosgc/internal/progress"
)

// timings shows where the time went. What goes on at the same time as something else is shown with its own
// times, so that they do not add up to the whole.
func (p *printer) timings(phases []progress.Timing) {
	if len(phases) == 0 {
		return
	}
	name, end := 0, 0.0
	for _, f := range phases {
		name, end = max(name, len(f.Name)), max(end, f.Begun+f.Seconds)
	}
	fmt.Fprintf(&p.b, "\n%s\n", p.styled(bold, fmt.Sprintf("Where the time went (%.2f s)", end)))
	fmt.Fprintf(&p.b, "  %-*s %8s %8s %8s %6s\n", name, "PHASE", "FROM", "TOOK", "AT ONCE", "THINGS")
	for _, f := range phases {
		once := "-"
		if f.Seconds > 0 && f.Count > 1 && strings.Contains(f.Name, ": ") {
			once = fmt.Sprintf("%.1f", f.Busy/f.Seconds)
		}
		fmt.Fprintf(&p.b, "  %-*s %7.2fs %7.2fs %8s %6d\n", name, f.Name, f.Begun, f.Seconds, once, f.Count)
	}
}
