package explain

import (
	"cmp"
	"slices"

	"bosgc/internal/collect"
	"bosgc/internal/suggest"
	"bosgc/policy"
)

// shownNearest is how many names are offered.
const shownNearest = 5

// words are the kinds as people write them before a name.
var words = map[policy.Kind]string{
	policy.Session: "session", policy.Job: "job", policy.ConfigMap: "configmap", policy.CFSSession: "cfs",
}

// notFound returns the error for an unknown name, with the known names that are like it.
func notFound(w *collect.World, kind policy.Kind, name string) *NotFoundError {
	type candidate struct{ name, text string }
	var sameKind, otherKinds []candidate
	for d := range w.Judge.All(w.Snapshot) {
		c := candidate{d.Name, words[d.Kind] + "/" + d.Name}
		if d.Kind == kind {
			sameKind = append(sameKind, c)
		} else {
			otherKinds = append(otherKinds, c)
		}
	}
	byText := func(a, b candidate) int { return cmp.Compare(a.text, b.text) }
	slices.SortFunc(sameKind, byText)
	slices.SortFunc(otherKinds, byText)
	e := &NotFoundError{Kind: kind, Name: name, Sources: w.Sources}
	nearest := suggest.Nearest(name, append(sameKind, otherKinds...), func(c candidate) string { return c.name })
	for _, c := range nearest[:min(len(nearest), shownNearest)] {
		e.Nearest = append(e.Nearest, c.text)
	}
	for _, s := range w.Sources {
		if !s.Complete {
			e.Missing = append(e.Missing, s.Name)
		}
	}
	return e
}
