package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"bosgc/internal/suggest"
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

// Nearest returns up to three settings whose names are most like an unknown one, the most similar first.
func Nearest(name string) []string {
	const most = 3
	short := func(name string) string { return strings.TrimPrefix(name, prefix) }
	nearest := suggest.Nearest(short(canonical(name)), Names(), short)
	return nearest[:min(len(nearest), most)]
}

// canonical is a name as a setting has it, of one as a person writes it.
func canonical(name string) string {
	name = strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(name), "-", "_"))
	return prefix + strings.TrimPrefix(name, prefix)
}
