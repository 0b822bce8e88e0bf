package policy

import (
	"testing"
	"time"

	"bosgc/internal/inventory"
)

func TestJobWithoutSession(t *testing.T) {
	noList := newWorld().job(s1, ended(80*day, false))
	noList.Unlisted = inventory.Unknown
	unlisted := newWorld().job(s1, ended(80*day, false)).record(s1, "compute", 90*day, 80*day)
	tests := []struct {
		name  string
		world *world
		want  []string
	}{
		{
			"old and finished, by its own evidence", newWorld().job(s1, ended(8*day, false)).configMap(s1, 9*day, nil),
			[]string{job(s1, "delete completed-expired"), cm(s1, "delete owner-collected")},
		},
		{"old and failed", newWorld().job(s1, ended(15*day, true)), []string{job(s1, "delete failed-expired")}},
		{
			"an orphan for now", newWorld().job(s1, ended(2*day, false)).configMap(s1, 9*day, nil),
			[]string{job(s1, "keep awaiting-confirmation"), cm(s1, "keep owner-kept")},
		},
		{"finished an hour ago", newWorld().job(s1, ended(time.Hour, false)), []string{job(s1, "keep too-young")}},
		{
			"running while BOS cannot write its entry", newWorld().job(s1, nil).configMap(s1, 9*day, nil),
			[]string{job(s1, "keep running"), cm(s1, "keep owner-kept")},
		},
		{"the list could not be read", noList, []string{job(s1, "unknown evidence-incomplete")}},
		{"not listed, and yet BOS has a record", unlisted, []string{job(s1, "unknown evidence-incomplete")}},
		{
			"not of BOS's making",
			newWorld().job("", func(j *inventory.Job) { j.Name, j.Fault = "boa-test", "it has no volume" }),
			[]string{"Job boa-test: keep not-ours"},
		},
		{
			"finished in the future", newWorld().job(s1, ended(-time.Hour, false)),
			[]string{job(s1, "unknown clock-skew")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.world.judge(defaults), tt.want...) })
	}
}

func TestConfigMap(t *testing.T) {
	old := func() *world { return newWorld(s1).record(s1, "compute", 90*day, 80*day) }
	collected := session(s1, "delete completed-expired")
	uses := func(w *world, session string) *world {
		w.References = []inventory.Reference{{ConfigMap: s1, Kind: "CronJob", Name: "other", Session: session}}
		return w
	}
	noList := newWorld().configMap(s1, 90*day, nil)
	noList.Unlisted = inventory.Unknown
	tests := []struct {
		name  string
		world *world
		want  []string
	}{
		{
			"labels", old().configMap(s1, 90*day, func(c *inventory.ConfigMap) { c.Fault = "it has labels" }),
			[]string{collected, cm(s1, "keep not-ours")},
		},
		{
			"another body",
			old().configMap(
				s1, 90*day, func(c *inventory.ConfigMap) { c.Body, c.BodyFault = inventory.BodyOther, "two keys" },
			),
			[]string{collected, cm(s1, "keep not-ours")},
		},
		{
			"the body could not be read: what leads to it stays too",
			old().configMap(
				s1, 90*day, func(c *inventory.ConfigMap) { c.Body = inventory.BodyFailed },
			).job(s1, ended(80*day, false)).cfs(s1, 80*day, nil),
			[]string{
				session(s1, "unknown evidence-incomplete"), cm(s1, "unknown evidence-incomplete"),
				job(s1, "unknown evidence-incomplete"), cfs(0, "keep owner-kept"),
			},
		},
		{
			"something else uses it", uses(old().configMap(s1, 90*day, nil), ""),
			[]string{collected, cm(s1, "keep in-use")},
		},
		{
			"another session uses it", uses(old().configMap(s1, 90*day, nil), s2),
			[]string{collected, cm(s1, "keep in-use")},
		},
		{
			"its own session uses it", uses(old().configMap(s1, 90*day, nil), s1),
			[]string{collected, cm(s1, "delete owner-collected")},
		},
		{"nobody's, for long", newWorld().configMap(s1, 2*day, nil), []string{cm(s1, "keep awaiting-confirmation")}},
		{"nobody's, and used", uses(newWorld().configMap(s1, 2*day, nil), ""), []string{cm(s1, "keep in-use")}},
		{
			"nobody's yet: BOS makes the ConfigMap first", newWorld().configMap(s1, time.Hour, nil),
			[]string{cm(s1, "keep too-young")},
		},
		{"created in the future", newWorld().configMap(s1, -time.Hour, nil), []string{cm(s1, "unknown clock-skew")}},
		{"BOS's list could not be read", noList, []string{cm(s1, "unknown evidence-incomplete")}},
		{
			"BOS knows it although it did not list it",
			newWorld().configMap(s1, 90*day, nil).record(s1, "x", 90*day, 80*day),
			[]string{cm(s1, "unknown evidence-incomplete")},
		},
		{
			"a Pod of it works, without Job and entry", newWorld().configMap(s1, 90*day, nil).pod(s1, nil),
			[]string{cm(s1, "keep owner-kept")},
		},
		{
			"nobody's, and not of BOS's making",
			newWorld().configMap(
				s1, 90*day, func(c *inventory.ConfigMap) { c.Body = inventory.BodyOther; c.BodyFault = "two keys" },
			),
			[]string{cm(s1, "keep not-ours")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.world.judge(defaults), tt.want...) })
	}
}

func TestCFSSession(t *testing.T) {
	old := func() *world { return newWorld(s1).record(s1, "compute", 90*day, 80*day) }
	gone, kept := session(s1, "delete completed-expired"), session(s1, "keep too-young")
	v2 := func(w *world, p inventory.Presence) *world { w.v2[s2] = p; return w }
	unlisted := func(w *world) *world { w.Unlisted = inventory.Unknown; return w }
	status := func(s string) func(*inventory.CFSSession) {
		return func(c *inventory.CFSSession) { c.Status = s }
	}
	untimed := func(c *inventory.CFSSession) { c.Completion, c.Start = inventory.Stamp{}, inventory.Stamp{} }
	tests := []struct {
		name  string
		world *world
		want  []string
	}{
		{"its session goes", old().cfs(s1, 80*day, nil), []string{gone, cfs(0, "delete owner-collected")}},
		{
			"its session goes, but it still runs", old().cfs(s1, 0, status("running")),
			[]string{gone, cfs(0, "keep running")},
		},
		{
			"its session goes, but it has not begun", old().cfs(s1, 0, status("pending")),
			[]string{gone, cfs(0, "keep running")},
		},
		{
			"one that could not be understood",
			old().cfs("", 80*day, func(c *inventory.CFSSession) { c.Fault = "its tag is a number" }),
			[]string{gone, cfs(0, "unknown bad-data")},
		},
		{"an odd status", old().cfs(s1, 80*day, status("done")), []string{gone, cfs(0, "unknown bad-data")}},
		{
			"its session stays", newWorld(s1).record(s1, "x", 9*day, day).cfs(s1, 80*day, nil),
			[]string{kept, cfs(0, "keep owner-kept")},
		},
		{
			"made by a person", old().cfs(s1, 80*day, func(c *inventory.CFSSession) { c.Name = "mine" }),
			[]string{gone, "CFSSession mine: keep foreign"},
		},
		{
			"named almost like the batcher's",
			old().cfs(s1, 80*day, func(c *inventory.CFSSession) { c.Name = "batcher-1" }),
			[]string{gone, "CFSSession batcher-1: keep foreign"},
		},
		{
			"an image build", old().cfs(s1, 80*day, func(c *inventory.CFSSession) { c.Definition = "image" }),
			[]string{gone, cfs(0, "keep foreign")},
		},
		{
			"for all nodes", old().cfs(s1, 80*day, func(c *inventory.CFSSession) { c.Limit = "" }),
			[]string{gone, cfs(0, "keep foreign")},
		},
		{
			"gone from v1 and v2", v2(newWorld().cfs(s2, 8*day, nil), inventory.Absent),
			[]string{cfs(0, "keep awaiting-confirmation")},
		},
		{
			"gone from both, but no older than one without a tag that is kept",
			v2(newWorld().cfs(s2, 6*day, nil), inventory.Absent),
			[]string{cfs(0, "keep too-young")},
		},
		{
			"gone from both, without times", v2(newWorld().cfs(s2, 0, untimed), inventory.Absent),
			[]string{cfs(0, "unknown bad-data")},
		},
		{"of BOS v2", v2(newWorld().cfs(s2, 80*day, nil), inventory.Present), []string{cfs(0, "keep foreign")}},
		{"BOS v2 did not answer", newWorld().cfs(s2, 80*day, nil), []string{cfs(0, "unknown evidence-incomplete")}},
		{
			"BOS's list is not complete", unlisted(v2(newWorld().cfs(s2, 80*day, nil), inventory.Absent)),
			[]string{cfs(0, "unknown evidence-incomplete")},
		},
		{
			"a name that a person gave in BOS v2", newWorld().cfs("my-boot", 80*day, nil),
			[]string{cfs(0, "keep foreign")},
		},
		{
			"not listed, but its Job works", v2(newWorld().job(s2, nil).cfs(s2, 80*day, nil), inventory.Absent),
			[]string{job(s2, "keep running"), cfs(0, "keep owner-kept")},
		},
		{
			"the Job of its session goes by its own evidence",
			v2(newWorld().job(s2, ended(80*day, false)).cfs(s2, 80*day, nil), inventory.Absent),
			[]string{job(s2, "delete completed-expired"), cfs(0, "keep awaiting-confirmation")},
		},
		{"no tag, old", newWorld().cfs("", 8*day, nil), []string{cfs(0, "delete cfs-expired")}},
		{"no tag, old, BOS down", unlisted(newWorld().cfs("", 8*day, nil)), []string{cfs(0, "delete cfs-expired")}},
		{"no tag, young", newWorld().cfs("", 6*day, nil), []string{cfs(0, "keep too-young")}},
		{
			"no tag, completion lost",
			newWorld().cfs("", 8*day, func(c *inventory.CFSSession) { c.Completion = inventory.Stamp{} }),
			[]string{cfs(0, "delete cfs-expired")},
		},
		{
			"no tag, completion is no time",
			newWorld().cfs("", 8*day, func(c *inventory.CFSSession) { c.Completion = inventory.ParseStamp("x") }),
			[]string{cfs(0, "unknown bad-data")},
		},
		{"no tag, no times", newWorld().cfs("", 8*day, untimed), []string{cfs(0, "unknown bad-data")}},
		{"no tag, in the future", newWorld().cfs("", -time.Hour, nil), []string{cfs(0, "unknown clock-skew")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.world.judge(defaults), tt.want...) })
	}
	t.Run("modes", func(t *testing.T) {
		w := old().cfs(s1, 80*day, nil).cfs("", 80*day, nil).cfs(
			"", 80*day, func(c *inventory.CFSSession) { c.Name = "mine" },
		)
		check(
			t, w.judge(with(defaults, func(s *Settings) { s.CFS = CFSLinked })), gone, cfs(0, "delete owner-collected"),
			cfs(1, "keep policy-off"), "CFSSession mine: keep foreign",
		)
		check(
			t, w.judge(with(defaults, func(s *Settings) { s.CFS = CFSOff })), gone, cfs(0, "keep policy-off"),
			cfs(1, "keep policy-off"), "CFSSession mine: keep foreign",
		)
	})
}

// The Job is right where a name says otherwise: on old releases they could differ.
func TestJobNamesItsConfigMap(t *testing.T) {
	w := newWorld(s1).record(s1, "compute", 90*day, 80*day).
		job(s1, func(j *inventory.Job) { ended(80*day, false)(j); j.Name, j.ConfigMap = "boa-"+s3, s2 }).
		configMap(s2, 90*day, nil)
	check(
		t, w.judge(defaults), session(s1, "delete completed-expired"), "Job boa-"+s3+": delete owner-collected",
		cm(s2, "delete owner-collected"),
	)
}

func TestOrderOfDeletion(t *testing.T) {
	w := newWorld(s1, s2).
		record(s1, "a", 90*day, 80*day).configMap(s1, 90*day, nil).job(s1, ended(80*day, false)).cfs(s1, 79*day, nil).
		record(s2, "b", 95*day, 94*day).cfs("", 90*day, nil)
	var got []string
	for _, d := range w.judge(defaults) {
		got = append(got, string(d.Kind)+" "+d.Session)
	}
	want := []string{
		"Session " + s2, "CFSSession ", "ConfigMap " + s1, "CFSSession " + s1, "Session " + s1, "Job " + s1,
	}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("order is %q, want %q", got, want)
		}
	}
}
