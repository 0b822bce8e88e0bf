package report

import (
	"fmt"
	"strings"
	"time"

	"bosgc/gc"
)

// Guards returns a table of the kinds that the orphan guard holds back.
func Guards(all []gc.Guard) string {
	if len(all) == 0 {
		return "The orphan guard holds back nothing.\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s %-20s %s\n", "KIND", "SINCE", "WHY")
	for _, g := range all {
		fmt.Fprintf(&b, "%-10s %-20s %s\n", g.Kind, g.Since.UTC().Format(time.RFC3339), Clean(g.Why))
	}
	b.WriteString("\nNothing of these kinds is deleted as an orphan. Find out why (docs/runbook.md, BosgcOrphanGuardRefused),\n" +
		"then: bosgc guard release KIND\n")
	return b.String()
}
