package inventory

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
