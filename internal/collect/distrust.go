package collect

import (
	"fmt"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/margin"
)

// distrustNamespace takes back that all ConfigMaps were read, where this is no namespace of BOS. An API server answers
// for a namespace that does not exist as for an empty one. In the wrong one, or in another cluster, there is no Job to
// show that a session runs, and no annotation to protect it.
func (c *collector) distrustNamespace() {
	traces := len(c.seen.Jobs) + len(c.seen.ConfigMaps)
	if c.seen.Evidence.ConfigMaps && !c.caSeen && traces == 0 {
		c.seen.Evidence.ConfigMaps = false
		c.markIncomplete(inventory.SourceConfigMaps, "nothing in this namespace is of BOS, not even the ConfigMap with the "+
			"system's CA; check BOSGC_NAMESPACE and the kubeconfig's context")
	}
}

// clockStep returns that this machine's clock was set while things were read, or nothing: then nobody knows by which
// of the two settings they are as old as they look. shown is how far the clock went on, counted how much time has
// passed.
func clockStep(shown, counted time.Duration) string {
	if step := (shown - counted).Abs(); step > margin.MaxClockSkew {
		return fmt.Sprintf("this machine's clock was set by %s while everything was read", step.Round(time.Second))
	}
	return ""
}
