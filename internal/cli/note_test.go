package cli

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
	"bosgc/internal/state"
)

// procedures returns those that the state has.
func (s *living) procedures() state.Procedures {
	own, err := soakStore(s.Server)
	if err != nil {
		s.t.Error(err)
		return nil
	}
	now, err := state.NewStore(own, "bosgc").Read(context.Background())
	if err != nil {
		s.t.Error(err)
	}
	return now.Procedures
}

// leaves fails unless a sweep leaves a session alone because of the note on its Job, and names the way out.
func (s *living) leaves(id string) {
	s.t.Helper()
	before, desired := strings.Join(s.traces(id), " "), len(s.life.Wants(id))
	code, stdout, stderr := s.run([]string{"sweep"})
	if said := strings.Join(strings.Fields(stdout), " "); code != gc.ExitPartial || !strings.Contains(said, "bosgc clean "+id) {
		s.t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	if after := strings.Join(s.traces(id), " "); after != before || len(s.life.Wants(id)) != desired {
		s.t.Errorf("left: %s, it was %s", after, before)
	}
}

// Whoever may patch Jobs writes the note of a cleanup, and a sweep has the rights to carry it out.
func TestLiveANoteThatNoRunHasRecordedIsNoOrder(t *testing.T) {
	t.Parallel()
	s, id := completed(t, "1.2", operations[1].spec)
	s.forged(id, "delete", true)
	s.leaves(id)
	// The run that another session's note names is known, but not for this session.
	other := s.life.Start(lab.SessionSpec{Operation: "configure", Configuration: "cos-config-2.4", Nodes: s.World.Nodes()[8:9]})
	s.until("another session has its Job", func() bool { return len(s.traces(other)) > 1 })
	s.noted(other, "stop", true)
	if err := s.AddFault(lab.Fault{Kind: lab.FaultStatus, Status: 503, System: "kube", Method: http.MethodPatch, Path: "/jobs/"}); err != nil {
		t.Fatal(err)
	}
	s.leaves(id)
	s.ClearFaults()

	if code, _, stderr := s.run([]string{"clean", id, "--yes"}); code != gc.ExitDone || len(s.traces(id)) > 0 {
		t.Errorf("clean: exit code %d, left %v\n%s", code, s.traces(id), stderr)
	}
}

// Somebody changes a note that a run has written.
func TestLiveANoteAsksForNoMoreThanWasRecorded(t *testing.T) {
	t.Parallel()
	s, id := completed(t, "1.4", operations[2].spec)
	s.noted(id, "delete", false)
	s.forged(id, "delete", true)
	s.leaves(id)
}

// A person who cleans up a session that has ended does not cancel it because of what its Job says.
func TestLiveAForgedNoteDoesNotCancel(t *testing.T) {
	t.Parallel()
	s, id := working(t, "1.2", 6, lab.ServerOptions{})
	s.forged(id, "stop", true)
	code, _, stderr := s.run([]string{"clean", id, "--yes"})
	if code != gc.ExitFailed || !strings.Contains(stderr, "bosgc clean --cancel "+id) || len(s.life.Wants(id)) != 6 {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// killedWhere returns a system on which a cancel was killed as soon as a request is about to be sent.
func killedWhere(t *testing.T, csm string, is func(*http.Request) bool) (s *living, id string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	armed := make(chan struct{})
	s, id = working(t, csm, 6, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		select {
		case <-armed:
			if is(r) {
				cancel()
			}
		default:
		}
	}})
	s.CFS.SetBatcher(simcfs.BatcherOptions{BatchWindow: 1, CheckInterval: 1})
	close(armed)
	if code, _, _ := s.runContext(ctx, []string{"clean", id, "--yes", "--cancel"}); code != gc.ExitFailed {
		t.Fatalf("it was not interrupted: exit code %d", code)
	}
	return s, id
}

func TestLiveACancelIsRecordedBeforeItIsNoted(t *testing.T) {
	t.Parallel()
	var recorded []int
	var s *living
	s, id := working(t, "1.2", 6, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/jobs/") {
			recorded = append(recorded, len(s.procedures()))
		}
	}})
	s.clean(id, "--cancel")
	if len(recorded) == 0 || recorded[0] != 1 {
		t.Errorf("procedures in the state when a Job was patched: %v", recorded)
	}
	if left := s.procedures(); len(left) > 0 {
		t.Errorf("after its end the state still has %+v", left)
	}
}

// What a sweep knows of a cancel is lost with the state. A person finishes it.
func TestLiveACancelWhoseStateIsLost(t *testing.T) {
	t.Parallel()
	s, id := killedWhere(t, "1.4", func(r *http.Request) bool {
		return r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/configmaps/")
	})
	if len(s.procedures()) != 1 {
		t.Fatalf("the state has %+v", s.procedures())
	}
	s.Kube.Remove("configmaps", lab.Namespace, "bosgc-state")
	s.leaves(id)
	if code, _, stderr := s.run([]string{"clean", "--cancel", id, "--yes"}); code != gc.ExitDone || len(s.traces(id)) > 0 {
		t.Errorf("clean: exit code %d, left %v\n%s", code, s.traces(id), stderr)
	}
	if code, _, stderr := s.run([]string{"sweep"}); code != gc.ExitDone {
		t.Errorf("the next sweep: exit code %d\n%s", code, stderr)
	}
}

func TestLiveWithoutARecordNothingBegins(t *testing.T) {
	t.Parallel()
	s, id := completed(t, "1.2", operations[0].spec)
	if err := s.AddFault(lab.Fault{
		Kind: lab.FaultStatus, Status: 403, System: "kube", Method: http.MethodPost, Path: "/configmaps$",
	}); err != nil {
		t.Fatal(err)
	}
	before := strings.Join(s.traces(id), " ")
	code, _, stderr := s.run([]string{"clean", id, "--yes"})
	if code != gc.ExitFailed || !strings.Contains(stderr, "recorded in the state") || strings.Join(s.traces(id), " ") != before {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
