//go:build broken

package policy

import "os"

func broken(rule string) bool { return os.Getenv("BOSGC_BREAK") == rule }

var (
	breakGrace     = broken("grace")
	breakClock     = broken("clock")
	breakSightings = broken("sightings")
	breakGuard     = broken("guard")
	breakRunning   = broken("running")
	breakUsers     = broken("users")
	breakKeep      = broken("keep")
	breakTemplates = broken("templates")
	breakKeepLast  = broken("keep-last")
	breakBody      = broken("body")
	breakEvidence  = broken("evidence")
	breakOwner     = broken("owner")
	breakTimes     = broken("times")
	breakHoldBack  = broken("hold-back")
	breakForeign   = broken("foreign")
	breakStatus    = broken("status")
	breakV2        = broken("v2")
)
