package collect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bosgc/internal/bos"
	"bosgc/internal/inventory"
	"bosgc/internal/margin"
	"bosgc/internal/state"
)

// sessionFinder finds out which sessions BOS v1 has, in the way that hurts BOS least: its list hangs where there are
// too many, and then goes on inside BOS after its client has left (docs/csm.md, "The list that hangs"). Kubernetes
// and CFS have been listed before.
type sessionFinder struct {
	listSizer

	list       *SessionList
	memory     state.SessionList
	recordHang func(*state.Hang) // see Options; may be nil
}

func newSessionFinder(records *recordReader, memory state.SessionList, recordHang func(*state.Hang)) *sessionFinder {
	return &sessionFinder{
		listSizer: listSizer{recordReader: records}, list: &SessionList{Limit: bos.MaxList},
		memory: memory, recordHang: recordHang,
	}
}

// find asks for the list, or for what stands in for it. Single records are read until probing ends.
func (f *sessionFinder) find(ctx, probing context.Context) {
	if !f.bosAnswers(ctx) {
		return
	}
	if unknown := f.unknownSize(f.memory); f.keys == nil && unknown != "" {
		// Asked for all the same, the list may hang; and it would not be enough to delete anything.
		if f.stillHasV1(ctx) {
			f.withoutList(unknown)
		}
		return
	}
	if f.keys == nil && len(f.kubernetesSessions())+f.memory.Unseen > fewSessions && !f.stillHasV1(ctx) {
		return
	}
	f.estimate(ctx, f.list, f.memory)
	why := f.list.hangRisk(f.keys != nil, f.memory.Hang, f.now)
	if why == "" {
		why = f.askForList(ctx)
	}
	if why == "" || !f.stillHasV1(ctx) {
		return
	}
	if f.keys == nil {
		why = f.probeAndAskAgain(ctx, probing, why)
	}
	switch {
	case why == "":
	case f.keys != nil:
		f.useKeys(why)
	default:
		f.useProbed(why)
	}
}

// probeAndAskAgain asks for the sessions one by one, and then for the list if BOS turns out to have fewer sessions
// than Kubernetes names.
func (f *sessionFinder) probeAndAskAgain(ctx, probing context.Context, why string) string {
	f.list.foundIn = f.probe(probing)
	if f.list.hung() {
		return why
	}
	f.estimate(ctx, f.list, f.memory)
	if why := f.list.hangRisk(false, f.memory.Hang, f.now); why != "" {
		return why
	}
	return f.askForList(ctx)
}

// bosAnswers asks first whether BOS answers at all, where nobody knows whether its list or all of it was silent.
func (f *sessionFinder) bosAnswers(ctx context.Context) bool {
	if f.memory.Hang == nil || !f.memory.Hang.Silent {
		return true
	}
	err := f.clients.BOS.CheckHealth(ctx)
	if err != nil {
		f.withoutList(err.Error())
	}
	return err == nil
}

// askForList asks for the list and returns why it hangs; empty if it was answered, or failed in a way that says
// nothing about its size.
func (f *sessionFinder) askForList(ctx context.Context) string {
	if err := f.clients.BOS.Err(); err != nil {
		f.withoutList(err.Error()) // it is not asked for its list either, and there is nothing to remember of that
		return ""
	}
	begun, large := time.Now(), float64(f.list.Bytes) > unexplainedShare*float64(f.list.Limit)
	if large {
		f.noteHang(&state.Hang{At: f.now, Bytes: f.list.Bytes})
	}
	ids, err := f.clients.BOS.List(ctx)
	late := err != nil && ctx.Err() != nil && time.Since(begun) > margin.ListPatience // the run ends before the list does
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.noteOutcome(large, err)
	if errors.Is(err, bos.ErrNoV1) {
		f.noteNoV1()
		return ""
	}
	hangs := errors.Is(err, bos.ErrListHangs)
	if hangs || late || errors.Is(err, bos.ErrSilent) {
		// Where BOS was well directly before and silent directly after, it is the list: on CSM 1.0 that takes all
		// of a BOS with it (docs/csm.md, "BOS under load").
		wasWell := f.memory.Hang != nil && f.memory.Hang.Silent
		f.list.hang = &state.Hang{At: f.now, Bytes: f.list.Bytes, Silent: !hangs && !wasWell}
	}
	if hangs {
		return err.Error()
	}
	f.recordAnswer(inventory.SourceSessions, len(ids), 0, err)
	if err == nil {
		f.seen.SessionIDs, f.seen.Unlisted, f.seen.V1 = ids, inventory.Absent, inventory.Present
		f.listedBy(FromBOS, ids)
	} else {
		f.list.Why = err.Error()
	}
	return ""
}

// noteOutcome has remembered how the list did that was just asked for.
func (f *sessionFinder) noteOutcome(large bool, err error) {
	switch {
	case f.list.hang != nil:
		f.noteHang(f.list.hang)
	case large && err == nil:
		f.noteHang(nil)
	case large:
		f.noteHang(f.memory.Hang)
	}
}

func (f *sessionFinder) noteHang(hang *state.Hang) {
	if f.recordHang != nil {
		f.recordHang(hang)
	}
}

// noteNoV1 is not a failure: BOS has answered and knows no v1. No session is listed, because there are none any
// more. The caller holds the lock.
func (f *sessionFinder) noteNoV1() {
	f.hasBOSv1, f.seen.V1 = false, inventory.Absent
	f.recordAnswer(inventory.SourceSessions, 0, 0, nil)
	f.seen.SessionIDs, f.seen.Unlisted = nil, inventory.Absent
	f.list.Sessions, f.list.Bytes = 0, 0
}

// stillHasV1 asks, before or instead of the list, whether there is a BOS v1 at all: where it has been removed, its
// ConfigMaps are still there and would make its list look too large.
func (f *sessionFinder) stillHasV1(ctx context.Context) bool {
	if f.seen.V1 == inventory.Present {
		return true
	}
	presence, err := f.clients.BOS.V1(ctx)
	switch {
	case err != nil:
		f.withoutList(err.Error())
	case presence == inventory.Absent:
		f.mu.Lock()
		defer f.mu.Unlock()
		f.noteNoV1()
	default:
		f.seen.V1 = inventory.Present
		return true
	}
	return false
}

func (f *sessionFinder) withoutList(why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list.Why = why
	f.recordAnswer(inventory.SourceSessions, 0, 0, errors.New(why))
}

// useKeys takes the keys in etcd for the list: BOS makes it of nothing else.
func (f *sessionFinder) useKeys(why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recordAnswer(inventory.SourceSessions, len(f.keys.Sessions), 0, nil)
	f.sources[inventory.SourceSessions].Listed = false
	f.seen.SessionIDs, f.seen.Unlisted = f.keys.Sessions, inventory.Absent
	f.listedBy(FromEtcd, f.keys.Sessions)
	f.list.Why = why
	f.clients.Log.Warn("the sessions were read from BOS's etcd",
		"sessions", len(f.keys.Sessions), "keys", f.keys.Count, "why", why)
}

// useProbed goes on with those sessions of which BOS has given the record: that they exist needs no list. That others
// do not is not known, and nothing is concluded from it.
func (f *sessionFinder) useProbed(why string) {
	if f.keysErr != nil {
		why += "; " + f.keysErr.Error()
	}
	f.withoutList(why)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list.From = FromKubernetes
	ids := f.present()
	f.sources[inventory.SourceSessions].Count = len(ids)
	f.seen.SessionIDs, f.seen.Unlisted = ids, inventory.Unknown
	f.clients.Log.Warn("BOS's list of sessions cannot be had; only sessions that something else names are collected",
		"sessions", len(ids), "why", why)
}

// listedBy notes where the sessions come from. The caller holds the lock.
func (f *sessionFinder) listedBy(from string, ids []string) {
	f.list.From, f.list.Sessions, f.list.unseen = from, len(ids), map[string]bool{}
	named := f.kubernetesSessions()
	for _, id := range ids {
		if !named[id] {
			f.list.unseen[id] = true
		}
	}
}

// distrustEtcd takes back that etcd has named all sessions, where BOS has the record of one that etcd does not have:
// then it is the etcd of another BOS, or one that BOS has left. What was created after etcd was read contradicts
// nothing.
func (f *sessionFinder) distrustEtcd(w *World) {
	if f.list.From != FromEtcd {
		return
	}
	for _, g := range w.Snapshot.Groups {
		start := g.Record.Start.At()
		if g.Listed != inventory.Absent || g.Record.Presence != inventory.Present || start.IsZero() ||
			f.now.Sub(start) < margin.JustMade {
			continue
		}
		f.markIncomplete(inventory.SourceSessions, fmt.Sprintf("BOS has a record of session %s, and the etcd at "+
			"BOSGC_BOS_ETCD_ENDPOINTS has no key of it; is it the etcd of this BOS?", g.ID))
		w.Seen.Unlisted = inventory.Unknown
		for i, other := range w.Snapshot.Groups {
			if other.Listed == inventory.Absent {
				w.Snapshot.Groups[i] = other.WithListed(inventory.Unknown)
			}
		}
		return
	}
}
