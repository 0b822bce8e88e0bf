package gc

import (
	"testing"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/memory"
	"bosgc/policy"
)

func TestSightings(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	long := now.Add(-time.Hour)
	before := map[string]memory.Sighting{}
	for _, uid := range []string{"again", "owned", "unknown", "deleted", "gone", "skipped", "failed", "waiting", "vanished", "guarded"} {
		before[uid] = memory.Sighting{Times: 1, First: long, Last: long}
	}
	orphan := func(uid string, verdict policy.Verdict, reason policy.Reason, outcome Outcome) Object {
		return Object{Kind: policy.ConfigMap, UID: uid, Verdict: verdict, Reason: reason, Outcome: outcome}
	}
	d := Document{Sources: []inventory.Source{{Name: "a", Complete: true}}, Objects: []Object{
		orphan("again", policy.Keep, policy.AwaitingConfirmation, ""),
		orphan("new", policy.Keep, policy.AwaitingConfirmation, ""),
		orphan("guarded", policy.Keep, policy.OrphanGuard, ""),
		orphan("owned", policy.Keep, policy.OwnerKept, ""),
		orphan("unknown", policy.Unknown, policy.EvidenceIncomplete, ""),
		orphan("unknown-new", policy.Unknown, policy.EvidenceIncomplete, ""),
		orphan("deleted", policy.Delete, policy.Orphaned, Deleted),
		orphan("gone", policy.Delete, policy.Orphaned, Gone),
		orphan("skipped", policy.Delete, policy.Orphaned, Skipped), // an owner appeared during the sweep
		orphan("failed", policy.Delete, policy.Orphaned, Failed),
		orphan("waiting", policy.Delete, policy.Orphaned, Waiting),
		orphan("", policy.Keep, policy.OrphanGuard, ""), // a ghost has no UID
	}}
	want := map[string]memory.Sighting{
		"again": {Times: 2, First: long, Last: now}, "new": {Times: 1, First: now, Last: now},
		"guarded": {Times: 2, First: long, Last: now}, "unknown": {Times: 1, First: long, Last: long},
		"failed": {Times: 2, First: long, Last: now}, "waiting": {Times: 2, First: long, Last: now},
	}
	check := func(got map[string]memory.Sighting) {
		t.Helper()
		for uid, s := range want {
			if got[uid] != s {
				t.Errorf("%s: %+v, want %+v", uid, got[uid], s)
			}
		}
		for uid := range got {
			if _, ok := want[uid]; !ok {
				t.Errorf("%s is remembered", uid)
			}
		}
	}
	check(d.Sightings(before, now, 30*time.Minute))
	// What was not listed may only not have been read.
	d.Sources[0].Complete = false
	want["vanished"] = memory.Sighting{Times: 1, First: long, Last: long}
	check(d.Sightings(before, now, 30*time.Minute))
}

// What has gone leaves its place among what a person has released to nothing that comes later.
func TestWhatHasGoneIsReleasedNoMore(t *testing.T) {
	released := memory.Guard{Orphans: 3, Looked: 3, Doubted: 3, Trusted: 3}
	d := Document{Guards: []Guard{{policy.ConfigMap, released}}, Objects: []Object{
		{Kind: policy.ConfigMap, Reason: policy.Orphaned, Outcome: Deleted},
		{Kind: policy.ConfigMap, Reason: policy.OwnerCollected, Outcome: Deleted},
		{Kind: policy.ConfigMap, Reason: policy.Orphaned, Outcome: Waiting},
	}}
	if g := d.RememberGuards(nil)[string(policy.ConfigMap)]; g.Looked != 2 || g.Trusted != 2 {
		t.Errorf("one of 3 has gone: %+v", g)
	}
}
