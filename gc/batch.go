package gc

import (
	"context"
	"math/rand/v2"
	"slices"

	"bosgc/policy"
)

// dueObjects returns what is to be deleted, and notes which kinds that is of each session.
func (x *executor) dueObjects(objects []Object) (due []*Object) {
	for i := range objects {
		o := &objects[i]
		if !o.due() {
			continue
		}
		due = append(due, o)
		if kinds := x.kinds[o.Session]; o.Session != "" && !slices.Contains(kinds, o.Kind) {
			x.kinds[o.Session] = append(kinds, o.Kind)
		}
	}
	return due
}

// kindsOf returns the kinds of the whole session, also if the limit has cut it in two: what cannot be ended is not begun.
func (x *executor) kindsOf(b batch) []policy.Kind {
	if b.id == "" {
		return []policy.Kind{b.objects[0].Kind}
	}
	return x.kinds[b.id]
}

// setAside leaves the rest of a session to the end of the run.
func (x *executor) setAside(objects []*Object) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.aside = append(x.aside, objects...)
}

// retryAside returns what was set aside, to be tried again, as long as that helps. Where a kind is held back, one more
// session is tried, and which one is chance. If its object is deleted, the others follow in the order drawn: those that
// always fail, by their age or whatever they have in common, are not first again.
func (x *executor) retryAside() []*Object {
	aside := x.aside
	retried := x.refusals.Retry()
	if !retried && len(aside) >= x.lastAside {
		return nil
	}
	x.aside, x.lastAside = nil, len(aside)
	if !retried {
		return aside
	}
	var sessions [][]*Object
	for i, o := range aside {
		if i == 0 || o.Session == "" || o.Session != aside[i-1].Session {
			sessions = append(sessions, nil)
		}
		last := len(sessions) - 1
		sessions[last] = append(sessions[last], o)
	}
	rand.Shuffle(len(sessions), func(a, b int) { sessions[a], sessions[b] = sessions[b], sessions[a] })
	return slices.Concat(sessions...)
}

// postponeAside leaves to the next sweep what is still set aside.
func (x *executor) postponeAside(ctx context.Context) {
	for _, o := range x.aside {
		if why := x.refusals.Why(x.kindsOf(batch{id: o.Session, objects: []*Object{o}})...); why != "" && o.due() {
			o.Detail = "waits: " + why
		}
	}
	x.postpone(ctx, x.aside)
}

// cutBatches cuts a queue of objects where the session changes, and stops where the budget ends. It returns only batches
// with something to delete, and the rest of the queue.
func (x *executor) cutBatches(queue []*Object, budget int) (batches []batch, rest []*Object) {
	for i, o := range queue {
		if !o.due() {
			continue
		}
		// The limit may have cut the session in two, so that this is another batch than the one that failed.
		if leading := x.blockedBy[o.Session]; leading != nil {
			postponeAfter([]*Object{o}, leading)
			continue
		}
		last := len(batches) - 1
		// Sessions are taken several at a time; what belongs to several must not meet one of them that is being
		// deleted already.
		if last >= 0 && x.shared(o) != x.shared(batches[last].objects[0]) {
			return batches, queue[i:]
		}
		begins := o.Session == "" || last < 0 || batches[last].id != o.Session
		// If a session is deleted before its ConfigMap, because that alone tells its age, the ConfigMap must not be
		// left for another run: nothing would lead to it any more.
		together := 1
		if o.Kind == policy.Session {
			together = countWithConfigMaps(queue[i:])
		}
		if budget == 0 || together > budget && together <= x.limits.MaxDeletes {
			return batches, queue[i:]
		}
		budget--
		if begins {
			batches = append(batches, batch{id: o.Session})
			last++
		}
		batches[last].objects = append(batches[last].objects, o)
	}
	return batches, nil
}

// countWithConfigMaps counts a session and its ConfigMaps that are deleted after it.
func countWithConfigMaps(objects []*Object) int {
	n := 1
	for _, o := range objects[1:] {
		if o.Session != objects[0].Session || o.Kind != policy.ConfigMap {
			break
		}
		if o.Verdict == policy.Delete {
			n++
		}
	}
	return n
}
