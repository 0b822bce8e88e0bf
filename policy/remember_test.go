package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/memory"
)

// after judges a world after a sweep that saw another state of it, in which the Job was still there.
func after(before, then *world, settings Settings) []Decision {
	s := before.snapshot()
	then.memory.Sessions = NewJudge(s, settings, now, before.memory).Remember(s, true)
	return then.judge(settings)
}

// old is a session that finished ten days ago, with its ConfigMap.
func old10() *world {
	return newWorld(s1).record(s1, "compute", 10*day, 10*day).configMap(s1, 10*day, nil)
}

func TestWhatAJobHasShownOutlivesIt(t *testing.T) {
	keep := func(k inventory.Keep) func(*inventory.Job) {
		return func(j *inventory.Job) { ended(10*day, false)(j); j.Keep = k }
	}
	until := func(d time.Duration) inventory.Keep {
		return inventory.Keep{Until: new(now.Add(d).Format(time.RFC3339))}
	}
	forever := inventory.Keep{Keep: new("true")}
	annotated := func(k inventory.Keep) *world {
		return newWorld(s1).record(s1, "compute", 10*day, 10*day).
			configMap(s1, 10*day, func(c *inventory.ConfigMap) { c.Keep = k })
	}
	for _, tt := range []struct {
		name        string
		before, now *world
		want        string // of the session
	}{
		{"it failed", old10().job(s1, ended(10*day, true)), old10(), "keep too-young"},
		{"it finished", old10().job(s1, ended(10*day, false)), old10(), "delete completed-expired"},
		{
			"it failed long enough ago", old10().job(s1, ended(15*day, true)), newWorld(s1).record(s1, "compute", 15*day, 15*day),
			"delete failed-expired",
		},
		{
			"another Job of it has finished since", old10().job(s1, ended(10*day, true)), old10().job(s1, ended(9*day, false)),
			"delete completed-expired",
		},
		{"it was protected", old10().job(s1, keep(forever)), old10(), "keep kept-by-rule"},
		{"it was protected for a time that is not over", old10().job(s1, keep(until(time.Hour))), old10(), "keep kept-by-rule"},
		{"the annotation was misspelled", old10().job(s1, keep(inventory.Keep{Odd: "bosgc/kep"})), old10(), "unknown bad-data"},
		{
			"somebody took the annotation from the Job",
			old10().job(s1, keep(forever)), old10().job(s1, ended(10*day, false)), "delete completed-expired",
		},
		{
			"somebody has ended it on the ConfigMap",
			old10().job(s1, keep(forever)), annotated(inventory.Keep{Keep: new("false")}), "delete completed-expired",
		},
		{
			"its ConfigMap had the annotation, and was deleted",
			annotated(forever), newWorld(s1).record(s1, "compute", 10*day, 10*day), "keep kept-by-rule",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, d := range after(tt.before, tt.now, defaults) {
				if got := string(d.Verdict) + " " + string(d.Reason); d.Kind == Session && got != tt.want {
					t.Errorf("%s, want %s: %s", got, tt.want, d.Detail)
				}
			}
		})
	}
}

// What is remembered lasts as long as anything of the session is left, and no longer.
func TestMemoryLastsAsLongAsTheSession(t *testing.T) {
	remember := func(w *world, complete bool) memory.Session {
		w.memory.Sessions = map[string]memory.Session{s1: {
			Failed: now.Add(-10 * day), Keep: memory.Protection{Kind: "Job", Name: "boa-" + s1, Says: "bosgc/keep", Seen: now.Add(-day)},
		}}
		s := w.snapshot()
		return NewJudge(s, defaults, now, w.memory).Remember(s, complete)[s1]
	}
	for name, tt := range map[string]struct {
		world    *world
		complete bool
		want     bool
	}{
		"BOS lists it":            {newWorld(s1).record(s1, "compute", 10*day, 10*day), true, true},
		"its ConfigMap is left":   {newWorld().configMap(s1, 10*day, nil), true, true},
		"its CFS session is left": {newWorld().cfs(s1, 10*day, nil), true, true},
		"nothing is left":         {newWorld(s2), true, false},
		"not everything was read": {newWorld(s2), false, true},
	} {
		m := remember(tt.world, tt.complete)
		if got := !m.Failed.IsZero() && m.Keep.Name != ""; got != tt.want {
			t.Errorf("%s: remembered %v, want %v", name, got, tt.want)
		}
	}
}

// A protection that only the memory knows of can be ended although nothing is left to annotate.
func TestANamedSessionGoesWithoutItsRememberedProtection(t *testing.T) {
	gone := memory.Protection{Kind: "Job", Name: "boa-" + s1, Says: "bosgc/keep", Seen: now.Add(-day)}
	for name, tt := range map[string]struct {
		world *world
		want  string
	}{
		"nothing but the record is left": {newWorld(s1).record(s1, "compute", 10*day, 10*day), "delete requested"},
		"its ConfigMap can be annotated": {old10(), "keep kept-by-rule"},
	} {
		tt.world.memory.Sessions = map[string]memory.Session{s1: {Keep: gone}}
		tt.world.memory.Requested = map[string]Request{s1: Clean}
		d := tt.world.judge(defaults)
		i := slices.IndexFunc(d, func(d Decision) bool { return d.Kind == Session })
		if got := string(d[i].Verdict) + " " + string(d[i].Reason); got != tt.want {
			t.Errorf("%s: %s, want %s: %s", name, got, tt.want, d[i].Detail)
		}
	}
}

func TestAMisspelledAnnotationProtects(t *testing.T) {
	for odd, want := range map[string]string{
		"bosgc/kep":        `"bosgc/kep", which bosgc does not know; did you mean bosgc/keep?`,
		"bosgc/Keep-Until": "did you mean bosgc/keep-until?", "bosgc/protect-this": "it knows bosgc/keep and bosgc/keep-until",
	} {
		w := newWorld(s1).record(s1, "compute", 90*day, 80*day).
			configMap(s1, 90*day, func(c *inventory.ConfigMap) { c.Keep = inventory.Keep{Odd: odd, Keep: new("false")} })
		for _, d := range w.judge(defaults) {
			if d.Reason != BadData || !strings.Contains(d.Detail, want) {
				t.Errorf("%s %s %s: %s", d.Kind, d.Verdict, d.Reason, d.Detail)
			}
		}
	}
}

func TestPatternsThatMatchNothing(t *testing.T) {
	settings := with(defaults, func(s *Settings) { s.KeepTemplates = []string{"golden-*", "comp*", "gone-?", "typo"} })
	s := newWorld(s1).record(s1, "gone-1", 90*day, 80*day).snapshot()
	if idle := IdlePatterns(s, settings); idle != nil {
		t.Errorf("the templates are not known: %v", idle)
	}
	s.Templates = inventory.NewTemplates([]string{"compute", "golden-3"})
	if idle := IdlePatterns(s, settings); !slices.Equal(idle, []string{"typo"}) {
		t.Errorf("%v", idle)
	}
}
