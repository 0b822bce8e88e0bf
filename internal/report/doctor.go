package report

import (
	"fmt"
	"strings"

	"bosgc/internal/doctor"
)

// Doctor returns one line for each check.
func Doctor(all []doctor.Check) string {
	var b strings.Builder
	for _, c := range all {
		fmt.Fprintf(&b, "%-8s %-12s %s", c.Level, c.Name, Clean(strings.Join(strings.Fields(c.Found), " ")))
		if c.Remedy != "" {
			fmt.Fprintf(&b, "; to do: %s", Clean(c.Remedy))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
