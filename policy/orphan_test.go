package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/memory"
)

// seen returns that an object was seen as an orphan so often, long ago.
func seen(times int) memory.Sighting {
	return memory.Sighting{Times: times, First: now.Add(-day), Last: now.Add(-day)}
}

func sighted(w *world, times int) *world {
	w.memory.Sightings = map[string]memory.Sighting{}
	for _, cm := range w.ConfigMaps {
		w.memory.Sightings[cm.UID] = seen(times)
	}
	for _, job := range w.Jobs {
		w.memory.Sightings[job.UID] = seen(times)
	}
	return w
}

func TestOrphansNeedSightings(t *testing.T) {
	lately := ended(2*day, false) // longer ago than the grace, less long than the TTL
	for name, tt := range map[string]struct {
		world    *world
		settings Settings
		want     []string
	}{
		"never seen before": {
			newWorld().configMap(s1, 3*day, nil), defaults, []string{cm(s1, "keep awaiting-confirmation")},
		},
		"seen once before": {
			sighted(newWorld().configMap(s1, 3*day, nil), 1), defaults, []string{cm(s1, "delete orphaned")},
		},
		"one short": {
			sighted(newWorld().configMap(s1, 3*day, nil), 1),
			with(defaults, func(s *Settings) { s.OrphanSightings = 3 }),
			[]string{cm(s1, "keep awaiting-confirmation")},
		},
		"one is enough": {
			newWorld().configMap(s1, 3*day, nil), with(defaults, func(s *Settings) { s.OrphanSightings = 1 }),
			[]string{cm(s1, "delete orphaned")},
		},
		"seen, but younger than the grace": {
			sighted(newWorld().configMap(s1, 23*time.Hour, nil), 9), defaults, []string{cm(s1, "keep too-young")},
		},
		"seen, but an owner has appeared": {
			sighted(newWorld(s1).record(s1, "compute", 3*day, 2*day).configMap(s1, 3*day, nil), 9), defaults,
			[]string{session(s1, "keep too-young"), cm(s1, "keep owner-kept")},
		},
		"seen, but in use": {func() *world {
			w := sighted(newWorld().configMap(s1, 3*day, nil), 9)
			w.References = []inventory.Reference{{ConfigMap: s1, Kind: "CronJob", Name: "weekly"}}
			return w
		}(), defaults, []string{cm(s1, "keep in-use")}},
		"seen, but of another shape": {
			sighted(
				newWorld().configMap(
					s1, 3*day, func(c *inventory.ConfigMap) { c.Body = inventory.BodyOther; c.BodyFault = "odd" },
				),
				9,
			),
			defaults,
			[]string{cm(s1, "keep not-ours")},
		},
		"seen, but of a template that is kept": {
			sighted(newWorld().configMap(s1, 3*day, func(c *inventory.ConfigMap) { c.Template = "golden-1" }), 9),
			with(defaults, func(s *Settings) { s.KeepTemplates = []string{"golden-*"} }),
			[]string{cm(s1, "keep kept-by-rule")},
		},
		"seen, and of another template": {
			sighted(newWorld().configMap(s1, 3*day, func(c *inventory.ConfigMap) { c.Template = "compute" }), 9),
			with(defaults, func(s *Settings) { s.KeepTemplates = []string{"golden-*"} }),
			[]string{cm(s1, "delete orphaned")},
		},
		"seen, and it names no template": {
			sighted(newWorld().configMap(s1, 3*day, nil), 9),
			with(defaults, func(s *Settings) { s.KeepTemplates = []string{"golden-*"} }),
			[]string{cm(s1, "unknown bad-data")},
		},
		"another object of its name was seen": {func() *world {
			w := newWorld().configMap(s1, 3*day, nil)
			w.memory.Sightings = map[string]memory.Sighting{"uid-of-yesterday": seen(9)}
			return w
		}(), defaults, []string{cm(s1, "keep awaiting-confirmation")}},
		"without a UID nothing is known of it": {func() *world {
			w := newWorld().configMap(s1, 3*day, func(c *inventory.ConfigMap) { c.UID = "" })
			w.memory.Sightings = map[string]memory.Sighting{"": seen(9)}
			return w
		}(), defaults, []string{cm(s1, "keep awaiting-confirmation")}},
		"a Job and its ConfigMap, first seen": {
			newWorld().job(s1, lately).configMap(s1, 3*day, nil), defaults,
			[]string{job(s1, "keep awaiting-confirmation"), cm(s1, "keep owner-kept")},
		},
		"a Job and its ConfigMap, confirmed": {
			sighted(newWorld().job(s1, lately).configMap(s1, 3*day, nil), 1), defaults,
			[]string{job(s1, "delete orphaned"), cm(s1, "delete owner-collected")},
		},
		"BOS did not answer for it": {func() *world {
			w := sighted(newWorld().configMap(s1, 3*day, nil), 9)
			w.records[s1] = inventory.Record{Err: "no answer"}
			return w
		}(), defaults, []string{cm(s1, "unknown evidence-incomplete")}},
		"BOS was not asked for it": {func() *world {
			w := sighted(newWorld().configMap(s1, 3*day, nil), 9)
			w.records[s1] = inventory.Record{}
			return w
		}(), defaults, []string{cm(s1, "unknown evidence-incomplete")}},
		"BOS v1 has been removed, first seen": {
			removed(newWorld().configMap(s1, 8*day, nil)), defaults, []string{cm(s1, "keep awaiting-confirmation")},
		},
		"BOS v1 has been removed, confirmed": {
			removed(sighted(newWorld().configMap(s1, 8*day, nil), 1)), defaults, []string{cm(s1, "delete orphaned")},
		},
		"BOS v1 has been removed: kept as long as a session": {
			removed(sighted(newWorld().configMap(s1, 6*day, nil).job(s2, lately).job(s3, ended(13*day, true)), 9)), defaults,
			[]string{cm(s1, "keep too-young"), job(s2, "keep too-young"), job(s3, "keep too-young")},
		},
		"not all Pods were read": {func() *world {
			w := sighted(newWorld().configMap(s1, 3*day, nil), 9)
			w.Evidence.Pods = false
			return w
		}(), defaults, []string{cm(s1, "unknown evidence-incomplete")}},
		"not all CronJobs were read": {func() *world {
			w := sighted(newWorld().configMap(s1, 3*day, nil), 9)
			w.Evidence.CronJobs = false
			return w
		}(), defaults, []string{cm(s1, "unknown evidence-incomplete")}},
	} {
		t.Run(name, func(t *testing.T) { check(t, tt.world.judge(tt.settings), tt.want...) })
	}
}

func removed(w *world) *world {
	w.V1 = inventory.Absent
	return w
}

// guardWorld returns a world with all ConfigMaps, of which some are orphans that were seen before.
func guardWorld(all, orphans int) *world {
	w := newWorld()
	for n := range all {
		if n >= orphans {
			w.SessionIDs = append(w.SessionIDs, id(n))
			w.record(id(n), "compute", 3*day, 2*day)
		}
		w.configMap(id(n), 3*day, nil)
	}
	return sighted(w, 1)
}

func TestTheGuardIsExact(t *testing.T) {
	for _, tt := range []struct {
		all, orphans, percent int
		refused               bool
	}{
		{20, 10, 50, false},
		{20, 11, 50, true},
		{21, 10, 50, false},
		{21, 11, 50, true},
		{200, 100, 50, false},
		{200, 101, 50, true},
		{19, 19, 50, false}, // below the floor a share says nothing
		{20, 20, 100, false},
		{20, 1, 0, true},
		{300, 1, 0, true},
		{300, 100, 33, true}, // a third is more than 33 %
		{300, 99, 33, false},
	} {
		t.Run(fmt.Sprintf("%d of %d, %d %%", tt.orphans, tt.all, tt.percent), func(t *testing.T) {
			counts := map[Reason]int{}
			for _, d := range guardWorld(tt.all, tt.orphans).judge(
				with(defaults, func(s *Settings) { s.MaxOrphanPercent = tt.percent }),
			) {
				if d.Kind == ConfigMap && d.Reason.LooksOrphaned() {
					counts[d.Reason]++
				}
			}
			want := map[Reason]int{Orphaned: tt.orphans}
			if tt.refused {
				want = map[Reason]int{OrphanGuard: tt.orphans}
			}
			if fmt.Sprint(counts) != fmt.Sprint(want) {
				t.Errorf("%v, want %v", counts, want)
			}
		})
	}
}

// The guard looks at each kind alone, and also at orphans that are not confirmed yet.
func TestTheGuardOfOneKind(t *testing.T) {
	w := guardWorld(20, 11)
	w.memory.Sightings = nil
	w.job(id(100), ended(2*day, false))
	w.memory.Sightings = map[string]memory.Sighting{"uid-job-" + id(100): seen(1)}
	counts := map[string]int{}
	for _, d := range w.judge(defaults) {
		if d.Reason.LooksOrphaned() {
			counts[string(d.Kind)+" "+string(d.Reason)]++
		}
	}
	if want := map[string]int{"ConfigMap orphan-guard": 11, "Job orphaned": 1}; fmt.Sprint(counts) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", counts, want)
	}
}

// While the guard keeps a Job, its ConfigMap is kept too.
func TestWhatTheGuardKeepsKeepsItsOwn(t *testing.T) {
	w := newWorld()
	for n := range 25 {
		w.job(id(n), ended(2*day, false)).configMap(id(n), 3*day, nil)
	}
	for _, d := range sighted(w, 5).judge(defaults) {
		want := map[Kind]Reason{Job: OrphanGuard, ConfigMap: OwnerKept}[d.Kind]
		if d.Verdict != Keep || want != "" && d.Reason != want {
			t.Errorf("%s %s: %s %s", d.Kind, d.Name, d.Verdict, d.Reason)
		}
	}
}

func TestTheGuardKnowsThatBOSWasRemoved(t *testing.T) {
	w := removed(guardWorld(40, 40))
	for i := range w.ConfigMaps {
		w.ConfigMaps[i].Created = ago(8 * day)
	}
	for _, d := range w.judge(defaults) {
		if d.Reason != Orphaned {
			t.Errorf("%s %s: %s %s (%s)", d.Kind, d.Name, d.Verdict, d.Reason, d.Detail)
		}
	}
}

// A BOS that has lost its records has also lost those of young sessions, most of which nobody has asked for.
func TestTheGuardLooksAtYoungGhosts(t *testing.T) {
	for _, tt := range []struct {
		lost int // of ten young ones
		want Reason
	}{{0, Ghost}, {2, Ghost}, {9, OrphanGuard}} {
		w := newWorld()
		ask := map[string]inventory.Record{}
		for n := range 20 {
			w.SessionIDs = append(w.SessionIDs, id(n))
			if n < 10 {
				w.configMap(id(n), 8*day, nil).records[id(n)] = inventory.Record{
					Presence: inventory.Present, Template: "compute", Start: ago(8 * day), Stop: ago(2 * day),
				}
				if n < 8 {
					w.records[id(n)] = inventory.Record{Presence: inventory.Absent}
				}
				continue
			}
			w.configMap(id(n), 3*day, nil)
			if ask[id(n)] = (inventory.Record{
				Presence: inventory.Present, Template: "compute", Start: ago(3 * day), Stop: ago(2 * day),
			}); n < 10+tt.lost {
				ask[id(n)] = inventory.Record{Presence: inventory.Absent}
			}
		}
		s, asked := w.snapshot(), 0
		for next := GhostSample(s, defaults, now); len(next) > 0; next = GhostSample(s, defaults, now) {
			s.Replace(next[0].WithRecord(ask[next[0].ID]))
			asked++
		}
		j := NewJudge(s, defaults, now, Memory{})
		j.Guard(s)
		for d := range j.All(s) {
			if d.Kind == Session && d.Reason != TooYoung && d.Reason != tt.want {
				t.Errorf(
					"8 of 10, and %d of 10 young ones, have no record: %s %s, want %s (%d were asked for)", tt.lost,
					d.Name, d.Reason, tt.want, asked,
				)
			}
		}
		if asked == 0 {
			t.Error("nobody was asked")
		}
	}
}

// A BOS that lists sessions and has a record of none has lost its records.
func TestTheGuardLooksAtGhosts(t *testing.T) {
	for _, tt := range []struct {
		ghosts int
		want   Reason
	}{{10, Ghost}, {11, OrphanGuard}} {
		w := newWorld()
		for n := range 20 {
			w.SessionIDs = append(w.SessionIDs, id(n))
			w.record(id(n), "compute", 3*day, 2*day)
			if n < tt.ghosts {
				w.records[id(n)] = inventory.Record{Presence: inventory.Absent}
				w.configMap(id(n), 8*day, nil)
			}
		}
		for _, d := range w.judge(defaults) {
			if want := (map[Reason]Reason{
				Ghost: OwnerCollected, OrphanGuard: OwnerKept,
			})[tt.want]; d.Kind == ConfigMap && d.Reason != want {
				t.Errorf("%d ghosts: ConfigMap %s %s, want %s", tt.ghosts, d.Name, d.Reason, want)
			}
			if d.Kind == Session && d.Reason != TooYoung && d.Reason != tt.want {
				t.Errorf("%d ghosts: %s %s, want %s", tt.ghosts, d.Name, d.Reason, tt.want)
			}
		}
	}
}

// With a clock that cannot be trusted nothing is deleted by age; what needs no age is judged as usual.
func TestAClockThatIsWrong(t *testing.T) {
	w := newWorld(s1, s2, s3).
		record(s1, "compute", 90*day, 80*day).configMap(s1, 90*day, nil).
		record(s3, "compute", 90*day, 0).job(s3, nil).
		configMap(id(7), 90*day, nil).job(id(8), ended(80*day, false)).
		cfs("", 90*day, nil).cfs(s1, 90*day, nil)
	w.records[s2] = inventory.Record{Presence: inventory.Absent}
	w = sighted(w, 9)
	w.memory.ClockDoubt = "it is 5m0s ahead of the API server's"
	check(t, w.judge(defaults),
		session(s1, "unknown clock-skew"), cm(s1, "keep owner-kept"), cfs(1, "keep owner-kept"),
		session(s2, "delete ghost"),
		session(s3, "keep running"), job(s3, "keep running"),
		cm(id(7), "unknown clock-skew"), job(id(8), "unknown clock-skew"), cfs(0, "unknown clock-skew"))
}

// A sweep that follows the last within the interval sees the same accident, and counts for nothing.
func TestSightingsCountIfTheyAreFarEnoughApart(t *testing.T) {
	half := with(defaults, func(s *Settings) { s.OrphanInterval = 30 * time.Minute })
	for ago, want := range map[time.Duration]string{
		29 * time.Minute: "keep awaiting-confirmation", 30 * time.Minute: "delete orphaned",
	} {
		w := newWorld().configMap(s1, 3*day, nil)
		w.memory.Sightings = map[string]memory.Sighting{"uid-cm-" + s1: {Times: 1, First: now.Add(-day), Last: now.Add(-ago)}}
		check(t, w.judge(half), cm(s1, want))
	}
}

func orphansDeleted(decisions []Decision) (n int) {
	for _, d := range decisions {
		if d.Kind == ConfigMap && d.Verdict == Delete {
			n++
		}
	}
	return n
}

// guardAfter judges a world after a sweep that left this of the guard, and returns what it leaves.
func guardAfter(w *world, before memory.Guard, settings Settings) ([]Decision, memory.Guard) {
	w.memory.Guards = map[string]memory.Guard{string(ConfigMap): before}
	s := w.snapshot()
	j := NewJudge(s, settings, now, w.memory)
	j.Guard(s)
	return slices.Collect(j.All(s)), j.Guards()[string(ConfigMap)]
}

// Sessions that begin, and orphans that go, make the share smaller. What was wrong then is still wrong.
func TestTheGuardStaysClosedUntilAPersonHasLooked(t *testing.T) {
	d, refused := guardAfter(guardWorld(100, 60), memory.Guard{}, defaults)
	if orphansDeleted(d) != 0 || !refused.Since.Equal(now) || refused.Orphans != 60 {
		t.Fatalf("%d are deleted, %+v", orphansDeleted(d), refused)
	}
	grown := func() *world {
		w := guardWorld(100, 60)
		for n := 100; n < 130; n++ {
			w.SessionIDs = append(w.SessionIDs, id(n))
			w.record(id(n), "compute", 3*time.Hour, 2*time.Hour).configMap(id(n), 3*time.Hour, nil)
		}
		return w
	}
	d, after := guardAfter(grown(), refused, defaults)
	if orphansDeleted(d) != 0 || after != refused {
		t.Errorf("the share is below the limit: %d are deleted, %+v", orphansDeleted(d), after)
	}
	for _, one := range d {
		if one.Reason == OrphanGuard && !strings.Contains(one.Detail, "bosgc guard release ConfigMap") {
			t.Errorf("the way out is not named: %s", one.Detail)
		}
	}
	if d, _ := guardAfter(guardWorld(19, 5), refused, defaults); orphansDeleted(d) != 0 {
		t.Errorf("few are left: %d are deleted", orphansDeleted(d))
	}
	for name, open := range map[string]struct {
		before   memory.Guard
		settings Settings
	}{
		"a person has looked": {refused.Release(), defaults},
		"100 per cent":        {refused, with(defaults, func(s *Settings) { s.MaxOrphanPercent = 100 })},
	} {
		if d, after := guardAfter(guardWorld(100, 60), open.before, open.settings); orphansDeleted(d) != 60 || after.Closed() {
			t.Errorf("%s: %d are deleted, %+v", name, orphansDeleted(d), after)
		}
	}
}

// Who has looked at some orphans has not looked at those of the next accident.
func TestAReleaseIsOfWhatWasLookedAt(t *testing.T) {
	released := memory.Guard{Orphans: 30, Looked: 30}
	if d, after := guardAfter(guardWorld(100, 64), released, defaults); orphansDeleted(d) != 64 || after.Looked != 30 {
		t.Errorf("34 more of 70: %d are deleted, %+v", orphansDeleted(d), after)
	}
	if d, after := guardAfter(guardWorld(100, 66), released, defaults); orphansDeleted(d) != 0 || !after.Closed() {
		t.Errorf("36 more of 70: %d are deleted, %+v", orphansDeleted(d), after)
	}
	_, after := guardAfter(guardWorld(100, 10), released, defaults)
	if d, _ := guardAfter(guardWorld(100, 60), after, defaults); orphansDeleted(d) != 0 {
		t.Errorf("20 have gone, and 50 others come: %d are deleted, after %+v", orphansDeleted(d), after)
	}
}

// What a site names by UUIDs is not of BOS, and must not hide that all of BOS's look orphaned.
func TestTheGuardCountsWhatBOSMade(t *testing.T) {
	w := guardWorld(60, 60)
	for n := 60; n < 160; n++ {
		w.configMap(id(n), 300*day, func(c *inventory.ConfigMap) { c.Fault = "it has labels; BOS v1 sets none" })
	}
	if n := orphansDeleted(sighted(w, 1).judge(defaults)); n != 0 {
		t.Errorf("all 60 look orphaned, and %d are deleted", n)
	}
}
