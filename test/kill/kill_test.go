// Package kill kills the real program at each of its requests, against a real kube-apiserver, and then
// lets it finish.
package kill

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
	"bosgc/test/plane"
	"bosgc/test/world"
)

// stories have every kind of object that is deleted, and some that stay.
var stories = []string{
	"finished-expired", "failed-20-days-ago", "metadata-empty", "running-with-cfs", "finished-recently", "keep-while-running",
	"orphan-configmap", "orphan-job-10-days", "being-created-job", "cfs-of-gone-session", "cfs-untagged-old", "cfs-by-a-person",
}

// wanted is what the world must have to delete.
var wanted = []string{
	"CFSSession owner-collected", "CFSSession cfs-expired", "ConfigMap owner-collected", "ConfigMap awaiting-confirmation",
	"Session failed-expired", "Session abandoned", "Job owner-collected", "Job completed-expired", "Job running",
}

// small returns options of a world that has everything in wanted and little else. The release is the
// first whose Kubernetes is like today's, and the last on which Jobs stay.
func small(t *testing.T) lab.Options {
	t.Helper()
	for seed := range uint64(10000) {
		options := lab.Options{CSM: "1.3.1", Seed: seed, Sessions: 5, Only: stories}
		w, err := lab.NewWorld(options)
		if err != nil {
			t.Fatal(err)
		}
		missing, truth := slices.Clone(wanted), w.Truth()
		for _, o := range truth {
			missing = slices.DeleteFunc(missing, func(what string) bool { return what == o.Kind+" "+o.Reason })
		}
		if len(missing) == 0 && len(truth) <= 24 {
			return options
		}
	}
	t.Fatal("no world has all that is wanted")
	return lab.Options{}
}

// Each has a namespace of its own. Two run at a time, because each waits half of the time.
func TestKilledAtAnyRequest(t *testing.T) {
	shipped, racing := build(t)
	p := plane.Start(t, plane.Options{Namespaces: []string{lab.Namespace}, NoControllers: true})
	w := world.Load(t, p, small(t))
	t.Run("the first sweep", func(t *testing.T) {
		t.Parallel()
		s := open(t, p, w, "first", shipped, racing)
		s.environ = append(s.environ, "BOSGC_ORPHAN_SIGHTINGS=1")
		s.killEach(1)
	})
	t.Run("a later sweep", func(t *testing.T) {
		t.Parallel()
		s := open(t, p, w, "later", shipped, racing)
		s.environ = append(s.environ, "BOSGC_ORPHAN_SIGHTINGS=2", "BOSGC_ORPHAN_INTERVAL=0s")
		s.seen()
		s.killEach(2)
	})
}

// killEach kills at every second request.
func (s *site) killEach(first int) {
	t := s.t
	r := s.run(0, false, "sweep")
	if r.code != gc.ExitDone || r.document.Outcomes[gc.Deleted] < 10 || r.document.Outcomes[gc.Deleted] != r.document.Summary.Delete {
		t.Fatalf("undisturbed: exit code %d, %+v, %v\n%s", r.code, r.document.Summary, r.document.Outcomes, r.stderr)
	}
	s.end = s.exist()
	total, deleted := s.n, s.deleted(s.end)
	if counted := s.counted(); !maps.Equal(counted, deleted) {
		t.Errorf("undisturbed: counted %v, deleted %v", counted, deleted)
	}
	s.recorded(s.end)
	t.Logf("seed %d: %d requests, deleted %v, %d stay", s.options.Seed, total, deleted, len(s.end))

	begun, tries, reached := time.Now(), 0, 0
	for at := first; at <= total && !t.Failed(); at += 2 {
		s.reset()
		tries++
		if s.killed(at, tries%2 == 0) {
			reached++
		}
	}
	t.Logf("killed %d times in %s; %d of them left an orphan to be confirmed", reached, time.Since(begun).Round(time.Millisecond), s.orphaned)
	if reached < tries*9/10 { // runs differ a little in their number of requests
		t.Errorf("killed at %d of %d requests", reached, tries)
	}
}

// killed kills a sweep at a request and checks what the next one makes of it.
func (s *site) killed(at int, after bool) bool {
	r := s.run(at, after, "sweep")
	where := map[bool]string{false: "before ", true: "after "}[after] + s.struck
	defer func() {
		if s.t.Failed() {
			s.t.Logf("killed at request %d, %s", at, where)
		}
	}()
	if !r.killed {
		if r.code != gc.ExitDone {
			s.t.Errorf("exit code %d\n%s", r.code, r.stderr)
		}
		return false
	}
	first, counted := s.deleted(s.exist()), s.counted()
	for kind, n := range counted {
		if n > first[kind] {
			s.t.Errorf("%d %ss are counted, and %d are gone", n, kind, first[kind])
		}
	}
	s.age()
	r = s.sweep()
	now := s.exist()
	if s.confirms(r.document, now) {
		s.sweep()
		now = s.exist()
	}
	s.same(now)
	both, all := s.counted(), s.deleted(now)
	for kind, n := range both {
		if n > all[kind] || n-counted[kind] != all[kind]-first[kind] {
			s.t.Errorf("%d %ss are counted, %d of them before; %d are gone, %d of them before", n, kind, counted[kind], all[kind], first[kind])
		}
	}
	s.recorded(now)
	return true
}

// sweep runs an undisturbed sweep.
func (s *site) sweep() result {
	r := s.run(0, false, "sweep")
	if r.code != gc.ExitDone || r.document.Outcomes[gc.Deleted] != r.document.Summary.Delete {
		s.t.Errorf("the next sweep: exit code %d, %+v, %v\n%s", r.code, r.document.Summary, r.document.Outcomes, r.stderr)
	}
	if lease, _, err := s.store.GetLease(s.t.Context(), "bosgc"); err != nil || lease.Holder != "" {
		s.t.Errorf("it has ended, and %q holds the lock; %v", lease.Holder, err)
	}
	return r
}

// confirms reports whether the kill has left an orphan that this sweep has seen for the first time.
// There is one: the ConfigMap of a session for which BOS has no times, because it has to outlive the
// session.
func (s *site) confirms(d gc.Document, now map[string]bool) bool {
	waits := map[string]bool{}
	for _, o := range d.Objects {
		if o.Kind == policy.ConfigMap && o.Reason == policy.AwaitingConfirmation {
			waits[string(o.Kind)+" "+o.Name] = true
		}
	}
	left := 0
	for o := range now {
		if s.begin[o] && !s.end[o] {
			left++
			if !waits[o] {
				return false
			}
		}
	}
	if left > 0 {
		s.orphaned++
	}
	return left > 0
}

// same compares what exists with the end of an undisturbed sweep.
func (s *site) same(now map[string]bool) {
	for o := range s.begin {
		switch {
		case s.end[o] && !now[o]:
			s.t.Errorf("%s is gone", o)
		case !s.end[o] && now[o]:
			s.t.Errorf("%s is left", o)
		}
	}
	for o := range now {
		if !s.begin[o] {
			s.t.Errorf("%s is new", o)
		}
	}
	for _, danger := range s.lab.Danger() {
		s.t.Errorf("dangerous: %s", danger)
	}
}

// deleted counts what is gone, by kind.
func (s *site) deleted(now map[string]bool) map[string]int {
	counts := map[string]int{}
	for o := range s.begin {
		if kind, _, _ := strings.Cut(o, " "); !now[o] {
			counts[kind]++
		}
	}
	return counts
}
