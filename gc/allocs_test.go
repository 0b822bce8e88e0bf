//go:build !race

package gc

import (
	"testing"

	"bosgc/internal/collect"
)

// Judging goes through all sessions several times in a run, and what it leaves behind has to be collected while most is
// alive. allocsPerSession is how many pieces of memory it may take for a session of four or five objects, joining and
// planning included; 88 are needed now.
const allocsPerSession = 92

func TestPlanningTakesFewPiecesOfMemory(t *testing.T) {
	const n = 500
	seen := lists(n)
	got := testing.AllocsPerRun(3, func() {
		judge(judged(seen), collect.Clients{}, Run{Options: collect.Options{Settings: benchSettings}}, benchNow)
	}) / n
	t.Logf("%.0f for each session", got)
	if got > allocsPerSession || got < 5 {
		t.Errorf("planning takes %.0f pieces of memory for each session; expected no more than %d, and some", got, allocsPerSession)
	}
}
