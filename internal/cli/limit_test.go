package cli

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// If the limit is reached within a session whose ConfigMap could not be deleted, the session is left for the next
// sweep: it leads to the ConfigMap.
func TestALimitWithinASessionLosesNothing(t *testing.T) {
	t.Parallel()
	var s *system
	var once atomic.Bool
	var victim string
	s = start(t, lab.Options{CSM: "1.2", Sessions: 6, Only: []string{"finished-pods-gone"}}, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if !deletesObject(r) || !strings.Contains(r.URL.Path, "/configmaps/") || !once.CompareAndSwap(false, true) {
			return
		}
		victim = r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		s.Annotate(lab.KindConfigMap, victim, "site/touched", "yes")
	}})
	d, code := s.document([]string{"sweep", "--max-deletes", "1"})
	if code != gc.ExitDone || find(t, d, policy.ConfigMap, victim).Outcome != gc.Skipped || count(d, outcome(gc.Deleted)) != 1 {
		t.Errorf("exit code %d, outcomes %v", code, d.Outcomes)
	}
	for _, kind := range []policy.Kind{policy.Session, policy.Job} {
		for _, o := range d.Objects {
			if o.Kind == kind && o.Session == victim && o.Outcome != gc.Waiting {
				t.Errorf("%s %s is %s, but its ConfigMap is still there", o.Kind, o.Name, o.Outcome)
			}
		}
	}
}

// A delete that was carried out counts towards the limit even if its answer is lost.
func TestALimitCountsWhatNobodyAnswers(t *testing.T) {
	t.Parallel()
	for story, fault := range map[string]lab.Fault{
		"ghost":                        {Kind: lab.FaultLoseAnswer, System: "bos", Method: "DELETE"},
		"orphan-job-without-configmap": {Kind: lab.FaultReset, System: "kube", Method: "DELETE", Path: "/jobs/"},
	} {
		t.Run(fault.System, func(t *testing.T) {
			t.Parallel()
			var gone atomic.Int32
			s := start(t, lab.Options{CSM: "1.2", Sessions: 30, Only: []string{story, "running"}}, lab.ServerOptions{
				Faults: []lab.Fault{fault}, OnDelete: func(d lab.Deletion) {
					if !strings.HasPrefix(d.Name, "bosgc-") {
						gone.Add(1)
					}
				},
			})
			d, _ := s.document([]string{"sweep", "--max-deletes", "3"})
			if n := gone.Load(); n != 3 {
				t.Errorf("%d objects were deleted, want at most 3: %v", n, d.Outcomes)
			}
		})
	}
}
