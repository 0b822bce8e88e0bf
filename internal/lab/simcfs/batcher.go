package simcfs

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Batcher is one process of CFS's batcher: it creates CFS sessions for the components that are enabled and pending. Its
// state is in memory alone, so two of them know nothing of each other, and a new one begins with what it can rebuild
// (docs/csm.md, "The batcher"). Time passes for it in Tick alone.
type Batcher struct {
	cfs  *Server
	uuid func() string

	state     BatcherState
	nextCheck time.Time // check
	batches   []*batch
	inBatch   map[string]bool // components in a batch, sent or not
	failures  int             // failed CFS sessions in a row
	restUntil time.Time       // nothing is sent before
}

// BatcherState is the state of a batcher.
type BatcherState string

// States of a batcher. A stuck one tries to rebuild again for ever; a dead one has crashed while rebuilding, and its
// process lives on.
const (
	BatcherStarting BatcherState = "starting"
	BatcherWorking  BatcherState = "working"
	BatcherStuck    BatcherState = "stuck"
	BatcherDead     BatcherState = "dead"
)

// batchKey is what the components of a batch have in common. Tags are not part of it, so components of different BOS
// sessions get into one batch.
type batchKey struct {
	configuration string
	failed        bool // an earlier try failed
}

type batch struct {
	key     batchKey
	ids     []string
	setters map[string]bool   // sessions that had set the desired configurations when the components were added
	tags    map[string]string // those that all components had then
	since   time.Time
	session string // empty until it is sent
}

// NewBatcher starts a batcher. The names of its CFS sessions come from uuid.
func (s *Server) NewBatcher(uuid func() string) *Batcher {
	return &Batcher{cfs: s, uuid: uuid, state: BatcherStarting, inBatch: map[string]bool{}}
}

// State returns the batcher's state.
func (b *Batcher) State() BatcherState { return b.state }

// Backoff returns for how long from now on the batcher sends nothing.
func (b *Batcher) Backoff(now time.Time) time.Duration { return max(0, b.restUntil.Sub(now)) }

// Unsent returns the components in batches that wait to be sent, sorted.
func (b *Batcher) Unsent() []string {
	var ids []string
	for _, waiting := range b.batches {
		if waiting.session == "" {
			ids = append(ids, waiting.ids...)
		}
	}
	slices.Sort(ids)
	return ids
}

// Tick does what is due by now.
func (b *Batcher) Tick(now time.Time) {
	if b.state == BatcherDead || now.Before(b.nextCheck) {
		return
	}
	b.cfs.mu.Lock()
	defer b.cfs.mu.Unlock()
	b.nextCheck = now.Add(seconds(b.cfs.batcher().CheckInterval))
	if b.state != BatcherWorking {
		b.rebuild(now)
		return
	}
	b.checkSent(now)
	b.gather(now)
	b.send(now)
}

// rebuild takes over the sessions of the batcher before. It reads each component that they name and fails on one that
// no longer exists: older releases' thread dies while the process goes on, newer ones try again for ever.
func (b *Batcher) rebuild(now time.Time) {
	var found []*batch
	for _, name := range b.cfs.sessionNames() {
		session := b.cfs.sessions[name]
		if !strings.Contains(name, "batcher") || session.Status == "complete" {
			continue
		}
		taken := &batch{key: batchKey{configuration: session.Configuration}, since: now, session: name}
		for id := range strings.SplitSeq(session.Limit, ",") {
			component, ok := b.cfs.components[id]
			if !ok {
				b.state = BatcherStuck
				if b.cfs.options.RebuildCrashes {
					b.state = BatcherDead
				}
				return
			}
			taken.key = b.keyOf(session.Configuration, component)
			taken.ids = append(taken.ids, id)
		}
		found = append(found, taken)
	}
	b.batches, b.state = found, BatcherWorking
}

func (b *Batcher) keyOf(configuration string, component Component) batchKey {
	_, failed := b.cfs.progressOf(component)
	return batchKey{configuration, failed}
}

// checkSent drops the batches whose session is complete or gone.
func (b *Batcher) checkSent(now time.Time) {
	b.batches = slices.DeleteFunc(b.batches, func(sent *batch) bool {
		if sent.session == "" {
			return false
		}
		session, ok := b.cfs.sessions[sent.session]
		if ok && session.Status != "complete" {
			return false
		}
		for _, id := range sent.ids {
			delete(b.inBatch, id)
		}
		if ok {
			b.sessionEnded(session, sent, now)
		}
		return true
	})
}

// restAfter is the number of failures in a row from which on the batcher rests after each.
const restAfter = 20

func (b *Batcher) sessionEnded(session Session, sent *batch, now time.Time) {
	if session.Succeeded == "true" {
		b.failures, b.restUntil = 0, time.Time{}
		return
	}
	options := b.cfs.batcher()
	for _, id := range sent.ids {
		component, ok := b.cfs.components[id]
		if ok && component.Status == "pending" && component.DesiredConfig == sent.key.configuration {
			component.ErrorCount++
			component.Status = b.cfs.statusOf(component)
			b.cfs.components[id] = component
		}
	}
	if b.failures++; b.failures >= restAfter {
		rest, most := time.Minute, seconds(options.MaxBackoff)
		for n := restAfter; n < b.failures && rest < most; n++ {
			rest *= 2
		}
		b.restUntil = now.Add(min(rest, most))
	}
}

// gather puts every component that is enabled, pending and in no batch yet into one. After a rebuild, components of the
// sessions taken over are found by the key of their batch alone. One whose configuration has changed since gets a
// second session beside the first.
func (b *Batcher) gather(now time.Time) {
	for _, id := range b.cfs.componentIDs() {
		component := b.cfs.components[id]
		if !component.Enabled || component.Status != "pending" || b.inBatch[id] {
			continue
		}
		key := b.keyOf(component.DesiredConfig, component)
		if b.inSentBatch(id, key) {
			continue
		}
		b.openBatch(key, now).add(component)
		b.inBatch[id] = true
	}
}

// add puts a component into a batch. The tags of the batch are those that all its components have with the same value.
func (b *batch) add(component Component) {
	if len(b.ids) == 0 {
		b.tags, b.setters = maps.Clone(orEmpty(component.Tags)), map[string]bool{}
	}
	maps.DeleteFunc(b.tags, func(key, value string) bool {
		have, ok := component.Tags[key]
		return !ok || have != value
	})
	b.ids, b.setters[component.setBy] = append(b.ids, component.ID), true
}

func (b *Batcher) inSentBatch(id string, key batchKey) bool {
	return slices.ContainsFunc(b.batches, func(sent *batch) bool {
		return sent.session != "" && sent.key == key && slices.Contains(sent.ids, id)
	})
}

// openBatch returns a batch of a key that has room for one more component.
func (b *Batcher) openBatch(key batchKey, now time.Time) *batch {
	most := b.cfs.batcher().BatchSize
	for _, waiting := range b.batches {
		if waiting.session == "" && waiting.key == key && len(waiting.ids) < most {
			return waiting
		}
	}
	b.batches = append(b.batches, &batch{key: key, since: now})
	return b.batches[len(b.batches)-1]
}

// send creates the CFS sessions of batches that are full or have waited long enough. As in CFS, nothing checks whether
// the components still want the configuration, or still have the tags.
func (b *Batcher) send(now time.Time) {
	options := b.cfs.batcher()
	if now.Before(b.restUntil) || options.Disable {
		return
	}
	for _, waiting := range b.batches {
		full := len(waiting.ids) >= options.BatchSize
		if waiting.session == "" && (full || now.Sub(waiting.since) >= seconds(options.BatchWindow)) {
			waiting.session = "batcher-" + b.uuid()
			b.cfs.run(Session{
				Name: waiting.session, Configuration: waiting.key.configuration, Limit: strings.Join(waiting.ids, ","),
				Definition: "dynamic", Job: "cfs-" + b.uuid(), Tags: waiting.tags,
			}, now, slices.Sorted(maps.Keys(waiting.setters)))
		}
	}
}
