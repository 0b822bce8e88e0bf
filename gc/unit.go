package gc

import (
	"encoding/json"
	"time"

	"bosgc/internal/inventory"
	"bosgc/policy"
)

// bundle is what of one session is to go. There are thousands, and all are known before the first is begun.
type bundle struct {
	id      string // of the session; empty for a CFS session that names none
	objects []*Object
}

// unit is what is deleted one after the other: the objects of one session, or a single
// CFS session that names none.
type unit struct {
	bundle

	record     inventory.Record
	recordText json.RawMessage // the same, word for word
	recordRead time.Time
	ended      bool // the record is of a session that has ended, and does not change any more
	finishing  bool // see finishes

	readings         map[*Object]*reading
	jobs, configMaps map[string]look // the last one
	deleted          map[string]bool // ConfigMaps
}

// bundles cuts the list of objects, from the given one on, where the session changes, and stops where
// the budget ends. Only bundles with something to delete are given back, and the place to go on from.
func (x *execution) bundles(objects []Object, from, budget int) (bundles []bundle, rest int) {
	for i := from; i < len(objects); i++ {
		o := &objects[i]
		if o.Verdict != policy.Delete || o.Outcome != "" {
			continue
		}
		// The limit may have cut the session in two, so that this is another bundle than the one that failed.
		if because := x.held[o.Session]; because != nil {
			x.wait([]*Object{o}, because)
			continue
		}
		last := len(bundles) - 1
		// Sessions are taken several at a time; what is of several must not meet one of them that is
		// going already.
		if last >= 0 && x.shared(o) != x.shared(bundles[last].objects[0]) {
			return bundles, i
		}
		begins := o.Session == "" || last < 0 || bundles[last].id != o.Session
		// Of a session that goes before its ConfigMap, because that alone tells its age, the
		// ConfigMap must not be left for another run: nothing would lead there any more.
		together := 1
		if o.Kind == policy.Session {
			together = withConfigMaps(objects[i:])
		}
		if budget == 0 || together > budget && together <= x.limits.MaxDeletes {
			return bundles, i
		}
		budget--
		if begins {
			bundles = append(bundles, bundle{id: o.Session})
			last++
		}
		bundles[last].objects = append(bundles[last].objects, o)
	}
	return bundles, len(objects)
}

// withConfigMaps counts a session and the ConfigMaps of it that go after it.
func withConfigMaps(objects []Object) int {
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
