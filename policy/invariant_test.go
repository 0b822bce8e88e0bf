package policy

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/memory"
)

// worlds is the number of random worlds that each invariant is checked against.
const worlds = 400

// randomWorld makes a world in which everything occurs that a rule could meet, in any
// combination, also ones that no CSM system makes.
func randomWorld(r *rand.Rand) *world {
	w := newWorld()
	age := func() time.Duration {
		ages := []time.Duration{
			-time.Hour, -time.Second, time.Minute, 23 * time.Hour, 25 * time.Hour, 6 * day, 8 * day, 13 * day, 15 * day,
			80 * day,
		}
		return ages[r.IntN(len(ages))]
	}
	stamp := func() inventory.Stamp {
		switch r.IntN(8) {
		case 0:
			return inventory.Stamp{}
		case 1:
			return inventory.ParseStamp("never")
		}
		return ago(age())
	}
	one := func(n int) bool { return r.IntN(n) == 0 }
	keep := func() inventory.Keep {
		if one(8) {
			return inventory.Keep{Keep: new([]string{"true", "false", "yes"}[r.IntN(3)])}
		}
		return inventory.Keep{}
	}
	for n := range 1 + r.IntN(12) {
		id := id(n)
		if one(15) {
			id = "st3-" + id
		}
		if !one(3) {
			w.SessionIDs = append(w.SessionIDs, id)
			w.records[id] = inventory.Record{
				Presence: []inventory.Presence{
					inventory.Present, inventory.Present, inventory.Present, inventory.Absent, inventory.Unknown,
				}[r.IntN(5)],
				Template:  []string{"compute", "uan", "golden-1", ""}[r.IntN(4)],
				Operation: []string{"boot", "reboot", "configure", ""}[n%4],
				Start:     stamp(), Stop: stamp(), Broken: one(2), Err: "no answer",
			}
			if rec := w.records[id]; rec.Presence != inventory.Unknown {
				rec.Err, rec.Broken = "", false
				w.records[id] = rec
			}
		}
		for copies := range r.IntN(3) {
			w.job(id, func(j *inventory.Job) {
				j.Name += strings.Repeat("-again", copies)
				j.Template = []string{"compute", "uan", ""}[r.IntN(3)]
				j.Operation = []string{"boot", "shutdown", ""}[n%3]
				j.Keep, j.Suspended, j.FailedPods = keep(), one(10), r.IntN(6)
				if !one(3) {
					j.Terminal, j.Failed, j.Finished = true, one(2), stamp()
				}
				if one(6) {
					j.Fault = "odd"
				}
			})
		}
		for range r.IntN(2) {
			w.pod(id, func(p *inventory.Pod) {
				p.Over, p.OthersRun = one(2), one(2)
				p.Boa = inventory.Container{Terminated: !one(3), ExitCode: r.IntN(2), Finished: ago(age())}
			})
		}
		if !one(3) {
			w.configMap(id, age(), func(c *inventory.ConfigMap) {
				c.Keep, c.Body = keep(), []inventory.Body{
					inventory.BodyUnread, inventory.BodyExact, inventory.BodyOther, inventory.BodyFailed,
				}[r.IntN(4)]
				c.BodyFault = "odd"
				if one(8) {
					c.Fault = "odd"
				}
			})
			if one(8) {
				w.References = append(w.References, inventory.Reference{ConfigMap: id, Kind: "Pod", Name: "other"})
			}
		}
		for range r.IntN(3) {
			w.cfs([]string{id, id, ""}[r.IntN(3)], age(), func(c *inventory.CFSSession) {
				c.Status = []string{"complete", "complete", "running", "odd"}[r.IntN(4)]
				if one(6) {
					c.Completion = stamp()
				}
			})
		}
		w.v2[id] = []inventory.Presence{inventory.Unknown, inventory.Absent, inventory.Present}[r.IntN(3)]
	}
	for _, blind := range []*bool{&w.Evidence.Jobs, &w.Evidence.Pods, &w.Evidence.ConfigMaps, &w.Evidence.CronJobs} {
		*blind = !one(20)
	}
	if one(10) {
		w.Unlisted, w.SessionIDs = inventory.Unknown, nil
	}
	w.memory.Sightings = map[string]memory.Sighting{}
	for _, job := range w.Jobs {
		w.memory.Sightings[job.UID] = seen(r.IntN(3))
	}
	for _, cm := range w.ConfigMaps {
		w.memory.Sightings[cm.UID] = seen(r.IntN(3))
	}
	return w
}

func randomSettings(r *rand.Rand) Settings {
	return with(defaults, func(s *Settings) {
		s.KeepLast, s.KeepLastFor = r.IntN(3), time.Duration(10*r.IntN(3))*day
		s.CFS = []CFSMode{CFSOff, CFSLinked, CFSOld}[r.IntN(3)]
		if r.IntN(3) == 0 {
			s.KeepTemplates = []string{"golden-*"}
		}
	})
}

func eachWorld(t *testing.T, hold func(t *testing.T, r *rand.Rand, w *world)) {
	t.Helper()
	for seed := range uint64(worlds) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := randomWorld(r)
		hold(t, r, w)
		if t.Failed() {
			t.Fatalf("with the world of seed %d", seed)
		}
	}
}

func deletes(decisions []Decision) map[string]bool {
	set := map[string]bool{}
	for _, d := range decisions {
		if d.Verdict == Delete {
			set[string(d.Kind)+" "+d.Name] = true
		}
	}
	return set
}

func TestEveryObjectGetsOneVerdict(t *testing.T) {
	eachWorld(t, func(t *testing.T, r *rand.Rand, w *world) {
		decisions := w.judge(randomSettings(r))
		objects := len(w.SessionIDs) + len(w.Jobs) + len(w.ConfigMaps) + len(w.CFS)
		if len(decisions) != objects {
			t.Errorf("%d verdicts on %d objects", len(decisions), objects)
		}
		for _, d := range decisions {
			if !slices.Contains(Reasons(d.Verdict), d.Reason) {
				t.Errorf("%s %s: %s is no reason to %s", d.Kind, d.Name, d.Reason, d.Verdict)
			}
			if d.Detail == "" || d.Detail == "no rule applies" {
				t.Errorf("%s %s: detail %q explains nothing", d.Kind, d.Name, d.Detail)
			}
		}
	})
}

func TestJudgingTwiceIsTheSame(t *testing.T) {
	eachWorld(t, func(t *testing.T, r *rand.Rand, w *world) {
		settings := randomSettings(r)
		if !slices.Equal(w.judge(settings), w.judge(settings)) {
			t.Error("the second judgement differs")
		}
	})
}

func TestTheOrderOfAnswersDoesNotMatter(t *testing.T) {
	eachWorld(t, func(t *testing.T, r *rand.Rand, w *world) {
		settings := randomSettings(r)
		before := deletes(w.judge(settings))
		r.Shuffle(
			len(w.SessionIDs), func(a, b int) { w.SessionIDs[a], w.SessionIDs[b] = w.SessionIDs[b], w.SessionIDs[a] },
		)
		r.Shuffle(len(w.CFS), func(a, b int) { w.CFS[a], w.CFS[b] = w.CFS[b], w.CFS[a] })
		r.Shuffle(
			len(w.ConfigMaps), func(a, b int) { w.ConfigMaps[a], w.ConfigMaps[b] = w.ConfigMaps[b], w.ConfigMaps[a] },
		)
		if after := deletes(w.judge(settings)); fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("%v, and in another order %v", before, after)
		}
	})
}

func TestNothingRunningGoes(t *testing.T) {
	eachWorld(t, func(t *testing.T, r *rand.Rand, w *world) {
		gone := deletes(w.judge(randomSettings(r)))
		for _, pod := range w.Pods {
			something := gone["Session "+pod.Session] || gone["Job "+pod.Job] || gone["ConfigMap "+pod.Session]
			if !pod.Over && !pod.Boa.Terminated && something {
				t.Errorf("Pod %s works, and something of its session goes", pod.Name)
			}
		}
		for _, c := range w.CFS {
			if c.Status != "complete" && gone["CFSSession "+c.Name] {
				t.Errorf("CFS session %s is %s and goes", c.Name, c.Status)
			}
		}
	})
}

// A keep rule may only take away from what is deleted.
func TestAddingAKeepRuleNeverDeletesMore(t *testing.T) {
	rules := map[string]func(*Settings){
		"longer session TTL":   func(s *Settings) { s.SessionTTL *= 3 },
		"longer failed TTL":    func(s *Settings) { s.FailedTTL *= 3 },
		"longer abandoned TTL": func(s *Settings) { s.AbandonedTTL *= 3 },
		"longer CFS TTL":       func(s *Settings) { s.CFSTTL *= 3 },
		"longer grace":         func(s *Settings) { s.OrphanGrace *= 3 },
		"keep more":            func(s *Settings) { s.KeepLast++ },
		"keep longer":          func(s *Settings) { s.KeepLastFor *= 3 },
		"keep a template":      func(s *Settings) { s.KeepTemplates = append([]string{"compute"}, s.KeepTemplates...) },
		"CFS off":              func(s *Settings) { s.CFS = CFSOff },
	}
	eachWorld(t, func(t *testing.T, r *rand.Rand, w *world) {
		settings := randomSettings(r)
		before := deletes(w.judge(settings))
		for name, rule := range rules {
			for object := range deletes(w.judge(with(settings, rule))) {
				if !before[object] {
					t.Errorf("%s: %s goes only since then", name, object)
				}
			}
		}
		for i := range w.ConfigMaps {
			w.ConfigMaps[i].Keep.Keep = new("true")
		}
		for object := range deletes(w.judge(settings)) {
			if !before[object] {
				t.Errorf("an annotation: %s goes only since then", object)
			}
		}
	})
}

// Less evidence may only take away from what is deleted.
func TestLessEvidenceNeverDeletesMore(t *testing.T) {
	blind := map[string]func(*world){
		"no list":  func(w *world) { w.SessionIDs, w.Unlisted = nil, inventory.Unknown },
		"no Jobs":  func(w *world) { w.Jobs, w.Evidence.Jobs = nil, false },
		"no Pods":  func(w *world) { w.Pods, w.Evidence.Pods = nil, false },
		"no maps":  func(w *world) { w.ConfigMaps, w.Evidence.ConfigMaps = nil, false },
		"no crons": func(w *world) { w.Evidence.CronJobs = false },
		"no v2":    func(w *world) { w.v2 = nil },
		"no state": func(w *world) { w.memory.Sightings = nil },
		"no clock": func(w *world) { w.memory.ClockDoubt = "it is wrong" },
		"no records": func(w *world) {
			for id := range w.records {
				w.records[id] = inventory.Record{Err: "no answer"}
			}
		},
	}
	for name, apply := range blind {
		t.Run(name, func(t *testing.T) {
			eachWorld(t, func(t *testing.T, r *rand.Rand, w *world) {
				settings := with(randomSettings(r), func(s *Settings) { s.KeepLast = 0 })
				before := deletes(w.judge(settings))
				apply(w)
				for object := range deletes(w.judge(settings)) {
					if !before[object] {
						t.Errorf("%s goes only since then", object)
					}
				}
			})
		})
	}
}

func TestAnEmptyWorldDeletesNothing(t *testing.T) {
	if got := newWorld().judge(defaults); len(got) != 0 {
		t.Errorf("judged %v", got)
	}
}

// BOS is not asked for sessions that other evidence decides. The plan is the same as if it
// had been asked.
func TestRecordsThatAreNotNeededChangeNothing(t *testing.T) {
	spared, ranked := 0, 0
	eachWorld(t, func(t *testing.T, r *rand.Rand, w *world) {
		settings := randomSettings(r)
		all := w.snapshot()
		some := w.snapshot()
		withheld := map[string]inventory.Record{}
		for i, g := range some.Groups {
			unasked := g.WithRecord(inventory.Record{})
			if g.Listed == inventory.Present && !NeedsRecord(unasked, settings, now) {
				withheld[g.ID], some.Groups[i] = g.Record, unasked
			}
		}
		for next := KeepLastRivals(some, settings, now); len(next) > 0; next = KeepLastRivals(some, settings, now) {
			g := next[0].WithRecord(withheld[next[0].ID])
			some.Replace(g)
			delete(withheld, g.ID)
			if ranked++; g.Record.Presence == inventory.Unknown && g.Record.Err == "" {
				t.Fatalf("%s is asked for again and again", g.ID)
			}
		}
		spared += len(withheld)
		asked := slices.Collect(NewJudge(all, settings, now, Memory{}).All(all))
		unasked := slices.Collect(NewJudge(some, settings, now, Memory{}).All(some))
		type verdict struct {
			verdict Verdict
			reason  Reason
		}
		want := map[string]verdict{}
		for _, d := range asked {
			want[string(d.Kind)+d.Name] = verdict{d.Verdict, d.Reason}
		}
		for _, d := range unasked {
			if is := (verdict{d.Verdict, d.Reason}); want[string(d.Kind)+d.Name] != is {
				t.Errorf(
					"%s %s: %v, but %v if BOS is asked about all", d.Kind, d.Name, is, want[string(d.Kind)+d.Name],
				)
			}
		}
	})
	if spared < worlds || ranked == 0 {
		t.Errorf(
			"%d requests were spared, %d were made for the ranking alone: this test shows too little", spared, ranked,
		)
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

// The golden files show what different settings make of one and the same world.
func TestGolden(t *testing.T) {
	w, variety := newWorld(), 0
	for seed := range uint64(worlds) {
		candidate := randomWorld(rand.New(rand.NewPCG(seed, 2)))
		reasons := map[Reason]bool{}
		for _, d := range candidate.judge(defaults) {
			reasons[d.Reason] = true
		}
		if len(reasons) > variety {
			w, variety = candidate, len(reasons)
		}
	}
	for name, settings := range map[string]Settings{
		"defaults":       with(defaults, func(s *Settings) { s.KeepLast = 1 }),
		"keep-none":      defaults,
		"keep-two":       with(defaults, func(s *Settings) { s.KeepLast = 2 }),
		"keep-templates": with(defaults, func(s *Settings) { s.KeepTemplates = []string{"comp*"} }),
		"at-once":        with(defaults, func(s *Settings) { s.SessionTTL, s.FailedTTL, s.AbandonedTTL = 0, 0, 0 }),
		"cfs-off":        with(defaults, func(s *Settings) { s.CFS = CFSOff }),
		"cfs-linked":     with(defaults, func(s *Settings) { s.CFS = CFSLinked }),
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, d := range w.judge(settings) {
				fmt.Fprintf(&b, "%-7s %-21s %-10s %s\n        %s\n", d.Verdict, d.Reason, d.Kind, d.Name, d.Detail)
			}
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("differs from %s (if that is right, run go test ./policy -update):\n%s", file, b.String())
			}
		})
	}
}
