//go:build !broken

package gc

// Rules that the soak breaks on purpose: see the same file in package policy.
const (
	breakLook    = false // nothing is looked at again before its delete
	breakOrder   = false // the Job goes first
	breakCap     = false // there is no limit
	breakErrors  = false // an error is as good as a delete
	breakJournal = false // nothing is written down
	breakUnread  = false // what could not be read for the journal goes all the same
)
