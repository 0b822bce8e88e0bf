package cli

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/explain"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// jobsGo removes all Jobs, as Kyverno does three days after their end.
func (l *timeline) jobsGo() {
	for _, job := range l.Kube.Names("jobs", lab.Namespace) {
		l.Kube.Remove("jobs", lab.Namespace, job)
	}
}

func (l *timeline) sessionOf(d gc.Document) gc.Object {
	l.t.Helper()
	i := slices.IndexFunc(d.Objects, func(o gc.Object) bool { return o.Kind == policy.Session })
	if i < 0 {
		l.t.Fatal("there is no session")
	}
	return d.Objects[i]
}

// commandOf returns the first command of an explanation that contains a text.
func (l *timeline) commandOf(e explain.Explanation, part string) string {
	l.t.Helper()
	for _, c := range e.Changes {
		if strings.Contains(c.Command, part) {
			return c.Command
		}
	}
	l.t.Fatalf("no command has %q: %+v", part, e.Changes)
	return ""
}

// A session whose Job failed is kept as one that failed, although the Job has gone since.
func TestAFailureOutlivesTheJob(t *testing.T) {
	t.Parallel()
	l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 1, Only: []string{"failed-10-days-ago"}})
	const none = "BOSGC_KEEP_LAST=0"
	d, _ := l.sweepAt(none)
	session := l.sessionOf(d)
	if session.Reason != policy.TooYoung {
		t.Fatalf("%+v", session)
	}
	l.jobsGo()
	d, _ = l.sweepAt(none)
	if o := l.sessionOf(d); o.Reason != policy.TooYoung || !o.EligibleAt.Equal(session.EligibleAt) || !strings.Contains(o.Detail, "earlier sweep") {
		t.Fatalf("after its Job has gone: %s %s until %s (%s), before until %s", o.Verdict, o.Reason, o.EligibleAt, o.Detail, session.EligibleAt)
	}
	l.advanceBoth(session.EligibleAt.Sub(l.here.now()) + time.Minute)
	if d, _ = l.sweepAt(none); l.sessionOf(d).Reason != policy.FailedExpired || len(l.BOS.IDs()) != 0 {
		t.Errorf("14 days after it failed: %+v", l.sessionOf(d))
	}
}

// What an annotation on a Job protects stays protected when the Job has gone by itself, until a person ends it in the way
// that explain names.
func TestAProtectionOutlivesTheJob(t *testing.T) {
	t.Parallel()
	for name, withConfigMap := range map[string]bool{"a ConfigMap is left": true, "only the record is left": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 1, Only: []string{"keep-on-job"}})
			d, _ := l.sweepAt()
			id := l.sessionOf(d).Name
			l.jobsGo()
			if !withConfigMap {
				l.Kube.Remove("configmaps", lab.Namespace, id)
			}
			l.advanceBoth(60 * 24 * time.Hour)
			d, _ = l.sweepAt()
			if o := l.sessionOf(d); o.Reason != policy.KeptByRule || !strings.Contains(o.Detail, "it is gone, and the protection stays") {
				t.Fatalf("after its Job has gone: %s %s (%s)", o.Verdict, o.Reason, o.Detail)
			}
			e, _ := l.explained(id)
			if withConfigMap {
				l.commandOf(e, "annotate configmap "+id+" bosgc/keep=false --overwrite")
				l.Annotate(lab.KindConfigMap, id, "bosgc/keep", "false")
				if d, _ = l.sweepAt("BOSGC_KEEP_LAST=0"); l.sessionOf(d).Outcome != gc.Deleted {
					t.Errorf("after that command: %+v", l.sessionOf(d))
				}
				return
			}
			if command := l.commandOf(e, "bosgc clean "); command != "bosgc clean "+id {
				t.Fatal(command)
			}
			if code, _, stderr := l.run([]string{"clean", id, "--yes"}); code != gc.ExitDone || len(l.BOS.IDs()) != 0 {
				t.Errorf("bosgc clean: exit code %d: %s", code, stderr)
			}
		})
	}
}

// Whoever misspells a pattern is told, and whoever cannot be told what the Jobs have shown is told that, too.
func TestAPlanSaysWhatNoObjectSays(t *testing.T) {
	t.Parallel()
	l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 2, Only: []string{"finished-expired"}})
	template := ""
	for _, f := range l.World.Facts() {
		template = f.Template
	}
	d, _ := l.document([]string{"plan"}, "BOSGC_KEEP_TEMPLATES=goldne-*,"+template)
	if len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "matches goldne-*.") {
		t.Errorf("notes %q", d.Notes)
	}
	if _, stdout, _ := l.run([]string{"plan"}, "BOSGC_KEEP_TEMPLATES=goldne-*"); !strings.Contains(stdout, "goldne-*") {
		t.Errorf("the table does not have the note:\n%s", stdout)
	}
	if d, _ := l.document([]string{"plan"}); len(d.Notes) != 0 {
		t.Errorf("notes %q", d.Notes)
	}
	if err := l.AddFault(lab.Fault{Kind: lab.FaultStatus, Status: 500, System: "kube", Path: "/configmaps/bosgc-state"}); err != nil {
		t.Fatal(err)
	}
	if d, _ := l.document([]string{"plan"}); len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "state of earlier sweeps could not be read") {
		t.Errorf("without the state: notes %q", d.Notes)
	}
}
