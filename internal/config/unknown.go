package config

import (
	"regexp"
	"slices"
	"strings"

	"bosgc/internal/suggest"
)

const prefix = "BOSGC_"

// unknownVariables returns the variables that look like settings and are none. They are refused: who misspells a TTL
// means to keep something, and the default would delete it. An empty one counts as not set, as everywhere.
func unknownVariables(values map[string]string) Problems {
	var p Problems
	names := Names()
	for name, value := range values {
		if !strings.HasPrefix(name, prefix) || value == "" || slices.Contains(names, name) ||
			isServiceVariable(name, values) {
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

var serviceSuffix = regexp.MustCompile(`^_(SERVICE_(HOST|PORT)|PORT)(_[A-Z0-9_]+)?$`)

// isServiceVariable reports whether Kubernetes has set a variable, which nobody can have misspelled. It sets some in
// every Pod for each Service of the namespace: BOSGC_EXPORTER_SERVICE_HOST and more for one named bosgc-exporter.
func isServiceVariable(name string, values map[string]string) bool {
	for end := strings.LastIndexByte(name, '_'); end > 0; end = strings.LastIndexByte(name[:end], '_') {
		service, suffix := name[:end], name[end:]
		if serviceSuffix.MatchString(suffix) &&
			values[service+"_SERVICE_HOST"] != "" && values[service+"_SERVICE_PORT"] != "" {
			return true
		}
	}
	return false
}

// Nearest returns up to three settings whose names are most like an unknown one, the most similar first.
func Nearest(name string) []string {
	const most = 3
	short := func(name string) string { return strings.TrimPrefix(name, prefix) }
	nearest := suggest.Nearest(short(fullName(name)), Names(), short)
	return nearest[:min(len(nearest), most)]
}

// fullName returns the name of a setting that a person has written in short: session-ttl is BOSGC_SESSION_TTL.
func fullName(name string) string {
	name = strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(name), "-", "_"))
	return prefix + strings.TrimPrefix(name, prefix)
}
