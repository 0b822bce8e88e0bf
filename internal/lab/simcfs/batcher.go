package simcfs

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Batcher is one process of CFS's batcher: it makes CFS sessions of the components that are enabled and
// pending. It has what it knows in its memory alone, so two of them know nothing of each other, and a
// new one begins with what it can rebuild (docs/csm.md, "The batcher"). It moves by Tick only.
type Batcher struct {
	cfs  *Server
	uuid func() string

	state    BatcherState
	next     time.Time // check
	batches  []*batch
	busy     map[string]bool // components in a batch, sent or not
	failures int             // CFS sessions in a row that failed
	hold     time.Time       // nothing is sent before
}

// BatcherState says what a batcher is about.
type BatcherState string

// States of a batcher. One that is stuck tries its rebuild again for ever; one that is dead has crashed
// in it, and its process lives on.
const (
	BatcherStarts BatcherState = "starting"
	BatcherWorks  BatcherState = "working"
	BatcherStuck  BatcherState = "stuck"
	BatcherDead   BatcherState = "dead"
)

// batchKey is what the components of one batch have in common. Their tags are not in it: that is how
// components of different BOS sessions come into one batch.
type batchKey struct {
	configuration string
	failed        bool // the layer was tried before
}

type batch struct {
	key     batchKey
	ids     []string
	setters map[string]bool   // who had set the desired configurations, when the components came in
	tags    map[string]string // that all of them had then
	since   time.Time
	session string // empty until it is sent
}

// NewBatcher starts a batcher; uuid draws the names of its CFS sessions.
func (s *Server) NewBatcher(uuid func() string) *Batcher {
	return &Batcher{cfs: s, uuid: uuid, state: BatcherStarts, busy: map[string]bool{}}
}

// State says what the batcher is about.
func (b *Batcher) State() BatcherState { return b.state }

// Backoff is how long from now on the batcher sends nothing.
func (b *Batcher) Backoff(now time.Time) time.Duration { return max(0, b.hold.Sub(now)) }

// Unsent lists the components in batches that wait to be sent, sorted.
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

// Tick lets the batcher do what is due.
func (b *Batcher) Tick(now time.Time) {
	if b.state == BatcherDead || now.Before(b.next) {
		return
	}
	b.cfs.mu.Lock()
	defer b.cfs.mu.Unlock()
	b.next = now.Add(seconds(b.cfs.options.Batcher.CheckInterval))
	if b.state != BatcherWorks {
		b.rebuild(now)
		return
	}
	b.watch(now)
	b.gather(now)
	b.send(now)
}

// rebuild takes up the sessions of the batcher before. It reads each component that they name, and one
// that is not there any more is more than it can bear: the old batcher's thread dies, and its process
// goes on; the new one tries again, for ever.
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
			taken.key = batchKey{session.Configuration, component.failed()}
			taken.ids = append(taken.ids, id)
		}
		found = append(found, taken)
	}
	b.batches, b.state = found, BatcherWorks
}

// watch looks how the sent batches get on. One whose session is gone is dropped.
func (b *Batcher) watch(now time.Time) {
	b.batches = slices.DeleteFunc(b.batches, func(sent *batch) bool {
		if sent.session == "" {
			return false
		}
		session, ok := b.cfs.sessions[sent.session]
		if ok && session.Status != "complete" {
			return false
		}
		for _, id := range sent.ids {
			delete(b.busy, id)
		}
		if ok {
			b.ended(session, sent, now)
		}
		return true
	})
}

// restAfter is the number of failures in a row from which on the batcher rests after each.
const restAfter = 20

func (b *Batcher) ended(session Session, sent *batch, now time.Time) {
	if session.Succeeded == "true" {
		b.failures, b.hold = 0, time.Time{}
		return
	}
	options := b.cfs.options.Batcher
	for _, id := range sent.ids {
		component, ok := b.cfs.components[id]
		if ok && component.Status == "pending" && component.DesiredConfig == sent.key.configuration {
			component.ErrorCount++
			component.Status = component.status(options.RetryPolicy)
			b.cfs.components[id] = component
		}
	}
	if b.failures++; b.failures >= restAfter {
		rest, most := time.Minute, seconds(options.MaxBackoff)
		for n := restAfter; n < b.failures && rest < most; n++ {
			rest *= 2
		}
		b.hold = now.Add(min(rest, most))
	}
}

// gather puts every component that is enabled, pending and in no batch yet into one. After a rebuild the
// components of sessions taken up are not known as busy: they are only found by the key of their batch,
// so one whose configuration has changed meanwhile gets a second session beside the first.
func (b *Batcher) gather(now time.Time) {
	for _, id := range b.cfs.componentIDs() {
		component := b.cfs.components[id]
		if !component.Enabled || component.Status != "pending" || b.busy[id] {
			continue
		}
		key := batchKey{component.DesiredConfig, component.failed()}
		if b.taken(id, key) {
			continue
		}
		b.open(key, now).add(component)
		b.busy[id] = true
	}
}

// add puts a component into a batch, as it is now. The tags of the batch are those that all its
// components have with the same value.
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

func (b *Batcher) taken(id string, key batchKey) bool {
	return slices.ContainsFunc(b.batches, func(sent *batch) bool {
		return sent.session != "" && sent.key == key && slices.Contains(sent.ids, id)
	})
}

// open is the batch of a key that takes one more component.
func (b *Batcher) open(key batchKey, now time.Time) *batch {
	for _, waiting := range b.batches {
		if waiting.session == "" && waiting.key == key && len(waiting.ids) < b.cfs.options.Batcher.BatchSize {
			return waiting
		}
	}
	b.batches = append(b.batches, &batch{key: key, since: now})
	return b.batches[len(b.batches)-1]
}

// send makes the CFS sessions of what is full or has waited long enough. Nothing looks whether the
// components still want the configuration, or still have the tags.
func (b *Batcher) send(now time.Time) {
	options := b.cfs.options.Batcher
	if now.Before(b.hold) || options.Disable {
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
