//go:build !broken

package policy

// Rules that the soak breaks on purpose, one at a time, to see whether it would notice (docs/safety.md,
// "Broken on purpose"). Here they are constants, so that the compiler leaves nothing of them; a
// build with the tag broken has variables in their place.
const (
	breakGrace     = false // nothing is too young
	breakClock     = false // the clock is never doubted
	breakSightings = false // one sighting makes an orphan
	breakGuard     = false // any share may look orphaned
	breakRunning   = false // nothing runs
	breakUsers     = false // nobody else uses a ConfigMap
	breakKeep      = false // no annotation protects
	breakTemplates = false // no template is kept
	breakKeepLast  = false // the newest go too
	breakBody      = false // any content is a session's
	breakEvidence  = false // what was read in part was read
	breakOwner     = false // what was not found has gone
	breakTimes     = false // a time that is none is no time
	breakHoldBack  = false // a session goes without its ConfigMap
	breakForeign   = false // every CFS session is the batcher's
	breakStatus    = false // every CFS session is complete
	breakV2        = false // BOS v2 has no sessions
)
