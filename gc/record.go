package gc

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"time"

	"bosgc/inventory"
	"bosgc/journal"
	"bosgc/kube"
	"bosgc/policy"
)

// recorded is what the journal has of one object: only exactly this may be deleted.
type recorded struct {
	content json.RawMessage // of a session and a CFS session, which no version names
	err     error           // why it could not be read
}

// record writes everything that a unit is about to delete into the journal. The error is that
// of the journal, without which nothing may be deleted. An object that could not be read is
// not in it, and so not deleted either.
func (x *execution) record(ctx context.Context, u *unit) error {
	u.journal = map[*Object]recorded{}
	var entries []journal.Entry
	for _, o := range u.objects {
		r, there := x.read(ctx, u, o)
		if !there {
			continue // it has gone, or is another one by now: the look before the delete will tell
		}
		u.journal[o] = r
		if r.err != nil {
			continue
		}
		entries = append(entries, journal.Entry{
			At: time.Now().UTC(), Kind: string(o.Kind), Name: o.Name, Session: o.Session, Reason: string(o.Reason), Detail: o.Detail,
			UID: o.UID, ResourceVersion: o.ResourceVersion, Object: r.content,
		})
		if o.UID != "" {
			u.journal[o] = recorded{} // its version says all; the content can be a mebibyte
		}
	}
	if breakJournal {
		return nil
	}
	return x.limits.Journal.Write(ctx, entries)
}

func (x *execution) read(ctx context.Context, u *unit, o *Object) (r recorded, there bool) {
	presence := inventory.Present
	switch o.Kind {
	case policy.CFSSession:
		_, r.content, presence, r.err = x.systems.CFS.Whole(ctx, o.Name)
	case policy.Session:
		if u.record, u.recordText, r.err = x.systems.BOS.Whole(ctx, o.Name); r.err != nil {
			r.err = &unsure{inventory.SourceSessions, r.err}
			break
		}
		r.content, u.recordRead = u.recordText, time.Now()
	case policy.Job, policy.ConfigMap:
		whole, source := x.systems.Kube.WholeJob, inventory.SourceJobs
		if o.Kind == policy.ConfigMap {
			whole, source = x.systems.Kube.WholeConfigMap, inventory.SourceConfigMaps
		}
		var w kube.Whole
		if w, presence, r.err = whole(ctx, o.Name); r.err != nil {
			r.err = &unsure{source, r.err}
		}
		// The delete names this UID and version too, so that what goes is what was written.
		if presence == inventory.Present && (w.UID != o.UID || w.ResourceVersion != o.ResourceVersion) {
			return r, false
		}
		r.content = w.Manifest
	}
	return r, r.err != nil || presence == inventory.Present
}

// unrecorded says why the journal does not have an object as it is now; empty if it has. now is what
// BOS or CFS has just said of it.
func (u *unit) unrecorded(o *Object, now json.RawMessage) string {
	r, ok := u.journal[o]
	switch {
	case !ok:
		return "it changed before it could be written to the journal"
	case o.UID == "" && !sameJSON(r.content, now):
		return "it changed after it was written to the journal"
	}
	return ""
}

// sameJSON compares what two answers say, and not how they say it.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
