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

// at is a time so long before it was judged.
func at(before time.Duration) time.Time { return judged.Add(-before).UTC().Truncate(time.Second) }

func TestWhySaysItInWords(t *testing.T) {
	ended := func(verdict policy.Verdict, reason policy.Reason, ago, kept time.Duration) gc.Object {
		return gc.Object{Kind: policy.Session, Session: id, Verdict: verdict, Reason: reason, StartedAt: at(ago + time.Hour), EndedAt: at(ago), EligibleAt: at(ago - kept)}
	}
	with := func(o gc.Object, change func(*gc.Object)) gc.Object { change(&o); return o }
	for _, tt := range []struct {
		name string
		o    gc.Object
		want string
	}{
		{"expired", ended(policy.Delete, policy.CompletedExpired, 12*day+5*time.Hour, 7*day), "finished 12 days ago, kept 7 days: goes"},
		{"failed", ended(policy.Delete, policy.FailedExpired, 20*day, 14*day), "failed 20 days ago, kept 14 days: goes"},
		{"young", ended(policy.Keep, policy.TooYoung, 2*day, 12*day), "finished 2 days ago: stays until 2 Dec"},
		{"young, and next year is near", ended(policy.Keep, policy.TooYoung, 2*day, 50*day), "finished 2 days ago: stays until 9 Jan 2027"},
		{"soon", ended(policy.Keep, policy.TooYoung, 6*day, 7*day), "finished 6 days ago: stays until 23 Nov 12:00"},
		{"abandoned", gc.Object{Kind: policy.Session, Verdict: policy.Delete, Reason: policy.Abandoned, StartedAt: at(20 * day), EligibleAt: at(6 * day)}, "no end is recorded and nothing runs, started 20 days ago, kept 14 days: goes"},
		{"a ConfigMap has no end", gc.Object{Kind: policy.ConfigMap, Verdict: policy.Keep, Reason: policy.TooYoung, StartedAt: at(3 * time.Hour), EligibleAt: at(-21 * time.Hour)}, "made 3 hours ago: stays until 23 Nov 09:00"},
		{"nobody has asked for its end", gc.Object{Kind: policy.Session, Session: id, Verdict: policy.Keep, Reason: policy.TooYoung, StartedAt: at(3 * day), EligibleAt: at(-4 * day), Detail: "its ConfigMap was made"}, "its ConfigMap was made 3 days ago: stays until 26 Nov"},
		{"no time is known", gc.Object{Verdict: policy.Delete, Reason: policy.CompletedExpired}, "old enough: goes"},
		{"a broken clock", gc.Object{Kind: policy.CFSSession, Verdict: policy.Keep, Reason: policy.TooYoung, EndedAt: at(-day)}, "completed in the future: stays"},
		{"with its session", gc.Object{Session: id, Verdict: policy.Delete, Reason: policy.OwnerCollected, Detail: "goes with its session " + id}, "goes with its session"},
		{"of a session that is gone", gc.Object{Kind: policy.CFSSession, Session: id, Verdict: policy.Delete, Reason: policy.OwnerCollected, Detail: "completed", EndedAt: at(9 * day)}, "its session is gone; completed 9 days ago: goes"},
		{"deleted", with(ended(policy.Delete, policy.CompletedExpired, 9*day, 7*day), func(o *gc.Object) { o.Outcome = gc.Deleted }), "finished 9 days ago, kept 7 days: deleted"},
		{"has changed", with(ended(policy.Delete, policy.CompletedExpired, 9*day, 7*day), func(o *gc.Object) { o.Outcome = gc.Skipped }), "finished 9 days ago, kept 7 days: has changed, so it stays"},
		{"unknown", gc.Object{Verdict: policy.Unknown, Reason: policy.BadData}, "something about it cannot be understood: nothing is done"},
		{"protected until", gc.Object{Verdict: policy.Keep, Reason: policy.KeptByRule, EligibleAt: at(-9 * day)}, "protected: stays until 1 Dec"},
		{"due already, and kept all the same", gc.Object{Verdict: policy.Keep, Reason: policy.AwaitingConfirmation, EligibleAt: at(day)}, "looks orphaned, the next sweeps must confirm it: stays"},
	} {
		if got := describe(tt.o, judged); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A new reason is to have words of its own, in the table and on the page.
func TestEveryReasonHasWords(t *testing.T) {
	for _, verdict := range policy.Verdicts() {
		for _, reason := range policy.Reasons(verdict) {
			o := gc.Object{Verdict: verdict, Reason: reason}
			if why := describe(o, judged); strings.HasPrefix(why, fmt.Sprint(reason)) && reason != policy.Running {
				t.Errorf("%s: %q", reason, why)
			}
			if reasonPhrases[reason].row == "" {
				t.Errorf("%s has no words on the page", reason)
			}
		}
	}
}

// What was kept for less than a week must not read as if it had been kept for one.
func TestSpansAreCutOff(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 seconds", time.Second: "1 second", 59 * time.Second: "59 seconds", time.Minute: "1 minute", 61 * time.Second: "61 seconds",
		time.Hour: "1 hour", 90 * time.Minute: "90 minutes", day: "1 day", 25 * time.Hour: "25 hours", 7*day - time.Second: "6 days", 7 * day: "7 days",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestFilterShowsWhatItSays(t *testing.T) {
	objects := []gc.Object{
		{Kind: policy.Job, Name: "old", Verdict: policy.Delete, Reason: policy.OwnerCollected, Template: "golden-1", EndedAt: at(20 * day)},
		{Kind: policy.Job, Name: "young", Verdict: policy.Keep, Reason: policy.TooYoung, Template: "compute", EndedAt: at(3 * day)},
		{Kind: policy.ConfigMap, Name: "made", Verdict: policy.Delete, Reason: policy.Orphaned, StartedAt: at(30 * day)},
		{Kind: policy.CFSSession, Name: "timeless", Verdict: policy.Unknown, Reason: policy.BadData},
	}
	for _, tt := range []struct{ filter, want string }{
		{"", "old young made timeless"},
		{"kind=Job", "old young"},
		{"kind=job", "old young"},
		{"kind=Job kind=CFSSession", "old young timeless"},
		{"kind=Job verdict=delete", "old"},
		{"verdict=unknown", "timeless"},
		{"reason=too-young", "young"},
		{"template=golden-*", "old"},
		{"template=*", "old young made timeless"},
		{"age>14d", "old made"},
		{"age<14d", "young"},
		{"age>2d age<25d", "old young"},
		{"age>20d", "made"},
		{"kind=Job verdict=delete age>14d", "old"},
		{"kind=Session", ""},
	} {
		f, err := ParseFilter(strings.Fields(tt.filter))
		if err != nil {
			t.Errorf("%s: %v", tt.filter, err)
		}
		var got []string
		for _, o := range objects {
			if f.matches(o, judged) {
				got = append(got, o.Name)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%q shows %q, want %q", tt.filter, got, tt.want)
		}
	}
}

func TestFilterNamesWhatItKnows(t *testing.T) {
	for filter, want := range map[string]string{
		"Job":              "expected kind=",
		"colour=red":       `there is no key "colour"; expected kind=`,
		"kind=Pod":         `there is no kind "Pod"; expected one of Session, Job, ConfigMap, CFSSession`,
		"verdict=goes":     "expected one of delete, unknown, keep",
		"reason=old":       "cfs-expired, requested, evidence-incomplete",
		"kind>Job":         "kind is compared by \">\"; expected =",
		"age=7d":           "expected age> or age<",
		"age>7":            "has no unit",
		"age>":             "is empty",
		"template=[":       "is no glob",
		"template=":        "is no glob",
		"verdict = delete": "",
	} {
		_, err := ParseFilter([]string{filter})
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", filter, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--filter")):
			t.Errorf("%q: %v, want %q", filter, err, want)
		}
	}
	_, err := ParseFilter([]string{"a=b", "kind=x"})
	if err == nil || !strings.Contains(err.Error(), "a=b") || !strings.Contains(err.Error(), "kind=x") {
		t.Errorf("not all mistakes are named at once: %v", err)
	}
}
