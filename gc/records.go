package gc

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
	"bosgc/policy"
)

// records asks BOS for the record of every session that cannot be judged without it: listed
// ones, and those that something else knows of but BOS does not list. The list may have
// been read a moment too early for those.
func (c *collection) records(ctx context.Context, s *inventory.Snapshot) {
	// In another order each time: where the time does not suffice for all, the same few would
	// otherwise be asked for in every run, and they may be ones that stay.
	groups := slices.Clone(s.Groups)
	rand.Shuffle(len(groups), func(a, b int) { groups[a], groups[b] = groups[b], groups[a] })
	groups = slices.DeleteFunc(groups, func(g *inventory.Group) bool {
		record, known := c.known[g.ID]
		// What could not be answered is asked again: that it is not known has to be told.
		if known = known && (record.Err == "" || record.Broken); known {
			g.Record = record
		}
		return known || !c.wantsRecord(g)
	})
	broken, read := c.ask(ctx, groups)
	if broken > 1 && read == 0 {
		// One record that cannot be read is that record's fault; all of them are BOS's. Of those that were asked for
		// all may have been broken for long, so some others are.
		others := policy.Spared(s, c.settings, c.now)
		if _, read = c.ask(ctx, others[:min(4, len(others))]); read == 0 {
			c.failed(inventory.SourceSessions, "BOS could not read the record of a single session")
		}
	}
	c.spared(ctx, s)
}

// spared asks for as many of the sessions that are too young to go as something else hangs on: which sessions are the
// newest of their templates, and whether BOS has lost its records. Mostly nothing does, and nobody is asked.
func (c *collection) spared(ctx context.Context, s *inventory.Snapshot) {
	if c.askAll {
		c.ask(ctx, policy.Spared(s, c.settings, c.now))
		return
	}
	for _, matter := range []func(*inventory.Snapshot, policy.Settings, time.Time) []*inventory.Group{policy.Contenders, policy.Witnesses} {
		for n := 4 * c.systems.BOSConcurrency; ctx.Err() == nil; n *= 2 {
			next := matter(s, c.settings, c.now)
			if len(next) == 0 {
				break
			}
			c.ask(ctx, next[:min(n, len(next))])
		}
	}
}

// ask asks BOS for the records of some sessions, and says how many it could not read, and how many it could.
func (c *collection) ask(ctx context.Context, groups []*inventory.Group) (broken, read int32) {
	var all errgroup.Group
	all.SetLimit(c.systems.BOSConcurrency)
	var failures, answers atomic.Int32
	asked := c.systems.pace("asking BOS for sessions", len(groups))
	defer asked.end()
	for _, g := range groups {
		all.Go(func() error {
			defer asked.step()
			record, err := c.record(ctx, g.ID)
			switch {
			case err != nil:
				record = inventory.Record{Err: err.Error()}
				c.failed(inventory.SourceSessions, err.Error())
			case record.Broken:
				failures.Add(1)
			default:
				answers.Add(1)
			}
			g.Record = record
			if record.Err == "" { // else it may be asked for again
				c.ahead.look(g)
			}
			return nil
		})
	}
	_ = all.Wait() // each group holds its own error
	c.countBOS()
	return failures.Load(), answers.Load()
}

// record asks BOS for one session. What it says of one that has ended is kept: the record does not change any
// more, it can only go, so that it need not be read again directly before the delete.
func (c *collection) record(ctx context.Context, id string) (inventory.Record, error) {
	record, text, err := c.systems.BOS.GetRaw(ctx, id)
	if err == nil && record.Presence == inventory.Present && record.Stop.Known() {
		c.kept.records.put(id, text)
	}
	return record, err
}

func (c *collection) countBOS() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sources[inventory.SourceSessions].Requests = c.systems.BOS.Requests()
}

func (c *collection) wantsRecord(g *inventory.Group) bool {
	if c.requested[g.ID] != policy.NotRequested {
		return c.hasBOSv1
	}
	switch g.Listed {
	case inventory.Present:
	case inventory.Absent:
		if !c.hasBOSv1 {
			return false
		}
	default:
		return false // nothing is concluded without the list
	}
	return policy.NeedsRecord(g, c.settings, c.now)
}
