// Package suggest finds what a misspelled name may have meant.
package suggest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Nearest returns those of known whose names are like word, the most similar first; equally similar ones keep their
// order. Names are alike if at most a third of the shorter one differs, or one letter, or if word is a part of the
// known one.
func Nearest[T any](word string, known []T, nameOf func(T) string) []T {
	type candidate struct {
		value    T
		distance int
	}
	var candidates []candidate
	for _, value := range known {
		name := nameOf(value)
		distance := levenshtein.ComputeDistance(word, name)
		if len(word) > 2 && strings.Contains(name, word) {
			distance = min(distance, 1) // people type a part of a long name
		}
		if distance <= max(1, min(len(word), len(name))/3) {
			candidates = append(candidates, candidate{value, distance})
		}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	nearest := make([]T, 0, len(candidates))
	for _, c := range candidates {
		nearest = append(nearest, c.value)
	}
	return nearest
}
