package gc

import (
	"context"
	"encoding/json"
	"time"

	"bosgc/inventory"
	"bosgc/journal"
	"bosgc/kube"
	"bosgc/policy"
)

// recorded is what the journal has of one object: only exactly this may be deleted.
type recorded struct {
	content json.RawMessage
	cfs     inventory.CFSSession
	err     error // why it could not be read
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
	}
	return x.limits.Journal.Write(ctx, entries)
}

func (x *execution) read(ctx context.Context, u *unit, o *Object) (r recorded, there bool) {
	presence := inventory.Present
	switch o.Kind {
	case policy.CFSSession:
		r.cfs, r.content, presence, r.err = x.systems.CFS.Whole(ctx, o.Name)
	case policy.Session:
		if u.record, r.content, r.err = x.systems.BOS.Whole(ctx, o.Name); r.err != nil {
			r.err = &unsure{inventory.SourceSessions, r.err}
			break
		}
		u.recorded, u.recordRead = u.record, time.Now()
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

// unrecorded says why the journal does not have an object as it is now; empty if it has.
func (u *unit) unrecorded(o *Object, cfs inventory.CFSSession) string {
	r, ok := u.journal[o]
	switch {
	case !ok:
		return "it changed before it could be written to the journal"
	case o.Kind == policy.CFSSession && cfs != r.cfs, o.Kind == policy.Session && u.record != u.recorded:
		return "it changed after it was written to the journal"
	}
	return ""
}
