package policy

import (
	"slices"
	"testing"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/memory"
)

// judgeTied judges a world whose systems are shown to be one as far as the ties say.
func (w *world) judgeTied(settings Settings, ties inventory.Ties) []Decision {
	s := w.snapshot()
	s.Ties = ties
	j := NewJudge(s, settings, now, w.memory)
	j.Guard(s)
	return slices.Collect(j.All(s))
}

var shown = inventory.Tie{Shown: true}

// What nothing shows to be of BOS's system waits for a person: what is missing in another BOS proves nothing.
func TestWhatMayBeOfAnotherSystemWaits(t *testing.T) {
	lost := func() *world {
		w := newWorld().configMap(s1, 9*day, nil).job(s2, ended(80*day, false)).job(s3, ended(2*day, false)).
			cfs(id(4), 9*day, nil).cfs("", 9*day, nil)
		w.v2[id(4)] = inventory.Absent
		w.memory.Sightings = map[string]memory.Sighting{}
		for _, o := range w.judge(defaults) {
			w.memory.Sightings[Identity(o.Kind, o.Name, o.UID, o.StartedAt)] = seen(9)
		}
		return w
	}
	const held = "keep orphan-guard"
	everyone := with(defaults, func(s *Settings) { s.MaxOrphanPercent = 100 })
	for _, tt := range []struct {
		name     string
		settings Settings
		ties     inventory.Ties
		want     []string
	}{
		{"all are one system", defaults, inventory.Ties{Kubernetes: shown, CFS: shown}, []string{
			cm(s1, "delete orphaned"), job(s2, "delete completed-expired"), job(s3, "delete orphaned"),
			cfs(0, "delete orphaned"), cfs(1, "delete cfs-expired"),
		}},
		{"nothing was checked", defaults, inventory.Ties{}, []string{
			cm(s1, held), job(s2, held), job(s3, held), cfs(0, held), cfs(1, held),
		}},
		{"Kubernetes may be another system's", defaults, inventory.Ties{CFS: shown}, []string{
			cm(s1, held), job(s2, held), job(s3, held), cfs(0, "delete orphaned"), cfs(1, "delete cfs-expired"),
		}},
		{"CFS may be", defaults, inventory.Ties{Kubernetes: shown}, []string{
			cm(s1, "delete orphaned"), job(s2, "delete completed-expired"), job(s3, "delete orphaned"), cfs(0, held), cfs(1, held),
		}},
		{"a person has looked", everyone, inventory.Ties{}, []string{
			cm(s1, "delete orphaned"), job(s2, "delete completed-expired"), job(s3, "delete orphaned"),
			cfs(0, "delete orphaned"), cfs(1, "delete cfs-expired"),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, lost().judgeTied(tt.settings, tt.ties), tt.want...) })
	}
}

// A session of which Kubernetes has nothing goes by its own record if that is the right Kubernetes, or if the record is so
// old that nothing of it can run.
func TestSessionsThatKubernetesDoesNotName(t *testing.T) {
	untraced := inventory.Ties{CFS: shown, Untraced: true}
	record := func(started, ended time.Duration) *world { return newWorld(s1).record(s1, "x", started, ended) }
	ghost := newWorld(s1).with(s1, inventory.Record{Presence: inventory.Absent})
	const held, gone = "keep orphan-guard", "delete completed-expired"
	for _, tt := range []struct {
		name  string
		world *world
		ties  inventory.Ties
		want  string
	}{
		{"another session shows that it is the right one", record(9*day, 8*day), inventory.Ties{Kubernetes: shown}, gone},
		{"Kubernetes names others", record(60*day, 60*day), inventory.Ties{}, held},
		{"Kubernetes names none, and it ended long ago", record(31*day, 30*day), untraced, gone},
		{"not long enough", record(31*day, 30*day-time.Minute), untraced, held},
		{"it began long ago and has no end", record(30*day, 0), untraced, "delete abandoned"},
		{"it began not long enough ago and has no end", record(29*day, 0), untraced, held},
		{"too young in any case", record(7*day, 6*day), untraced, "keep too-young"},
		{"a ghost, whose age nobody knows", ghost, untraced, held},
		{"a ghost in the right place", ghost, inventory.Ties{Kubernetes: shown}, "delete ghost"},
		{
			"what names it shows that it is the right place, whatever is said of others",
			record(9*day, 8*day).configMap(s1, 9*day, nil),
			inventory.Ties{},
			gone,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, d := range tt.world.judgeTied(defaults, tt.ties) {
				if got := string(d.Verdict) + " " + string(d.Reason); d.Kind == Session && got != tt.want {
					t.Errorf("%s (%s), want %s", got, d.Detail, tt.want)
				}
			}
		})
	}
}

// The CFS session of a Job that was held back is in doubt by itself once the Job has been released: the same run says so,
// so that it can be released, too.
func TestWhatAReleaseLeavesInDoubtCanBeReleased(t *testing.T) {
	w := newWorld().job(s1, ended(80*day, false)).cfs(s1, 80*day, nil)
	w.v2[s1] = inventory.Absent
	for _, want := range []Kind{Job, CFSSession, ""} {
		s := w.snapshot()
		s.Ties = inventory.Ties{}
		j := NewJudge(s, defaults, now, w.memory)
		j.Guard(s)
		var held Kind
		for d := range j.All(s) {
			if d.Reason == OrphanGuard {
				held = d.Kind
			}
		}
		if held != want {
			t.Fatalf("held back is %q, want %q", held, want)
		}
		w.memory.Guards = j.Guards()
		if g := w.memory.Guards[string(held)]; held != "" && !g.Closed() {
			t.Fatalf("%s is held back, and no guard says so: %+v", held, w.memory.Guards)
		}
		if held != "" {
			w.memory.Guards[string(held)] = w.memory.Guards[string(held)].Release()
		}
	}
}

// A doubt that a person has released concerns those that there were. It is not released by what was released for their
// share, and ends by itself once a session shows whose they are.
func TestAReleasedDoubt(t *testing.T) {
	worldOf := func(configMaps int) *world {
		w := newWorld()
		for n := range configMaps {
			w.configMap(id(n), 9*day, nil)
		}
		return w
	}
	guardOf := func(w *world, ties inventory.Ties) (memory.Guard, bool) {
		s := w.snapshot()
		s.Ties = ties
		j := NewJudge(s, defaults, now, w.memory)
		j.Guard(s)
		held := slices.ContainsFunc(slices.Collect(j.All(s)), func(d Decision) bool { return d.Reason == OrphanGuard })
		return j.Guards()[string(ConfigMap)], held
	}
	remember := func(w *world, g memory.Guard) *world {
		w.memory.Guards = map[string]memory.Guard{string(ConfigMap): g}
		return w
	}
	all := inventory.Ties{Kubernetes: shown, CFS: shown}
	refused, held := guardOf(worldOf(5), inventory.Ties{})
	if !refused.Closed() || !refused.Doubt || refused.Doubted != 5 || !held {
		t.Fatalf("held %v, %+v", held, refused)
	}
	for _, tt := range []struct {
		name         string
		guard        memory.Guard
		configMaps   int
		ties         inventory.Ties
		closed, held bool
	}{
		{"not released", refused, 5, inventory.Ties{}, true, true},
		{"released", refused.Release(), 5, inventory.Ties{}, false, false},
		{"released, and some have gone", refused.Release(), 2, inventory.Ties{}, false, false},
		{"released, and one has come", refused.Release(), 6, inventory.Ties{}, true, true},
		{"a share was released, not a doubt", memory.Guard{Orphans: 5, Looked: 5}, 5, inventory.Ties{}, true, true},
		{"a session shows whose they are", refused, 5, all, false, false},
	} {
		g, held := guardOf(remember(worldOf(tt.configMaps), tt.guard), tt.ties)
		if g.Closed() != tt.closed || held != tt.held {
			t.Errorf("%s: held %v, %+v", tt.name, held, g)
		}
	}
	g, _ := guardOf(remember(worldOf(5), refused.Release()), all)
	if g, held = guardOf(remember(worldOf(5), g), inventory.Ties{}); !held {
		t.Errorf("a doubt that comes back is another one: %+v", g)
	}
}
