package config

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// Difference is a setting of which a person's run has another value than the scheduled sweeps.
type Difference struct{ Name, Own, Scheduled string }

// RecordedByName returns what a scheduled sweep records of its settings: those that decide what is deleted, and how
// much. No address and no secret is among them.
func (c Config) RecordedByName() map[string]string {
	all := c.PolicyByName()
	all["BOSGC_MAX_DELETES"] = strconv.Itoa(c.MaxDeletes)
	return all
}

// Adopt takes over what the last scheduled sweep has recorded, except for what the environment sets. It returns the
// settings that it changed, and those of the environment that differ. On an error nothing is taken over.
func (c *Config) Adopt(recorded map[string]string, environ []string) (adopted []string, own []Difference, err error) {
	values, known := parseEnviron(environ), c.RecordedByName()
	next := *c
	var problems Problems
	for _, f := range next.fields() {
		now, known := known[f.name]
		scheduled, is := recorded[f.name]
		if !known || !is || scheduled == now {
			continue
		}
		if values[f.name] != "" {
			own = append(own, Difference{f.name, now, scheduled})
			continue
		}
		if why := cmp.Or(f.decode(scheduled), f.check()); why != "" {
			problems = append(problems, Problem{f.name, scheduled, why})
			continue
		}
		adopted = append(adopted, f.name)
	}
	// Of what a later version has recorded and this one does not know, nothing can be said.
	for _, name := range slices.Sorted(maps.Keys(recorded)) {
		if _, is := known[name]; !is {
			problems = append(problems, Problem{name, recorded[name], "is unknown to this version"})
		}
	}
	if len(problems) > 0 {
		return nil, nil, problems
	}
	*c = next
	return adopted, own, nil
}
