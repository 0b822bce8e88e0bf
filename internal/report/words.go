package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"bosgc/gc"
	"bosgc/policy"
)

const day = 24 * time.Hour

// Describe returns one sentence on why an object is deleted or kept, and until when. Times are UTC; now is when the
// object was judged.
func Describe(o gc.Object, now time.Time) string {
	if FollowsSession(o) && o.Verdict == policy.Delete && o.Outcome == "" {
		return "will be deleted with its session"
	}
	if o.Reason == policy.TooYoung && retention(o) != "" && o.EligibleAt.After(now) {
		return describeCause(o, now) + ", " + retention(o) + ", until " + formatDay(o.EligibleAt, now)
	}
	return describeCause(o, now) + describeFate(o, now)
}

var outcomeEndings = map[gc.Outcome]string{
	gc.Deleted:     ": deleted",
	gc.Gone:        ": was gone already",
	gc.Terminating: ": is being deleted",
	gc.Skipped:     ": changed since it was judged, kept",
	gc.Failed:      ": could not be deleted",
	gc.Waiting:     ": waits for the next sweep",
}

func describeFate(o gc.Object, now time.Time) string {
	ending, ended := outcomeEndings[o.Outcome]
	switch {
	case ended:
		return ending
	case o.Verdict == policy.Delete:
		return ": will be deleted"
	case o.Verdict == policy.Unknown:
		return ": left alone"
	case o.EligibleAt.After(now):
		return ": kept until " + formatDay(o.EligibleAt, now)
	}
	return ": kept"
}

func describeCause(o gc.Object, now time.Time) string {
	cause := o.Reason.Cause()
	switch o.Reason {
	case policy.CompletedExpired, policy.FailedExpired, policy.CFSExpired:
		return describeEnd(o, now) + inBrackets(retention(o))
	case policy.Abandoned:
		return cause + ago(", started ", o.StartedAt, now) + inBrackets(retention(o))
	case policy.TooYoung:
		return describeEnd(o, now)
	case policy.Orphaned:
		if o.EndedAt.IsZero() {
			return "has no owner" + ago(", created ", o.StartedAt, now)
		}
		return "has no owner" + ago(", finished ", o.EndedAt, now)
	case policy.OwnerCollected:
		if FollowsSession(o) {
			return "with its session"
		}
		return "its session is gone" + ago("; completed ", o.EndedAt, now)
	default:
	}
	return cmp.Or(cause, fmt.Sprint(o.Reason))
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// FollowsSession reports whether an object shares the fate of its session and has no reason of its own.
func FollowsSession(o gc.Object) bool {
	collected := o.Reason == policy.OwnerCollected && strings.HasPrefix(o.Detail, "goes with its ")
	return o.Session != "" && (o.Reason == policy.OwnerKept || collected)
}

// describeEnd returns how long ago an object finished, or how long it exists if no end is known.
func describeEnd(o gc.Object, now time.Time) string {
	verb := "finished "
	switch {
	case o.Reason == policy.FailedExpired, strings.HasPrefix(o.Detail, "failed"):
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
		return ago("created ", o.StartedAt, now)
	case strings.HasPrefix(o.Detail, "its ConfigMap was "): // BOS was not asked whether the session has ended
		return ago("its ConfigMap was created ", o.StartedAt, now)
	}
	return ago("no end is recorded, started ", o.StartedAt, now)
}

// retention returns how long an object is kept after its last known time; empty if its times do not say.
func retention(o gc.Object) string {
	since := lastTime(o)
	if since.IsZero() || !o.EligibleAt.After(since) {
		return ""
	}
	return "kept for " + FormatDuration(o.EligibleAt.Sub(since))
}

// lastTime is what the age of an object counts from: its end, or its start where no end is known.
func lastTime(o gc.Object) time.Time {
	if o.EndedAt.IsZero() {
		return o.StartedAt
	}
	return o.EndedAt
}

// ObjectAge returns false if no time of the object is known.
func ObjectAge(o gc.Object, now time.Time) (time.Duration, bool) {
	since := lastTime(o)
	if since.IsZero() {
		return 0, false
	}
	return now.Sub(since), true
}

func ago(verb string, t, now time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.After(now):
		return verb + "in the future"
	}
	return verb + FormatDuration(now.Sub(t)) + " ago"
}

// FormatDuration uses the largest unit of which there are at least two. It cuts off and does not round: what was kept
// for less than 7 days must not read as if it had been kept for 7.
func FormatDuration(d time.Duration) string {
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"day", day}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if n := d / unit.length; n >= 2 || n == 1 && d%unit.length == 0 {
			return plural(int(n), unit.name)
		}
	}
	return plural(int(d/time.Second), "second")
}

// formatAge shows an age in one unit, as kubectl does.
func formatAge(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + formatAge(-d)
	case d >= 2*day:
		return fmt.Sprintf("%dd", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// formatDay shows a day, with the time if it is near.
func formatDay(t, now time.Time) string {
	if t.Sub(now).Abs() < 2*day {
		return formatMinute(t)
	}
	return t.UTC().Format(time.DateOnly)
}

func formatMinute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Words returns the word of each value.
func Words[T any](values []T) []string {
	all := make([]string, 0, len(values))
	for _, v := range values {
		all = append(all, fmt.Sprint(v))
	}
	return all
}
