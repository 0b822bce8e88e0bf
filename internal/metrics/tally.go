package metrics

import (
	"time"

	"bosgc/gc"
	"bosgc/policy"
)

// tally is what one sweep found of one kind.
type tally struct {
	objects        map[verdictReason]int
	seen           int
	orphans        int
	oldestOrphan   time.Duration // age
	backlog        int
	oldestEligible time.Duration // how long it has been eligible
}

type verdictReason struct {
	verdict policy.Verdict
	reason  policy.Reason
}

func (t *tally) add(o gc.Object, now time.Time) {
	t.objects[verdictReason{o.Verdict, o.Reason}]++
	t.seen++
	if o.Reason.LooksOrphaned() {
		t.orphans++
		if !o.OrphanedSince.IsZero() { // a ghost has no age
			t.oldestOrphan = max(t.oldestOrphan, now.Sub(o.OrphanedSince))
		}
	}
	switch o.Outcome {
	case gc.Deleted, gc.Gone, gc.Skipped, gc.Terminating:
		return
	default:
	}
	if o.Verdict != policy.Delete {
		return
	}
	t.backlog++
	if !o.EligibleAt.IsZero() {
		t.oldestEligible = max(t.oldestEligible, now.Sub(o.EligibleAt))
	}
}
