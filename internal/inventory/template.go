package inventory

import (
	"iter"
	"maps"
)

// Template is what a session was made from, as its ConfigMap has it (docs/csm.md, "What BOS v1 makes").
type Template struct {
	Name          string
	BootSets      []string            // by name
	NodeLists     map[string][]string // of those boot sets that name their nodes one by one
	Configuration string              // of CFS; empty if it names none
	Generated     bool                // BOA made a configuration of its own, of a name that is not recorded
	CFSEnabled    bool
}

// Configures reports whether a session of this template and operation set a configuration: BOA does so for
// every operation but shutdown, unless it was told not to.
func (t Template) Configures(operation string) bool {
	return t.CFSEnabled && operation != "shutdown" && (t.Configuration != "" || t.Generated)
}

// Boots reports whether an operation of BOS boots nodes.
func Boots(operation string) Presence {
	switch operation {
	case "boot", "reboot":
		return Present
	case "shutdown", "configure":
		return Absent
	}
	return Unknown
}

// Templates are the names of the session templates that BOS has. The zero value knows of none.
type Templates struct {
	Err   string // why they could not be read; empty if they were, or were not asked for
	names map[string]bool
}

// NewTemplates returns the templates of these names, which are all that BOS has.
func NewTemplates(names []string) Templates {
	t := Templates{names: make(map[string]bool, len(names))}
	for _, name := range names {
		t.names[name] = true
	}
	return t
}

// Has reports whether BOS has a template of this name; the empty name is one that is not known.
func (t Templates) Has(name string) Presence {
	switch {
	case t.names == nil || name == "":
		return Unknown
	case t.names[name]:
		return Present
	}
	return Absent
}

// Names returns the names in no order, and false if they are not known.
func (t Templates) Names() (iter.Seq[string], bool) { return maps.Keys(t.names), t.names != nil }
