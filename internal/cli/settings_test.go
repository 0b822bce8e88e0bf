package cli

import (
	"net/http"
	"strings"
	"testing"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// scheduledKeep has a scheduled sweep keep everything for its age.
var scheduledKeep = []string{
	"BOSGC_CRONJOB=gc", "BOSGC_DRY_RUN=true", "BOSGC_SESSION_TTL=3650d", "BOSGC_FAILED_TTL=3650d",
	"BOSGC_ABANDONED_TTL=3650d", "BOSGC_CFS=off",
}

func TestAPersonsRunJudgesAsTheScheduledSweeps(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 60}, lab.ServerOptions{})
	alone, _ := s.document([]string{"plan"})
	if alone.Summary.Delete == 0 {
		t.Fatal("nothing to delete by the defaults")
	}
	if _, code := s.document([]string{"sweep"}, scheduledKeep...); code != gc.ExitDone {
		t.Fatalf("the scheduled sweep: exit code %d", code)
	}
	before := s.exist()

	code, stdout, stderr := s.run([]string{"sweep", "-o", "json"})
	d := s.decode(stdout, stderr)
	if code != gc.ExitDone || len(before)-len(s.exist()) > d.Summary.Delete {
		t.Errorf("sweep by hand: exit code %d, %d to delete, %d left of %d", code, d.Summary.Delete, len(s.exist()), len(before))
	}
	for _, o := range d.Objects {
		if o.Verdict == policy.Delete && o.Reason != policy.Ghost {
			t.Errorf("sweep by hand: %s %s is %s", o.Kind, o.Name, o.Reason)
		}
	}
	if lines := strings.Count(stderr, "\n"); lines != 1 || !strings.Contains(stderr, "BOSGC_SESSION_TTL=3650d") {
		t.Errorf("stderr is not the one line on the settings:\n%s", stderr)
	}

	// What the environment sets goes first, and is said to differ.
	_, _, stderr = s.run([]string{"plan"}, "BOSGC_SESSION_TTL=2d")
	if !strings.Contains(stderr, "BOSGC_SESSION_TTL=2d (scheduled sweeps: 3650d)") {
		t.Errorf("the setting that differs is not named:\n%s", stderr)
	}

	_, stdout, stderr = s.run([]string{"config"})
	if !strings.Contains(stdout, "scheduled sweep\n") || !strings.Contains(stdout, "3650d") {
		t.Errorf("config does not show the settings of the scheduled sweep:\n%s%s", stdout, stderr)
	}
	_, stdout, _ = s.run([]string{"config", "--own-settings"})
	if strings.Contains(stdout, "scheduled") {
		t.Errorf("config --own-settings shows others:\n%s", stdout)
	}

	// A scheduled sweep goes by its own settings alone, and a sweep by hand records none.
	own, _ := s.document([]string{"plan", "--own-settings"})
	if own.Summary.Delete+d.Summary.Delete < alone.Summary.Delete-1 {
		t.Errorf("--own-settings: %d to delete, want %d", own.Summary.Delete, alone.Summary.Delete)
	}
	scheduled, _ := s.document([]string{"sweep"}, "BOSGC_CRONJOB=gc", "BOSGC_DRY_RUN=true")
	if scheduled.Summary.Delete != own.Summary.Delete {
		t.Errorf("a scheduled sweep: %d to delete, want %d", scheduled.Summary.Delete, own.Summary.Delete)
	}
}

func TestMaxDeletesOfTheScheduledSweepsHoldsForAPerson(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 60}, lab.ServerOptions{})
	s.document([]string{"sweep"}, "BOSGC_CRONJOB=gc", "BOSGC_DRY_RUN=true", "BOSGC_MAX_DELETES=3")
	if d, _ := s.document([]string{"sweep"}); count(d, outcome(gc.Deleted)) != 3 {
		t.Errorf("%d deleted, want 3", count(d, outcome(gc.Deleted)))
	}
	if d, _ := s.document([]string{"sweep", "--max-deletes", "2"}); count(d, outcome(gc.Deleted)) != 2 {
		t.Errorf("--max-deletes 2: %d deleted", count(d, outcome(gc.Deleted)))
	}
}

func TestWithoutTheSettingsOfTheScheduledSweepsNothingGoesByHand(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 60}, lab.ServerOptions{})
	s.document([]string{"sweep"}, scheduledKeep...)
	before := s.exist()
	if err := s.AddFault(lab.Fault{Kind: "status", System: "kube", Method: http.MethodGet, Path: "/configmaps/bosgc-state$", Status: 403}); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := s.run([]string{"sweep"})
	if code != gc.ExitFailed || !strings.Contains(stderr, "--own-settings") {
		t.Errorf("exit code %d:\n%s", code, stderr)
	}
	s.same("after the sweep that was refused", s.exist(), before)
	if code, _, stderr := s.run([]string{"plan"}); code != gc.ExitDone {
		t.Errorf("plan: exit code %d:\n%s", code, stderr)
	}
	if code, _, stderr := s.run([]string{"sweep", "--own-settings"}); code != gc.ExitDone {
		t.Errorf("--own-settings: exit code %d:\n%s", code, stderr)
	}
	if len(s.exist()) >= len(before) {
		t.Error("nothing was deleted with --own-settings")
	}
}
