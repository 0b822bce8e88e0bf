package cli

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// An object that a finalizer holds is deleted once: it is not called deleted, nor counted or written to the journal
// again, and what leads to it waits. Once the finalizer is removed the next sweep takes the rest.
func TestWhatFinalizersHoldIsDeletedOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []policy.Kind{policy.ConfigMap, policy.Job} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			deletes := 0
			var held gc.Object
			s := start(t, lab.Options{CSM: "1.2", Sessions: 4, Only: []string{"failed-20-days-ago"}}, lab.ServerOptions{
				OnRequest: func(_ int, r *http.Request) {
					if r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "s/"+held.Name) {
						deletes++
					}
				},
			})
			plan, _ := s.document([]string{"plan"})
			i := slices.IndexFunc(plan.Objects, func(o gc.Object) bool { return o.Kind == kind && o.Verdict == policy.Delete })
			held = plan.Objects[i]
			s.SetFinalizers(string(kind), held.Name, "site.example/backup")
			d, code := s.document([]string{"sweep"})
			o := find(t, d, kind, held.Name)
			if o.Outcome != gc.Terminating || !strings.Contains(o.Detail, "site.example/backup") || code != gc.ExitDone {
				t.Errorf("exit code %d; the delete that was accepted is %s: %s", code, o.Outcome, o.Detail)
			}
			if kind == policy.ConfigMap {
				if after := find(t, d, policy.Session, held.Session); after.Outcome != gc.Waiting || !s.BOS.HasRecord(held.Session) {
					t.Errorf("its session is %s: %s", after.Outcome, after.Detail)
				}
			}
			for range 3 {
				d, code = s.document([]string{"sweep"})
				o = find(t, d, kind, held.Name)
				if o.Reason != policy.Terminating || o.Outcome != "" || count(d, outcome(gc.Deleted)) > 0 || code != gc.ExitDone {
					t.Errorf("exit code %d, outcomes %v; it is %s %s: %s", code, d.Outcomes, o.Verdict, o.Reason, o.Detail)
				}
			}
			if deletes != 1 {
				t.Errorf("%d deletes were sent", deletes)
			}
			s.SetFinalizers(string(kind), held.Name)
			s.document([]string{"sweep"})
			if s.BOS.HasRecord(held.Session) {
				t.Error("its session is still there after the finalizer was removed")
			}
		})
	}
}
