package inventory

// Component is what CFS knows of one node: the configuration that it shall have, and who set that.
type Component struct {
	ID          string
	Desired     string   // name of the configuration; empty: none is wanted
	Tag         string   // tag bos_session: the session of BOS that set it last; empty if it has none
	Enabled     bool     // CFS configures it when it is not as desired
	Status      string   // unconfigured, pending, failed, configured
	CFSSessions []string // that applied its layers, from its state; sorted, each once
	Fault       string   // what could not be understood of it; empty if nothing
}
