package gc

import "bosgc/policy"

// cutBatches cuts the list of objects, from the given one on, where the session changes, and stops where the budget
// ends. It returns only batches with something to delete, and the place to go on from.
func (x *executor) cutBatches(objects []Object, from, budget int) (batches []batch, rest int) {
	for i := from; i < len(objects); i++ {
		o := &objects[i]
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
			return batches, i
		}
		begins := o.Session == "" || last < 0 || batches[last].id != o.Session
		// If a session is deleted before its ConfigMap, because that alone tells its age, the ConfigMap must not be
		// left for another run: nothing would lead to it any more.
		together := 1
		if o.Kind == policy.Session {
			together = countWithConfigMaps(objects[i:])
		}
		if budget == 0 || together > budget && together <= x.limits.MaxDeletes {
			return batches, i
		}
		budget--
		if begins {
			batches = append(batches, batch{id: o.Session})
			last++
		}
		batches[last].objects = append(batches[last].objects, o)
	}
	return batches, len(objects)
}

// countWithConfigMaps counts a session and its ConfigMaps that are deleted after it.
func countWithConfigMaps(objects []Object) int {
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
