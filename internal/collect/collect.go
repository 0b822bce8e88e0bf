package collect

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/checkpoint"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// World collects everything, and takes at most ReadTimeout for it. A source that fails, or is too slow, is not an
// error: it is recorded as incomplete, and what depends on it is left alone. So a system that is too slow to be read
// in one run is still collected bit by bit. The error is that of the context.
func (clients Clients) World(ctx context.Context, o Options, now time.Time) (*World, error) {
	begun, limit := time.Now(), o.ReadTimeout
	tooLate := fmt.Errorf("reading took longer than %s, half of BOSGC_DEADLINE", limit)
	reading, cancel := context.WithTimeoutCause(ctx, limit, tooLate)
	defer cancel()
	// What BOS is too slow for is left for the next run; but some time must remain for the ConfigMaps, or nothing
	// could be concluded from the records that were read.
	readingRecords, cancelRecords := context.WithDeadlineCause(reading, begun.Add(limit*3/4), tooLate)
	defer cancelRecords()

	c := newCollector(clients, o.Settings, now)
	configMaps := newConfigMapReader(c)
	records := &recordReader{collector: c, configMaps: configMaps, askEvery: o.AskEverySession}
	finder := newSessionFinder(records, o.List, o.RecordHang)
	c.listing = clients.StartTask("reading the lists of BOS, CFS and Kubernetes", len(SourceNames()))
	c.listAll(reading)
	asked := time.Now()
	finder.find(reading, readingRecords)
	clients.Timings.Add("reading: "+inventory.SourceSessions, asked, len(c.seen.SessionIDs))
	c.listing.End()
	c.distrustNamespace()

	joining := time.Now()
	w := &World{Seen: c.seen, Snapshot: inventory.Join(c.seen), HasBOSv1: c.hasBOSv1, List: finder.list, cached: c.cached, Versions: c.versions}
	clients.Timings.Add("joining", joining, 1)
	// The records come before the judge, which ranks the sessions of each template by them; ConfigMaps and BOS v2 come
	// after it, because only those are asked for that the judge would delete.
	w.Snapshot.ListTooLarge = finder.list.tooLarge()
	w.Requested = findRequested(w.Snapshot, o.Procedures.Know, clients.Log)
	records.requested = w.Requested
	unranked := policy.NewJudge(&inventory.Snapshot{}, o.Settings, now, policy.Memory{Requested: w.Requested})
	configMaps.startPrefetch(readingRecords, w.Snapshot, unranked)
	// A BOS too slow for all records still has time for what tells which boots are the last of their templates.
	// Without it the same few would be kept as the last for as long as BOS is slow.
	readingNeeded, cancelNeeded := context.WithDeadlineCause(readingRecords, begun.Add(limit*5/8), tooLate)
	defer cancelNeeded()
	records.readNeeded(readingNeeded, w.Snapshot)
	records.readYoung(readingRecords, w.Snapshot)
	configMaps.endPrefetch()
	finder.distrustEtcd(w)
	w.judge(clients, o, now)
	configMaps.readNeeded(reading, w.Snapshot, w.Judge)
	c.askV2(reading, w)
	c.tie(reading, w)
	c.link(reading, w)
	w.Judge.Guard(w.Snapshot)
	for _, name := range SourceNames() {
		w.Sources = append(w.Sources, *c.sources[name])
	}
	if source := c.sources[inventory.SourceCFSComponents]; source != nil {
		w.Sources = append(w.Sources, *source)
	}
	w.Notes = notes(o, w.Snapshot)
	w.PodsWithoutJob = w.Seen.PodsWithoutJob()
	w.Seen.Jobs, w.Seen.Pods, w.Seen.ConfigMaps = nil, nil, nil
	return w, context.Cause(ctx)
}

// judge makes the World's judge, which ranks the sessions of each template.
func (w *World) judge(clients Clients, o Options, now time.Time) {
	// A time holds what the clock shows and, besides, a count that nobody can set.
	then := o.Clock()
	memory := policy.Memory{
		Memory: o.Memory, Requested: w.Requested,
		ClockDoubt: cmp.Or(clients.Kube.ClockDoubt(), clockStep(then.Round(0).Sub(now.Round(0)), then.Sub(now))),
	}
	judging := time.Now()
	w.Judge = policy.NewJudge(w.Snapshot, o.Settings, now, memory)
	clients.Timings.Add("ranking the sessions of each template", judging, 1)
}

// findRequested finds the procedures that a person has begun with "bosgc clean" and that did not end. Those that
// cancel a session are judged as it will be once they have stopped it: what runs now is what they are to end.
func findRequested(s *inventory.Snapshot, asked checkpoint.Asked, log *slog.Logger) map[string]policy.Request {
	requested := map[string]policy.Request{}
	for i, g := range s.Groups {
		jobs, _ := g.Jobs()
		note, err := checkpoint.Read(jobs, asked)
		switch {
		case err != nil:
			log.Warn("a procedure cannot be gone on with", "session", g.ID, "error", err.Error())
			requested[g.ID] = policy.Unclear
		case note.Found && !note.Known:
			// Whoever may patch Jobs can have written it, and must not borrow the right to delete.
			log.Warn("a procedure is not continued: the state knows of no run that has begun it; to take the session apart, "+
				"or to continue: bosgc clean "+g.ID, "session", g.ID, "run", note.Run)
			requested[g.ID] = policy.Unconfirmed
		case note.Known && note.Cancel:
			requested[g.ID] = policy.Cancel
			s.Groups[i] = g.WithJobsStopped()
		case note.Known:
			requested[g.ID] = policy.Clean
		}
	}
	return requested
}

// askV2 asks BOS v2 for the tags that BOS v1 does not know.
func (c *collector) askV2(ctx context.Context, w *World) {
	var all errgroup.Group
	all.SetLimit(c.clients.BOSConcurrency)
	var needed []int
	for i, g := range w.Snapshot.Groups {
		if w.Judge.NeedsV2(g) {
			needed = append(needed, i)
		}
	}
	task := c.clients.StartTask("asking BOS v2 for sessions", len(needed))
	defer task.End()
	for _, i := range needed {
		g := w.Snapshot.Groups[i]
		all.Go(func() error {
			defer task.Step()
			presence, err := c.clients.BOS.V2Session(ctx, g.ID)
			if err != nil {
				c.markIncomplete(inventory.SourceSessions, err.Error())
			}
			w.Snapshot.Groups[i] = g.WithV2(presence)
			return nil
		})
	}
	_ = all.Wait() // an unknown presence is kept as such
	c.countBOSRequests()
}
