package cli

import (
	"net/http"
	"testing"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// The last two sessions of a system never ended. BOS fails once to delete them, after their ConfigMaps have gone: nothing
// shows any more whose they are. They go once a person has looked, or by their own record when they are old enough.
func TestTheLastSessionsGoThoughBOSFailedOnce(t *testing.T) {
	t.Parallel()
	for way, end := range map[string]func(*timeline){
		"released": func(l *timeline) { l.release("session") },
		"old":      func(l *timeline) { l.advanceBoth(60 * day) },
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 2, Only: []string{"abandoned-not-yet"}})
			l.advanceBoth(10 * day) // 15 to 23 days old
			l.fault(lab.Fault{Kind: lab.FaultStatus, System: "bos", Method: http.MethodDelete, Status: http.StatusInternalServerError})
			if _, code := l.sweepAt(); code != gc.ExitFailed && code != gc.ExitPartial || len(l.BOS.IDs()) != 2 {
				t.Fatalf("exit code %d, %d sessions in BOS", code, len(l.BOS.IDs()))
			}
			l.ClearFaults()
			d, code := l.sweepAt()
			if n := count(d, func(o gc.Object) bool { return o.Reason == policy.OrphanGuard }); code != gc.ExitRefused || n != 2 {
				t.Errorf("exit code %d, %d sessions are held back", code, n)
			}
			end(l)
			if _, code := l.sweepAt(); code != gc.ExitDone || l.judged() > 0 {
				t.Errorf("exit code %d, %d objects are stuck", code, l.judged())
			}
		})
	}
}

// release types what ends the orphan guard of a kind.
func (l *timeline) release(kind string) {
	l.t.Helper()
	if code, out, errs := l.run([]string{"guard", "release", kind}); code != gc.ExitDone {
		l.t.Errorf("guard release %s: exit code %d\n%s%s", kind, code, out, errs)
	}
}
