package policy

import (
	"fmt"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/margin"
)

// Running says what runs for a session, for a person; it returns the empty string if nothing does.
func (j *Judge) Running(g *inventory.Group) string { return j.facts(g).activity.Running }

func (j *Judge) running(f *facts) *ruling {
	if f.activity.Running == "" {
		return nil
	}
	text := f.activity.Running + " still runs or may run again"
	if pod := f.activity.Hanging; pod != nil && j.now.Sub(pod.Deleted.At()) > margin.PodHangs {
		text += fmt.Sprintf("; Pod %s has been Terminating since %s: if its node is lost and will not come back, "+
			"kubectl delete pod %s --force", pod.Name, pod.Deleted.At().Format(time.RFC3339), pod.Name)
	}
	return keep(Running, text)
}
