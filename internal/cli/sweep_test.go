package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/internal/lab"
	"bosgc/policy"
)

const (
	seeds    = 4   // per release
	sessions = 120 // per world
)

func eachRelease(t *testing.T, test func(t *testing.T, options lab.Options)) {
	for _, csm := range lab.Profiles() {
		for seed := range uint64(seeds) {
			t.Run(fmt.Sprintf("CSM %s seed %d", csm, seed), func(t *testing.T) {
				t.Parallel()
				test(t, lab.Options{CSM: csm, Seed: seed, Sessions: sessions})
			})
		}
	}
}

func TestPlanAgreesWithTheTruthAndDeletesNothing(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, options lab.Options) {
		s := start(t, options, lab.ServerOptions{})
		before := s.exist()
		d, code := s.document([]string{"plan"})
		if code != gc.ExitDone || d.Kind != "Plan" || d.APIVersion != "bosgc/v1" {
			t.Errorf("exit code %d, document %s %s", code, d.APIVersion, d.Kind)
		}
		s.agree(d)
		s.same("after the plan", s.exist(), before)
		for _, r := range s.Requests() {
			if r.System != "token" && r.Method != http.MethodGet && !strings.HasSuffix(r.Path, "/selfsubjectaccessreviews") {
				t.Errorf("a plan sent %s %s", r.Method, r.Path)
			}
		}
		s.noDanger()
	})
}

func TestSweepLeavesExactlyWhatStays(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, options lab.Options) {
		s := start(t, options, lab.ServerOptions{})
		want, confirmed := s.stays(), s.staysConfirmed()
		d, code := s.document([]string{"sweep"}, "BOSGC_ORPHAN_SIGHTINGS=2")
		if code != gc.ExitDone || d.Kind != "Report" || d.ExitCode != code {
			t.Errorf("exit code %d (in the report %d), document %s", code, d.ExitCode, d.Kind)
		}
		s.agree(d)
		s.same("after the sweep", s.exist(), want)
		if n := count(d, outcome(gc.Deleted)); n != d.Summary.Delete {
			t.Errorf("%d of %d deleted", n, d.Summary.Delete)
		}
		second, code := s.document([]string{"sweep"}, "BOSGC_ORPHAN_SIGHTINGS=2")
		if n := count(second, outcome(gc.Deleted)); code != gc.ExitDone || n != len(want)-len(confirmed) {
			t.Errorf("the second sweep: exit code %d, %d deleted, want %d", code, n, len(want)-len(confirmed))
		}
		s.same("after the second sweep, which confirms orphans", s.exist(), confirmed)
		third, code := s.document([]string{"sweep"}, "BOSGC_ORPHAN_SIGHTINGS=2")
		if code != gc.ExitDone || third.Summary.Delete != 0 {
			t.Errorf("the third sweep: exit code %d, %d to delete", code, third.Summary.Delete)
		}
		s.same("after the third sweep", s.exist(), confirmed)
		s.noDanger()
	})
}

func TestDryRunSweepIsAPlan(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 40}, lab.ServerOptions{})
	before := s.exist()
	d, code := s.document([]string{"sweep"}, "BOSGC_DRY_RUN=true")
	if code != gc.ExitDone || d.Kind != "Plan" {
		t.Errorf("exit code %d, %s", code, d.Kind)
	}
	s.same("after a dry run", s.exist(), before)
}

func TestMaxDeletesTricklesOldestFirst(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 60}, lab.ServerOptions{})
	want := s.stays()
	first, code := s.document([]string{"sweep"}, "BOSGC_MAX_DELETES=7")
	if code != gc.ExitDone {
		t.Errorf("exit code %d: work left for the next sweep is no failure", code)
	}
	if deleted, waiting := count(first, outcome(gc.Deleted)), count(first, outcome(gc.Waiting)); deleted != 7 || waiting != first.Summary.Delete-7 {
		t.Errorf("%d deleted, %d waiting of %d", deleted, waiting, first.Summary.Delete)
	}
	waiting := false
	for _, o := range first.Objects {
		waiting = waiting || o.Outcome == gc.Waiting
		if waiting && o.Outcome == gc.Deleted {
			t.Errorf("%s %s was deleted although older ones wait", o.Kind, o.Name)
		}
	}
	total := 7
	for sweeps := 0; ; sweeps++ {
		d, code := s.document([]string{"sweep", "--max-deletes", "50"}, "BOSGC_MAX_DELETES=1")
		n := count(d, outcome(gc.Deleted))
		if code != gc.ExitDone || n > 50 || sweeps > 50 {
			t.Fatalf("sweep %d: exit code %d, %d deleted", sweeps, code, n)
		}
		if total += n; n == 0 {
			break
		}
	}
	if total != first.Summary.Delete {
		t.Errorf("%d deleted in all, %d planned at first", total, first.Summary.Delete)
	}
	s.same("after all sweeps", s.exist(), want)
}

// If a system cannot be read, what depends on it is kept and the rest is deleted. The exit code says so.
func TestSourceThatFails(t *testing.T) {
	t.Parallel()
	list := func(resource string) lab.Fault {
		return lab.Fault{
			Kind: lab.FaultStatus, Status: 403, System: "kube", Method: "GET", Path: "/namespaces/services/" + resource + `(\?|$)`,
			Header: map[string]string{"Content-Type": "application/json"},
			Body:   `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"forbidden"}`,
		}
	}
	sessionList := func(f lab.Fault) lab.Fault {
		f.System, f.Method, f.Path = "bos", "GET", `^/v1/session$`
		return f
	}
	tests := []struct {
		name   string
		fault  lab.Fault
		source string
		goes   []policy.Kind // kinds of which objects are still deleted
	}{
		{"BOS down", lab.Fault{Name: "bos-down"}, inventory.SourceSessions, []policy.Kind{policy.CFSSession}},
		{"CFS down", lab.Fault{Name: "cfs-down"}, inventory.SourceCFSSessions, []policy.Kind{policy.Session, policy.ConfigMap, policy.Job}},
		// Without Kubernetes there is no lock, and without ConfigMaps no journal: nothing is deleted.
		{"Kubernetes down", lab.Fault{Name: "kube-down"}, inventory.SourceJobs, nil},
		{"etcd of BOS down", lab.Fault{Name: "etcd-down"}, inventory.SourceSessions, []policy.Kind{policy.CFSSession}},
		{"the list hangs", lab.Fault{Name: "list-hangs"}, inventory.SourceSessions, policy.Kinds()},
		{"Jobs refused", list("jobs"), inventory.SourceJobs, []policy.Kind{policy.CFSSession}},
		{"Pods refused", list("pods"), inventory.SourcePods, []policy.Kind{policy.CFSSession}},
		{"ConfigMaps refused", list("configmaps"), inventory.SourceConfigMaps, nil},
		{"CronJobs refused", list("cronjobs"), inventory.SourceCronJobs, []policy.Kind{policy.CFSSession}},
		{"a login page", sessionList(lab.Fault{Kind: lab.FaultHTML}), inventory.SourceSessions, []policy.Kind{policy.CFSSession}},
		{"null for a list", sessionList(lab.Fault{Kind: lab.FaultNull}), inventory.SourceSessions, []policy.Kind{policy.CFSSession}},
		{"a truncated list", sessionList(lab.Fault{Kind: lab.FaultTruncate}), inventory.SourceSessions, []policy.Kind{policy.CFSSession}},
		{"a wrong URL", sessionList(lab.Fault{
			Kind: lab.FaultStatus, Status: 404, Header: map[string]string{"Content-Type": "application/problem+json"},
			Body: `{"detail":"The requested URL was not found on the server.","status":404,"title":"Not Found","type":"about:blank"}`,
		}), inventory.SourceSessions, []policy.Kind{policy.CFSSession}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, lab.Options{CSM: "1.2", Sessions: 60}, lab.ServerOptions{})
			whole := s.exist()
			if err := s.AddFault(tt.fault); err != nil {
				t.Fatal(err)
			}
			patience := []string{"BOSGC_REQUEST_TIMEOUT=2s", "BOSGC_LIST_TIMEOUT=2s"}
			plan, code := s.document([]string{"plan"}, patience...)
			if code != gc.ExitIncomplete {
				t.Errorf("plan: exit code %d, want %d", code, gc.ExitIncomplete)
			}
			for _, source := range plan.Sources {
				if source.Name == tt.source && (source.Complete || source.Error == "") {
					t.Errorf("source %+v", source)
				}
			}
			d, code := s.document([]string{"sweep", "--own-settings"}, patience...)
			if code != gc.ExitIncomplete || d.ExitCode != code {
				t.Errorf("sweep: exit code %d, want %d", code, gc.ExitIncomplete)
			}
			gone := map[string]int{}
			truth := map[string]bool{}
			for _, o := range s.World.Truth() {
				truth[name(o.Kind, o.Name)] = o.Goes()
			}
			s.ClearFaults()
			left := s.exist()
			for o := range whole {
				if !left[o] {
					kind, _, _ := strings.Cut(o, " ")
					gone[kind]++
					if !truth[o] {
						t.Errorf("%s is gone and should have stayed", o)
					}
				}
			}
			for _, kind := range tt.goes {
				if gone[string(kind)] == 0 {
					t.Errorf("no %s was deleted, although none depends on what failed", kind)
				}
				delete(gone, string(kind))
			}
			for kind, n := range gone {
				t.Errorf("%d of kind %s were deleted, although they depend on what failed", n, kind)
			}
			s.noDanger()
		})
	}
}

// deletesObject reports whether a request deletes anything but an old journal.
func deletesObject(r *http.Request) bool {
	return r.Method == http.MethodDelete && !strings.Contains(r.URL.Path, "/configmaps/bosgc-")
}

// An object that changes between reading and deleting is kept.
func TestWhatChangesMeanwhileIsSkipped(t *testing.T) {
	t.Parallel()
	var s *system
	var once atomic.Bool
	var changed string
	s = start(t, lab.Options{CSM: "1.2", Sessions: 40}, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if !deletesObject(r) || !strings.Contains(r.URL.Path, "/configmaps/") || !once.CompareAndSwap(false, true) {
			return
		}
		// A person protects this ConfigMap while its delete is under way.
		changed = r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		s.annotate(changed)
	}})
	d, code := s.document([]string{"sweep"}, "BOSGC_KUBE_CONCURRENCY=1")
	if code != gc.ExitDone {
		t.Errorf("exit code %d", code)
	}
	cm := find(t, d, policy.ConfigMap, changed)
	if cm.Outcome != gc.Skipped {
		t.Errorf("ConfigMap: outcome %q (%s %s)", cm.Outcome, cm.Detail, cm.Error)
	}
	left := s.exist()
	for _, o := range d.Objects {
		if o.Session != cm.Session || o.Kind == policy.CFSSession || o.Verdict != policy.Delete {
			continue
		}
		if o.Kind != policy.ConfigMap && o.Outcome != gc.Waiting {
			t.Errorf("%s %s: outcome %q, want waiting: the ConfigMap that leads from it stays", o.Kind, o.Name, o.Outcome)
		}
		if !left[name(string(o.Kind), o.Name)] {
			t.Errorf("%s %s is gone", o.Kind, o.Name)
		}
	}
	plan, _ := s.document([]string{"plan"})
	if o := find(t, plan, policy.ConfigMap, changed); o.Reason != policy.KeptByRule {
		t.Errorf("afterwards: %s %s", o.Verdict, o.Reason)
	}
}

// Protection that is set during a sweep protects what is still there.
func TestProtectionDuringTheSweep(t *testing.T) {
	t.Parallel()
	t.Run("before anything of the session goes", func(t *testing.T) {
		var s *system
		var once atomic.Bool
		var victim gc.Object
		s = start(t, lab.Options{CSM: "1.2", Sessions: 80}, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
			if r.Method == http.MethodDelete && once.CompareAndSwap(false, true) {
				s.annotate(victim.Session)
			}
		}})
		plan, _ := s.document([]string{"plan"})
		for _, o := range plan.Objects { // the last session with CFS sessions
			if o.Kind == policy.ConfigMap && o.Verdict == policy.Delete && count(plan, func(c gc.Object) bool {
				return c.Session == o.Session && c.Kind == policy.CFSSession && c.Verdict == policy.Delete
			}) > 1 {
				victim = o
			}
		}
		d, _ := s.document([]string{"sweep"}, "BOSGC_KUBE_CONCURRENCY=1", "BOSGC_CFS_CONCURRENCY=1", "BOSGC_BOS_CONCURRENCY=1")
		left := s.exist()
		for _, o := range d.Objects {
			if o.Session == victim.Session && o.Verdict == policy.Delete && !left[name(string(o.Kind), o.Name)] {
				t.Errorf("%s %s is gone (%s), although its session was protected before", o.Kind, o.Name, o.Outcome)
			}
		}
	})
	t.Run("while its CFS sessions go", func(t *testing.T) {
		var s *system
		var once atomic.Bool
		var victim string
		s = start(t, lab.Options{CSM: "1.2", Sessions: 40}, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
			_, cfs, deletes := strings.Cut(r.URL.Path, "/v2/sessions/")
			if r.Method != http.MethodDelete || !deletes {
				return
			}
			// By now its ConfigMap is deleted; its Job is deleted last.
			if job := "boa-" + s.sessionOf(cfs); s.exist()[name(lab.KindJob, job)] && once.CompareAndSwap(false, true) {
				victim = cfs
				s.annotateJob(job)
				time.Sleep(600 * time.Millisecond) // what was read of the session's Job is reused for half a second
			}
		}})
		d, _ := s.document([]string{"sweep"}, "BOSGC_KUBE_CONCURRENCY=1", "BOSGC_CFS_CONCURRENCY=1", "BOSGC_BOS_CONCURRENCY=1")
		session := find(t, d, policy.CFSSession, victim).Session
		left := s.exist()
		for _, o := range d.Objects {
			if o.Session == session && o.Name != victim && o.Kind != policy.ConfigMap && o.Verdict == policy.Delete && !left[name(string(o.Kind), o.Name)] {
				t.Errorf("%s %s is gone (%s), although its session was protected before", o.Kind, o.Name, o.Outcome)
			}
		}
	})
}

// In a namespace without any BOS objects nothing shows that a session runs.
func TestTheWrongNamespaceIsNoEvidence(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 60}, lab.ServerOptions{})
	before := s.exist()
	d, code := s.document([]string{"sweep"}, "BOSGC_NAMESPACE=service")
	if code != gc.ExitIncomplete {
		t.Errorf("exit code %d, sources %+v", code, d.Sources)
	}
	left := s.exist()
	for o := range before {
		if !left[o] && !strings.HasPrefix(o, lab.KindCFSSession) {
			t.Errorf("%s is gone", o)
		}
	}
}

// A wiped database must not turn everything into orphans.
func TestALoginPageDeletesNothing(t *testing.T) {
	t.Parallel()
	for _, system := range []string{"bos", "cfs"} {
		s := start(t, lab.Options{CSM: "1.2", Sessions: 40}, lab.ServerOptions{Faults: []lab.Fault{{Kind: lab.FaultHTML, System: system, Method: "DELETE"}}})
		d, code := s.document([]string{"sweep"})
		left := s.exist()
		for _, o := range d.Objects {
			if o.Outcome == gc.Deleted && left[name(string(o.Kind), o.Name)] {
				t.Errorf("%s %s is reported as deleted and still there", o.Kind, o.Name)
			}
		}
		if code != gc.ExitPartial {
			t.Errorf("%s: exit code %d", system, code)
		}
	}
}

func TestOneSessionThatHangsDoesNotBlockTheOthers(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 40}, lab.ServerOptions{})
	want := s.stays()
	var victim string
	for _, o := range s.World.Truth() {
		if o.Kind == lab.KindSession && o.Reason == "completed-expired" {
			victim = o.Name
		}
	}
	if err := s.AddFault(lab.Fault{Kind: lab.FaultHang, System: "bos", Path: "^/v1/session/" + victim}); err != nil {
		t.Fatal(err)
	}
	d, code := s.document([]string{"sweep"}, "BOSGC_REQUEST_TIMEOUT=1s")
	if code != gc.ExitDone || find(t, d, policy.Session, victim).Reason != policy.BadData {
		t.Errorf("exit code %d, sources %+v", code, d.Sources)
	}
	left := s.exist()
	for o := range left {
		if !want[o] && !strings.Contains(o, victim) && !strings.HasPrefix(o, lab.KindCFSSession) {
			t.Errorf("%s is left", o)
		}
	}
}

// A Pod that a person starts for an old session during a sweep keeps the session.
func TestWhatIsStartedDuringTheSweepIsSeen(t *testing.T) {
	t.Parallel()
	var s *system
	var once atomic.Bool
	var victim gc.Object
	s = start(t, lab.Options{CSM: "1.2", Sessions: 40}, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		// When the contents are read, the plan has its lists.
		if victim.Name != "" && readsBody(r) && once.CompareAndSwap(false, true) {
			s.startPod(victim.Session)
		}
	}})
	plan, _ := s.document([]string{"plan"})
	for _, o := range plan.Objects {
		if o.Kind == policy.ConfigMap && o.Verdict == policy.Delete {
			victim = o
		}
	}
	d, _ := s.document([]string{"sweep"})
	left := s.exist()
	for _, o := range d.Objects {
		if o.Session == victim.Session && !left[name(string(o.Kind), o.Name)] {
			t.Errorf("%s %s is gone (%s), although a Pod works for its session", o.Kind, o.Name, o.Outcome)
		}
	}
	if o := find(t, d, policy.ConfigMap, victim.Name); o.Outcome != gc.Skipped {
		t.Errorf("outcome %q (%s)", o.Outcome, o.Detail)
	}
}

// If the lists cannot be read again before the deletes, nothing is deleted, and they are not requested over and over.
func TestWithoutAWatchNothingGoes(t *testing.T) {
	t.Parallel()
	var s *system
	var deleted, refused atomic.Bool
	s = start(t, lab.Options{CSM: "1.2", Sessions: 60}, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		switch {
		case deletesObject(r) && !strings.HasPrefix(r.URL.Path, "/v2/"):
			deleted.Store(true)
		case readsBody(r) && refused.CompareAndSwap(false, true):
			// The first content is read: by now the plan has its lists. What is refused is the watch.
			if err := s.AddFault(lab.Fault{Kind: lab.FaultStatus, Status: 403, System: "kube", Path: "/pods"}); err != nil {
				t.Error(err)
			}
		}
	}})
	d, code := s.document([]string{"sweep"})
	if code != gc.ExitIncomplete || deleted.Load() {
		t.Errorf("exit code %d, something of Kubernetes or BOS v1 was deleted: %v", code, deleted.Load())
	}
	if count(d, outcome(gc.Waiting)) == 0 || count(d, outcome(gc.Failed)) > 0 {
		t.Errorf("outcomes %v", d.Outcomes)
	}
}

// Objects that fail do not use up the limit. Otherwise the same old ones would keep younger objects from ever being
// deleted.
func TestFailuresDoNotUseUpTheLimit(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 60}, lab.ServerOptions{Faults: []lab.Fault{{Kind: lab.FaultStatus, Status: 500, System: "cfs", Method: "DELETE"}}})
	d, code := s.document([]string{"sweep"}, "BOSGC_MAX_DELETES=20")
	if n := count(d, outcome(gc.Deleted)); code != gc.ExitPartial || n < 19 || n > 20 || count(d, outcome(gc.Failed)) == 0 {
		t.Errorf("exit code %d, outcomes %v", code, d.Outcomes)
	}
}

func TestLiveSessionsThatHangDoNotBlockTheOthersForEver(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 40}, lab.ServerOptions{})
	var victims []string
	for _, o := range s.World.Truth() {
		if o.Kind == lab.KindSession && o.Reason == "completed-expired" && len(victims) < 4 {
			victims = append(victims, o.Name)
		}
	}
	if err := s.AddFault(lab.Fault{Kind: lab.FaultHang, System: "bos", Path: "^/v1/session/(" + strings.Join(victims, "|") + ")"}); err != nil {
		t.Fatal(err)
	}
	planned := 0
	for _, o := range s.World.Truth() {
		if o.Goes() {
			planned++
		}
	}
	// The order in which sessions are read is random, and so is the number of sweeps.
	deleted, sweeps := 0, 0
	for deleted < planned/2 && sweeps < 30 {
		d, _ := s.document([]string{"sweep"}, "BOSGC_REQUEST_TIMEOUT=1s")
		deleted, sweeps = deleted+count(d, outcome(gc.Deleted)), sweeps+1
	}
	if deleted < planned/2 {
		t.Errorf("%d of %d deleted in thirty sweeps", deleted, planned)
	}
	// After three sessions that hang a sweep asks for no more. The estimate of the list's size must not use them up.
	guessing := 0
	for _, r := range s.Requests() {
		if r.System == "bos" && r.Status == 0 && strings.Contains(r.Path, "/status/") {
			guessing++
		}
	}
	if guessing > sweeps {
		t.Errorf("%d requests hung in guessing how large the list is, in %d sweeps", guessing, sweeps)
	}
}

// A proxy's 404 for a ConfigMap says nothing about it, and what leads to it is kept. (The world has no session whose
// ConfigMap alone tells its age: such a session goes first, and its ConfigMap then waits as an orphan.)
func TestAForeign404LosesNothing(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodDelete, http.MethodGet} {
		s := start(t, lab.Options{CSM: "1.2", Seed: 3, Sessions: 40}, lab.ServerOptions{})
		want := s.stays()
		if err := s.AddFault(lab.Fault{Kind: lab.FaultStatus, Status: 404, System: "kube", Method: method, Path: "/configmaps/", Header: map[string]string{"Content-Type": "text/html"}, Body: "<h1>404</h1>"}); err != nil {
			t.Fatal(err)
		}
		if _, code := s.document([]string{"sweep"}); code == gc.ExitDone {
			t.Errorf("%s: exit code %d", method, code)
		}
		s.ClearFaults()
		if _, code := s.document([]string{"sweep"}); code != gc.ExitDone {
			t.Errorf("the next sweep: exit code %d", code)
		}
		s.same("after the next sweep", s.exist(), want)
	}
}

// With any limit, repeated sweeps end in the same state as one without a limit.
func TestAnyLimitEndsInTheSame(t *testing.T) {
	t.Parallel()
	for _, limit := range []string{"2", "3", "7"} {
		s := start(t, lab.Options{CSM: "1.2", Sessions: 40, Seed: 1}, lab.ServerOptions{})
		want := s.stays()
		for range 200 {
			if d, code := s.document([]string{"sweep", "--max-deletes", limit}); code != gc.ExitDone || d.Summary.Delete == 0 {
				break
			}
		}
		s.same("with a limit of "+limit, s.exist(), want)
	}
}

// One record that cannot be read is a problem of that record. If none can be read, it is a problem of BOS.
func TestABOSThatCannotReadAnyRecordIsIncomplete(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 40}, lab.ServerOptions{Faults: []lab.Fault{{Kind: lab.FaultStatus, Status: 500, System: "bos", Path: "^/v1/session/"}}})
	if d, code := s.document([]string{"plan"}); code != gc.ExitIncomplete {
		t.Errorf("exit code %d, sources %+v", code, d.Sources)
	}
}

func TestAConfigMapThatVanishesMeanwhileIsNoFailure(t *testing.T) {
	t.Parallel()
	var s *system
	var once atomic.Bool
	s = start(t, lab.Options{CSM: "1.2", Sessions: 40}, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/configmaps/") && once.CompareAndSwap(false, true) {
			s.Kube.Remove("configmaps", lab.Namespace, r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
		}
	}})
	if d, code := s.document([]string{"sweep"}); code != gc.ExitDone {
		t.Errorf("exit code %d, sources %+v, outcomes %v", code, d.Sources, d.Outcomes)
	}
}

// A request for the list that did not reach BOS is sent again: it has not hurt BOS.
func TestBOSThatComesUpLate(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 20}, lab.ServerOptions{})
	listener := freeAddress(t)
	time.AfterFunc(700*time.Millisecond, func() {
		l, err := net.Listen("tcp", listener)
		if err != nil {
			t.Error(err)
			return
		}
		proxy := &http.Server{Handler: httputil.NewSingleHostReverseProxy(must(url.Parse(s.URL("bos")))), ReadHeaderTimeout: time.Minute}
		t.Cleanup(func() { proxy.Close() })
		_ = proxy.Serve(l)
	})
	if d, code := s.document([]string{"plan"}, "BOSGC_BOS_URL=http://"+listener); code != gc.ExitDone {
		t.Errorf("exit code %d, sources %+v", code, d.Sources)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestAFailingObjectStopsNoOther(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 60}, lab.ServerOptions{})
	plan, _ := s.document([]string{"plan"})
	var victim gc.Object
	for _, o := range plan.Objects {
		if o.Kind == policy.Session && o.Verdict == policy.Delete {
			victim = o
			break
		}
	}
	if err := s.AddFault(lab.Fault{Kind: lab.FaultStatus, Status: 500, System: "bos", Method: "DELETE", Path: "^/v1/session/" + victim.Name}); err != nil {
		t.Fatal(err)
	}
	d, code := s.document([]string{"sweep"})
	if code != gc.ExitPartial {
		t.Errorf("exit code %d, want %d", code, gc.ExitPartial)
	}
	if o := find(t, d, policy.Session, victim.Name); o.Outcome != gc.Failed || o.Error == "" {
		t.Errorf("outcome %q, error %q", o.Outcome, o.Error)
	}
	if n := count(d, outcome(gc.Failed)); n != 1 {
		t.Errorf("%d failed", n)
	}
	s.ClearFaults()
	want := s.stays()
	if d, code := s.document([]string{"sweep"}); code != gc.ExitDone || d.Summary.Delete == 0 {
		t.Errorf("the next sweep: exit code %d, %d to delete", code, d.Summary.Delete)
	}
	s.same("after the next sweep", s.exist(), want)
}

// A delete whose answer is lost was still carried out.
func TestALostAnswerIsLookedAfter(t *testing.T) {
	t.Parallel()
	for _, system := range []string{"bos", "cfs", "kube"} {
		t.Run(system, func(t *testing.T) {
			s := start(t, lab.Options{CSM: "1.2", Sessions: 40, Seed: 3}, lab.ServerOptions{})
			want := s.stays()
			if err := s.AddFault(lab.Fault{Kind: lab.FaultLoseAnswer, System: system, Method: "DELETE", Count: 1}); err != nil {
				t.Fatal(err)
			}
			d, code := s.document([]string{"sweep"})
			if code != gc.ExitDone {
				t.Errorf("exit code %d, outcomes %v", code, d.Outcomes)
			}
			s.same("after the sweep", s.exist(), want)
		})
	}
}

// A run that is told to stop leaves the rest to the next one, and reports what it did.
func TestStoppedInTheMiddle(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	var deletes atomic.Int32
	s := start(t, lab.Options{CSM: "1.2", Sessions: 80}, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if deletesObject(r) && deletes.Add(1) == 10 {
			stop(fmt.Errorf("told to stop"))
		}
	}})
	want := s.stays()
	code, stdout, stderr := s.runContext(ctx, []string{"sweep", "-o", "json"})
	d := s.decode(stdout, stderr)
	if code != gc.ExitFailed || !strings.Contains(d.Stopped, "told to stop") {
		t.Errorf("exit code %d, stopped %q", code, d.Stopped)
	}
	deleted, waiting := count(d, outcome(gc.Deleted)), count(d, outcome(gc.Waiting))
	if deleted < 10 || waiting == 0 || deleted+waiting != d.Summary.Delete {
		t.Errorf("%d deleted, %d waiting, %d planned: what was under way must be finished, the rest must wait", deleted, waiting, d.Summary.Delete)
	}
	left := s.exist()
	for _, o := range d.Objects {
		if gone := !left[name(string(o.Kind), o.Name)]; gone != (o.Outcome == gc.Deleted) {
			t.Errorf("%s %s: outcome %q, gone %v", o.Kind, o.Name, o.Outcome, gone)
		}
	}
	if _, code := s.document([]string{"sweep"}); code != gc.ExitDone {
		t.Errorf("the next sweep: exit code %d", code)
	}
	s.same("after the next sweep", s.exist(), want)
}

// The deadline ends a sweep cleanly: what is not done by then is left for the next one.
func TestLiveDeadline(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 60}, lab.ServerOptions{Faults: []lab.Fault{{Kind: lab.FaultDelay, Delay: lab.Duration(time.Second), Method: "DELETE"}}})
	want := s.stays()
	d, code := s.document([]string{"sweep"}, "BOSGC_DEADLINE=5s")
	if code != gc.ExitFailed || !strings.Contains(d.Stopped, "BOSGC_DEADLINE") {
		t.Errorf("exit code %d, stopped %q", code, d.Stopped)
	}
	if deleted, waiting := count(d, outcome(gc.Deleted)), count(d, outcome(gc.Waiting)); deleted == 0 || waiting == 0 || deleted+waiting != d.Summary.Delete {
		t.Errorf("%d deleted, %d waiting, of %d", deleted, waiting, d.Summary.Delete)
	}
	s.ClearFaults()
	if _, code := s.document([]string{"sweep"}); code != gc.ExitDone {
		t.Errorf("the next sweep: exit code %d", code)
	}
	s.same("after the next sweep", s.exist(), want)
}

// A system too slow to be read in one run is collected bit by bit, not never.
func TestLiveASlowBOSIsCollectedBitByBit(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 60}, lab.ServerOptions{ServiceTime: map[string]time.Duration{"bos": 100 * time.Millisecond}})
	want := s.stays()
	d, code := s.document([]string{"sweep"}, "BOSGC_DEADLINE=4s")
	// Incomplete or stopped by the deadline, depending on the speed of this machine.
	if code != gc.ExitIncomplete && code != gc.ExitFailed || count(d, outcome(gc.Deleted)) == 0 {
		t.Errorf("exit code %d, %d deleted of %d", code, count(d, outcome(gc.Deleted)), d.Summary.Delete)
	}
	for range 40 {
		if d, code = s.document([]string{"sweep"}, "BOSGC_DEADLINE=8s"); code == gc.ExitDone && d.Summary.Delete == 0 {
			break
		}
	}
	s.same("after some sweeps", s.exist(), want)
}

func TestThroughTheGateway(t *testing.T) {
	t.Parallel()
	for _, csm := range []string{"1.0", "1.5"} {
		t.Run(csm, func(t *testing.T) {
			s := start(t, lab.Options{CSM: csm, Sessions: 40}, lab.ServerOptions{Gateway: true, TokenLife: time.Hour})
			d, code := s.document([]string{"plan"})
			if code != gc.ExitDone {
				t.Errorf("exit code %d, sources %+v", code, d.Sources)
			}
			s.agree(d)
			s.RevokeTokens()
			want := s.stays()
			if _, code := s.document([]string{"sweep"}); code != gc.ExitDone {
				t.Errorf("sweep: exit code %d", code)
			}
			s.same("after the sweep", s.exist(), want)
		})
	}
	t.Run("a wrong secret", func(t *testing.T) {
		s := start(t, lab.Options{CSM: "1.5", Sessions: 10}, lab.ServerOptions{Gateway: true})
		code, stdout, stderr := s.run([]string{"sweep", "-o", "json"}, "BOSGC_CLIENT_SECRET=hunter2", "BOSGC_CLIENT_SECRET_FILE=")
		if code != gc.ExitIncomplete {
			t.Errorf("exit code %d", code)
		}
		if strings.Contains(stdout+stderr, "hunter2") {
			t.Errorf("the secret is shown:\n%s\n%s", stdout, stderr)
		}
	})
}

// Only the Job links a ConfigMap of another name to its session. If the Job disappears during the sweep and the
// ConfigMap is still there, the session that leads to it is kept.
func TestAJobThatVanishesTakesNoConfigMapOutOfSight(t *testing.T) {
	t.Parallel()
	var s *system
	var once atomic.Bool
	s = start(t, lab.Options{CSM: "1.0", Sessions: 8, Only: []string{"names-differ"}}, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if !readsBody(r) || !once.CompareAndSwap(false, true) {
			return
		}
		for _, job := range s.Kube.Names("jobs", lab.Namespace) {
			s.Kube.Remove("jobs", lab.Namespace, job)
		}
	}})
	d, _ := s.document([]string{"sweep"})
	left := s.exist()
	planned := 0
	for _, o := range d.Objects {
		if o.Kind != policy.ConfigMap || o.Verdict != policy.Delete {
			continue
		}
		planned++
		there := left[name(lab.KindConfigMap, o.Name)]
		if there && (o.Outcome == gc.Gone || o.Outcome == gc.Deleted) {
			t.Errorf("ConfigMap %s is reported as %s and still there", o.Name, o.Outcome)
		}
		if there && !left[name(lab.KindSession, o.Session)] {
			t.Errorf("session %s is gone, and nothing leads to its ConfigMap %s any more", o.Session, o.Name)
		}
	}
	if planned == 0 || !once.Load() {
		t.Error("no ConfigMap was planned to go: this test proves nothing")
	}
}
