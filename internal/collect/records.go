package collect

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
	"bosgc/policy"
)

// recordReader asks BOS for the records of single sessions.
type recordReader struct {
	*collector

	configMaps *configMapReader            // prefetches those of a session whose record is known; nil: nobody does
	requested  map[string]policy.Request   // see World
	known      map[string]inventory.Record // of sessions that were asked for without a list
	askEvery   bool                        // see Options.AskEverySession
}

// readNeeded asks BOS for the record of every session that cannot be judged without it: listed ones, and those that
// something else names but BOS does not list. The list may have been read a moment too early for those.
func (r *recordReader) readNeeded(ctx context.Context, s *inventory.Snapshot) {
	// In another order each time: if the time does not suffice for all, the same few would otherwise be asked for
	// in every run, and they may be ones that are kept.
	groups := slices.Clone(s.Groups)
	rand.Shuffle(len(groups), func(a, b int) { groups[a], groups[b] = groups[b], groups[a] })
	groups = slices.DeleteFunc(groups, func(g *inventory.Group) bool {
		record, known := r.known[g.ID]
		// What BOS did not answer is asked again: that it is not known has to be reported.
		if known = known && (record.Err == "" || record.Broken); known {
			s.Replace(g.WithRecord(record))
		}
		return known || !r.needsRecord(g)
	})
	broken, read := r.ask(ctx, s, groups)
	if broken > 1 && read == 0 {
		// One record that cannot be read is that record's fault; if none can be read, it is BOS's. All that were
		// asked for may have been broken for long, so some others are asked for, also of those that run.
		others := slices.DeleteFunc(slices.Clone(s.Groups), func(g *inventory.Group) bool {
			return g.Listed != inventory.Present || !inventory.IsSessionID(g.ID) || g.Record.Presence != inventory.Unknown || g.Record.Err != ""
		})
		if _, read = r.ask(ctx, s, others[:min(4, len(others))]); read == 0 && !r.answersUnknownID(ctx) {
			r.markIncomplete(inventory.SourceSessions, "BOS could not read the record of a single session")
		}
	}
}

// answersUnknownID reports whether BOS answers 404 for an ID that does not exist. Where all records that are left are
// broken, this tells them from a BOS that cannot read its database.
func (r *recordReader) answersUnknownID(ctx context.Context) bool {
	record, err := r.read(ctx, uuid.NewString())
	return err == nil && record.Presence == inventory.Absent
}

// readYoung asks for as many of the sessions that are too young to be deleted as something else depends on: which
// sessions are the newest of their templates, and whether BOS has lost its records. Mostly nothing does, and none is
// asked for.
func (r *recordReader) readYoung(ctx context.Context, s *inventory.Snapshot) {
	if r.askEvery {
		r.ask(ctx, s, policy.UnaskedYoung(s, r.settings, r.now))
	}
	r.readTemplates(ctx, s)
	for _, selectNext := range []func(*inventory.Snapshot, policy.Settings, time.Time) []*inventory.Group{
		policy.KeepLastRivals, policy.GhostSample,
	} {
		for n := 4 * r.clients.BOSConcurrency; ctx.Err() == nil; n *= 2 {
			next := selectNext(s, r.settings, r.now)
			if len(next) == 0 {
				break
			}
			r.ask(ctx, s, next[:min(n, len(next))])
		}
	}
}

// readTemplates asks which session templates BOS has, if anything depends on it. Where they cannot be read, the last
// boots of all of them are kept.
func (r *recordReader) readTemplates(ctx context.Context, s *inventory.Snapshot) {
	if !r.hasBOSv1 || !policy.NeedsTemplates(s, r.settings, r.now) {
		return
	}
	names, err := r.clients.BOS.Templates(ctx)
	r.countBOSRequests()
	if err != nil {
		r.clients.Log.Warn("BOS's session templates could not be read", "error", err.Error())
		s.Templates = inventory.Templates{Err: err.Error()}
		return
	}
	s.Templates = inventory.NewTemplates(names)
}

// ask asks BOS for the records of some sessions. It returns how many BOS could not read, and how many it could.
func (r *recordReader) ask(ctx context.Context, s *inventory.Snapshot, groups []*inventory.Group) (broken, read int32) {
	var all errgroup.Group
	all.SetLimit(r.clients.BOSConcurrency)
	var failures, answers atomic.Int32
	task := r.clients.StartTask("asking BOS for sessions", len(groups))
	defer task.End()
	for _, g := range groups {
		all.Go(func() error {
			defer task.Step()
			record, err := r.read(ctx, g.ID)
			switch {
			case err != nil:
				record = inventory.Record{Err: err.Error()}
				r.markIncomplete(inventory.SourceSessions, err.Error())
			case record.Broken:
				failures.Add(1)
			default:
				answers.Add(1)
			}
			g = g.WithRecord(record)
			r.mu.Lock()
			s.Replace(g)
			r.mu.Unlock()
			if record.Err == "" { // otherwise it may be asked for again
				r.configMaps.enqueue(g)
			}
			return nil
		})
	}
	_ = all.Wait() // each group holds its own error
	r.countBOSRequests()
	return failures.Load(), answers.Load()
}

// read asks BOS for one session, and keeps the record of one that has ended: it does not change any more, it can
// only go, so that it need not be read again directly before the delete.
func (r *recordReader) read(ctx context.Context, id string) (inventory.Record, error) {
	record, text, err := r.clients.BOS.GetRaw(ctx, id)
	if err == nil && record.Presence == inventory.Present && record.Stop.Known() {
		r.cached.records.put(id, text)
	}
	return record, err
}

func (r *recordReader) needsRecord(g *inventory.Group) bool {
	if r.requested[g.ID] != policy.NotRequested {
		return r.hasBOSv1
	}
	switch g.Listed {
	case inventory.Present:
	case inventory.Absent:
		if !r.hasBOSv1 {
			return false
		}
	default:
		return false // nothing is concluded without the list
	}
	return policy.NeedsRecord(g, r.settings, r.now)
}
