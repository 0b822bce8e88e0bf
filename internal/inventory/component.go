package inventory

import "strings"

// Component is what CFS keeps of one node: the configuration that it is to have, and who wanted it.
type Component struct {
	ID          string
	Desired     string   // name of the configuration; empty: none is wanted
	Tag         string   // tag bos_session: the session of BOS that set it last; empty if it has none
	Enabled     bool     // CFS configures it when it is not as desired
	Status      string   // unconfigured, pending, failed, configured
	CFSSessions []string // those that applied its layers, from its state; sorted, each once
	Fault       string   // what of it could not be understood; empty if all was
}

// Limit gives the components that an Ansible limit names.
func Limit(limit string) []string {
	var ids []string
	for id := range strings.SplitSeq(limit, ",") {
		if id = strings.TrimSpace(id); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}
