package cli

import (
	"net/http"
	"path"
	"strings"
	"testing"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// CSM's documentation tells administrators how to clean up after a completed session by hand: find its Job, and through
// it the ConfigMap; delete the ConfigMap, the session, the session's CFS sessions, and the Job with its Pods. This test
// reads like that procedure.
func TestManualProcedureForACompletedSession(t *testing.T) {
	for _, csm := range lab.Profiles() {
		if csm == "1.6" {
			continue // it has no sessions of BOS v1
		}
		t.Run("CSM "+csm, func(t *testing.T) {
			t.Parallel()
			// Given completed sessions with everything that they leave behind,
			story := "finished-expired"
			if csm == "1.4" || csm == "1.5" {
				story = "finished-before-upgrade" // elsewhere Kyverno has removed the Jobs by now
			}
			s := start(t, lab.Options{CSM: csm, Sessions: 8, Only: []string{story}}, lab.ServerOptions{})
			plan, _ := s.document([]string{"plan"})
			collected := map[string][]string{} // by session: what is to be deleted with it
			for _, o := range plan.Objects {
				if o.Verdict == policy.Delete && o.Session != "" {
					collected[o.Session] = append(collected[o.Session], string(o.Kind))
				}
			}
			if len(collected) == 0 {
				t.Fatal("the world has no completed session: this test proves nothing")
			}

			// when bosgc sweeps,
			if _, code := s.document([]string{"sweep"}); code != gc.ExitDone {
				t.Fatalf("exit code %d", code)
			}

			// then for each of them
			deletes := s.deletes()
			left := s.exist()
			for id, kinds := range collected {
				job, configMap := "boa-"+id, id
				if strings.Join(kinds, " ") != "ConfigMap "+strings.Repeat("CFSSession ", len(kinds)-3)+"Session Job" {
					t.Errorf("session %s: %v to delete, want ConfigMap, CFS sessions, session and Job", id, kinds)
				}
				// the ConfigMap is gone,
				if left[name(lab.KindConfigMap, configMap)] {
					t.Errorf("ConfigMap %s is left", configMap)
				}
				// the session is gone from BOS,
				if left[name(lab.KindSession, id)] {
					t.Errorf("session %s is left", id)
				}
				// its CFS sessions are gone,
				for _, o := range plan.Objects {
					if o.Kind == policy.CFSSession && o.Session == id && left[name(lab.KindCFSSession, o.Name)] {
						t.Errorf("CFS session %s is left", o.Name)
					}
				}
				// the Job is gone, and its Pods with it,
				if left[name(lab.KindJob, job)] {
					t.Errorf("Job %s is left", job)
				}
				for _, pod := range s.Kube.Names("pods", lab.Namespace) {
					if strings.HasPrefix(pod, job) {
						t.Errorf("Pod %s is left", pod)
					}
				}
				// and the order was one that a crash at any point cannot spoil.
				if deletes[configMap] >= deletes["session/"+id] || deletes["session/"+id] >= deletes[job] {
					t.Errorf("session %s: ConfigMap, session and Job were deleted as requests %d, %d and %d",
						id, deletes[configMap], deletes["session/"+id], deletes[job])
				}
			}
		})
	}
}

// deletes returns the number of the request that deleted each object.
func (s *system) deletes() map[string]int {
	numbers := map[string]int{}
	for _, r := range s.Requests() {
		if r.Method != http.MethodDelete {
			continue
		}
		object := path.Base(r.Path)
		if r.System == "bos" {
			object = "session/" + object
		}
		numbers[object] = r.N
	}
	return numbers
}
