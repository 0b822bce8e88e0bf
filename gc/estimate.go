package gc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bosgc/internal/bos"
	"bosgc/internal/bosetcd"
	"bosgc/internal/inventory"
	"bosgc/internal/state"
)

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
		return cmp.Or(a.Created.At().Compare(b.Created.At()), cmp.Compare(a.Name, b.Name))
	})
	n := min(len(cms), weighed)
	var sum, of int64
	for i := range n {
		w, silent := c.weightOf(ctx, cms[i*len(cms)/n].Name)
		// One that hangs is one of the few after which no session is asked for any more: it is the last of these.
		if silent {
			break
		}
		if w > 0 {
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

// weightOf is 0 if it cannot be told, because the session has gone for instance. silent is a BOS that did not answer.
func (c *collection) weightOf(ctx context.Context, id string) (sum int64, silent bool) {
	template, _, err := c.systems.Kube.ReadTemplate(ctx, id)
	if err != nil {
		return 0, false
	}
	for _, name := range template.BootSets {
		set, err := c.systems.BOS.BootSetStatus(ctx, id, name)
		if errors.Is(err, bos.ErrStuck) || errors.Is(err, bos.ErrSilent) {
			return 0, true
		}
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
	return sum, false
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
