package margin

import (
	"testing"
	"time"
)

func TestMarginsFitTogether(t *testing.T) {
	const (
		shortestGrace = time.Hour          // the smallest BOSGC_ORPHAN_GRACE that config accepts
		boaWaits      = 1800 * time.Second // how long BOA waits for configuration
	)
	for _, tt := range []struct {
		name          string
		less, greater time.Duration
	}{
		{"a renewal that hangs leaves time for another", RenewInterval + RenewTimeout, LoseAfter},
		{"a holder that gives up has ended before others may begin", LoseAfter + StopGrace, LeaseDuration + 1},
		{"a holder that is alive renews while it is watched", LeaseDuration + RenewInterval, HolderWatch + 1},
		{"a lease that others hold longer is watched before it is taken over", HolderWatch, LongExpired},
		{"what is read for one object is not older than what is listed for all", RecheckLife, RecordLife},
		{"a record is not older than the view of the namespace", RecordLife, WatchLife + WatchOverdue},
		{"what a dead watch did not show is younger than any grace", WatchLife + WatchOverdue, shortestGrace},
		{"a watch may catch up before deletes stop waiting for it", WatchSettle + WatchCatchUp, WatchPatience},
		{"clocks that differ unnoticed do not age an orphan", MaxClockSkew, shortestGrace},
		{"what was just made is kept by the shortest grace", JustMade, shortestGrace + 1},
		{"a saved plan made at the edge of the skew has not expired", MaxClockSkew, PlanLife},
		{"a list that is slow is not yet one that hangs", ListPatience, ListHangs},
		{"a list that hangs is noticed before BOS's own limit of 30 s", ListHangs, 30 * time.Second},
		{"a Pod may use all of its termination grace", PodTermination, PodsEnd},
		{"one slow list is not remembered for less than it may take", ListPatience, HangMemory},
		{"a session that Kubernetes must name is no session that goes untraced", TraceLife, UntracedAge},
		{"the batcher may start something after BOA has given up", boaWaits, CFSStartDelay},
		{"a run that is told to stop ends before its Pod is killed", StopGrace + StateTimeout + ReportTimeout, PodTermination},
	} {
		if tt.less >= tt.greater {
			t.Errorf("%s: %s is not less than %s", tt.name, tt.less, tt.greater)
		}
	}
}
