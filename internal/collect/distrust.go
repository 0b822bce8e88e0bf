package collect

import (
	"fmt"
	"slices"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/margin"
)

// manyTraces is how many Jobs and ConfigMaps of sessions make an empty list of sessions hard to believe. A database
// that was wiped, or restored from an old copy, looks like that.
const manyTraces = 20

// distrust takes back the word of a source that answered, where another one contradicts it.
func (c *collector) distrust() {
	traces := len(c.seen.Jobs) + len(c.seen.ConfigMaps)
	empty := c.hasBOSv1 && c.seen.Unlisted == inventory.Absent && len(c.seen.SessionIDs) == 0
	if empty && traces >= manyTraces {
		c.seen.Unlisted = inventory.Unknown
		c.markIncomplete(inventory.SourceSessions, fmt.Sprintf("BOS lists no session at all, but Kubernetes has %d Jobs "+
			"and ConfigMaps of sessions; was its database wiped or restored?", traces))
	}
	c.distrustNamespace()
	// If none of the sessions has left anything here, they are those of another system, or of another namespace: what
	// runs for them, and what keeps them, is where nobody has looked.
	named := c.kubernetesSessions()
	traced := slices.ContainsFunc(c.seen.SessionIDs, func(id string) bool { return named[id] })
	if n := len(c.seen.SessionIDs); n > 0 && c.seen.Evidence.ConfigMaps && !traced {
		c.seen.Evidence.ConfigMaps = false
		c.markIncomplete(inventory.SourceConfigMaps, fmt.Sprintf("BOS has %d sessions, and not one of them has a Job or "+
			"ConfigMap in this namespace; check BOSGC_NAMESPACE, BOSGC_BOS_URL and the kubeconfig's context", n))
	}
}

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
