package config

import (
	"cmp"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

const prefix = "BOSGC_"

// Names lists all settings, in their order.
func Names() []string {
	t := reflect.TypeFor[Config]()
	names := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		names = append(names, t.Field(i).Tag.Get("envconfig"))
	}
	return names
}

// strangers are the variables that look like settings and are none. They are refused: who misspells a TTL
// means to keep something, and the default would delete it. An empty one counts as not set, as everywhere.
func strangers(values map[string]string) Problems {
	var p Problems
	names := Names()
	for name, value := range values {
		if !strings.HasPrefix(name, prefix) || value == "" || slices.Contains(names, name) || serviceLink(name, values) {
			continue
		}
		why := `is no setting; "bosgc config" lists those that there are`
		if near := Nearest(name); len(near) > 0 {
			why = "is no setting; did you mean " + near[0] + "?"
		}
		// Its value is not shown: it may be a secret under a misspelled name.
		p = append(p, Problem{Name: name, Why: why})
	}
	return p
}

var linkEnd = regexp.MustCompile(`^_(SERVICE_(HOST|PORT)|PORT)(_[A-Z0-9_]+)?$`)

// serviceLink says whether Kubernetes itself has made a variable: it tells every Pod of a namespace so of each
// Service there, and nobody can misspell those. One named bosgc-exporter makes BOSGC_EXPORTER_SERVICE_HOST and more.
func serviceLink(name string, values map[string]string) bool {
	for end := strings.LastIndexByte(name, '_'); end > 0; end = strings.LastIndexByte(name[:end], '_') {
		if linkEnd.MatchString(name[end:]) && values[name[:end]+"_SERVICE_HOST"] != "" && values[name[:end]+"_SERVICE_PORT"] != "" {
			return true
		}
	}
	return false
}

// Nearest gives the settings whose names are most like one that is not known, the most alike first; none if
// nothing is.
func Nearest(name string) []string {
	const shown = 3
	name = strings.TrimPrefix(canonical(name), prefix)
	type candidate struct {
		name string
		far  int
	}
	var all []candidate
	for _, known := range Names() {
		short := strings.TrimPrefix(known, prefix)
		far := distance(name, short)
		if len(name) > 2 && strings.Contains(short, name) {
			far = 1 // who gives a part of a name means it
		}
		if far <= max(1, min(len(name), len(short))/3) {
			all = append(all, candidate{known, far})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.far, b.far) })
	var names []string
	for _, c := range all[:min(len(all), shown)] {
		names = append(names, c.name)
	}
	return names
}

// canonical is a name as a setting has it, of one as a person writes it.
func canonical(name string) string {
	name = strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(name), "-", "_"))
	return prefix + strings.TrimPrefix(name, prefix)
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
