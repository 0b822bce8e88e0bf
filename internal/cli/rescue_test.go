package cli

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// crowded returns a system with too many sessions for BOS's list. The size of the sessions is not scaled.
func crowded(csm string, sessions int) lab.Options {
	return lab.Options{CSM: csm, Seed: 3, Sessions: sessions, Nodes: 2000, SessionNodes: 300, ListBytes: -1}
}

// listed counts the requests for BOS's list since the first n requests.
func (s *system) listed(n int) (count int) {
	for _, r := range s.Requests()[n:] {
		if r.System == "bos" && r.Path == "/v1/session" && r.Method == http.MethodGet {
			count++
		}
	}
	return count
}

// If BOS cannot list its sessions, a sweep deletes what has finished and nothing else, without hurting BOS. The next
// sweeps bring the list back, and in the end exactly the objects to keep are left.
func TestRescueWithoutTheList(t *testing.T) {
	for _, csm := range []string{"1.0", "1.4"} {
		t.Run(csm, func(t *testing.T) {
			t.Parallel()
			s := start(t, crowded(csm, 700), lab.ServerOptions{})
			if s.BOS.ListBytes() < 4<<20 {
				t.Fatalf("the list has %d bytes and would not hang", s.BOS.ListBytes())
			}
			stays, all := s.stays(), len(s.BOS.IDs())
			d, code := s.document([]string{"sweep"})
			if code != gc.ExitIncomplete || d.List.From != collect.FromKubernetes || s.listed(0) != 0 {
				t.Fatalf("exit code %d, %+v, the list was asked for %d times", code, d.List, s.listed(0))
			}
			if len(keptLast(d)) > 0 {
				t.Errorf("%d sessions are kept as the last, and the list is too large", len(keptLast(d)))
			}
			for _, o := range d.Objects {
				if o.Reason == policy.Ghost || o.Reason.LooksOrphaned() {
					t.Errorf("%s %s was judged by a list that nobody has read: %s", o.Kind, o.Name, o.Detail)
				}
				if o.Kind == policy.Session && (o.FoundIn == "" || !strings.Contains(o.Detail, string(o.FoundIn))) {
					t.Errorf("%s does not say where it was found: %q, %q", o.Name, o.FoundIn, o.Detail)
				}
			}
			first := all - len(s.BOS.IDs())
			if first < all/4 {
				t.Errorf("only %d of %d sessions were deleted", first, all)
			}
			for n := 1; code != gc.ExitDone; n++ {
				if n > 5 {
					t.Fatalf("after %d sweeps: exit code %d, %+v", n, code, d.List)
				}
				d, code = s.document([]string{"sweep"})
			}
			// Without the list nothing was kept as the last, and then others became the last of their templates.
			left := s.exist()
			lastly := keptLast(d)
			for key, fact := range s.World.Facts() {
				if fact.SessionReason == string(policy.KeptLast) || lastly[fact.Session] {
					delete(stays, key)
					delete(left, key)
				}
			}
			s.same("left", left, stays)
			if s.BOS.MaxHung() != 0 || d.List.From != collect.FromBOS {
				t.Errorf("%d workers of BOS hung; the last list is from %q", s.BOS.MaxHung(), d.List.From)
			}
			s.noDanger()
			t.Logf("%d sessions: %d were deleted without the list, %d are kept; the documented wipe would have lost %d of those, bosgc %d", all, first, len(s.BOS.IDs()), len(s.BOS.IDs()), 0)
		})
	}
}

// keptLast returns the sessions that are kept as the last of their templates.
func keptLast(d gc.Document) map[string]bool {
	sessions := map[string]bool{}
	for _, o := range d.Objects {
		if o.Reason == policy.KeptLast {
			sessions[o.Session] = true
		}
	}
	return sessions
}

// A Job mounts a ConfigMap that does not have its session's name. The ConfigMap could belong to a session of that name,
// unless the list or BOS says that there is none. Until then the session is kept.
func TestAConfigMapThatCouldBeAnothersWaits(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.2", Sessions: 6, Only: []string{"names-differ"}}, lab.ServerOptions{})
	other := ""
	for _, f := range s.World.Facts() {
		if f.Kind == lab.KindConfigMap && f.Name != f.Session && f.Goes() {
			other = f.Name
		}
	}
	if other == "" {
		t.Fatal("no ConfigMap of another name is to be deleted")
	}
	fault := lab.Fault{Kind: lab.FaultStatus, Status: 503, System: "bos", Method: "GET", Path: "/v1/session/" + other}
	for _, f := range []lab.Fault{{Name: "list-hangs"}, fault} {
		if err := s.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	patience := []string{"BOSGC_REQUEST_TIMEOUT=2s", "BOSGC_LIST_TIMEOUT=1s"}
	d, _ := s.document([]string{"plan"}, patience...)
	if o := find(t, d, policy.ConfigMap, other); o.Verdict == policy.Delete {
		t.Errorf("%s %s (%s)", o.Verdict, o.Reason, o.Detail)
	}
	s.ClearFaults()
	s.BOS.Restart()
	if err := s.AddFault(lab.Fault{Name: "list-hangs"}); err != nil {
		t.Fatal(err)
	}
	d, _ = s.document([]string{"plan"}, patience...)
	if o := find(t, d, policy.ConfigMap, other); o.Verdict != policy.Delete {
		t.Errorf("after BOS has answered: %s %s (%s)", o.Verdict, o.Reason, o.Detail)
	}
}

// A list that should be small and hangs all the same is requested once, and not again on the same day, however often
// bosgc sweeps. It is requested again a day later, or as soon as somebody removes the memory of it.
func TestAHangIsRemembered(t *testing.T) {
	l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 40})
	if err := l.AddFault(lab.Fault{Name: "list-hangs"}); err != nil {
		t.Fatal(err)
	}
	patience := []string{"BOSGC_REQUEST_TIMEOUT=2s", "BOSGC_LIST_TIMEOUT=1s"}
	sweep := func(command string) gc.Document {
		t.Helper()
		var out, errs strings.Builder
		args := []string{command, "-o", "json", "--kubeconfig", l.Kubeconfig()}
		code := runAt(t.Context(), l.here.now, args, slices.Concat(l.environ, patience), &out, &errs)
		d := l.decode(out.String(), errs.String())
		if code != gc.ExitIncomplete && code != gc.ExitDone {
			t.Fatalf("exit code %d", code)
		}
		return d
	}
	sweep("sweep")
	if l.listed(0) != 1 || l.BOS.MaxHung() != 1 {
		t.Fatalf("asked %d times, %d workers hang", l.listed(0), l.BOS.MaxHung())
	}
	for _, command := range []string{"sweep", "plan", "sweep"} {
		d := sweep(command)
		if l.listed(0) != 1 || l.BOS.MaxHung() != 1 || !strings.Contains(d.List.Why, "it hung") {
			t.Fatalf("%s: asked %d times, %d workers hang; %s", command, l.listed(0), l.BOS.MaxHung(), d.List.Why)
		}
	}
	l.ClearFaults()
	l.here.advance(25 * time.Hour)
	if d := sweep("sweep"); l.listed(0) != 2 || d.List.From != collect.FromBOS {
		t.Errorf("a day later: asked %d times, %+v", l.listed(0), d.List)
	}
	if d := sweep("sweep"); l.listed(0) != 3 || d.List.From != collect.FromBOS {
		t.Errorf("after it was answered: asked %d times, %+v", l.listed(0), d.List)
	}
}

// With its database down BOS answers nothing. The first sweep needs two requests to find that out, the next ones need
// one. As soon as BOS is well again, the list is requested.
func TestASilentBOSIsNotTakenForAListThatHangs(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.2", Sessions: 8}, lab.ServerOptions{})
	if err := s.AddFault(lab.Fault{Name: "etcd-down"}); err != nil {
		t.Fatal(err)
	}
	toBOS := func() (n int) {
		for _, r := range s.Requests() {
			if r.System == "bos" {
				n++
			}
		}
		return n
	}
	patience := []string{"BOSGC_REQUEST_TIMEOUT=1s", "BOSGC_LIST_TIMEOUT=1s"}
	before := 0
	for i, most := range []int{2, 1, 1} {
		if d, code := s.document([]string{"sweep"}, patience...); code != gc.ExitIncomplete || toBOS()-before > most {
			t.Errorf("sweep %d: exit code %d, %d requests; %+v", i+1, code, toBOS()-before, d.List)
		}
		before = toBOS()
	}
	s.ClearFaults()
	if d, code := s.document([]string{"sweep"}, patience...); code != gc.ExitDone || d.List.From != collect.FromBOS {
		t.Errorf("afterwards: exit code %d, %+v", code, d.List)
	}
}

// Where BOS v1 has been removed, thousands of ConfigMaps are left, but there is no list that could hang.
func TestNoListIsMissedWhereV1IsGone(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.6", Sessions: 1500, Only: []string{"orphan-configmap"}}, lab.ServerOptions{})
	// From outside the cluster nothing shows that BOS is this system's.
	d, code := s.document([]string{"plan"})
	if code != gc.ExitRefused {
		t.Errorf("exit code %d, %+v", code, d.List)
	}
	for _, source := range d.Sources {
		if source.Name == inventory.SourceSessions && source.Requests > 10 {
			t.Errorf("%d requests to BOS", source.Requests)
		}
	}
}

// Sessions that only Kubernetes knows do not count towards the size of the list: after a wipe thousands of ConfigMaps
// are left, and the list is empty.
func TestManyTracesAreNotManySessions(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Seed: 3, Sessions: 1500, Only: []string{"finished-expired"}, ListBytes: -1}, lab.ServerOptions{})
	for _, id := range s.BOS.IDs() {
		s.BOS.Remove(id)
	}
	d, code := s.document([]string{"plan"})
	if code != gc.ExitRefused || d.List.From != collect.FromBOS || d.Summary.Delete > 0 {
		t.Errorf("exit code %d, %+v, %+v", code, d.List, d.Summary)
	}
	if s.listed(0) != 1 || s.BOS.MaxHung() != 0 {
		t.Errorf("asked %d times, %d workers hang", s.listed(0), s.BOS.MaxHung())
	}
}
