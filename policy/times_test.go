package policy

import (
	"testing"
	"time"
)

// Template and times of a decision are for people and pages to sort by.
func TestDecisionsSayTemplateAndTimes(t *testing.T) {
	before := func(d time.Duration) time.Time { return now.Add(-d) }
	none := time.Time{}
	for _, tt := range []struct {
		name        string
		world       *world
		kind        Kind
		template    string
		began, over time.Time
	}{
		{
			"a session is as its record has it", newWorld(s1).record(s1, "uan", 9*day, 8*day).configMap(s1, 5*day, nil),
			Session, "uan", before(9 * day), before(8 * day),
		},
		{
			"without a record its ConfigMap tells when it began",
			newWorld(s1).record(s1, "uan", 0, 0).configMap(s1, 5*day, nil), Session, "uan", before(5 * day), none,
		},
		{
			"its Job has ended later than BOS says",
			newWorld(s1).record(s1, "uan", 9*day, 8*day).job(s1, ended(6*day, false)), Session, "compute",
			before(9 * day), before(6 * day),
		},
		{
			"its Job tries again, after the end that BOS has",
			newWorld(s1).record(s1, "uan", 9*day, 8*day).job(s1, nil), Session, "compute", before(9 * day), none,
		},
		{
			"a Job", newWorld(s1).record(s1, "uan", 9*day, 8*day).job(s1, ended(6*day, false)), Job, "compute",
			before(20 * day), before(6 * day),
		},
		{
			"a Job that only its proxy holds",
			newWorld(s1).record(s1, "uan", 9*day, 8*day).job(s1, nil).pod(s1, held(7*day, 0)), Job, "compute",
			before(20 * day), before(7 * day),
		},
		{
			"a Job that runs", newWorld(s1).record(s1, "uan", 9*day, 8*day).job(s1, nil), Job, "compute",
			before(20 * day), none,
		},
		{
			"a ConfigMap has no end", newWorld(s1).record(s1, "uan", 9*day, 8*day).configMap(s1, 5*day, nil), ConfigMap,
			"uan", before(5 * day), none,
		},
		{
			"a CFS session is of its session's template",
			newWorld(s1).record(s1, "uan", 9*day, 8*day).cfs(s1, 7*day, nil), CFSSession, "uan",
			before(7*day + time.Minute), before(7 * day),
		},
		{
			"one of no session has none", newWorld().cfs("", 7*day, nil), CFSSession, "", before(7*day + time.Minute),
			before(7 * day),
		},
	} {
		for _, d := range tt.world.judge(defaults) {
			right := d.Template == tt.template && d.StartedAt.Equal(tt.began) && d.EndedAt.Equal(tt.over)
			if d.Kind == tt.kind && !right {
				t.Errorf("%s: template %q, from %s to %s", tt.name, d.Template, d.StartedAt, d.EndedAt)
			}
		}
	}
}
