package policy

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// What is explained is what is done: the rules that are asked one by one say first what was decided, in every
// world. What they do not say comes from the content of a ConfigMap, which is looked at last.
func TestAnExplanationSaysWhatWasDecided(t *testing.T) {
	kept := 0
	eachWorld(t, func(t *testing.T, r *rand.Rand, w *world) {
		settings := randomSettings(r)
		s := w.snapshot()
		j := NewJudge(s, settings, now, w.memory)
		j.Guard(s)
		for want := range j.All(s) {
			got, said, there := j.Explain(s, want.Kind, want.Name)
			if !there || got != want {
				t.Fatalf("%s %s is explained as %v, and is %v", want.Kind, want.Name, got, want)
			}
			at := slices.IndexFunc(said, func(s Finding) bool { return s.Decides })
			if at < 0 || said[at].Reason != want.Reason || said[at].Detail != want.Detail {
				t.Fatalf("%s %s: %s, and the rules say %v", want.Kind, want.Name, want.Reason, said)
			}
			byOthers := said[at].Rule == "content" && want.Kind == ConfigMap || said[at].Rule == "session" && strings.Contains(want.Detail, "cannot be judged")
			if (at > 0 || said[at].Rule == "session" || said[at].Rule == "content") && !byOthers {
				t.Errorf("%s %s: %v, and no rule says what was decided: %s", want.Kind, want.Name, said, want.Detail)
			}
			if want.Verdict == Delete && len(said) != 1 {
				t.Errorf("%s %s goes, and yet %v", want.Kind, want.Name, said)
			}
			if want.Verdict != Delete {
				kept = max(kept, len(said))
			}
		}
	})
	if kept < 3 {
		t.Errorf("nothing was kept by more than %d rules: this test shows little", kept)
	}
}

func rulesOf(said []Finding) (names []string) {
	for _, s := range said {
		names = append(names, s.Rule)
	}
	return names
}

func TestEveryRuleThatKeepsASessionIsNamed(t *testing.T) {
	newestOf := with(defaults, func(s *Settings) { s.KeepLast, s.KeepTemplates = 1, []string{"comp*"} })
	for _, tt := range []struct {
		name  string
		world *world
		want  []string
	}{
		{"young, the newest, and of a template that is kept", newWorld(s1).record(s1, "compute", 2*day, day), []string{"template", "age", "newest"}},
		{"old, and the newest of it", newWorld(s1).record(s1, "compute", 90*day, 80*day), []string{"template", "newest"}},
		{"what runs has no end, whatever BOS has written down", newWorld(s1).record(s1, "compute", 2*day, day).job(s1, nil), []string{"running", "template"}},
		{"no end is recorded", newWorld(s1).record(s1, "other", 2*day, 0), []string{"abandoned"}},
		{"two sources of one fact are one rule", newWorld(s1).record(s1, "other", 2*day, day).job(s1, ended(day, false)), []string{"template", "job-age", "newest"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.world.snapshot()
			j := NewJudge(s, newestOf, now, tt.world.memory)
			_, said, _ := j.Explain(s, Session, s1)
			if got := rulesOf(said); !slices.Equal(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestAnExplanationNamesTheSettingThatApplies(t *testing.T) {
	for failed, want := range map[bool]string{false: "BOSGC_SESSION_TTL", true: "BOSGC_FAILED_TTL"} {
		w := newWorld(s1).record(s1, "compute", 2*day, 0).job(s1, ended(day, failed))
		s := w.snapshot()
		_, said, _ := NewJudge(s, defaults, now, w.memory).Explain(s, Session, s1)
		if len(said) == 0 || !slices.Equal(said[0].Settings, []string{want}) || said[0].EligibleAt.Before(now.Add(5*24*time.Hour)) {
			t.Errorf("failed %v: %v", failed, said)
		}
	}
}

func TestWhatIsNotThereIsNotExplained(t *testing.T) {
	s := newWorld(s1).snapshot()
	j := NewJudge(s, defaults, now, Memory{})
	for _, kind := range Kinds() {
		if _, _, there := j.Explain(s, kind, s2); there {
			t.Errorf("%s %s is explained", kind, s2)
		}
	}
}
