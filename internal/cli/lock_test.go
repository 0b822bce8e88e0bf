package cli

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/gc"
	"bosgc/internal/journal"
	"bosgc/internal/lab"
	"bosgc/internal/state"
)

// ofLock reports whether a request is about the lock.
func ofLock(r lab.Request) bool { return strings.Contains(r.Path, "/leases") }

// takesAway reports whether a request deletes a judged object, and not one of bosgc's own.
func takesAway(method, path string) bool {
	return method == http.MethodDelete && !strings.Contains(path, "/bosgc-")
}

// takenAway returns the deletes of judged objects in the order in which they arrived.
func (s *system) takenAway() (all []lab.Request) {
	for _, r := range s.Requests() {
		if takesAway(r.Method, r.Path) {
			all = append(all, r)
		}
	}
	return all
}

func (s *system) leaseRequests() (n int) {
	for _, r := range s.Requests() {
		if ofLock(r) {
			n++
		}
	}
	return n
}

// holdLease writes the Lease as a holder that has just taken it.
func (s *system) holdLease(holder string) {
	now, lasts := metav1.NewMicroTime(time.Now()), int32(30)
	s.Kube.Add("leases", &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "bosgc", Namespace: lab.Namespace},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, AcquireTime: &now, RenewTime: &now, LeaseDurationSeconds: &lasts},
	})
}

// holder returns who holds the lock, or "".
func (s *system) holder() string {
	s.t.Helper()
	lease, _, err := s.ownStore().GetLease(context.Background(), "bosgc")
	if err != nil {
		s.t.Error(err)
	}
	return lease.Holder
}

// untouched fails if a judged object was deleted, or a delete of one was tried.
func (s *system) untouched(before map[string]bool) {
	s.t.Helper()
	for _, r := range s.takenAway() {
		s.t.Errorf("%s %s was sent", r.Method, r.Path)
	}
	s.same("afterwards", s.exist(), before)
}

func TestOfTwoSweepsAtOnceOneIsLocked(t *testing.T) {
	t.Parallel()
	var s *system
	others := make(chan struct{})
	s = start(t, lab.Options{CSM: "1.2", Sessions: 40}, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if takesAway(r.Method, r.URL.Path) {
			<-others // the first one to delete waits until all others have ended
		}
	}})
	want := s.stays()
	const runs = 3
	var ended atomic.Int32
	var all sync.WaitGroup
	codes, outs := make([]int, runs), make([]string, runs)
	for i := range runs {
		all.Go(func() {
			codes[i], outs[i], _ = s.run([]string{"sweep", "-o", "json"})
			if ended.Add(1) == runs-1 {
				close(others)
			}
		})
	}
	// While a sweep runs, a plan does not need the lock.
	eventually(t, func() error {
		if len(s.takenAway()) == 0 {
			return fmt.Errorf("nothing is being deleted yet")
		}
		return nil
	})
	holder := s.holder()
	if d, code := s.document([]string{"plan"}); code != gc.ExitDone || d.Kind != "Plan" || d.Summary.Delete == 0 {
		t.Errorf("a plan during the sweep: exit code %d, %s, %+v", code, d.Kind, d.Summary)
	}
	all.Wait()
	swept := 0
	for i, code := range codes {
		switch code {
		case gc.ExitDone:
			swept++
			if d := s.decode(outs[i], ""); !strings.Contains(holder, d.Run) || d.Outcomes[gc.Deleted] != d.Summary.Delete {
				t.Errorf("run %s with %v, while %s held the lock", d.Run, d.Outcomes, holder)
			}
		case gc.ExitLocked:
			d := s.decode(outs[i], "")
			if d.Kind != "Error" || d.ExitCode != gc.ExitLocked || !strings.Contains(outs[i], holder) || holder == "" {
				t.Errorf("the document does not name %q, which holds the lock:\n%s", holder, outs[i])
			}
		default:
			t.Errorf("exit code %d\n%s", code, outs[i])
		}
	}
	if swept != 1 {
		t.Errorf("%d runs have swept", swept)
	}
	times := map[string]int{}
	for _, r := range s.takenAway() {
		if times[r.Path]++; times[r.Path] > 1 {
			t.Errorf("DELETE %s was sent %d times", r.Path, times[r.Path])
		}
	}
	s.same("afterwards", s.exist(), want)
	if holder := s.holder(); holder != "" {
		t.Errorf("%s still holds the lock", holder)
	}
}

func TestWhoOnlyLooksNeedsNoLock(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args    []string
		environ []string
	}{
		"plan":         {[]string{"plan"}, nil},
		"dry-run":      {[]string{"sweep"}, []string{"BOSGC_DRY_RUN=true"}},
		"plan dry-run": {[]string{"plan"}, []string{"BOSGC_DRY_RUN=true"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, lab.Options{CSM: "1.4", Sessions: 20}, lab.ServerOptions{})
			before := s.exist()
			s.holdLease("somebody")
			begun := time.Now()
			d, code := s.document(tt.args, tt.environ...)
			if code != gc.ExitDone || d.Kind != "Plan" || time.Since(begun) > 4*time.Second {
				t.Errorf("exit code %d, %s, after %s", code, d.Kind, time.Since(begun))
			}
			if n := s.leaseRequests(); n > 0 {
				t.Errorf("%d requests for the lock", n)
			}
			s.untouched(before)
		})
	}
}

// Once a run knows that somebody else has the lock, it starts no further delete.
func TestASweepThatLosesItsLockStops(t *testing.T) {
	t.Parallel()
	const atOnce = 2 // in each of the three systems
	var s *system
	var deletes atomic.Int32
	var knows atomic.Bool
	var known, late atomic.Int32
	s = start(t, lab.Options{CSM: "1.2", Sessions: 120}, lab.ServerOptions{OnRequest: func(n int, r *http.Request) {
		switch {
		case takesAway(r.Method, r.URL.Path):
			if knows.Load() {
				late.Add(1)
			}
			if deletes.Add(1) == 5 {
				s.holdLease("a-thief")
			}
		case deletes.Load() >= 5 && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/leases/"):
			if known.CompareAndSwap(0, int32(n)) { // its renewal was refused, and this answer says why
				time.AfterFunc(200*time.Millisecond, func() { knows.Store(true) }) // for slow machines
			}
		}
	}, Faults: []lab.Fault{{Kind: lab.FaultDelay, Delay: lab.Duration(150 * time.Millisecond), Method: "DELETE"}}})
	var concurrency []string
	for _, system := range []string{"KUBE", "BOS", "CFS"} {
		concurrency = append(concurrency, fmt.Sprintf("BOSGC_%s_CONCURRENCY=%d", system, atOnce))
	}
	d, code := s.document([]string{"sweep"}, concurrency...)
	if code != gc.ExitFailed || !strings.Contains(d.Stopped, "lock") || !strings.Contains(d.Stopped, "a-thief") {
		t.Errorf("exit code %d, stopped %q", code, d.Stopped)
	}
	if known.Load() == 0 || d.Outcomes[gc.Waiting] == 0 || d.Outcomes[gc.Deleted] < 5 || d.Outcomes[gc.Deleted]+d.Outcomes[gc.Waiting] != d.Summary.Delete {
		t.Errorf("outcomes %v of %d", d.Outcomes, d.Summary.Delete)
	}
	// In each system as many deletes as run at once may have been under way.
	if n := late.Load(); n > 3*atOnce {
		t.Errorf("%d deletes began after the run knew that it had lost the lock", n)
	}
	left := s.exist()
	for _, o := range d.Objects {
		if gone := !left[name(string(o.Kind), o.Name)]; gone != (o.Outcome == gc.Deleted) {
			t.Errorf("%s %s: outcome %q, gone %v", o.Kind, o.Name, o.Outcome, gone)
		}
	}
	if holder := s.holder(); holder != "a-thief" {
		t.Errorf("%q holds the lock, want a-thief", holder)
	}
	if _, code := s.document([]string{"plan"}); code != gc.ExitDone {
		t.Errorf("a plan afterwards: exit code %d", code)
	}
}

// refusal is the API server's answer to a request without permission.
func refusal(method, path string) lab.Fault {
	return lab.Fault{
		Kind: lab.FaultStatus, Status: http.StatusForbidden, System: "kube", Method: method, Path: path,
		Header: map[string]string{"Content-Type": "application/json"},
		Body:   `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"User \"bosgc\" cannot do this"}`,
	}
}

// outOfSpace is the API server's answer when a quota is used up or etcd is full.
func outOfSpace(method, path string) lab.Fault {
	f := refusal(method, path)
	f.Status = http.StatusInsufficientStorage
	f.Body = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"InternalError","code":507,"message":"etcdserver: mvcc: database space exceeded"}`
	return f
}

func TestWithoutLockOrJournalNothingGoes(t *testing.T) {
	t.Parallel()
	const chunks = "/configmaps/bosgc-journal-|/configmaps$"
	noFolder := filepath.Join(t.TempDir(), "not-there")
	noFolderFile := filepath.Join(t.TempDir(), "a-file")
	if err := os.WriteFile(noFolderFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		deny    string // what an access review denies
		faults  []lab.Fault
		environ []string
		says    string
	}{
		"no permission for the lock":          {deny: "create leases", says: "create leases"},
		"no permission to renew":              {deny: "update leases", says: "update leases"},
		"no permission to read the lock":      {deny: "get leases", says: "get leases"},
		"no permission for the journal":       {deny: "create configmaps", says: "create configmaps"},
		"the lock is forbidden":               {faults: []lab.Fault{refusal("", "/leases")}, says: "lock"},
		"taking the lock is forbidden":        {faults: []lab.Fault{refusal("POST|PUT", "/leases")}, says: "lock"},
		"the lock is silent":                  {faults: []lab.Fault{{Kind: lab.FaultHang, System: "kube", Path: "/leases"}}, environ: []string{"BOSGC_REQUEST_TIMEOUT=1s"}, says: "lock"},
		"the cluster is full for the lock":    {faults: []lab.Fault{outOfSpace("POST", "/leases")}, says: "lock"},
		"making the journal is forbidden":     {faults: []lab.Fault{refusal("POST", chunks)}, says: "journal"},
		"the cluster is full for the journal": {faults: []lab.Fault{outOfSpace("POST", chunks)}, says: "journal"},
		"the journal is silent":               {faults: []lab.Fault{{Kind: lab.FaultHang, System: "kube", Method: "POST", Path: chunks}}, environ: []string{"BOSGC_REQUEST_TIMEOUT=1s"}, says: "journal"},
		"old journals cannot be listed":       {faults: []lab.Fault{refusal("GET", "/configmaps.*labelSelector")}, says: "journal"},
		"no folder":                           {environ: []string{"BOSGC_JOURNAL_DIR=" + noFolder}, says: noFolder},
		"a file for a folder":                 {environ: []string{"BOSGC_JOURNAL_DIR=" + noFolderFile}, says: noFolderFile},
		"a folder that takes no file":         {environ: []string{"BOSGC_JOURNAL_DIR=/proc/1"}, says: "/proc/1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, lab.Options{CSM: "1.4", Sessions: 30}, lab.ServerOptions{})
			before := s.exist()
			// This creates the state, so that the next ConfigMap that is created is the journal.
			if d, code := s.document([]string{"sweep"}, "BOSGC_DRY_RUN=true"); code != gc.ExitDone || d.Summary.Delete == 0 {
				t.Fatalf("exit code %d, %+v", code, d.Summary)
			}
			if verb, resource, ok := strings.Cut(tt.deny, " "); ok {
				s.Kube.Deny(verb, resource)
			}
			for _, f := range tt.faults {
				if err := s.AddFault(f); err != nil {
					t.Fatal(err)
				}
			}
			code, stdout, stderr := s.run([]string{"sweep", "-o", "json"}, tt.environ...)
			if code != gc.ExitFailed || !strings.Contains(stdout, tt.says) {
				t.Errorf("exit code %d, or no %q in the output:\n%s\n%s", code, tt.says, stdout, stderr)
			}
			if d := s.decode(stdout, stderr); d.Kind == "Report" && (d.Outcomes[gc.Waiting] != d.Summary.Delete || d.Stopped == "") {
				t.Errorf("%d to delete, outcomes %v, stopped %q", d.Summary.Delete, d.Outcomes, d.Stopped)
			}
			s.untouched(before)
			s.ClearFaults()
			if holder := s.holder(); holder != "" && tt.deny == "" {
				t.Errorf("%s still holds the lock", holder)
			}
		})
	}
}

// When the journal cannot be written any more, nothing is deleted that it does not have.
func TestAJournalThatFailsInTheMiddleStopsTheSweep(t *testing.T) {
	t.Parallel()
	for _, atOnce := range []int{1, 4} {
		for how, fault := range map[string]lab.Fault{
			"forbidden": refusal("POST|PUT", "/configmaps/bosgc-journal-|/configmaps$"),
			"full":      outOfSpace("POST|PUT", "/configmaps/bosgc-journal-|/configmaps$"),
		} {
			t.Run(fmt.Sprintf("%s, %d at once", how, atOnce), func(t *testing.T) {
				t.Parallel()
				var s *system
				var deletes, failedAt, late atomic.Int32
				s = start(t, lab.Options{CSM: "1.2", Sessions: 60}, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
					if takesAway(r.Method, r.URL.Path) {
						if failedAt.Load() != 0 {
							late.Add(1)
						}
						if deletes.Add(1) == 7 {
							if err := s.AddFault(fault); err != nil {
								t.Error(err)
							}
						}
					}
					if deletes.Load() >= 7 && (r.Method == http.MethodPut || r.Method == http.MethodPost) && strings.Contains(r.URL.Path, "/configmaps") {
						failedAt.CompareAndSwap(0, deletes.Load())
					}
				}})
				environ := []string{}
				for _, system := range []string{"BOS", "CFS", "KUBE"} {
					environ = append(environ, fmt.Sprintf("BOSGC_%s_CONCURRENCY=%d", system, atOnce))
				}
				d, code := s.document([]string{"sweep"}, environ...)
				if code != gc.ExitFailed || !strings.Contains(d.Stopped, "journal") {
					t.Errorf("exit code %d, stopped %q", code, d.Stopped)
				}
				if failedAt.Load() == 0 || d.Outcomes[gc.Waiting] == 0 || d.Outcomes[gc.Deleted] < 7 {
					t.Errorf("outcomes %v", d.Outcomes)
				}
				if n := late.Load(); atOnce == 1 && n > 0 {
					t.Errorf("%d deletes began after the journal failed", n)
				}
				s.ClearFaults()
				entries, err := journal.Read(context.Background(), s.ownStore(), "bosgc", d.Run)
				if err != nil {
					t.Fatal(err)
				}
				has := map[string]bool{}
				for _, e := range entries {
					has[name(e.Kind, e.Name)] = true
				}
				for _, o := range d.Objects {
					if o.Outcome == gc.Deleted && !has[name(string(o.Kind), o.Name)] {
						t.Errorf("%s %s was deleted but is not in the journal", o.Kind, o.Name)
					}
				}
			})
		}
	}
}

// TestTheLeaseIsReleasedAfterAFailedRepair checks that a run which cannot repair the batcher does not keep others from
// running until its lease expires.
func TestTheLeaseIsReleasedAfterAFailedRepair(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"sweep", "clean"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			s := start(t, lab.Options{CSM: "1.2", Sessions: 6, Only: []string{"finished-pods-gone"}}, lab.ServerOptions{
				Faults: []lab.Fault{{Kind: lab.FaultStatus, Status: 500, System: "kube", Path: "/deployments/"}},
			})
			left := state.Batcher{Deployment: lab.Batcher, Replicas: 1, Run: "dead", At: time.Now()}
			err := state.NewStore(s.ownStore(), "bosgc").UpdateOutsideRun(t.Context(), func(now *state.State) { now.Batcher = left })
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"sweep"}
			if command == "clean" {
				i := slices.IndexFunc(s.Objects(), func(o lab.Object) bool { return o.Kind == lab.KindSession })
				args = []string{"clean", "--yes", s.Objects()[i].Name}
			}
			code, _, stderr := s.run(args)
			if code != gc.ExitFailed || !strings.Contains(stderr, "batcher") || len(s.takenAway()) > 0 {
				t.Errorf("exit code %d, %d objects deleted, stderr %q", code, len(s.takenAway()), stderr)
			}
			if holder := s.holder(); holder != "" {
				t.Errorf("%q still holds the lease", holder)
			}
		})
	}
}
