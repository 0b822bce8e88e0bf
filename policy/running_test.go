package policy

import (
	"strings"
	"testing"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/margin"
)

// A Pod on a node that is lost stays Terminating until somebody forces it; the session runs as long, and whoever asks
// why has to learn of the Pod.
func TestAPodThatHangsTerminatingIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		since time.Duration
		named bool
	}{
		{"lost", time.Hour, true},
		{"ending", margin.PodHangs / 2, false},
	} {
		w := newWorld(s1).record(s1, "t", 30*24*time.Hour, 0).job(s1, nil)
		w.pod(s1, func(p *inventory.Pod) { p.Deleted = ago(tt.since) })
		for _, d := range w.judge(defaults) {
			named := strings.Contains(d.Detail, "has been Terminating since") && strings.Contains(d.Detail, "--force")
			if d.Kind == Session && (d.Reason != Running || named != tt.named) {
				t.Errorf("%s: %s %s: %s", tt.name, d.Verdict, d.Reason, d.Detail)
			}
		}
	}
}
