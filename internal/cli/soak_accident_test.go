package cli

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// soakAccident is a case in which BOS loses sessions that are still there everywhere else.
type soakAccident struct {
	what string    // wipe: BOS v1 has none any more; restore: it has those of some time ago; forget: BOS v2 has none
	step int       // before which it happens
	at   time.Time // of the copy
	lost map[string]bool
	kube bool // nothing shows any more that Kubernetes is of BOS's system
	cfs  bool // nor, of CFS sessions that name a session, that their CFS is

	happened bool
	gone     map[string]bool // what had gone by then
}

// drawAccident draws how BOS loses sessions. Beside it there are faults and crashes, and what people do, but nothing that
// has BOS answer as it did before.
func (c *soakCase) drawAccident(r *rand.Rand) {
	kinds := []string{"wipe", "wipe", "restore", "restore"}
	if c.world.Profile.BOSv2 {
		kinds = append(kinds, "forget", "forget")
	}
	if !c.world.Profile.BOSv1 {
		kinds = []string{"forget"}
	}
	a := &soakAccident{
		what: oneOf(r, kinds...), step: r.IntN(len(c.steps)), at: soakNow.Add(-oneOf(r, day, 5*day, 12*day, 30*day)),
		lost: map[string]bool{},
	}
	for _, f := range c.world.Facts() {
		if a.what != "forget" && f.Kind == lab.KindSession && (a.what == "wipe" || !f.Start.Before(a.at)) {
			a.lost[f.Session] = true
		}
	}
	if a.what == "forget" {
		for _, id := range c.world.V2Names() {
			a.lost[id] = true
		}
	}
	if len(a.lost) == 0 {
		return
	}
	a.kube, a.cfs = c.world.Severed(a.lost)
	c.accident, c.serve.Remember = a, false
	for _, step := range c.steps {
		step.faults = slices.DeleteFunc(step.faults, func(f lab.Fault) bool {
			return f.Kind == lab.FaultStale || f.Kind == lab.FaultRepeat
		})
		step.changes = slices.DeleteFunc(step.changes, func(change soakChange) bool { return change.what == "renew" })
	}
}

// happen has BOS lose its sessions.
func (s *soakWorld) happen() {
	a := s.accident
	s.counts.add("accident "+a.what, 1)
	existed := s.exist()
	a.gone = map[string]bool{}
	for key := range s.begun {
		a.gone[key] = !existed[key]
	}
	switch a.what {
	case "wipe":
		s.server.WipeBOS()
	case "restore":
		s.server.RestoreBOS(a.at)
	case "forget":
		s.server.ForgetV2()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a.happened = true
	if s.settings.percent < 100 && (a.kube || a.cfs) {
		s.counts.add("accident in doubt", 1)
	}
}

// fact returns what is known of an object, as it is since BOS has lost sessions: what is left of one is an orphan, unless
// something in Kubernetes keeps it. The caller must hold mu if a run is under way.
func (s *soakWorld) fact(key string) (lab.Fact, bool) {
	f, known := s.world.Facts()[key]
	a := s.accident
	if a == nil || !a.happened {
		return f, known
	}
	if f.Kind == lab.KindCFSSession && f.Session == "" && a.lost[f.Tag] && isSessionID(f.Tag) {
		f.Reason, f.Confirmed = "", "orphaned"
	}
	if f.Session == "" || !a.lost[f.Session] {
		return f, known
	}
	f.Listed, f.Ghost = false, false
	kept := append([]string{"terminating"}, never...)
	if f.SessionReason == "running" || f.SessionReason == "kept-by-rule" || slices.Contains(kept, f.Reason) {
		return f, known
	}
	f.Reason, f.SessionReason = "", ""
	if f.Confirmed = "orphaned"; f.HasJob {
		f.Verdict, f.Confirmed = string(policy.Delete), "" // with the Job, which goes by its own evidence
	}
	return f, known
}

func isSessionID(text string) bool {
	id, err := uuid.Parse(text)
	return err == nil && id.Version() == 4 && id.String() == text
}

// severed describes why nothing shows whose an object is, so that a person has to look at it first: at this one, not at
// others that were held back before. The caller must hold mu.
func (s *soakWorld) severed(f lab.Fact) string {
	a := s.accident
	if a == nil || !a.happened || s.settings.percent == 100 || s.looked(f) {
		return ""
	}
	kube := f.Kind == lab.KindConfigMap || f.Kind == lab.KindJob
	if kube && a.kube || f.Kind == lab.KindCFSSession && f.Tag != "" && a.cfs {
		return "nothing shows any more that it is of BOS's system"
	}
	return ""
}

// looked reports whether a person has released an object, or the Job that a ConfigMap goes with. The caller must hold mu.
func (s *soakWorld) looked(f lab.Fact) bool {
	if s.released[name(f.Kind, f.Name)] || f.Kind != lab.KindConfigMap || !f.HasJob {
		return s.released[name(f.Kind, f.Name)]
	}
	for key, other := range s.world.Facts() {
		if other.Kind == lab.KindJob && other.Session == f.Session && s.released[key] {
			return true
		}
	}
	return false
}

// settle has a person look after an accident, and release what the guard holds back, until a sweep has nothing to do any
// more.
func (s *soakWorld) settle() error {
	extra := []string{"BOSGC_ORPHAN_INTERVAL=0s"}
	for range 16 {
		s.mu.Lock()
		s.sweeps++
		s.mu.Unlock()
		before := s.census()
		run, err := s.run(&undisturbed, extra...)
		if err == nil {
			err = s.check(&undisturbed, run, before)
		}
		if err != nil || len(s.violations) > 0 {
			return err
		}
		held := map[policy.Kind][]string{}
		waits := len(s.deletions) > 0
		for _, o := range run.document.Objects {
			if o.Reason == policy.OrphanGuard {
				held[o.Kind] = append(held[o.Kind], name(string(o.Kind), o.Name))
			}
			waits = waits || o.Reason == policy.AwaitingConfirmation
		}
		if (run.code == gc.ExitRefused) != (len(held) > 0) || run.code != gc.ExitRefused && run.code != gc.ExitDone {
			s.violate("after the accident: %s; held back %v; sources %+v", run, held, run.document.Sources)
		}
		if len(held) == 0 && !waits {
			return nil
		}
		for kind, objects := range held {
			if err := s.release(kind, objects); err != nil {
				return err
			}
		}
	}
	s.violate("sixteen sweeps and releases after the accident it is not settled")
	return nil
}

// release types what ends the guard of a kind.
func (s *soakWorld) release(kind policy.Kind, objects []string) error {
	s.counts.add("releases", 1)
	s.mu.Lock()
	for _, key := range objects {
		s.released[key] = true
	}
	s.mu.Unlock()
	run, err := s.run(&soakStep{command: "guard", args: []string{"release", string(kind)}, maxDeletes: 1})
	if err == nil && (run.code != gc.ExitDone || !strings.Contains(run.stdout, `"released"`)) {
		s.violate("guard release %s: exit code %d: %s%s", kind, run.code, run.stdout, run.stderr)
	}
	return err
}

// convergeAfterAccident requires that a person's release of what the guard holds back is all that it takes: then what is
// left is what is left of an undisturbed twin after the same, and nothing of a session that BOS has lost.
func (s *soakWorld) convergeAfterAccident() error {
	if !s.accident.happened {
		return fmt.Errorf("the accident has not happened")
	}
	twin, err := s.twin()
	if err != nil {
		return err
	}
	defer twin.close()
	twin.happen()
	for _, world := range []*soakWorld{s, twin} {
		if err := world.settle(); err != nil {
			return err
		}
		world.stuck()
	}
	for _, v := range twin.violations {
		s.violate("the twin: %s", v)
	}
	left, expected := s.exist(), twin.exist()
	for key := range s.begun {
		// What had gone comes back as a record alone, which may say less than what the session had left.
		gone := s.accident.gone[key] || s.accident.gone[name(lab.KindSession, s.world.Facts()[key].Session)]
		if !gone && left[key] != expected[key] {
			s.violate("in the end, %s is there: %v, want %v", s.told(key), left[key], expected[key])
		}
	}
	return nil
}

// stuck names what is left of lost sessions although nothing keeps it.
func (s *soakWorld) stuck() {
	if s.settings.tuned {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(s.exist())) {
		f, _ := s.fact(key)
		orphan := f.Kind == lab.KindConfigMap && s.accident.lost[f.Session] && f.Confirmed == "orphaned"
		if orphan && s.clock().Sub(f.Created) > s.settings.grace+time.Minute {
			s.violate("%s is stuck", s.told(key))
		}
	}
}
