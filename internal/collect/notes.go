package collect

import (
	"fmt"
	"strings"

	"bosgc/internal/inventory"
	"bosgc/policy"
)

// notes returns what a person should know and no object says.
func notes(o Options, s *inventory.Snapshot) (notes []string) {
	if o.MemoryErr != nil {
		notes = append(notes, "The state of earlier sweeps could not be read: which sessions had failed, or were protected, is not "+
			"known if their Jobs have gone by themselves; they count as finished, and as not protected.")
	}
	if idle := policy.IdlePatterns(s, o.Settings); len(idle) > 0 {
		notes = append(notes, fmt.Sprintf("BOSGC_KEEP_TEMPLATES: no session template and no session matches %s.",
			strings.Join(idle, ", ")))
	}
	return notes
}
