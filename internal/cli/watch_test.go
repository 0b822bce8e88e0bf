package cli

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// A Pod that a person starts for an old session while a sweep is deleting others keeps that session, also if the
// connection of the watches ends at that moment, and if the API server forgets what has changed since the lists. No
// list is asked for twice but in the last case.
func TestWhatStartsDuringASweepIsSeen(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		disturb func(*system)
		lists   int
	}{
		"a watch that lasts":                 {func(*system) {}, 1},
		"the connections end":                {func(s *system) { s.Kube.EndWatches() }, 1},
		"what has changed is not remembered": {func(s *system) { s.Kube.ForgetChanges(); s.Kube.EndWatches() }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s *system
			var victim string
			var once sync.Once
			var mu sync.Mutex
			lists := 0
			s = start(t, lab.Options{CSM: "1.2", Sessions: 300}, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				switch query := r.URL.Query(); {
				case r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/configmaps/") && victim != "":
					once.Do(func() {
						tt.disturb(s)
						s.StartPod("again", victim)
					})
				case strings.HasSuffix(r.URL.Path, "/pods") && query.Get("watch") == "" && query.Get("continue") == "":
					lists++
				}
			}})
			plan, _ := s.document([]string{"plan"})
			for _, o := range plan.Objects {
				if o.Kind == policy.Session && o.Reason == policy.CompletedExpired {
					victim = o.Name // the youngest, which goes last
				}
			}
			lists = 0
			d, code := s.document([]string{"sweep"})
			if o := find(t, d, policy.Session, victim); o.Outcome == gc.Deleted || !s.BOS.HasRecord(victim) {
				t.Errorf("a session for which a Pod was started is %s: %s", o.Outcome, o.Detail)
			}
			if n := count(d, outcome(gc.Deleted)); code != gc.ExitDone || n < 100 {
				t.Errorf("exit code %d; %d objects were deleted: %v", code, n, d.Outcomes)
			}
			if lists != tt.lists {
				t.Errorf("Pods were listed %d times; expected %d", lists, tt.lists)
			}
		})
	}
}
