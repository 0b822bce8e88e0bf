//go:build broken

package gc

import "os"

func broken(rule string) bool { return os.Getenv("BOSGC_BREAK") == rule }

var (
	breakLook    = broken("look")
	breakOrder   = broken("order")
	breakCap     = broken("cap")
	breakErrors  = broken("errors")
	breakJournal = broken("journal")
	breakUnread  = broken("unread")
)
