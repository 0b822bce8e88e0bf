package gc

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
	"bosgc/internal/journal"
	"bosgc/internal/kube"
	"bosgc/policy"
)

// reading is what was read of one object directly before its session goes: the content is what the
// journal gets, and what it says is what the object is judged by once more.
type reading struct {
	at       time.Time
	presence inventory.Presence
	same     bool            // in Kubernetes: it is the very version that was judged
	content  json.RawMessage // word for word
	err      error           // why it could not be read

	cfs    inventory.CFSSession
	record inventory.Record
	look   look // in Kubernetes

	kept bool // the journal has it: only exactly this may be deleted
}

// record writes everything that a unit is about to delete into the journal. The error is that
// of the journal, without which nothing may be deleted. An object that could not be read is
// not in it, and so not deleted either.
func (x *execution) record(ctx context.Context, u *unit) error {
	defer x.systems.Timings.took("deleting: read, and write the journal", time.Now(), len(u.objects))
	u.readings = make(map[*Object]*reading, len(u.objects))
	all := make([]*reading, len(u.objects))
	var reads errgroup.Group
	for i, o := range u.objects {
		reads.Go(func() error { all[i] = x.read(ctx, u, o); return nil })
	}
	_ = reads.Wait() // each holds its own error
	var entries []journal.Entry
	for i, o := range u.objects {
		r := all[i]
		u.note(o, r)
		if r.err != nil || r.presence != inventory.Present && o.Kind != policy.Session || o.UID != "" && !r.same {
			continue // it has gone, or is another one by now: the look before the delete will tell
		}
		entries = append(entries, journal.Entry{
			At: time.Now().UTC(), Kind: o.Kind.String(), Name: o.Name, Session: o.Session, Reason: o.Reason.String(), Detail: o.Detail,
			UID: o.UID, ResourceVersion: o.ResourceVersion, Object: r.content,
		})
		r.kept = true
		if o.UID != "" {
			r.content = nil // its version says all; the content can be a mebibyte
		}
	}
	defer x.systems.Timings.took("deleting: write the journal", time.Now(), len(entries))
	return x.limits.Journal.Write(ctx, entries)
}

// read reads one object whole.
func (x *execution) read(ctx context.Context, u *unit, o *Object) *reading {
	r := &reading{at: time.Now()}
	switch o.Kind {
	case policy.CFSSession:
		r.cfs, r.content, r.presence, r.err = x.systems.CFS.RawSession(ctx, o.Name)
	case policy.Session:
		if u.ended {
			r.record, r.content, r.presence = u.record, u.recordText, u.record.Presence
			break
		}
		if r.record, r.content, r.err = x.systems.BOS.Whole(ctx, o.Name); r.err != nil {
			r.err = &unsure{inventory.SourceSessions, r.err}
		}
		r.presence = r.record.Presence
	case policy.Component:
		r.err = errNoObject
	case policy.Job, policy.ConfigMap:
		if text := x.kept(o); text != nil {
			// That it is still this one, and protects nothing, the API server says when it deletes it.
			r.content, r.presence, r.same = text, inventory.Present, true
			break
		}
		whole, source := x.systems.Kube.WholeJob, inventory.SourceJobs
		if o.Kind == policy.ConfigMap {
			whole, source = x.systems.Kube.WholeConfigMap, inventory.SourceConfigMaps
		}
		var w kube.Whole
		if w, r.presence, r.err = whole(ctx, o.Name); r.err != nil {
			r.err = &unsure{source, r.err}
		}
		r.content, r.look = w.Manifest, look{at: r.at, presence: r.presence, job: w.Job, keep: w.Keep}
		// The delete names this UID and version too, so that what goes is what was written.
		r.same = w.UID == o.UID && w.ResourceVersion == o.ResourceVersion
	}
	return r
}

// kept gives the content of a ConfigMap, if exactly this version was read for the plan.
func (x *execution) kept(o *Object) json.RawMessage {
	if o.Kind != policy.ConfigMap || x.world.kept == nil {
		return nil
	}
	return x.world.kept.contents.get(o.UID + " " + o.ResourceVersion)
}

// note has what was read serve for the look before the deletes as well.
func (u *unit) note(o *Object, r *reading) {
	u.readings[o] = r
	switch {
	case r.err != nil:
	case o.Kind == policy.Session && !u.ended:
		u.record, u.recordText, u.recordRead = r.record, r.content, r.at
	case o.Kind == policy.Job:
		u.jobs[o.Name] = r.look
	case o.Kind == policy.ConfigMap:
		u.configMaps[o.Name] = r.look
	}
}

// content is what was read of an object of BOS or CFS.
func (u *unit) content(o *Object) json.RawMessage {
	if r := u.readings[o]; r != nil {
		return r.content
	}
	return nil
}

// unrecorded says why the journal does not have an object as it is now; empty if it has. now is what
// BOS or CFS has just said of it.
func (u *unit) unrecorded(o *Object, now json.RawMessage) string {
	r := u.readings[o]
	switch {
	case r == nil || !r.kept:
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
