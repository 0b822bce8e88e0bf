package explain

import (
	"cmp"
	"slices"
	"strings"

	"bosgc/internal/collect"
	"bosgc/policy"
)

// shownNearest is how many names are offered.
const shownNearest = 5

// words are the kinds as a person writes them before a name.
var words = map[policy.Kind]string{
	policy.Session: "session", policy.Job: "job", policy.ConfigMap: "configmap", policy.CFSSession: "cfs",
}

// notFound returns the error for an unknown name, with the known names that are like it.
func notFound(w *collect.World, kind policy.Kind, name string) *NotFoundError {
	type candidate struct {
		text string
		far  int
	}
	var all []candidate
	for d := range w.Judge.All(w.Snapshot) {
		far := distance(name, d.Name)
		if far > 0 && (strings.Contains(d.Name, name) || strings.Contains(name, d.Name)) {
			far = 1 // who gives a part of a name means it
		}
		if far > 1 && 2*far > len(name) {
			continue
		}
		if far *= 2; d.Kind != kind {
			far++
		}
		all = append(all, candidate{words[d.Kind] + "/" + d.Name, far})
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.text, b.text)) })
	u := &NotFoundError{Kind: kind, Name: name}
	for _, c := range all[:min(len(all), shownNearest)] {
		u.Nearest = append(u.Nearest, c.text)
	}
	for _, s := range w.Sources {
		if !s.Complete {
			u.Missing = append(u.Missing, s.Name)
		}
	}
	return u
}

// distance is how many letters have to be changed, added or left out to make one name of another.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
