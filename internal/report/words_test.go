package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/policy"
)

var judged = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// before returns the time that was so long before the objects were judged.
func before(age time.Duration) time.Time { return judged.Add(-age) }

func TestAnObjectIsDescribedInOneSentence(t *testing.T) {
	ended := func(verdict policy.Verdict, reason policy.Reason, age, ttl time.Duration) gc.Object {
		return gc.Object{
			Kind: policy.Session, Session: id, Verdict: verdict, Reason: reason,
			StartedAt: before(age + time.Hour), EndedAt: before(age), EligibleAt: before(age - ttl),
		}
	}
	outcome := func(outcome gc.Outcome) gc.Object {
		o := ended(policy.Delete, policy.CompletedExpired, 9*day, 7*day)
		o.Outcome = outcome
		return o
	}
	failedLately := ended(policy.Keep, policy.TooYoung, 10*day, 14*day)
	failedLately.Detail = "failed 2026-11-12 12:00 UTC; kept until 2026-11-26 12:00 UTC"
	abandoned := gc.Object{
		Kind: policy.Session, Verdict: policy.Delete, Reason: policy.Abandoned,
		StartedAt: before(20 * day), EligibleAt: before(6 * day),
	}
	configMap := gc.Object{
		Kind: policy.ConfigMap, Verdict: policy.Keep, Reason: policy.TooYoung,
		StartedAt: before(3 * time.Hour), EligibleAt: before(-21 * time.Hour),
	}
	unasked := gc.Object{
		Kind: policy.Session, Session: id, Verdict: policy.Keep, Reason: policy.TooYoung, Detail: "its ConfigMap was created",
		StartedAt: before(3 * day), EligibleAt: before(-4 * day),
	}
	timeless := gc.Object{Verdict: policy.Delete, Reason: policy.CompletedExpired}
	future := gc.Object{Kind: policy.CFSSession, Verdict: policy.Keep, Reason: policy.TooYoung, EndedAt: before(-day)}
	following := gc.Object{
		Session: id, Verdict: policy.Delete, Reason: policy.OwnerCollected, Detail: "goes with its session " + id,
	}
	left := gc.Object{
		Kind: policy.CFSSession, Session: id, Verdict: policy.Delete, Reason: policy.OwnerCollected, Detail: "completed",
		EndedAt: before(9 * day),
	}
	orphan := gc.Object{Verdict: policy.Delete, Reason: policy.Orphaned, StartedAt: before(85 * day)}
	unknown := gc.Object{Verdict: policy.Unknown, Reason: policy.BadData}
	protected := gc.Object{Verdict: policy.Keep, Reason: policy.KeptByRule, EligibleAt: before(-9 * day)}
	unconfirmed := gc.Object{Verdict: policy.Keep, Reason: policy.AwaitingConfirmation, EligibleAt: before(day)}
	young := func(age, ttl time.Duration) gc.Object { return ended(policy.Keep, policy.TooYoung, age, ttl) }
	for _, tt := range []struct {
		name string
		o    gc.Object
		want string
	}{
		{
			"expired", ended(policy.Delete, policy.CompletedExpired, 12*day+5*time.Hour, 7*day),
			"finished 12 days ago (kept for 7 days): will be deleted",
		},
		{"failed", ended(policy.Delete, policy.FailedExpired, 20*day, 14*day), "failed 20 days ago (kept for 14 days): will be deleted"},
		{"young", young(2*day, 12*day), "finished 2 days ago, kept for 12 days, until 2026-12-02"},
		{"young, and next year is near", young(2*day, 50*day), "finished 2 days ago, kept for 50 days, until 2027-01-09"},
		{"young, of one that failed", failedLately, "failed 10 days ago, kept for 14 days, until 2026-11-26"},
		{"soon", young(6*day, 7*day), "finished 6 days ago, kept for 7 days, until 2026-11-23 12:00 UTC"},
		{"abandoned", abandoned, "no end is recorded and nothing runs, started 20 days ago (kept for 14 days): will be deleted"},
		{"a ConfigMap has no end", configMap, "created 3 hours ago, kept for 1 day, until 2026-11-23 09:00 UTC"},
		{"BOS was not asked for its end", unasked, "its ConfigMap was created 3 days ago, kept for 7 days, until 2026-11-26"},
		{"no time is known", timeless, "old enough: will be deleted"},
		{"a broken clock", future, "completed in the future: kept"},
		{"with its session", following, "will be deleted with its session"},
		{"its session is gone", left, "its session is gone; completed 9 days ago: will be deleted"},
		{"orphaned", orphan, "has no owner, created 85 days ago: will be deleted"},
		{"deleted", outcome(gc.Deleted), "finished 9 days ago (kept for 7 days): deleted"},
		{"gone", outcome(gc.Gone), "finished 9 days ago (kept for 7 days): was gone already"},
		{"has changed", outcome(gc.Skipped), "finished 9 days ago (kept for 7 days): changed since it was judged, kept"},
		{"failed to delete", outcome(gc.Failed), "finished 9 days ago (kept for 7 days): could not be deleted"},
		{"waits", outcome(gc.Waiting), "finished 9 days ago (kept for 7 days): waits for the next sweep"},
		{"unknown", unknown, "something about it cannot be understood: left alone"},
		{"protected until", protected, "protected: kept until 2026-12-01"},
		{"kept past its time", unconfirmed, "looks orphaned, waiting for another sighting: kept"},
	} {
		if got := Describe(tt.o, judged); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A new reason needs phrases of its own, in the table and on the page.
func TestEveryReasonHasPhrases(t *testing.T) {
	for _, verdict := range policy.Verdicts() {
		for _, reason := range policy.Reasons(verdict) {
			o := gc.Object{Verdict: verdict, Reason: reason}
			if sentence := Describe(o, judged); strings.HasPrefix(sentence, fmt.Sprint(reason)) {
				t.Errorf("%s: %q", reason, sentence)
			}
			if reason.PageWord() == "" {
				t.Errorf("%s has no name for its row on the page", reason)
			}
		}
	}
}

// What was kept for less than a week must not read as if it had been kept for one.
func TestDurationsAreCutOff(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 seconds", time.Second: "1 second", 59 * time.Second: "59 seconds",
		time.Minute: "1 minute", 61 * time.Second: "61 seconds", 90 * time.Minute: "90 minutes",
		time.Hour: "1 hour", 25 * time.Hour: "25 hours",
		day: "1 day", 7*day - time.Second: "6 days", 7 * day: "7 days",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}
