package policy

import (
	"slices"
	"testing"
	"time"

	"bosgc/internal/inventory"
)

// Cases at the edges of the rules: each was once broken on purpose without a test noticing.
func TestEdges(t *testing.T) {
	old := func() *world { return newWorld(s1).record(s1, "compute", 90*day, 80*day) }
	gone := session(s1, "delete completed-expired")
	copied := func(age time.Duration) func(*inventory.Job) {
		return func(j *inventory.Job) {
			j.Name, j.Fault = "again", "made by a person"
			if age > 0 {
				ended(age, false)(j)
			}
		}
	}
	ghost := newWorld(s1).job(s1, copied(80*day))
	ghost.records[s1] = inventory.Record{Presence: inventory.Absent}
	unanswered := newWorld().job(s1, ended(80*day, false))
	unanswered.records[s1] = inventory.Record{Err: "timeout"}
	noJobs := newWorld().configMap(s1, 90*day, nil)
	noJobs.Evidence.Jobs = false
	protected := newWorld().cfs(s2, 80*day, nil).configMap(
		s2, 90*day, func(c *inventory.ConfigMap) { c.Keep.Keep = new("true") },
	)
	protected.v2[s2] = inventory.Absent

	tests := []struct {
		name  string
		world *world
		want  []string
	}{
		{
			"only the proxy runs, boa failed and one try is left",
			old().job(s1, func(j *inventory.Job) { j.FailedPods = 3 }).pod(s1, held(80*day, 1)),
			[]string{session(s1, "keep running"), job(s1, "keep running")},
		},
		{
			"a copied Job that only the proxy keeps: what it is made for is not known",
			old().job(s1, copied(0)).pod(s1, func(p *inventory.Pod) { held(80*day, 0)(p); p.Job = "again" }),
			[]string{session(s1, "keep running"), "Job again: keep not-ours"},
		},
		{
			"of two Jobs the one that ended last counts",
			newWorld(s1).record(s1, "compute", 90*day, 0).job(s1, ended(5*day, false)).job(
				s1, func(j *inventory.Job) { ended(80*day, true)(j); j.Name += "-again" },
			),
			[]string{session(s1, "keep too-young"), job(s1, "keep owner-kept"), job(s1+"-again", "keep owner-kept")},
		},
		{
			"the latest evidence of a start counts",
			newWorld(s1).record(s1, "compute", 20*day, 0).configMap(s1, 13*day, nil),
			[]string{session(s1, "keep too-young"), cm(s1, "keep owner-kept")},
		},
		{
			"no times in the record, its ConfigMap from the future",
			newWorld(s1).record(s1, "compute", 0, 0).configMap(s1, -time.Hour, nil),
			[]string{session(s1, "unknown clock-skew"), cm(s1, "keep owner-kept")},
		},
		{
			"a ghost that a copied Job names", ghost,
			[]string{session(s1, "unknown evidence-incomplete"), "Job again: keep not-ours"},
		},
		{
			"a Job not listed in BOS, which did not answer for it", unanswered,
			[]string{job(s1, "unknown evidence-incomplete")},
		},
		{
			"of two Jobs one stays, and so does what both use",
			newWorld().configMap(s1, 90*day, nil).job(s1, copied(80*day)).job(s1, ended(80*day, false)),
			[]string{cm(s1, "keep owner-kept"), job(s1, "delete completed-expired"), "Job again: keep not-ours"},
		},
		{"nobody's ConfigMap, but the Jobs could not be read", noJobs, []string{cm(s1, "unknown evidence-incomplete")}},
		{
			"its session would go, but nobody has looked at its body",
			old().configMap(s1, 90*day, func(c *inventory.ConfigMap) { c.Body = inventory.BodyUnread }),
			[]string{session(s1, "unknown evidence-incomplete"), cm(s1, "unknown evidence-incomplete")},
		},
		{
			"a CFS session of a session that is gone, but for what somebody protects", protected,
			[]string{cm(s2, "keep kept-by-rule"), cfs(0, "keep owner-kept")},
		},
		{
			"an annotation that is understood outweighs one that is not",
			old().configMap(s1, 90*day, func(c *inventory.ConfigMap) { c.Keep.Keep = new("true") }).job(
				s1, func(j *inventory.Job) { ended(80*day, false)(j); j.Keep.Keep = new("yes") },
			),
			[]string{session(s1, "keep kept-by-rule"), cm(s1, "keep kept-by-rule"), job(s1, "keep kept-by-rule")},
		},
		{
			"a CFS session whose tag is of another form than the batcher's ID",
			old().cfs(s1, 80*day, func(c *inventory.CFSSession) { c.Name = "batcher-" + s1 + "x" }),
			[]string{gone, "CFSSession batcher-" + s1 + "x: keep foreign"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.world.judge(defaults), tt.want...) })
	}
	t.Run("a Job of a kept template, not listed in BOS", func(t *testing.T) {
		golden := with(defaults, func(s *Settings) { s.KeepTemplates = []string{"comp*"} })
		check(t, newWorld().job(s1, ended(80*day, false)).judge(golden), job(s1, "keep kept-by-rule"))
	})
	t.Run("an ID that is never touched takes nobody's place among the newest", func(t *testing.T) {
		legacy := "st3-" + s2
		w := old().record(legacy, "compute", 30*day, 10*day)
		w.SessionIDs = append(w.SessionIDs, legacy)
		check(
			t, w.judge(with(defaults, func(s *Settings) { s.KeepLast = 1 })), session(s1, "keep kept-last"),
			session(legacy, "keep not-ours"),
		)
	})
}

func TestNeedsRecord(t *testing.T) {
	unnamed := func(j *inventory.Job) { ended(day, false)(j); j.Template = "" }
	for name, tt := range map[string]struct {
		world *world
		want  bool
	}{
		"running":                           {newWorld(s1).job(s1, nil), false},
		"finished lately":                   {newWorld(s1).job(s1, ended(day, false)), false},
		"finished lately, template unknown": {newWorld(s1).job(s1, unnamed), true},
		"finished long ago":                 {newWorld(s1).job(s1, ended(80*day, false)), true},
		"no Job":                            {newWorld(s1), true},
		"no Job, made lately":               {newWorld(s1).configMap(s1, 6*day, nil), false},
		"no Job, made long ago":             {newWorld(s1).configMap(s1, 8*day, nil), true},
		"no Job, made in the future":        {newWorld(s1).configMap(s1, -time.Hour, nil), true},
		"made lately, and finished":         {newWorld(s1).configMap(s1, 6*day, nil).job(s1, unnamed), true},
		"an ID of another form":             {newWorld("st3-" + s1), false},
	} {
		if got := NeedsRecord(tt.world.snapshot().Groups[0], defaults, now); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
	made := newWorld(s1).configMap(s1, 6*day, nil).snapshot().Groups[0]
	if !NeedsRecord(made, with(defaults, func(s *Settings) { s.CFSLink = LinkInferred }), now) {
		t.Error("an inferred link hangs on when the session was at work, and BOS is not asked")
	}
	if !NeedsRecord(made, with(defaults, func(s *Settings) { s.AbandonedTTL = 5 * day }), now) {
		t.Error("it may have been abandoned long enough ago, and BOS is not asked")
	}
}

// Young sessions are asked for only where a session is kept as the newest of its template.
func TestContenders(t *testing.T) {
	one := with(defaults, func(s *Settings) { s.KeepLast = 1 })
	w := newWorld(s1, s2, s3).record(s1, "compute", 81*day, 80*day).configMap(s2, 5*day, nil).configMap(s3, 2*day, nil)
	asked := func(s Settings) (ids []string) {
		for _, g := range KeepLastRivals(w.snapshot(), s, now) {
			ids = append(ids, g.ID)
		}
		return ids
	}
	if got := asked(one); !slices.Equal(got, []string{s3, s2}) {
		t.Errorf("%v, want the newest first", got)
	}
	if got := asked(defaults); got != nil {
		t.Errorf("%v, and none is kept as the newest", got)
	}
	if w.record(s3, "uan", 2*day, day); !slices.Equal(asked(one), []string{s2}) {
		t.Errorf("%v, want the one that is left to ask", asked(one))
	}
	if w.record(s2, "compute", 5*day, 4*day); asked(one) != nil {
		t.Errorf("%v, and the newest is known", asked(one))
	}
}
