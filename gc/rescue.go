package gc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/bos"
	"bosgc/bosetcd"
	"bosgc/inventory"
	"bosgc/policy"
	"bosgc/state"
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
	unseen  map[string]bool   // sessions that only the list or etcd has named
	foundIn map[string]string // by ID, the first place that named it
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

// The list is asked for only if it would have at most so much of what BOS can take.
//
// Where etcd has been read, keys are counted and values weighed in a sample, with three standard
// deviations on top: what is left to chance is small, and a tenth stays for what comes up until
// BOS asks.
//
// Without etcd the weight of a session is guessed by the nodes in the status of some (see weight).
// A guess can be wrong by half, in both directions; the weights are taken so that it is rather too
// large: 2,500 sessions of 600 nodes, in one phase, hung with 14 MB, and the guess for them is
// 31 MB; 1,500 of 60 nodes still answered, and the guess is 4.6 MB. A quarter stays for sessions that
// neither Kubernetes nor an earlier list has named. Being too careful costs little: a sweep that goes
// without the list drains what is finished, and one of the next asks.
const (
	shareByEtcd  = 0.9
	shareByGuess = 0.75
)

// After a hang the list is known to have been too large for BOS when it was taken for so large, and
// nobody knows by how much. On the same day it must look half as large before it is asked for
// again, so that a wrong guess costs one worker of BOS, and a few at most until it is small
// enough. After that three quarters do.
//
// One that was taken for less than a quarter of the limit did not hang for its size, or nothing is known
// of its size. It is left alone for a day whatever becomes of it, and then asked for once: else one
// slow hour of BOS would keep the list away for ever.
const (
	shareOfHang = 0.5
	laterOfHang = 0.75
	unexplained = 0.25
	hangIsFresh = 24 * time.Hour
)

// sessions finds out which sessions BOS v1 has, in the way that hurts BOS least: its list hangs where
// there are too many, and then goes on inside BOS after its client has left (docs/csm.md, "The
// list that hangs"). Kubernetes and CFS have been listed before.
func (c *collection) sessions(ctx, recording context.Context, memory state.SessionList) {
	c.list = &SessionList{Limit: bos.MaxList}
	if !c.answersAtAll(ctx, memory) {
		return
	}
	keys := c.readKeys(ctx)
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
	err := c.systems.BOS.Well(ctx)
	if err != nil {
		c.withoutList(err.Error())
	}
	return err == nil
}

// nothingTells says why nobody knows how large the list is; empty if something tells.
func (c *collection) nothingTells(memory state.SessionList) string {
	const so = ", so nobody knows how large it is, and one that is too large hangs BOS"
	switch {
	case memory.Sessions > 0:
		return ""
	case !c.seen.Evidence.ConfigMaps || !c.seen.Evidence.Jobs:
		return "BOS was not asked for its list: Jobs and ConfigMaps could not be read completely" + so
	case !c.ca && len(c.traces()) == 0:
		return "BOS was not asked for its list: nothing in this namespace is of BOS" + so
	}
	return ""
}

// asked says whether BOS was asked for its list and did not answer.
func (l *SessionList) asked() bool { return l.hang != nil }

// readKeys is nil without an etcd that could be read.
func (c *collection) readKeys(ctx context.Context) *bosetcd.Keys {
	if c.systems.Keys == nil {
		return nil
	}
	keys, err := c.systems.Keys.Read(ctx)
	if err != nil {
		c.systems.Log.Warn("BOS's etcd could not be read; going on without it", "error", err.Error())
		c.noEtcd = err
		return nil
	}
	return &keys
}

// estimate says how many sessions there are and what their list would have etcd send.
func (c *collection) estimate(ctx context.Context, keys *bosetcd.Keys, memory state.SessionList) {
	if keys != nil {
		c.list.Sessions, c.list.Bytes = len(keys.Sessions), keys.Bytes
		return
	}
	known := 0
	for id := range c.traces() {
		// One that BOS was asked for in this run, and does not have, weighs nothing.
		if record, asked := c.known[id]; !asked || record.Presence != inventory.Absent {
			known++
		}
	}
	c.list.Sessions = known + memory.Unseen
	if !c.seen.Evidence.ConfigMaps || !c.seen.Evidence.Jobs {
		c.list.Sessions = max(c.list.Sessions, memory.Sessions)
	}
	if c.weight == 0 {
		c.weight = usualWeight
		if c.list.Sessions > fewSessions {
			c.weight = c.weigh(ctx)
		}
	}
	c.list.Bytes = int64(c.list.Sessions) * c.weight
}

// traces are the sessions that Kubernetes knows of. BOS v1 makes a ConfigMap for each and never removes it.
func (c *collection) traces() map[string]bool {
	ids := map[string]bool{}
	for _, job := range c.seen.Jobs {
		ids[job.Session] = true
	}
	for _, cm := range c.seen.ConfigMaps {
		if cm.Fault == "" {
			ids[cm.Name] = true
		}
	}
	delete(ids, "")
	return ids
}

const (
	// fewSessions are so few that nothing has to be weighed: even of 6,000 nodes in three phases each,
	// about 340 KB, they stay below the limit.
	fewSessions = 12
	// weighed is how many sessions are looked into: a request to Kubernetes and one or two to BOS each.
	weighed = 6
	// usualWeight is that of a session of which nothing can be weighed, in bytes: in the documented case of
	// a list that hung, 4,870,618 bytes were in 10,836 keys, about ten for each session.
	usualWeight = 4500
	// attributesWeight is what a session has besides its boot sets: four attributes and a status
	// record, with their keys.
	attributesWeight = 1000
	// setWeight is a boot set without its nodes, nodeWeight what a node has besides its name in each
	// phase.
	setWeight  = 1000
	nodeWeight = 4
)

// weigh gives the mean weight of some sessions, from old to new, in bytes. What dominates it are the
// lists of nodes that BOS keeps for each boot set, phase and category, and of those BOS tells
// session by session.
func (c *collection) weigh(ctx context.Context) int64 {
	cms := slices.DeleteFunc(slices.Clone(c.seen.ConfigMaps), func(cm inventory.ConfigMap) bool {
		return cm.Fault != "" || !inventory.IsSessionID(cm.Name)
	})
	slices.SortFunc(cms, func(a, b inventory.ConfigMap) int {
		return cmp.Or(a.Created.At.Compare(b.Created.At), cmp.Compare(a.Name, b.Name))
	})
	n := min(len(cms), weighed)
	var sum, of int64
	for i := range n {
		if w := c.weightOf(ctx, cms[i*len(cms)/n].Name); w > 0 {
			sum += w
			of++
		}
	}
	c.countBOS()
	if of == 0 {
		return usualWeight
	}
	return sum / of
}

// weightOf is 0 if it cannot be told, because the session has gone for instance.
func (c *collection) weightOf(ctx context.Context, id string) (sum int64) {
	template, _, err := c.systems.Kube.Template(ctx, id)
	if err != nil {
		return 0
	}
	for _, name := range template.BootSets {
		set, err := c.systems.BOS.BootSetStatus(ctx, id, name)
		if err != nil || len(set.Phases) == 0 {
			continue
		}
		sum += setWeight
		for _, phase := range set.Phases {
			for _, category := range phase.Categories {
				for _, node := range category.Nodes {
					sum += int64(len(node)) + nodeWeight
				}
			}
		}
	}
	if sum > 0 {
		sum += attributesWeight
	}
	return sum
}

// mayHang says why the list is not to be asked for; empty if it may be.
func (l *SessionList) mayHang(byEtcd bool, hang *state.Hang, now time.Time) string {
	share := shareByGuess
	if byEtcd {
		share = shareByEtcd
	}
	if bar := int64(share * float64(l.Limit)); l.Bytes > bar {
		return fmt.Sprintf("BOS was not asked for its list: for about %d sessions etcd would send about %s, BOS takes %s, and asking for more hangs BOS (it is asked again below %s)",
			l.Sessions, megabytes(l.Bytes), megabytes(l.Limit), megabytes(bar))
	}
	if hang == nil || hang.Silent {
		return ""
	}
	at := hang.At.UTC().Format("2006-01-02 15:04 UTC")
	small := int64(unexplained * float64(l.Limit))
	bar := int64(shareOfHang * float64(hang.Bytes))
	age := now.Sub(hang.At)
	fresh := age >= 0 && age < hangIsFresh // a clock that was set says nothing, and waiting for it helps nobody
	switch {
	case !fresh:
		bar = max(small, int64(laterOfHang*float64(hang.Bytes)))
	case hang.Bytes <= small:
		return fmt.Sprintf("BOS was not asked for its list: on %s it hung although it was taken for %s only (it is asked again a day later)", at, megabytes(hang.Bytes))
	}
	if l.Bytes <= bar {
		return ""
	}
	return fmt.Sprintf("BOS was not asked for its list: on %s it hung when it was taken for %s, and it is taken for %s now (it is asked again below %s)",
		at, megabytes(hang.Bytes), megabytes(l.Bytes), megabytes(bar))
}

func megabytes(n int64) string { return fmt.Sprintf("%.2f MB", float64(n)/1e6) }

// askList asks for the list, and gives back why it hangs; nothing if it was answered, or failed in a way
// that says nothing about its size.
func (c *collection) askList(ctx context.Context, before *state.Hang) string {
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

// prove asks BOS one by one for the sessions that anything names. Single sessions are answered in
// milliseconds also while the list hangs.
func (c *collection) prove(ctx context.Context) {
	if !c.seen.Evidence.Complete() {
		return // nothing of a session goes then, whatever BOS says
	}
	c.known, c.list.foundIn = map[string]inventory.Record{}, c.named(ctx)
	ids := slices.Collect(maps.Keys(c.list.foundIn))
	// In another order each time, see records.
	rand.Shuffle(len(ids), func(a, b int) { ids[a], ids[b] = ids[b], ids[a] })
	var mu sync.Mutex
	var all errgroup.Group
	all.SetLimit(c.systems.BOSConcurrency)
	asked := c.systems.pace("asking BOS for sessions one by one", len(ids))
	defer asked.end()
	for _, id := range ids {
		all.Go(func() error {
			defer asked.step()
			record, err := c.systems.BOS.Get(ctx, id)
			if err != nil {
				record = inventory.Record{Err: err.Error()}
			}
			mu.Lock()
			defer mu.Unlock()
			c.known[id] = record
			return nil
		})
	}
	_ = all.Wait() // each record holds its own error
	c.countBOS()
}

// named gives every ID that is worth a question, and what names it.
func (c *collection) named(ctx context.Context) map[string]string {
	found := map[string]string{}
	note := func(id, place string) {
		if inventory.IsSessionID(id) && found[id] == "" {
			found[id] = place
		}
	}
	snapshot := inventory.Join(c.seen)
	judge := policy.NewJudge(snapshot, c.settings, c.now, policy.Memory{})
	running := map[string]bool{}
	for _, g := range snapshot.Groups {
		if running[g.ID] = judge.Running(g) != ""; running[g.ID] {
			continue // it stays, whatever BOS says
		}
		jobs, _ := g.Jobs()
		cms, _ := g.ConfigMaps()
		switch {
		case len(jobs) > 0:
			note(g.ID, inventory.SourceJobs)
		case len(cms) > 0:
			note(g.ID, inventory.SourceConfigMaps)
		default:
			note(g.ID, inventory.SourceCFSSessions)
		}
		for _, cm := range cms { // the Job says whose it is; its own name may be a session's, too
			note(cm.Name, inventory.SourceConfigMaps)
		}
	}
	source := &inventory.Source{Name: inventory.SourceCFSComponents}
	before := c.systems.CFS.Requests()
	tags, err := c.systems.CFS.Tags(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sources[source.Name] = source
	c.answered(source.Name, len(tags), c.systems.CFS.Requests()-before, err)
	for _, id := range tags {
		if !running[id] {
			note(id, inventory.SourceCFSComponents)
		}
	}
	return found
}

// proven are the sessions that BOS has given the record of. A session waits that has a ConfigMap of another
// name of which BOS did not say whether there is a session of that name, too: it might be that one's.
func (c *collection) proven() []string {
	unsure := map[string]bool{}
	for _, g := range inventory.Join(c.seen).Groups {
		cms, _ := g.ConfigMaps()
		for _, cm := range cms {
			if cm.Name != g.ID && c.known[cm.Name].Presence == inventory.Unknown {
				unsure[g.ID] = true
			}
		}
	}
	ids := []string{}
	for id, record := range c.known {
		if record.Presence == inventory.Present && !unsure[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// contradicted takes back that etcd has told of all sessions, where BOS has the record of one that etcd does
// not have: then it is the etcd of another BOS, or one that BOS has left. What was made after etcd
// was read is no contradiction.
func (c *collection) contradicted(w *world) {
	if c.list == nil || c.list.From != FromEtcd {
		return
	}
	for _, g := range w.snapshot.Groups {
		start := g.Record.Start.At
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
		o.FoundIn = inventory.SourceSessions
	case FromEtcd:
		o.FoundIn = "bos-etcd"
	default:
		o.FoundIn = l.foundIn[o.Name]
	}
	if l.From != FromBOS && o.FoundIn != "" {
		o.Detail += "; its ID is from " + o.FoundIn
	}
}
