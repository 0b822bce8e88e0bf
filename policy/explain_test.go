package policy

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/internal/inventory"
)

// What is explained is what is done: in every world the first finding is the one that decided. The exceptions are the
// content of a ConfigMap, which is a veto, and sessions that are held back for a ConfigMap.
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
			veto := said[at].Rule == "content" || said[at].Rule == "template"
			byOthers := veto && want.Kind == ConfigMap ||
				said[at].Rule == "session" && strings.Contains(want.Detail, "cannot be judged")
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

func rulesOf(findings []Finding) (names []string) {
	for _, s := range findings {
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
		{
			"young, the newest, and of a template that is kept", newWorld(s1).record(s1, "compute", 2*day, day),
			[]string{"template", "age", "newest"},
		},
		{
			"old, and the newest of it", newWorld(s1).record(s1, "compute", 90*day, 80*day),
			[]string{"template", "newest"},
		},
		{
			"what runs has no end, whatever BOS has written down",
			newWorld(s1).record(s1, "compute", 2*day, day).job(s1, nil),
			[]string{"running", "template"},
		},
		{"no end is recorded", newWorld(s1).record(s1, "other", 2*day, 0), []string{"abandoned"}},
		{
			"two sources of one fact are one rule",
			newWorld(s1).record(s1, "other", 2*day, day).job(s1, ended(day, false)),
			[]string{"template", "job-age", "newest"},
		},
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

// A rule whose evidence means nothing for an object, or was not collected for it, would only confuse.
func TestExplainSkipsRulesThatDoNotMatter(t *testing.T) {
	never := inventory.ParseStamp("never")
	for _, tt := range []struct {
		name     string
		world    *world
		settings Settings
		kind     Kind
		object   string
		want     []string
	}{
		{
			"a Job whose session stays: nothing about sessions that are gone",
			newWorld(s1).record(s1, "compute", 9*day, day).job(s1, ended(80*day, false)), defaults,
			Job, "boa-" + s1,
			[]string{"owner"},
		},
		{
			"a ConfigMap whose session stays: the same",
			newWorld(s1).record(s1, "compute", 9*day, day).configMap(s1, time.Hour, nil), defaults, ConfigMap, s1,
			[]string{"owner"},
		},
		{
			"a CFS session whose session stays: the same",
			newWorld(s1).record(s1, "compute", 9*day, day).cfs(s1, time.Hour, nil), defaults, CFSSession,
			"batcher-" + id(9000),
			[]string{"owner"},
		},
		{
			"a CFS session that runs: nobody was asked for its session",
			newWorld().cfs(s1, time.Hour, func(c *inventory.CFSSession) { c.Status = "running" }), defaults,
			CFSSession, "batcher-" + id(9000),
			[]string{"batcher"},
		},
		{
			"a CFS session without a tag where those are kept: its age does not matter",
			newWorld().cfs("", time.Hour, nil), with(defaults, func(s *Settings) { s.CFS = CFSLinked }),
			CFSSession, "batcher-" + id(9000),
			[]string{"untagged"},
		},
		{
			"a session with a garbled start: its end does not matter",
			newWorld(s1).with(
				s1, inventory.Record{Presence: inventory.Present, Template: "compute", Start: never, Stop: ago(day)},
			),
			defaults, Session, s1,
			[]string{"times"},
		},
		{
			"a Job that ended at no known time: the end of another one does not matter",
			newWorld().job(s1, func(j *inventory.Job) { j.Terminal, j.Finished = true, never }).
				job(s1, func(j *inventory.Job) { ended(time.Hour, false)(j); j.Name += "-again" }),
			defaults,
			Job, "boa-" + s1,
			[]string{"times"},
		},
		{
			"a CFS session whose tag BOS does not list: BOS v2 was not asked either",
			newWorld().with(s1, inventory.Record{Err: "no answer"}).cfs(s1, time.Hour, nil), defaults,
			CFSSession, "batcher-" + id(9000),
			[]string{"gone"},
		},
		{
			"what runs is no ghost",
			newWorld(s1).with(
				s1, inventory.Record{Presence: inventory.Absent},
			).configMap(s1, time.Hour, nil).pod(s1, nil),
			defaults,
			Session, s1,
			[]string{"running", "configmap-age"},
		},
		{
			"a content that nobody has read matters only for what would be deleted",
			newWorld(s1).record(s1, "compute", 9*day, day).configMap(
				s1, time.Hour, func(c *inventory.ConfigMap) { c.Body = inventory.BodyUnread },
			),
			defaults, ConfigMap, s1,
			[]string{"owner"},
		},
		{
			"a content that is not BOS's keeps what would be deleted",
			newWorld(s1).record(s1, "compute", 90*day, 80*day).configMap(
				s1, 90*day, func(c *inventory.ConfigMap) { c.Body = inventory.BodyOther },
			),
			defaults, ConfigMap, s1,
			[]string{"content"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.world.snapshot()
			_, findings, found := NewJudge(s, tt.settings, now, tt.world.memory).Explain(s, tt.kind, tt.object)
			if got := rulesOf(findings); !found || !slices.Equal(got, tt.want) {
				t.Errorf("%v, want %v: %+v", got, tt.want, findings)
			}
		})
	}
	t.Run("a CFS session that is linked: its age does not matter", func(t *testing.T) {
		w, link := shared(newWorld(s1, s2).record(s1, "compute", 9*day, 8*day).record(s2, "compute", 2*day, day), nil)
		s := w.snapshot()
		j := NewJudge(s, inferred, now, w.memory)
		j.Link(s, []inventory.Link{link})
		_, findings, _ := j.Explain(s, CFSSession, w.CFS[0].Name)
		if got := rulesOf(findings); !slices.Equal(got, []string{"link"}) {
			t.Errorf("%+v", findings)
		}
	})
}

func TestAnExplanationNamesTheSettingThatApplies(t *testing.T) {
	for failed, want := range map[bool]string{false: "BOSGC_SESSION_TTL", true: "BOSGC_FAILED_TTL"} {
		w := newWorld(s1).record(s1, "compute", 2*day, 0).job(s1, ended(day, failed))
		s := w.snapshot()
		_, said, _ := NewJudge(s, defaults, now, w.memory).Explain(s, Session, s1)
		if len(said) == 0 || !slices.Equal(
			said[0].Settings, []string{want},
		) || said[0].EligibleAt.Before(now.Add(5*24*time.Hour)) {
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
