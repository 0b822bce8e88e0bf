package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/internal/inventory"
)

func TestSession(t *testing.T) {
	bad := inventory.ParseStamp("tomorrow")
	tests := []struct {
		name  string
		world *world
		want  []string
	}{
		{
			"ended a week ago, its Job long removed by Kyverno",
			newWorld(s1).record(s1, "compute", 9*day, 8*day).configMap(s1, 9*day, nil),
			[]string{session(s1, "delete completed-expired"), cm(s1, "delete owner-collected")},
		},
		{
			"ended lately", newWorld(s1).record(s1, "compute", 9*day, 6*day).configMap(s1, 9*day, nil),
			[]string{session(s1, "keep too-young"), cm(s1, "keep owner-kept")},
		},
		{
			"age counts from the end: it ran for three weeks and ended yesterday",
			newWorld(s1).record(s1, "compute", 22*day, day),
			[]string{session(s1, "keep too-young")},
		},
		{
			"exactly as old as the TTL", newWorld(s1).record(s1, "compute", 9*day, 7*day),
			[]string{session(s1, "delete completed-expired")},
		},
		{
			"its Job still there, complete",
			newWorld(s1).record(s1, "compute", 9*day, 8*day).job(s1, ended(8*day, false)),
			[]string{session(s1, "delete completed-expired"), job(s1, "delete owner-collected")},
		},
		{
			"its Job failed, and failed ones are kept longer",
			newWorld(s1).record(s1, "compute", 9*day, 0).job(s1, ended(8*day, true)),
			[]string{session(s1, "keep too-young"), job(s1, "keep owner-kept")},
		},
		{
			"its Job failed long ago", newWorld(s1).record(s1, "compute", 20*day, 0).job(s1, ended(15*day, true)),
			[]string{session(s1, "delete failed-expired"), job(s1, "delete owner-collected")},
		},
		{
			"the latest evidence of an end counts: the Job retried after stop_time",
			newWorld(s1).record(s1, "compute", 9*day, 8*day).job(s1, ended(5*day, false)),
			[]string{session(s1, "keep too-young"), job(s1, "keep owner-kept")},
		},
		{
			"the latest evidence of an end counts: stop_time after the Job",
			newWorld(s1).record(s1, "compute", 9*day, 5*day).job(s1, ended(8*day, false)),
			[]string{session(s1, "keep too-young"), job(s1, "keep owner-kept")},
		},
		{
			"an ID that BOS v1 does not make", newWorld("st3-"+s1).record("st3-"+s1, "compute", 90*day, 80*day),
			[]string{session("st3-"+s1, "keep not-ours")},
		},
		{"BOS fails on this one record", func() *world {
			w := newWorld(s1)
			w.records[s1] = inventory.Record{Broken: true, Err: "500"}
			return w
		}(), []string{session(s1, "unknown bad-data")}},
		{"BOS did not answer", func() *world {
			w := newWorld(s1).configMap(s1, 90*day, nil)
			w.records[s1] = inventory.Record{Err: "connection refused"}
			return w
		}(), []string{session(s1, "unknown evidence-incomplete"), cm(s1, "keep owner-kept")}},
		{"stop_time is no time", func() *world {
			w := newWorld(s1).record(s1, "compute", 90*day, 0)
			r := w.records[s1]
			r.Stop = bad
			w.records[s1] = r
			return w
		}(), []string{session(s1, "unknown bad-data")}},
		{"start_time is no time", func() *world {
			w := newWorld(s1).record(s1, "compute", 0, 80*day)
			r := w.records[s1]
			r.Start = bad
			w.records[s1] = r
			return w
		}(), []string{session(s1, "unknown bad-data")}},
		{
			"stop_time in the future", newWorld(s1).record(s1, "compute", 90*day, -2*time.Minute),
			[]string{session(s1, "unknown clock-skew")},
		},
		{
			"stop_time a moment ahead is now", newWorld(s1).record(s1, "compute", 90*day, -30*time.Second),
			[]string{session(s1, "keep too-young")},
		},
		{
			"abandoned: BOS calls it in progress for ever", newWorld(s1).record(s1, "compute", 15*day, 0),
			[]string{session(s1, "delete abandoned")},
		},
		{
			"perhaps abandoned, but not long enough ago", newWorld(s1).record(s1, "compute", 13*day, 0),
			[]string{session(s1, "keep too-young")},
		},
		{
			"no times in the record: its ConfigMap tells its age",
			newWorld(s1).record(s1, "compute", 0, 0).configMap(s1, 15*day, nil),
			[]string{session(s1, "delete abandoned"), cm(s1, "delete owner-collected")},
		},
		{"nothing tells its age", newWorld(s1).record(s1, "compute", 0, 0), []string{session(s1, "unknown bad-data")}},
		{
			"start in the future", newWorld(s1).record(s1, "compute", -time.Hour, 0),
			[]string{session(s1, "unknown clock-skew")},
		},
		{
			"a Job that finished at no known time",
			newWorld(s1).record(s1, "compute", 90*day, 80*day).job(s1, func(j *inventory.Job) { j.Terminal = true }),
			[]string{session(s1, "unknown bad-data"), job(s1, "keep owner-kept")},
		},
		{
			"a Job that finished in the future",
			newWorld(s1).record(s1, "compute", 90*day, 80*day).job(s1, ended(-time.Hour, false)),
			[]string{session(s1, "unknown clock-skew"), job(s1, "keep owner-kept")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.world.judge(defaults), tt.want...) })
	}
}

func TestGhost(t *testing.T) {
	ghost := func(w *world) *world {
		w.records[s1] = inventory.Record{Presence: inventory.Absent}
		return w
	}
	blind := func(w *world, change func(*inventory.Evidence)) *world {
		change(&w.Evidence)
		return w
	}
	tests := []struct {
		name  string
		world *world
		want  []string
	}{
		{"nothing left but the name", ghost(newWorld(s1)), []string{session(s1, "delete ghost")}},
		{
			"with an old ConfigMap", ghost(newWorld(s1).configMap(s1, 8*day, nil)),
			[]string{session(s1, "delete ghost"), cm(s1, "delete owner-collected")},
		},
		{
			"with a young ConfigMap it may just be in the making", ghost(newWorld(s1).configMap(s1, time.Hour, nil)),
			[]string{session(s1, "keep too-young"), cm(s1, "keep owner-kept")},
		},
		{
			"with one that is too young for any session nobody asks", ghost(newWorld(s1).configMap(s1, 6*day, nil)),
			[]string{session(s1, "keep too-young"), cm(s1, "keep owner-kept")},
		},
		{
			"with a ConfigMap from the future", ghost(newWorld(s1).configMap(s1, -time.Hour, nil)),
			[]string{session(s1, "unknown clock-skew"), cm(s1, "keep owner-kept")},
		},
		{
			"a Job runs for it: BOA will write its status again", ghost(newWorld(s1).job(s1, nil)),
			[]string{session(s1, "keep running"), job(s1, "keep running")},
		},
		{
			"a Job of it ended long ago", ghost(newWorld(s1).job(s1, ended(8*day, false))),
			[]string{session(s1, "delete completed-expired"), job(s1, "delete owner-collected")},
		},
		{
			"the Jobs could not be read", blind(ghost(newWorld(s1)), func(e *inventory.Evidence) { e.Jobs = false }),
			[]string{session(s1, "unknown evidence-incomplete")},
		},
		{
			"the ConfigMaps could not be read",
			blind(ghost(newWorld(s1)), func(e *inventory.Evidence) { e.ConfigMaps = false }),
			[]string{session(s1, "unknown evidence-incomplete")},
		},
		{
			"the Pods could not be read", blind(ghost(newWorld(s1)), func(e *inventory.Evidence) { e.Pods = false }),
			[]string{session(s1, "unknown evidence-incomplete")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.world.judge(defaults), tt.want...) })
	}
}

func TestRunning(t *testing.T) {
	old := func() *world { return newWorld(s1).record(s1, "compute", 90*day, 80*day) }
	running := []string{session(s1, "keep running"), job(s1, "keep running")}
	collected := []string{session(s1, "delete completed-expired"), job(s1, "delete owner-collected")}
	tests := []struct {
		name  string
		world *world
		want  []string
	}{
		{"its Pod works, whatever BOS says", old().job(s1, nil).pod(s1, nil), running},
		{
			"stop_time is set, but the Job tries again", old().job(s1, func(j *inventory.Job) { j.FailedPods = 1 }),
			running,
		},
		{"no Pod yet", old().job(s1, nil), running},
		{"suspended", old().job(s1, func(j *inventory.Job) { j.Suspended = true }).pod(s1, held(80*day, 0)), running},
		{
			"its Pod is over, and the Job's controller has not noticed",
			old().job(s1, nil).pod(s1, func(p *inventory.Pod) { held(80*day, 0)(p); p.Over, p.OthersRun = true, false }),
			running,
		},
		{"only the proxy runs, boa ended well", old().job(s1, nil).pod(s1, held(80*day, 0)), collected},
		{
			"only the proxy runs, boa ended lately", old().job(s1, nil).pod(s1, held(day, 0)),
			[]string{session(s1, "keep too-young"), job(s1, "keep owner-kept")},
		},
		{"only the proxy runs, boa failed and tries are left", old().job(s1, nil).pod(s1, held(80*day, 1)), running},
		{
			"only the proxy runs, boa failed the last time",
			old().job(s1, func(j *inventory.Job) { j.FailedPods = 4 }).pod(s1, held(80*day, 1)),
			[]string{session(s1, "delete failed-expired"), job(s1, "delete owner-collected")},
		},
		{
			"only the proxy runs, and the Job is to have another Pod",
			old().job(s1, func(j *inventory.Job) { j.Completions, j.SucceededPods = 3, 1 }).pod(s1, held(80*day, 0)), running,
		},
		{
			"only the proxy runs, boa ended well for the last time",
			old().job(s1, func(j *inventory.Job) { j.Completions, j.SucceededPods = 2, 1 }).pod(s1, held(80*day, 0)), collected,
		},
		{"the proxy holds one Pod, another works", old().job(s1, nil).pod(s1, held(80*day, 0)).pod(s1, nil), running},
		{
			"a Pod without its Job", newWorld(s1).record(s1, "compute", 90*day, 80*day).pod(s1, nil),
			[]string{session(s1, "keep running")},
		},
		{"a terminal Job whose Pod still works", old().job(s1, ended(80*day, true)).pod(s1, nil), running},
		{
			"a copy of its Job, made by a person",
			old().job(s1, func(j *inventory.Job) { j.Name, j.Fault = "again", "its name does not begin with boa-" }),
			[]string{session(s1, "keep running"), "Job again: keep not-ours"},
		},
		{"the Pods could not be read", func() *world {
			w := old().job(s1, nil)
			w.Evidence.Pods = false
			return w
		}(), []string{session(s1, "unknown evidence-incomplete"), job(s1, "unknown evidence-incomplete")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.world.judge(defaults), tt.want...) })
	}
}

func TestNothingIsConcludedFromAPartOfTheCluster(t *testing.T) {
	for name, blind := range map[string]func(*inventory.Evidence){
		"Jobs":       func(e *inventory.Evidence) { e.Jobs = false },
		"Pods":       func(e *inventory.Evidence) { e.Pods = false },
		"ConfigMaps": func(e *inventory.Evidence) { e.ConfigMaps = false },
		"CronJobs":   func(e *inventory.Evidence) { e.CronJobs = false },
	} {
		w := newWorld(s1, s2).record(s1, "a", 90*day, 80*day).record(s2, "b", 90*day, 0).
			configMap(s1, 90*day, nil).configMap(s3, 90*day, nil).
			cfs(s1, 80*day, nil).cfs(id(4), 80*day, nil)
		blind(&w.Evidence)
		for _, d := range w.judge(defaults) {
			if d.Verdict == Delete {
				t.Errorf("without the %s: %s %s goes as %s", name, d.Kind, d.Name, d.Reason)
			}
		}
	}
}

func TestKeepLast(t *testing.T) {
	w := newWorld(id(1), id(2), id(3), id(4), id(5), id(6), id(7)).
		record(id(1), "compute", 30*day, 28*day).
		record(id(2), "compute", 30*day, 20*day). // the newest finished one of compute
		record(id(3), "uan", 30*day, 25*day).     // of uan, an equal end: the greater ID is newer
		record(id(4), "uan", 30*day, 25*day).
		record(id(5), "compute", 2*day, 0).job(id(5), nil). // newer, but it has not finished
		record(id(6), "compute", 90*day, -time.Hour).       // its clock is wrong: it proves nothing
		record(id(7), "", 90*day, 80*day)                   // no template is a template of its own
	check(t, w.judge(with(defaults, func(s *Settings) { s.KeepLast = 1 })),
		session(id(1), "delete completed-expired"), session(id(2), "keep kept-last"),
		session(id(3), "delete completed-expired"), session(id(4), "keep kept-last"),
		session(id(5), "keep running"), job(id(5), "keep running"),
		session(id(6), "unknown clock-skew"), session(id(7), "keep kept-last"))
	check(t, w.judge(with(defaults, func(s *Settings) { s.KeepLast = 2 })),
		session(id(1), "keep kept-last"), session(id(2), "keep kept-last"),
		session(id(3), "keep kept-last"), session(id(4), "keep kept-last"),
		session(id(5), "keep running"), job(id(5), "keep running"),
		session(id(6), "unknown clock-skew"), session(id(7), "keep kept-last"))
}

// Which session is kept as the last boot of a template, where a younger one is no boot, in doubt, or of no use.
func TestOnlyABootThatIsCertainTakesThePlaceOfTheNewest(t *testing.T) {
	one := with(defaults, func(s *Settings) { s.KeepLast, s.KeepLastFor = 1, 90*day })
	operation := func(w *world, id, operation string) *world {
		r := w.records[id]
		r.Operation = operation
		w.records[id] = r
		return w
	}
	older := func() *world {
		return newWorld(s1, s2).record(s1, "compute", 30*day, 30*day).record(s2, "compute", 20*day, 20*day)
	}
	known := func(w *world, templates ...string) *world {
		w.templates = inventory.NewTemplates(templates)
		return w
	}
	const kept, gone = "keep kept-last", "delete completed-expired"
	for _, tt := range []struct {
		name   string
		world  *world
		want   string // of the older session
		newest string // of the newer one
	}{
		{"a boot", older(), gone, kept},
		{"a reboot", operation(older(), s2, "reboot"), gone, kept},
		{"a configure, after which the nodes still stand on the boot", operation(older(), s2, "configure"), kept, gone},
		{"a shutdown", operation(older(), s2, "shutdown"), kept, gone},
		{"an unknown operation is kept, and takes nobody's place", operation(older(), s2, ""), kept, kept},
		{
			"the Job tells the operation", operation(older(), s2, "").
				job(s2, func(j *inventory.Job) { ended(20*day, false)(j); j.Operation = "reboot" }), gone, kept,
		},
		{
			"a ghost whose Job is still there",
			older().with(s2, inventory.Record{Presence: inventory.Absent}).job(s2, ended(20*day, false)), kept, gone,
		},
		{"a template that BOS still has", known(older(), "compute"), gone, kept},
		{"a template that BOS has no more", known(older(), "other"), gone, gone},
		{"BOS has no templates", known(older()), gone, gone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, d := range tt.world.judge(one) {
				want := map[string]string{s1: tt.want, s2: tt.newest}[d.Name]
				if got := string(d.Verdict) + " " + string(d.Reason); d.Kind == Session && got != want {
					t.Errorf("%s: %s, want %s: %s", d.Name, got, want, d.Detail)
				}
			}
		})
	}
}

// The list of BOS is too large to be asked for: then everything has to go that may, or it never becomes smaller.
func TestNothingIsKeptAsTheLastWhileTheListIsTooLarge(t *testing.T) {
	s := newWorld(s1).record(s1, "compute", 30*day, 30*day).snapshot()
	one := with(defaults, func(s *Settings) { s.KeepLast = 1 })
	s.ListTooLarge = true
	check(t, slices.Collect(NewJudge(s, one, now, Memory{}).All(s)), session(s1, "delete completed-expired"))
}

func TestTheNewestIsKeptForALimitedTime(t *testing.T) {
	for _, tt := range []struct {
		name         string
		limit, since time.Duration
		want         string
		until        time.Time
	}{
		{"not yet", 90 * day, 89 * day, "keep kept-last", now.Add(day)},
		{"over", 90 * day, 90 * day, "delete completed-expired", now.Add(-83 * day)},
		{"without a limit", 0, 900 * day, "keep kept-last", time.Time{}},
	} {
		w := newWorld(s1).record(s1, "compute", tt.since, tt.since)
		w.templates = inventory.Templates{Err: "HTTP 503"}
		d := w.judge(with(defaults, func(s *Settings) { s.KeepLast, s.KeepLastFor = 1, tt.limit }))[0]
		if got := string(d.Verdict) + " " + string(d.Reason); got != tt.want || !d.EligibleAt.Equal(tt.until) {
			t.Errorf("%s: %s until %s: %s", tt.name, got, d.EligibleAt, d.Detail)
		}
		if d.Reason == KeptLast && !strings.Contains(d.Detail, "not known whether BOS still has this template: HTTP 503") {
			t.Errorf("%s: %s", tt.name, d.Detail)
		}
	}
}

func TestKeepByRule(t *testing.T) {
	old := func() *world { return newWorld(s1).record(s1, "golden-1", 90*day, 80*day) }
	protect := func(k inventory.Keep) *world {
		return old().configMap(s1, 90*day, func(c *inventory.ConfigMap) { c.Keep = k }).cfs(s1, 80*day, nil)
	}
	kept := []string{session(s1, "keep kept-by-rule"), cm(s1, "keep kept-by-rule"), cfs(0, "keep owner-kept")}
	doubt := []string{session(s1, "unknown bad-data"), cm(s1, "unknown bad-data"), cfs(0, "keep owner-kept")}
	gone := []string{
		session(s1, "delete completed-expired"), cm(s1, "delete owner-collected"), cfs(0, "delete owner-collected"),
	}
	tests := []struct {
		name string
		keep inventory.Keep
		want []string
	}{
		{"keep", inventory.Keep{Keep: new("true")}, kept},
		{"keep taken back", inventory.Keep{Keep: new("false")}, gone},
		{"keep not understood", inventory.Keep{Keep: new("yes")}, doubt},
		{"keep, and nothing said", inventory.Keep{Keep: new("")}, doubt},
		{"keep-until to come", inventory.Keep{Until: new(now.Add(time.Hour).Format(time.RFC3339))}, kept},
		{"keep-until over", inventory.Keep{Until: new(now.Add(-time.Hour).Format(time.RFC3339))}, gone},
		{"keep-until not understood", inventory.Keep{Until: new("next week")}, doubt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, protect(tt.keep).judge(defaults), tt.want...) })
	}
	t.Run("an annotation on the Job protects the whole session", func(t *testing.T) {
		w := old().configMap(s1, 90*day, nil).job(
			s1, func(j *inventory.Job) { ended(80*day, false)(j); j.Keep.Keep = new("true") },
		)
		check(
			t, w.judge(defaults), session(s1, "keep kept-by-rule"), cm(s1, "keep kept-by-rule"),
			job(s1, "keep kept-by-rule"),
		)
	})
	t.Run("template", func(t *testing.T) {
		golden := with(defaults, func(s *Settings) { s.KeepTemplates = []string{"x", "golden-*"} })
		check(
			t, old().configMap(s1, 90*day, nil).judge(golden), session(s1, "keep kept-by-rule"),
			cm(s1, "keep owner-kept"),
		)
	})
}

// If BOS was asked for a session that is too young whatever it answers, the answer says until when it is kept.
func TestMadeLately(t *testing.T) {
	s4 := id(4)
	w := newWorld(s1, s2, s3, s4).configMap(s1, 6*day, nil).configMap(s2, 6*day, nil).configMap(s3, 6*day, nil).
		configMap(s4, 6*day, nil)
	w.record(s2, "compute", 6*day, 5*day).record(s3, "compute", 90*day, 80*day).record(s4, "compute", 6*day, 0)
	until := map[string]time.Time{s1: now.Add(day), s2: now.Add(2 * day), s3: now.Add(day), s4: now.Add(8 * day)}
	for id, want := range until {
		for _, d := range w.judge(defaults) {
			if d.Kind == Session && d.Name == id && (d.Reason != TooYoung || !d.EligibleAt.Equal(want)) {
				t.Errorf("%s: %s until %s, want %s (%s)", id, d.Reason, d.EligibleAt, want, d.Detail)
			}
		}
	}
}

// Whoever wonders why it is kept for longer than others has to read that it failed.
func TestAFailedSessionSaysThatItFailed(t *testing.T) {
	for name, w := range map[string]*world{
		"its Job ended":               newWorld(s1).record(s1, "compute", 9*day, 8*day).job(s1, ended(8*day, true)),
		"its Job failed, BOS is late": newWorld(s1).record(s1, "compute", 9*day, 2*day).job(s1, ended(20*day, true)),
		"without a session":           newWorld().job(s1, ended(time.Hour, true)),
	} {
		d := w.judge(defaults)[0]
		if d.Reason != TooYoung || !strings.HasPrefix(d.Detail, "failed ") {
			t.Errorf("%s: %s, %s", name, d.Reason, d.Detail)
		}
	}
}
