package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// BOS was wiped, and nothing shows any more that this is its namespace. Who has looked releases each kind, and what was
// held back goes. What comes later is held back again, until a session shows whose it is.
func TestADoubtIsReleasedByAPerson(t *testing.T) {
	t.Parallel()
	l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 8, Only: []string{"finished-expired"}})
	for i, id := range l.BOS.IDs() {
		l.cfsSession(id, 50*day)
		if i%2 == 0 { // of the others everything goes with the Job
			l.Kube.Remove("jobs", lab.Namespace, "boa-"+id)
		}
	}
	l.WipeBOS()
	held := func() (n int) {
		d, code := l.sweepAt()
		n = count(d, func(o gc.Object) bool { return o.Reason == policy.OrphanGuard })
		if (code == gc.ExitRefused) != (n > 0) {
			t.Errorf("exit code %d, %d held back", code, n)
		}
		for _, o := range d.Objects {
			if want := "bosgc guard release " + string(o.Kind); o.Reason == policy.OrphanGuard && !strings.Contains(o.Detail, want) {
				t.Errorf("it does not say how this ends: %s", o.Detail)
			}
		}
		l.advanceBoth(time.Hour)
		return n
	}
	all := l.judged()
	for range 3 {
		if n := held(); n == 0 || l.judged() != all {
			t.Fatalf("%d of %d are held back, %d are left", n, all, l.judged())
		}
	}
	if _, text, _ := l.run([]string{"guard"}); !strings.Contains(text, "BOS lists no session at all") {
		t.Errorf("guard does not say why:\n%s", text)
	}
	for _, kind := range []string{"job", "cfs", "configmap"} {
		if code, text, _ := l.run([]string{"guard", "release", kind}); code != gc.ExitDone || !strings.Contains(text, "Released") {
			t.Errorf("release %s: exit code %d: %s", kind, code, text)
		}
	}
	held()
	held() // CFS sessions whose Jobs have gone are in doubt only now
	l.run([]string{"guard", "release", "cfs"})
	held()
	if n := held(); n > 0 || l.judged() > 0 {
		t.Errorf("%d are held back, %d are left although a person has looked", n, l.judged())
	}
	l.abandonedConfigMap(orphan)
	l.advanceBoth(25 * time.Hour)
	for range 3 {
		if n := held(); n != 1 {
			t.Errorf("%d are held back that came later, want 1", n)
		}
	}
	if _, text, _ := l.run([]string{"guard"}); !strings.Contains(text, fmt.Sprint(policy.ConfigMap)) {
		t.Errorf("guard does not show it:\n%s", text)
	}
}
