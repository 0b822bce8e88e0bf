package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"bosgc/gc"
	"bosgc/policy"
)

// Why says in a person's words why an object goes or stays, and until when. All times are UTC; now is when
// it was judged.
func Why(o gc.Object, now time.Time) string {
	if with(o) && o.Verdict == policy.Delete && o.Outcome == "" {
		return "goes with its session"
	}
	return cause(o, now) + end(o, now)
}

// end is what becomes of it.
func end(o gc.Object, now time.Time) string {
	switch {
	case o.Outcome == gc.Deleted:
		return ": deleted"
	case o.Outcome == gc.Gone:
		return ": was gone already"
	case o.Outcome == gc.Skipped:
		return ": has changed, so it stays"
	case o.Outcome == gc.Failed:
		return ": could not be deleted"
	case o.Outcome == gc.Waiting:
		return ": waits for the next sweep"
	case o.Verdict == policy.Delete:
		return ": goes"
	case o.Verdict == policy.Unknown:
		return ": nothing is done"
	case o.EligibleAt.After(now):
		return ": stays until " + on(o.EligibleAt, now)
	}
	return ": stays"
}

var causes = map[policy.Reason]string{
	policy.Abandoned:            "no end is recorded and nothing runs",
	policy.Ghost:                "BOS lists it, but has no record of it",
	policy.Requested:            "asked for by its name",
	policy.Running:              "still runs, or may run again",
	policy.KeptLast:             "among the newest of its template",
	policy.KeptByRule:           "protected",
	policy.NotOurs:              "not what BOS makes",
	policy.InUse:                "something else uses it",
	policy.AwaitingConfirmation: "looks orphaned, the next sweeps must confirm it",
	policy.OwnerKept:            "goes only when its session does",
	policy.Foreign:              "not of BOS v1",
	policy.PolicyOff:            "such are not collected (BOSGC_CFS)",
	policy.OrphanGuard:          "too many look orphaned at once",
	policy.EvidenceIncomplete:   "not all could be read",
	policy.BadData:              "something about it cannot be understood",
	policy.ClockSkew:            "some clock is wrong",
}

func cause(o gc.Object, now time.Time) string {
	switch o.Reason {
	case policy.CompletedExpired, policy.FailedExpired, policy.CFSExpired:
		return lived(o, now) + kept(o)
	case policy.Abandoned:
		return causes[o.Reason] + ago(", started ", o.StartedAt, now) + kept(o)
	case policy.TooYoung:
		return lived(o, now)
	case policy.Orphaned:
		return "belongs to nobody" + ago(", is there since ", cmp.Or(o.EndedAt, o.StartedAt), now)
	case policy.OwnerCollected:
		if with(o) {
			return "with its session"
		}
		return "its session is gone" + ago("; completed ", o.EndedAt, now)
	default:
	}
	return cmp.Or(causes[o.Reason], o.Reason.String())
}

// with says that an object shares the fate of its session and has no reason of its own.
func with(o gc.Object) bool {
	return o.Session != "" && (o.Reason == policy.OwnerKept || o.Reason == policy.OwnerCollected && strings.HasPrefix(o.Detail, "goes with its "))
}

// lived says since when an object is finished, or at least there.
func lived(o gc.Object, now time.Time) string {
	verb := "finished "
	switch {
	case o.Reason == policy.FailedExpired:
		verb = "failed "
	case o.Kind == policy.CFSSession:
		verb = "completed "
	}
	switch {
	case !o.EndedAt.IsZero():
		return ago(verb, o.EndedAt, now)
	case o.StartedAt.IsZero():
		return "old enough"
	case o.Kind == policy.ConfigMap:
		return ago("made ", o.StartedAt, now)
	case strings.HasPrefix(o.Detail, "its ConfigMap was "): // BOS was not asked whether it has ended
		return ago("its ConfigMap was made ", o.StartedAt, now)
	}
	return ago("no end is recorded, started ", o.StartedAt, now)
}

// kept is how long something of its kind is kept, as far as its times say it.
func kept(o gc.Object) string {
	since := cmp.Or(o.EndedAt, o.StartedAt)
	if since.IsZero() || !o.EligibleAt.After(since) {
		return ""
	}
	return ", kept " + span(o.EligibleAt.Sub(since))
}

func ago(what string, at time.Time, now time.Time) string {
	switch {
	case at.IsZero():
		return ""
	case at.After(now):
		return what + "in the future"
	}
	return what + span(now.Sub(at)) + " ago"
}

// span is a length of time in the largest unit of which there are two at least, cut off and not rounded: what was kept
// for less than 7 days must not read as if it was kept for 7.
func span(d time.Duration) string {
	for _, unit := range []struct {
		name string
		long time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if n := d / unit.long; n >= 2 || n == 1 && d%unit.long == 0 {
			return plural(int(n), unit.name)
		}
	}
	return plural(int(d/time.Second), "second")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// on is a day, with the hour if it is near and the year if it is another.
func on(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	switch {
	case t.Sub(now).Abs() < 48*time.Hour:
		return t.Format("2 Jan 15:04")
	case t.Year() != now.Year():
		return t.Format("2 Jan 2006")
	}
	return t.Format("2 Jan")
}

// age is what an object's age is counted from: its end, or its beginning where it has none.
func age(o gc.Object, now time.Time) (time.Duration, bool) {
	since := cmp.Or(o.EndedAt, o.StartedAt)
	if since.IsZero() {
		return 0, false
	}
	return now.Sub(since), true
}
