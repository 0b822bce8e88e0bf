package gc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"bosgc/internal/bos"
	"bosgc/internal/bosetcd"
	"bosgc/internal/inventory"
	"bosgc/internal/state"
	"bosgc/policy"
)

// Where a run has the IDs of BOS's sessions from.
const (
	FromBOS        = "bos"        // its list
	FromEtcd       = "etcd"       // its keys: as complete as the list
	FromKubernetes = "kubernetes" // whatever names one, asked for one by one: not complete
)

// SessionList is how a run came by the sessions of BOS v1.
type SessionList struct {
	From     string `json:"from"`          // empty: nothing is known of them, or there is no BOS v1 any more
	Sessions int    `json:"sessions"`      // as far as they are known
	Bytes    int64  `json:"bytes"`         // what BOS's list would have etcd send, estimated
	Limit    int64  `json:"limit"`         // above which the list hangs
	Why      string `json:"why,omitempty"` // why BOS's list was not used

	hang    *state.Hang
	unseen  map[string]bool  // sessions that only the list or etcd has named
	foundIn map[string]Place // by ID, the first place that named it
}

// Remember gives what the next run is to know, once this one has deleted what it could.
func (d *Document) Remember(before state.SessionList) state.SessionList {
	l := d.List
	if l == nil || l.From == "" && l.hang == nil {
		return before
	}
	after := before
	if l.From != "" {
		after.Sessions = l.Sessions
	}
	unseen := maps.Clone(l.unseen)
	for _, o := range d.Objects {
		if o.Kind == policy.Session && (o.Outcome == Deleted || o.Outcome == Gone) {
			after.Sessions--
			delete(unseen, o.Name)
		}
	}
	after.Sessions = max(0, after.Sessions)
	if l.From == FromBOS || l.From == FromEtcd {
		after.Unseen = len(unseen)
	}
	switch {
	case l.From == FromBOS:
		after.Hang = nil
	case l.hang != nil:
		after.Hang = l.hang
	}
	return after
}

// sessions finds out which sessions BOS v1 has, in the way that hurts BOS least: its list hangs where
// there are too many, and then goes on inside BOS after its client has left (docs/csm.md, "The
// list that hangs"). Kubernetes and CFS have been listed before.
func (c *collection) sessions(ctx, recording context.Context, memory state.SessionList) {
	c.list = &SessionList{Limit: bos.MaxList}
	if !c.answersAtAll(ctx, memory) {
		return
	}
	keys := c.keys
	if nothing := c.nothingTells(memory); keys == nil && nothing != "" {
		// Asked for all the same, it may hang; and what it says would not be enough to let anything go.
		if c.stillV1(ctx) {
			c.withoutList(nothing)
		}
		return
	}
	if keys == nil && len(c.traces())+memory.Unseen > fewSessions && !c.stillV1(ctx) {
		return
	}
	c.estimate(ctx, keys, memory)
	why := c.list.mayHang(keys != nil, memory.Hang, c.now)
	if why == "" {
		why = c.askList(ctx, memory.Hang)
	}
	if why == "" || !c.stillV1(ctx) {
		return
	}
	if keys == nil {
		c.prove(recording)
		if !c.list.asked() {
			// What Kubernetes names may long be gone from BOS, and then its list is small.
			c.estimate(ctx, nil, memory)
			if again := c.list.mayHang(false, memory.Hang, c.now); again == "" {
				why = c.askList(ctx, memory.Hang)
			}
		}
	}
	switch {
	case why == "":
	case keys != nil:
		c.fromEtcd(keys, why)
	default:
		c.fromKubernetes(why)
	}
}

// answersAtAll tells first whether BOS answers, where nobody knows whether it was its list or all of it that was silent.
func (c *collection) answersAtAll(ctx context.Context, memory state.SessionList) bool {
	if memory.Hang == nil || !memory.Hang.Silent {
		return true
	}
	err := c.systems.BOS.CheckHealth(ctx)
	if err != nil {
		c.withoutList(err.Error())
	}
	return err == nil
}

// asked says whether BOS was asked for its list and did not answer.
func (l *SessionList) asked() bool { return l.hang != nil }

// readKeys reads BOS's etcd, if there is a way to it.
func (c *collection) readKeys(ctx context.Context) {
	if c.systems.Keys == nil {
		return
	}
	begun := time.Now()
	keys, err := c.systems.Keys.Read(ctx)
	c.systems.Timings.took("reading: BOS's etcd", begun, len(keys.Sessions))
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.systems.Log.Warn("BOS's etcd could not be read; going on without it", "error", err.Error())
		c.noEtcd = err
		return
	}
	c.keys = &keys
}

// askList asks for the list, and gives back why it hangs; nothing if it was answered, or failed in a way
// that says nothing about its size.
func (c *collection) askList(ctx context.Context, before *state.Hang) string {
	if err := c.systems.BOS.Err(); err != nil {
		c.withoutList(err.Error()) // nor is it asked for its list, and there is nothing to remember of that
		return ""
	}
	begun, large := time.Now(), float64(c.list.Bytes) > unexplained*float64(c.list.Limit)
	if large {
		c.tell(&state.Hang{At: c.now, Bytes: c.list.Bytes})
	}
	ids, err := c.systems.BOS.List(ctx)
	late := err != nil && ctx.Err() != nil && time.Since(begun) > patience // the run ends before the list does
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		switch {
		case c.list.hang != nil:
			c.tell(c.list.hang)
		case large && err == nil:
			c.tell(nil)
		case large:
			c.tell(before)
		}
	}()
	if errors.Is(err, bos.ErrNoV1) {
		c.noV1()
		return ""
	}
	hangs := errors.Is(err, bos.ErrListHangs)
	if hangs || late || errors.Is(err, bos.ErrSilent) {
		// Where BOS was well directly before and silent directly after, it is the list: on CSM 1.0 that
		// takes all of a BOS with it (docs/csm.md, "BOS under load").
		wasWell := before != nil && before.Silent
		c.list.hang = &state.Hang{At: c.now, Bytes: c.list.Bytes, Silent: !hangs && !wasWell}
	}
	if hangs {
		return err.Error()
	}
	c.answered(inventory.SourceSessions, len(ids), 0, err)
	if err == nil {
		c.seen.SessionIDs, c.seen.Unlisted, c.seen.V1 = ids, inventory.Absent, inventory.Present
		c.listedBy(FromBOS, ids)
	} else {
		c.list.Why = err.Error()
	}
	return ""
}

// patience is how long a list may take that does not hang: one of 4 MiB takes less than a second.
const patience = 5 * time.Second

func (c *collection) tell(hang *state.Hang) {
	if c.hung != nil {
		c.hung(hang)
	}
}

// noV1 is not a failure: BOS has answered and knows no v1. No session is listed, because there are none
// any more. The caller holds the lock.
func (c *collection) noV1() {
	c.hasBOSv1, c.seen.V1 = false, inventory.Absent
	c.answered(inventory.SourceSessions, 0, 0, nil)
	c.seen.SessionIDs, c.seen.Unlisted = nil, inventory.Absent
	c.list.Sessions, c.list.Bytes = 0, 0
}

// stillV1 asks, before or instead of the list, whether there is a BOS v1 at all: where it has been removed,
// its ConfigMaps are still there, and would have it look as if its list were too large.
func (c *collection) stillV1(ctx context.Context) bool {
	if c.seen.V1 == inventory.Present {
		return true
	}
	presence, err := c.systems.BOS.V1(ctx)
	switch {
	case err != nil:
		c.withoutList(err.Error())
	case presence == inventory.Absent:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.noV1()
	default:
		c.seen.V1 = inventory.Present
		return true
	}
	return false
}

func (c *collection) withoutList(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list.Why = why
	c.answered(inventory.SourceSessions, 0, 0, errors.New(why))
}

// fromEtcd takes the keys for the list: BOS makes it of nothing else.
func (c *collection) fromEtcd(keys *bosetcd.Keys, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered(inventory.SourceSessions, len(keys.Sessions), 0, nil)
	c.sources[inventory.SourceSessions].Listed = false
	c.seen.SessionIDs, c.seen.Unlisted = keys.Sessions, inventory.Absent
	c.listedBy(FromEtcd, keys.Sessions)
	c.list.Why = why
	c.systems.Log.Warn("the sessions were read from BOS's etcd", "sessions", len(keys.Sessions), "keys", keys.Count, "why", why)
}

// fromKubernetes goes on with those sessions of which BOS has given the record: that they are there needs no
// list. That others are not is not known, and nothing is concluded from it.
func (c *collection) fromKubernetes(why string) {
	if c.noEtcd != nil {
		why += "; " + c.noEtcd.Error()
	}
	c.withoutList(why)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list.From = FromKubernetes
	ids := c.proven()
	c.sources[inventory.SourceSessions].Count = len(ids)
	c.seen.SessionIDs, c.seen.Unlisted = ids, inventory.Unknown
	c.systems.Log.Warn("BOS's list of sessions cannot be had; only sessions that something else names are collected", "sessions", len(ids), "why", why)
}

// listedBy notes where the sessions come from. The caller holds the lock.
func (c *collection) listedBy(from string, ids []string) {
	c.list.From, c.list.Sessions, c.list.unseen = from, len(ids), map[string]bool{}
	traces := c.traces()
	for _, id := range ids {
		if !traces[id] {
			c.list.unseen[id] = true
		}
	}
}

// contradicted takes back that etcd has told of all sessions, where BOS has the record of one that etcd does
// not have: then it is the etcd of another BOS, or one that BOS has left. What was made after etcd
// was read is no contradiction.
func (c *collection) contradicted(w *world) {
	if c.list == nil || c.list.From != FromEtcd {
		return
	}
	for _, g := range w.snapshot.Groups {
		start := g.Record.Start.At()
		if g.Listed != inventory.Absent || g.Record.Presence != inventory.Present || start.IsZero() || c.now.Sub(start) < time.Hour {
			continue
		}
		c.failed(inventory.SourceSessions, fmt.Sprintf("BOS has a record of session %s, and the etcd at BOSGC_BOS_ETCD_ENDPOINTS has no key of it; is it the etcd of this BOS?", g.ID))
		w.seen.Unlisted = inventory.Unknown
		for _, other := range w.snapshot.Groups {
			if other.Listed == inventory.Absent {
				other.Listed = inventory.Unknown
			}
		}
		return
	}
}

// origin says of a session how its ID was come by, for a person and for a program.
func (l *SessionList) origin(o *Object) {
	if l == nil || o.Kind != policy.Session {
		return
	}
	switch l.From {
	case FromBOS:
		o.FoundIn = inBOS
	case FromEtcd:
		o.FoundIn = inEtcd
	default:
		o.FoundIn = l.foundIn[o.Name]
	}
	if l.From != FromBOS && o.FoundIn != "" {
		o.Detail += "; its ID is from " + string(o.FoundIn)
	}
}
