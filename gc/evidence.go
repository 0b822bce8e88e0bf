package gc

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
	"bosgc/internal/journal"
	"bosgc/internal/kube"
	"bosgc/policy"
)

// begin prepares a session. What BOS told of it when the plan was made is good for the journal, too, if it has ended.
func (x *executor) begin(s *sessionRun) {
	s.jobs, s.configMaps, s.deleted = map[string]cachedRead{}, map[string]cachedRead{}, map[string]bool{}
	if record, text := x.world.EndedRecord(s.id); text != nil {
		s.record, s.recordText, s.ended = record, text, true
	}
}

// writeJournal reads everything that a session run is about to delete, and writes it to the journal. The error is that
// of the journal, without which nothing may be deleted. An object that could not be read is not in it, and so is not
// deleted either.
func (x *executor) writeJournal(ctx context.Context, s *sessionRun) error {
	defer x.clients.Timings.Add("deleting: read, and write the journal", time.Now(), len(s.objects))
	s.evidence = make(map[*Object]*evidence, len(s.objects))
	all := make([]*evidence, len(s.objects))
	var reads errgroup.Group
	for i, o := range s.objects {
		reads.Go(func() error { all[i] = x.readEvidence(ctx, s, o); return nil })
	}
	_ = reads.Wait() // each holds its own error
	var entries []journal.Entry
	for i, o := range s.objects {
		e := all[i]
		s.addEvidence(o, e)
		missing := e.presence != inventory.Present && o.Kind != policy.Session
		if e.err != nil || missing || o.UID != "" && !e.same {
			continue // it has gone, or is another one by now: the recheck before the delete will tell
		}
		entries = append(entries, journal.Entry{
			At: time.Now().UTC(), Kind: string(o.Kind), Name: o.Name, Session: o.Session,
			Reason: string(o.Reason), Detail: o.Detail,
			UID: o.UID, ResourceVersion: o.ResourceVersion, Object: e.content,
		})
		e.journaled = true
		if o.UID != "" {
			e.content = nil // its version says all; the content can be a mebibyte
		}
	}
	defer x.clients.Timings.Add("deleting: write the journal", time.Now(), len(entries))
	return x.limits.Journal.Write(ctx, entries)
}

// readEvidence reads one object whole.
func (x *executor) readEvidence(ctx context.Context, s *sessionRun, o *Object) *evidence {
	e := &evidence{at: time.Now()}
	switch o.Kind {
	case policy.CFSSession:
		e.cfs, e.content, e.presence, e.err = x.clients.CFS.RawSession(ctx, o.Name)
	case policy.Session:
		if s.ended {
			e.record, e.content, e.presence = s.record, s.recordText, s.record.Presence
			break
		}
		if e.record, e.content, e.err = x.clients.BOS.GetRaw(ctx, o.Name); e.err != nil {
			e.err = &RecheckError{inventory.SourceSessions, e.err}
		}
		e.presence = e.record.Presence
	case policy.Component:
		e.err = errNoObject
	case policy.Job, policy.ConfigMap:
		if text := x.world.Manifest(o.Kind, o.UID, o.ResourceVersion); text != nil {
			// That it is still this one, and protects nothing, the API server checks when it deletes it.
			e.content, e.presence, e.same = text, inventory.Present, true
			break
		}
		read, source := x.clients.Kube.GetJobManifest, inventory.SourceJobs
		if o.Kind == policy.ConfigMap {
			read, source = x.clients.Kube.GetConfigMapManifest, inventory.SourceConfigMaps
		}
		var whole kube.Manifest
		if whole, e.presence, e.err = read(ctx, o.Name); e.err != nil {
			e.err = &RecheckError{source, e.err}
		}
		e.content = whole.JSON
		e.read = cachedRead{at: e.at, presence: e.presence, job: whole.Job, keep: whole.Keep}
		// The delete names this UID and version too, so that what is deleted is what was written.
		e.same = whole.UID == o.UID && whole.ResourceVersion == o.ResourceVersion
	}
	return e
}
