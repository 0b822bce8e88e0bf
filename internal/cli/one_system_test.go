package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
	"bosgc/policy"
)

// Of the three systems one is that of another CSM, of any other release: one wrong URL or context. Then everything there
// looks as if it had no owner, and nothing of it may go, however often it is seen.
func TestOneWrongSystemLosesNothing(t *testing.T) {
	t.Parallel()
	for i, csm := range lab.Profiles() {
		for k, otherCSM := range lab.Profiles() {
			if csm == otherCSM {
				continue
			}
			for n, wrong := range []string{"bos", "cfs", "kube"} {
				sizes := []int{(i + k + n) % 4, (i + 2*k + n) % 4} // no session, one, two, three
				if (i+k)%3 == 0 {
					sizes = []int{30, 30}
				}
				t.Run(fmt.Sprintf("CSM %s with %s of CSM %s, %v sessions", csm, wrong, otherCSM, sizes), func(t *testing.T) {
					t.Parallel()
					s := start(t, lab.Options{CSM: csm, Seed: uint64(i), Sessions: sizes[0]}, lab.ServerOptions{})
					other := start(t, lab.Options{CSM: otherCSM, Seed: uint64(100 + k), Sessions: sizes[1]}, lab.ServerOptions{})
					s.losesNothingWith(other, wrong)
				})
			}
		}
	}
}

// judged returns how many of the objects that a plan judges exist.
func (s *system) judged() int {
	n, facts := 0, s.World.Facts()
	for o := range s.exist() {
		if _, judged := facts[o]; judged {
			n++
		}
	}
	return n
}

// losesNothingWith sweeps with one system of another CSM.
func (s *system) losesNothingWith(other *system, wrong string) {
	s.t.Helper()
	bos, kube := s.World, s.World
	switch wrong {
	case "bos":
		bos = other.World
	case "kube":
		kube = other.World
	}
	if lab.Indistinct(bos, kube) {
		s.t.Skip("nothing shows that they are not one: docs/safety.md, \"What it does not promise\"")
	}
	here, there := s.exist(), other.exist()
	kubeconfig, env := s.Wired(wrong, other.Server)
	for range 3 {
		var out, errs strings.Builder
		env := append(slices.Clone(env), "BOSGC_LOG_LEVEL=error", "BOSGC_ORPHAN_SIGHTINGS=1")
		code := Run(s.t.Context(), []string{"sweep", "-o", "json", "--kubeconfig", kubeconfig}, env, &out, &errs)
		d := s.decode(out.String(), errs.String())
		if d.Kind != "Report" {
			s.t.Fatalf("exit code %d: %s", code, errs.String())
		}
		for _, o := range d.Objects {
			// Without its CFS, a system still loses what is due in BOS and Kubernetes; nothing of it depends on CFS.
			if o.Outcome == gc.Deleted && (wrong != "cfs" || o.Kind == policy.CFSSession) {
				s.t.Errorf("exit code %d: %s %s was deleted (%s: %s)", code, o.Kind, o.Name, o.Reason, o.Detail)
			}
		}
	}
	if wrong != "cfs" && !maps.Equal(here, s.exist()) || !maps.Equal(there, other.exist()) {
		s.t.Error("something is gone")
	}
}

// The other namespace of the right cluster has no trace of BOS.
func TestAWrongNamespaceLosesNothing(t *testing.T) {
	t.Parallel()
	for _, csm := range lab.Profiles() {
		s := start(t, lab.Options{CSM: csm, Sessions: 20}, lab.ServerOptions{})
		before := s.exist()
		for _, namespace := range []string{"user", "default", "no-such-namespace"} {
			_, code := s.document([]string{"sweep"}, "BOSGC_NAMESPACE="+namespace, "BOSGC_STATE_NAMESPACE=services", "BOSGC_ORPHAN_SIGHTINGS=1")
			if code == gc.ExitDone || !maps.Equal(before, s.exist()) {
				t.Errorf("CSM %s, %s: exit code %d, %d objects of %d", csm, namespace, code, len(s.exist()), len(before))
			}
		}
	}
}

// Small systems, where one object is a large share.
func TestSystemsOfFewSessions(t *testing.T) {
	t.Parallel()
	for _, csm := range lab.Profiles() {
		for n := range 4 {
			for seed := range uint64(4) {
				s := start(t, lab.Options{CSM: csm, Seed: seed, Sessions: n}, lab.ServerOptions{})
				d, _ := s.document([]string{"plan"})
				s.agree(d)
				if t.Failed() {
					t.Fatalf("CSM %s, seed %d, %d sessions", csm, seed, n)
				}
			}
		}
	}
}

// The documented remedy for the hanging list deletes all sessions and leaves everything else. What is left is a case for
// the guard, and goes once a person has looked.
func TestAWipeOfBOSIsACaseForTheGuard(t *testing.T) {
	t.Parallel()
	for _, leftovers := range []int{3, 40} {
		l := startTimeline(t, lab.Options{CSM: "1.4", Sessions: leftovers, Only: []string{"finished-expired"}})
		l.WipeBOS()
		before := l.exist()
		for range 4 {
			d, code := l.sweepAt()
			if code != gc.ExitRefused || !maps.Equal(before, l.exist()) {
				t.Fatalf("exit code %d, %d of %d objects, sources %+v", code, len(l.exist()), len(before), d.Sources)
			}
			if n := count(d, func(o gc.Object) bool { return o.Kind == policy.ConfigMap && o.Reason == policy.OrphanGuard }); n != leftovers {
				t.Errorf("%d ConfigMaps are guarded, want %d", n, leftovers)
			}
			l.advanceBoth(time.Hour)
		}
		_, code := l.sweepAt("BOSGC_MAX_ORPHAN_PERCENT=100")
		if n := l.judged(); code != gc.ExitDone || n > 0 {
			t.Errorf("after a person has looked: exit code %d, %d objects are left", code, n)
		}
	}
}

// BOS's database comes back from an old copy: it lacks the sessions of the last weeks, and has those again that were
// collected since. What seems to belong to nobody has to be confirmed, and is kept as long as a session if it has an end.
func TestABOSRestoredFromAnOldCopy(t *testing.T) {
	t.Parallel()
	l := startTimeline(t, lab.Options{CSM: "1.2", Seed: 2, Sessions: 60, Only: []string{"finished-recently", "finished-expired", "keep-on-configmap"}})
	l.sweepAt()
	l.RestoreBOS(l.server.now().Add(-20 * day))
	facts, before := l.World.Facts(), l.exist()
	d, code := l.sweepAt()
	if code != gc.ExitDone {
		t.Errorf("exit code %d", code)
	}
	for o := range before {
		f := facts[o]
		if young := l.server.now().Sub(f.End) < 7*day; !l.exist()[o] && !f.GoesConfirmed() && (young || f.SessionReason == "kept-by-rule" || f.Kind == lab.KindConfigMap && !f.HasJob) {
			t.Errorf("%s is gone (%s)", o, f.Reason)
		}
	}
	back := count(d, func(o gc.Object) bool { return o.Kind == policy.Session && o.Outcome == gc.Deleted })
	if back == 0 {
		t.Error("no session that came back has gone again")
	}
}

// BOS v2 comes up without its sessions. Their CFS sessions are kept as long as any other, seen by several sweeps, and
// refused by the guard if they are most.
func TestABOSv2ThatHasForgottenItsSessions(t *testing.T) {
	t.Parallel()
	for _, csm := range []string{"1.3.1", "1.5", "1.6"} {
		l := startTimeline(t, lab.Options{CSM: csm, Sessions: 60, Only: []string{"cfs-of-bos-v2", "finished-recently", "orphan-configmap"}})
		l.ForgetV2()
		before := l.exist()
		for n := range 3 {
			l.sweepAt("BOSGC_ORPHAN_SIGHTINGS=3")
			for o := range before {
				f := l.World.Facts()[o]
				young := l.server.now().Sub(f.At) < 7*day
				if f.Kind == lab.KindCFSSession && !l.exist()[o] && !f.GoesConfirmed() && (young || n < 2 || csm == "1.6") {
					t.Errorf("CSM %s: %s is gone in sweep %d", csm, o, n+1)
				}
			}
			l.advanceBoth(time.Hour)
		}
	}
}

// A system that refuses deletes, or fails them, while its reads work: nothing is said to be gone that is there, what
// leads to the rest stays, and the next sweep after the trouble finishes everything.
func TestASystemThatRefusesDeletes(t *testing.T) {
	t.Parallel()
	for _, system := range []string{"bos", "cfs", "kube"} {
		for how, fault := range lab.Refusals(system) {
			t.Run(system+" "+how, func(t *testing.T) {
				t.Parallel()
				s := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 25}, lab.ServerOptions{})
				if system == "kube" {
					fault.Path = "/(jobs|configmaps)/"
				}
				if err := s.AddFault(fault); err != nil {
					t.Fatal(err)
				}
				stays := s.stays()
				d, code := s.document([]string{"sweep"})
				if code != gc.ExitPartial && code != gc.ExitFailed {
					t.Errorf("exit code %d", code)
				}
				left := s.exist()
				for _, o := range d.Objects {
					if there := left[name(string(o.Kind), o.Name)]; o.Outcome == gc.Deleted && there {
						t.Errorf("%s %s is said to be deleted", o.Kind, o.Name)
					}
				}
				for o := range stays {
					if !left[o] {
						t.Errorf("%s is gone", o)
					}
				}
				s.ClearFaults()
				stays = s.staysConfirmed() // CFS sessions whose sessions have gone are orphans by now
				for range 2 {
					if _, code := s.document([]string{"sweep"}, "BOSGC_ORPHAN_SIGHTINGS=2"); code != gc.ExitDone {
						t.Errorf("afterwards: exit code %d", code)
					}
				}
				s.same("afterwards", s.exist(), stays)
			})
		}
	}
}

// Kyverno removes each Job three days after its end, while sweeps go on. The session is kept until its own time is over.
func TestJobsThatKyvernoRemovesBetweenSweeps(t *testing.T) {
	t.Parallel()
	for _, csm := range []string{"1.4", "1.5"} {
		l := startTimeline(t, lab.Options{CSM: csm, Seed: 4, Sessions: 8, Only: []string{"finished-recently"}})
		removed := 0
		for range 8 * 4 {
			l.advanceBoth(6 * time.Hour)
			removed += len(l.ExpireJobs(l.server.now()))
			now := l.server.now()
			before := l.exist()
			if _, code := l.sweepAt("BOSGC_KEEP_LAST=0"); code != gc.ExitDone {
				t.Errorf("exit code %d", code)
			}
			for o := range before {
				if f := l.World.Facts()[o]; !l.exist()[o] && f.Session != "" && now.Sub(f.End) < 7*day {
					t.Errorf("%s has gone %s after its end", o, now.Sub(f.End))
				}
			}
		}
		if n := l.judged(); n > 0 || removed == 0 {
			t.Errorf("CSM %s: %d objects are left, Kyverno has removed %d Jobs", csm, n, removed)
		}
	}
}

// Sessions of which nothing but the record is left: somebody has deleted all Jobs and ConfigMaps. Those that ended long
// ago go, and the others wait for a person, or for the first session that shows where this BOS makes its Jobs.
func TestSessionsOfWhichOnlyTheRecordIsLeft(t *testing.T) {
	t.Parallel()
	for _, csm := range []string{"1.0", "1.5"} {
		l := startTimeline(t, lab.Options{CSM: csm, Sessions: 30, Only: []string{"nothing-but-the-record"}})
		stays := l.stays()
		if len(stays) == len(l.exist()) {
			t.Fatal("none is old enough")
		}
		for range 3 {
			l.sweepAt("BOSGC_KEEP_LAST=0")
			l.advanceBoth(day)
		}
		for o := range l.exist() {
			if !stays[o] {
				t.Errorf("CSM %s: %s is stuck", csm, o)
			}
		}
		if _, code := l.sweepAt("BOSGC_KEEP_LAST=0", "BOSGC_MAX_ORPHAN_PERCENT=100"); code != gc.ExitDone || l.judged() > 0 {
			t.Errorf("CSM %s: exit code %d, %d are left although a person has looked", csm, code, l.judged())
		}
	}
}

// cfsSession adds a complete CFS session that the batcher made for a session, and that began at an age.
func (l *timeline) cfsSession(tag string, age time.Duration) {
	at := l.server.now().Add(-age).UTC()
	l.CFS.Add(simcfs.Session{
		Name: "batcher-" + uuid.NewString(), Configuration: "site", Limit: "x1000c0s0b0n0", Definition: "dynamic",
		Status: "complete", Succeeded: "true", Tags: map[string]string{"bos_session": tag},
		Start: at.Format("2006-01-02T15:04:05"), Completion: at.Add(time.Minute).Format("2006-01-02T15:04:05"),
	})
}

// BOS's database comes back from an old copy, and lacks most of its sessions. Nothing of their CFS sessions goes with the
// first sweeps: they are as young as the others, and once they are old the guard refuses them.
func TestLostSessionsKeepTheirCFSSessions(t *testing.T) {
	t.Parallel()
	l := startTimeline(t, lab.Options{CSM: "1.4", Sessions: 40, Only: []string{"finished-recently"}})
	for i, id := range l.BOS.IDs() {
		l.cfsSession(id, 49*time.Hour)
		if i < 25 {
			l.BOS.Remove(id)
		}
	}
	before := len(l.CFS.Names())
	for range 3 {
		l.sweepAt()
		l.advanceBoth(time.Hour)
	}
	if n := len(l.CFS.Names()); n != before {
		t.Errorf("%d of %d CFS sessions are gone", before-n, before)
	}
	l.advanceBoth(6 * day)
	d, code := l.sweepAt("BOSGC_ORPHAN_SIGHTINGS=1", "BOSGC_SESSION_TTL=60d")
	guarded := count(d, func(o gc.Object) bool { return o.Kind == policy.CFSSession && o.Reason == policy.OrphanGuard })
	if code != gc.ExitRefused || guarded < 25 {
		t.Errorf("exit code %d, %d CFS sessions are guarded", code, guarded)
	}
	if n := value(t, l.exported(), "bosgc_orphans", `kind="CFSSession"`); n != float64(guarded) {
		t.Errorf("bosgc_orphans has %v CFS sessions, want %d", n, guarded)
	}
}

// A CFS session is a sighted one by its name and start: another one of its name has not been seen.
func TestASightingOfACFSSessionIsOfOneStart(t *testing.T) {
	t.Parallel()
	l := startTimeline(t, lab.Options{CSM: "1.4", Sessions: 10, Only: []string{"running-with-cfs"}})
	l.cfsSession(orphan, 9*day)
	name := ""
	for _, s := range l.CFS.Sessions() {
		if s.Tags["bos_session"] == orphan {
			name = s.Name
		}
	}
	is := func(want policy.Reason) {
		t.Helper()
		d, _ := l.sweepAt()
		if o := find(t, d, policy.CFSSession, name); o.Reason != want {
			t.Errorf("%s (%s), want %s", o.Reason, o.Detail, want)
		}
		l.advanceBoth(time.Hour)
	}
	is(policy.AwaitingConfirmation)
	for _, s := range l.CFS.Sessions() {
		if s.Name == name {
			s.Start = l.server.now().Add(-8 * day).UTC().Format("2006-01-02T15:04:05")
			l.CFS.Add(s)
		}
	}
	is(policy.AwaitingConfirmation)
	is(policy.Orphaned)
	if slices.Contains(l.CFS.Names(), name) {
		t.Error("it is still there")
	}
}
