package policy

import (
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/margin"
)

// Request is what a person asks for a session by its ID.
type Request string

// The values of Request.
const (
	NotRequested Request = ""
	Clean        Request = "clean"   // remove what is left of it
	Cancel       Request = "cancel"  // the same, after its Jobs were stopped
	Unclear      Request = "unclear" // what was asked for cannot be read
	// Unconfirmed is a note on a Job of which no run is known that has written it.
	Unconfirmed Request = "unconfirmed"
)

// requested goes before all rules about age: whoever names a session means it. What runs, what is protected
// and what cannot be judged is kept all the same.
func (j *Judge) requested(f *facts) *ruling {
	switch j.memory.Requested[f.group.ID] {
	case NotRequested:
		return nil
	case Unclear:
		return unknown(BadData, "somebody was taking it apart, and what is noted about that on its Job cannot be read")
	case Unconfirmed:
		return unknown(BadData, "its Job says that somebody is taking it apart, and no known run has begun that; to take it apart: "+
			"bosgc clean "+f.group.ID)
	default:
	}
	if f.group.Record.Presence != inventory.Present {
		switch f.group.V2 {
		case inventory.Present:
			return keep(Foreign, "it is a session of BOS v2; for those: cray bos v2 sessions delete")
		case inventory.Unknown:
			return unknown(EvidenceIncomplete, "BOS v1 has no record of it, and BOS v2 could not be asked for it")
		default:
		}
	}
	if r := j.protectedAlthoughNamed(f); r != nil {
		return r
	}
	if r := j.running(f); r != nil {
		return r
	}
	if r := j.clusterUnread(f); r != nil {
		return r
	}
	// A record that BOS cannot read stays so for ever (docs/csm.md, "Session records"), and its delete reads nothing.
	broken := f.group.Record.Broken
	if r := j.recordUnread(f); r != nil && f.group.V1 != inventory.Absent && !broken {
		return r
	}
	if r := j.beingMade(f); r != nil {
		return r
	}
	detail := "asked for by its name; nothing runs for it"
	if broken {
		detail += "; BOS cannot read its record, so the journal will not have it"
	}
	return remove(Requested, time.Time{}, detail)
}

// PreventsCleanup reports whether a session cannot be taken apart by its name, because something of it is kept or is not
// known. What only has its name, and belongs to somebody else, is no part of it.
func (d Decision) PreventsCleanup() bool {
	if d.Verdict == Delete {
		return false
	}
	return d.Kind == Session || d.Reason != NotOurs && d.Reason != Foreign && d.Reason != OwnerKept
}

// beingMade keeps a session of which there is a young ConfigMap and nothing else.
func (j *Judge) beingMade(f *facts) *ruling {
	if f.group.Record.Presence == inventory.Present || f.activity.ExactJobs > 0 || f.group.V1 == inventory.Absent {
		return nil
	}
	return j.youngestConfigMap(f, margin.JustMade, "BOS may still be making it: its ConfigMap was created")
}

// protectedAlthoughNamed returns what protects a session that a person has named. Where nothing is left to annotate, to
// name it is how a person ends a protection of which only the memory knows.
func (j *Judge) protectedAlthoughNamed(f *facts) *ruling {
	cms, _ := f.group.ConfigMaps()
	if _, recalled := j.Remembered(f.group); recalled && len(cms) == 0 {
		return nil
	}
	return f.protected
}
