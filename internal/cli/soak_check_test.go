package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/internal/lab"
	"bosgc/internal/memory"
	"bosgc/policy"
)

// soakCensus is what there is before a run.
type soakCensus struct {
	made   map[string]int          // objects that BOS made, by kind
	guards map[string]memory.Guard // as the state has them
}

func (s *soakWorld) census() soakCensus {
	c := soakCensus{made: map[string]int{}}
	for _, o := range s.server.Objects() {
		f, judged := s.fact(name(o.Kind, o.Name))
		if judged && f.Reason != string(policy.NotOurs) && f.Reason != string(policy.Foreign) {
			c.made[o.Kind]++
		}
	}
	if kept, _, err := s.store.Get(context.Background(), "bosgc-state"); err == nil {
		_ = json.Unmarshal([]byte(kept.Data["guards.json"]), &c.guards)
	}
	return c
}

// check examines what one run has done, crashed or not.
func (s *soakWorld) check(step *soakStep, run soakRun, before soakCensus) error {
	if limit := step.maxDeletes; len(s.deletions) > limit {
		s.violate("%d objects were deleted, and BOSGC_MAX_DELETES is %d", len(s.deletions), limit)
	}
	s.checkGuard(step, before)
	s.checkRequests(step, run)
	if !run.crashed {
		s.checkReport(run)
		s.checkWrongBOS(run)
	}
	if step.refused {
		s.checkRefused(run)
	}
	left := s.exist()
	for key := range left {
		if !s.begun[key] {
			s.violate("%s was created", key)
		}
	}
	for _, id := range s.newest() {
		if !left[name(lab.KindSession, id)] {
			s.violate("session %s is gone although it was among the newest of its template", id)
		}
	}
	for _, danger := range s.server.Danger() {
		s.violate("dangerous: %s", danger)
	}
	return s.checkJournal(context.Background())
}

// raisedPercent is more than ever looks orphaned: the guard holds back what it has held back all the same.
const raisedPercent = 99

func (s *soakWorld) percentOf(step *soakStep) int {
	if step.raised {
		return max(s.settings.percent, raisedPercent)
	}
	return s.settings.percent
}

// checkGuard counts the deleted orphans. For a kind with enough objects, no more may be deleted than the guard lets
// look orphaned.
func (s *soakWorld) checkGuard(step *soakStep, before soakCensus) {
	for _, f := range step.faults {
		if f.Kind == lab.FaultStale {
			return // the run has counted what was there earlier
		}
	}
	orphans := map[string]int{}
	for _, d := range s.deletions {
		f, _ := s.fact(name(d.Kind, d.Name))
		// Where BOS v1 has been removed, everything else of it is an orphan, and the guard is off.
		off := !s.world.Profile.BOSv1 && d.Kind != lab.KindCFSSession
		if f.Confirmed == "orphaned" && !off && (d.Kind == lab.KindConfigMap || !s.settings.tuned) {
			orphans[d.Kind]++
		}
	}
	for kind, n := range orphans {
		percent := s.percentOf(step)
		if before.guards[kind].Closed() && percent < 100 {
			s.violate("%d objects of kind %s were deleted as orphans, and the guard holds that kind back", n, kind)
		}
		// A few more than the 20 of the guard: whether the content is BOS's is known only of what has been read.
		looked := min(n, before.guards[kind].Looked)
		if all := before.made[kind]; all >= 24 && (n-looked)*100 > percent*(all-looked) {
			s.violate("%d of %d objects of kind %s were deleted as orphans, more than %d %%", n, all, kind, percent)
		}
	}
}

var ownWrites = regexp.MustCompile(`^(POST|PUT) /(api/v1|apis/coordination\.k8s\.io/v1)/namespaces/services/(configmaps(/bosgc-[^/]*)?|leases(/bosgc)?)$`)

var noteWrites = regexp.MustCompile(`^(POST|PUT) /api/v1/namespaces/services/configmaps(/bosgc-state)?$`)

// checkRequests examines every request that is not a read.
func (s *soakWorld) checkRequests(step *soakStep, run soakRun) {
	hung := slices.ContainsFunc(run.requests, func(r lab.Request) bool { return r.Path == "/v1/session" && r.Status == 0 })
	for _, r := range run.requests {
		what := r.Method + " " + r.Path
		switch {
		case r.Method == http.MethodGet, r.System == "token", strings.HasSuffix(r.Path, "/selfsubjectaccessreviews"):
		case step.command == "plan" && hung && noteWrites.MatchString(what):
			// A plan that finds the list hanging must remember it, because each further request costs BOS a worker.
		case step.command == "plan":
			s.violate("a plan sent %s", what)
		case r.Method == http.MethodDelete && step.command == "sweep":
			if parts := strings.Split(r.Path, "/"); parts[len(parts)-1] == "" || strings.HasSuffix(r.Path, "s") && !strings.Contains(r.Path, "bosgc-") {
				s.violate("a collection was deleted: %s", what)
			}
		case ownWrites.MatchString(what):
		default:
			s.violate("a %s sent %s", step.command, what)
		}
	}
}

// checkReport compares a run's report with what is there.
func (s *soakWorld) checkReport(run soakRun) {
	if run.code != run.document.ExitCode {
		s.violate("exit code %d, but %d in the document", run.code, run.document.ExitCode)
	}
	left := s.exist()
	for _, o := range run.document.Objects {
		gone := o.Outcome == gc.Deleted || o.Outcome == gc.Gone
		if key := name(string(o.Kind), o.Name); gone && left[key] {
			s.violate("%s is reported as %s but is still there", key, o.Outcome)
		}
	}
}

// checkWrongBOS requires that nothing was deleted by what a BOS of another system has said: while its list could not be
// read, CFS and Kubernetes alone decide about CFS sessions that name none.
func (s *soakWorld) checkWrongBOS(run soakRun) {
	if s.wrong == nil || s.wrong.system != "bos" || len(s.deletions) == 0 {
		return
	}
	for _, source := range run.document.Sources {
		if source.Name == inventory.SourceSessions && source.Complete {
			s.violate("%d objects were deleted although bos is that of another system, and its list was read", len(s.deletions))
		}
	}
}

// checkRefused requires that no more deletes were tried than are needed to find out that all are refused.
func (s *soakWorld) checkRefused(run soakRun) {
	failed := map[policy.Kind]int{}
	for _, o := range run.document.Objects {
		if o.Outcome == gc.Failed {
			failed[o.Kind]++
		}
	}
	for kind, n := range failed {
		if n > enoughRefusals {
			s.violate("%d objects of kind %s failed to be deleted by a system that refuses all deletes", n, kind)
		}
	}
}

func (s *soakWorld) exist() map[string]bool {
	left := map[string]bool{}
	for _, o := range s.server.Objects() {
		left[name(o.Kind, o.Name)] = true
	}
	return left
}

func (r soakRun) String() string {
	return fmt.Sprintf("exit code %d, crashed %v, %d requests, outcomes %v, %s", r.code, r.crashed, len(r.requests), r.document.Outcomes, strings.TrimSpace(r.stderr))
}
