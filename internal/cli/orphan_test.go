package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// moving is a clock that a test advances.
type moving struct {
	begin time.Time
	by    atomic.Int64
}

func newMoving() *moving { return &moving{begin: time.Now()} }

func (m *moving) now() time.Time {
	return m.begin.Add(time.Duration(m.by.Load()) + time.Since(m.begin))
}
func (m *moving) advance(d time.Duration) { m.by.Add(int64(d)) }

// timeline is a system whose clocks, the servers' and bosgc's, a test advances.
type timeline struct {
	*system
	server, here *moving
}

func startTimeline(t *testing.T, options lab.Options) *timeline {
	t.Helper()
	clock := newMoving()
	options.Now = clock.now()
	return &timeline{start(t, options, lab.ServerOptions{Clock: clock.now}), clock, clock}
}

// sweepAt runs a sweep at the time of bosgc's clock.
func (l *timeline) sweepAt(extra ...string) (gc.Document, int) {
	l.t.Helper()
	var out, errors strings.Builder
	environ := slices.Concat(l.environ, []string{"BOSGC_ORPHAN_SIGHTINGS=2"}, extra)
	code := runAt(context.Background(), l.here.now, []string{"sweep", "--own-settings", "-o", "json", "--kubeconfig", l.Kubeconfig()}, environ, &out, &errors)
	return l.decode(out.String(), errors.String()), code
}

// abandonedConfigMap creates a ConfigMap of the form of BOS's without an owner.
func (s *system) abandonedConfigMap(id string) {
	s.t.Helper()
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: id, Namespace: lab.Namespace},
		Data:       map[string]string{"data.json": `{"name": "compute", "boot_sets": {"compute": {}}}`},
	}
	if _, err := s.core().ConfigMaps(lab.Namespace).Create(context.Background(), cm, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

const orphan = "0f0e0d0c-0b0a-4908-8706-050403020100"

func (l *timeline) is(d gc.Document, reason policy.Reason) {
	l.t.Helper()
	if o := find(l.t, d, policy.ConfigMap, orphan); o.Reason != reason {
		l.t.Errorf("%s %s (%s), want %s", o.Verdict, o.Reason, o.Detail, reason)
	}
	if there := l.Kube.Has("configmaps", lab.Namespace, orphan); there == (reason == policy.Orphaned) {
		l.t.Errorf("reason %s, still there: %v", reason, there)
	}
}

// An orphan's life, hour by hour, on every release.
func TestAnOrphansLife(t *testing.T) {
	t.Parallel()
	for _, csm := range []string{"1.0", "1.3.1", "1.5", "1.6"} {
		t.Run(csm, func(t *testing.T) {
			t.Parallel()
			options, kept, trust := lab.Options{CSM: csm, Sessions: 5}, 24*time.Hour, "BOSGC_MAX_ORPHAN_PERCENT=50"
			if csm == "1.6" { // nothing has a session any more, so it is kept as long as one, and nothing shows whose it is
				options.Only, kept, trust = []string{"orphan-configmap", "cfs-of-bos-v2"}, 7*day, "BOSGC_MAX_ORPHAN_PERCENT=100"
			}
			l := startTimeline(t, options)
			l.abandonedConfigMap(orphan)
			for range 3 {
				l.advanceBoth(kept * 7 / 24)
				d, _ := l.sweepAt(trust)
				l.is(d, policy.TooYoung)
			}
			l.advanceBoth(kept*3/24 + time.Hour)
			d, _ := l.sweepAt(trust)
			l.is(d, policy.AwaitingConfirmation)
			l.advanceBoth(time.Hour)
			d, code := l.sweepAt(trust)
			l.is(d, policy.Orphaned)
			if code != gc.ExitDone {
				t.Errorf("exit code %d", code)
			}
			l.noDanger()
		})
	}
}

func (l *timeline) advanceBoth(d time.Duration) {
	l.server.advance(d)
	if l.here != l.server {
		l.here.advance(d)
	}
}

// An object that was seen as an orphan and then had an owner starts again.
func TestAnOwnerThatAppearsClearsTheMark(t *testing.T) {
	t.Parallel()
	l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 5})
	l.abandonedConfigMap(orphan)
	l.advanceBoth(25 * time.Hour)
	sightings := "BOSGC_ORPHAN_SIGHTINGS=3"
	d, _ := l.sweepAt(sightings)
	l.is(d, policy.AwaitingConfirmation)
	d, _ = l.sweepAt(sightings)
	l.is(d, policy.AwaitingConfirmation)
	l.startPod(orphan)
	if d, _ = l.sweepAt(sightings); find(t, d, policy.ConfigMap, orphan).Reason != policy.OwnerKept {
		t.Errorf("a Pod works for it: %+v", find(t, d, policy.ConfigMap, orphan))
	}
	l.Kube.Remove("pods", lab.Namespace, "by-hand")
	for range 2 {
		d, _ = l.sweepAt(sightings)
		l.is(d, policy.AwaitingConfirmation)
	}
	d, _ = l.sweepAt(sightings)
	l.is(d, policy.Orphaned)
}

// A ConfigMap whose session is gone still says which template it was made from. While that template is kept, so is the
// ConfigMap, however many sweeps have seen it; once it is not, the ConfigMap goes.
func TestAnOrphanOfAKeptTemplateStays(t *testing.T) {
	t.Parallel()
	l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 5})
	l.abandonedConfigMap(orphan)
	l.advanceBoth(25 * time.Hour)
	for range 3 {
		d, _ := l.sweepAt("BOSGC_KEEP_TEMPLATES=golden,comp*")
		l.is(d, policy.KeptByRule)
		l.advanceBoth(time.Hour)
	}
	for _, want := range []policy.Reason{policy.AwaitingConfirmation, policy.Orphaned} {
		d, _ := l.sweepAt("BOSGC_KEEP_TEMPLATES=golden")
		l.is(d, want)
		l.advanceBoth(time.Hour)
	}
}

// Another object of the same name has not been seen before.
func TestASightingIsOfOneObject(t *testing.T) {
	t.Parallel()
	l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 5})
	l.abandonedConfigMap(orphan)
	l.advanceBoth(25 * time.Hour)
	d, _ := l.sweepAt()
	l.is(d, policy.AwaitingConfirmation)
	l.Kube.Remove("configmaps", lab.Namespace, orphan)
	l.abandonedConfigMap(orphan)
	l.advanceBoth(25 * time.Hour)
	d, _ = l.sweepAt()
	l.is(d, policy.AwaitingConfirmation)
	d, _ = l.sweepAt()
	l.is(d, policy.Orphaned)
}

// A sweep that could not see everything neither confirms orphans nor forgets them.
func TestAnIncompleteSweepIsNoSighting(t *testing.T) {
	t.Parallel()
	l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 5})
	l.abandonedConfigMap(orphan)
	l.advanceBoth(25 * time.Hour)
	d, _ := l.sweepAt()
	l.is(d, policy.AwaitingConfirmation)
	for _, fault := range []lab.Fault{
		{Name: "bos-down"},
		{Name: "etcd-down"},
		{Kind: lab.FaultStatus, Status: 403, System: "kube", Path: "/pods"},
		{Kind: lab.FaultStatus, Status: 403, System: "kube", Path: "/cronjobs"},
		{Kind: lab.FaultStatus, Status: 404, Body: "<html>", System: "bos", Path: "/v1/session/" + orphan},
	} {
		if err := l.AddFault(fault); err != nil {
			t.Fatal(err)
		}
		d, code := l.sweepAt("BOSGC_REQUEST_TIMEOUT=1s", "BOSGC_LIST_TIMEOUT=1s")
		if code != gc.ExitIncomplete {
			t.Errorf("%+v: exit code %d", fault, code)
		}
		l.is(d, policy.EvidenceIncomplete)
		l.ClearFaults()
	}
	d, _ = l.sweepAt()
	l.is(d, policy.Orphaned)
}

// Without the state no object counts as seen before.
func TestALostStateBeginsAnew(t *testing.T) {
	t.Parallel()
	l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 5})
	l.abandonedConfigMap(orphan)
	l.advanceBoth(25 * time.Hour)
	for _, lose := range []func(){
		func() { l.Kube.Remove("configmaps", lab.Namespace, "bosgc-state") },
		func() {
			l.Kube.Add("configmaps", &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Name: "bosgc-state", Namespace: lab.Namespace},
				Data:       map[string]string{"sightings.json": fmt.Sprintf(`{%q: 7}`, orphan)},
			})
		},
	} {
		d, _ := l.sweepAt()
		l.is(d, policy.AwaitingConfirmation)
		lose()
	}
	d, _ := l.sweepAt()
	l.is(d, policy.AwaitingConfirmation)
	if !l.Kube.Has("configmaps", lab.Namespace, "bosgc-state-unreadable") {
		t.Error("the unreadable state is lost")
	}
	if value(t, l.exported(), "bosgc_state_set_aside_timestamp_seconds", "") == 0 {
		t.Error("the unreadable state is not reported")
	}
	d, _ = l.sweepAt()
	l.is(d, policy.Orphaned)
}

// If clocks differ by more than a minute, nothing is deleted because of its age.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		skew  time.Duration
		known bool
	}{{-30 * time.Second, true}, {30 * time.Second, true}, {-2 * time.Minute, false}, {2 * time.Minute, false}, {30 * 24 * time.Hour, false}} {
		t.Run(tt.skew.String(), func(t *testing.T) {
			t.Parallel()
			l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 40})
			l.here = &moving{begin: l.server.begin}
			l.here.advance(tt.skew)
			before := l.exist()
			d, code := l.sweepAt()
			aged := count(d, func(o gc.Object) bool {
				return o.Verdict == policy.Delete && o.Kind == policy.Session && o.Reason != policy.Ghost
			})
			skewed := count(d, func(o gc.Object) bool { return o.Reason == policy.ClockSkew })
			if tt.known == (aged == 0) || code != gc.ExitDone {
				t.Errorf("%d sessions to delete because of their age, exit code %d", aged, code)
			}
			if !tt.known && skewed < 10 {
				t.Errorf("only %d objects are unknown because of the clocks", skewed)
			}
			left := l.exist()
			for _, o := range l.World.Truth() {
				n := name(o.Kind, o.Name)
				if before[n] && !left[n] && !o.Goes() {
					t.Errorf("%s is gone", n)
				}
			}
		})
	}
}

// If too large a share of a kind looks orphaned, a mistake about the owners is more likely than that many orphans.
func TestTheGuardRefuses(t *testing.T) {
	t.Parallel()
	l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 20, Only: []string{"finished-expired"}})
	before := len(l.Kube.Names("configmaps", lab.Namespace))
	for n := range 30 {
		l.abandonedConfigMap(fmt.Sprintf("%08d-0b0a-4908-8706-050403020100", n))
	}
	l.advanceBoth(25 * time.Hour)
	for range 3 {
		d, code := l.sweepAt()
		guarded := count(d, func(o gc.Object) bool { return o.Reason == policy.OrphanGuard && o.Verdict == policy.Keep })
		if code != gc.ExitRefused || guarded != 30 {
			t.Errorf("exit code %d, %d guarded, %d ConfigMaps before", code, guarded, before)
		}
	}
	// The guard does not stop the confirmation: after somebody has looked and raised the share, the orphans are deleted at
	// once.
	d, code := l.sweepAt("BOSGC_MAX_ORPHAN_PERCENT=100")
	if n := count(d, func(o gc.Object) bool { return o.Reason == policy.Orphaned && o.Outcome == gc.Deleted }); code != gc.ExitDone || n != 30 {
		t.Errorf("exit code %d, %d deleted", code, n)
	}
}

// Once it has refused, the guard holds a kind back whatever the share becomes, until a person releases it.
func TestAGuardThatHasRefusedIsReleasedByAPerson(t *testing.T) {
	t.Parallel()
	l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 20, Only: []string{"finished-expired"}})
	for n := range 30 {
		l.abandonedConfigMap(fmt.Sprintf("%08d-0b0a-4908-8706-050403020100", n))
	}
	l.advanceBoth(25 * time.Hour)
	guarded := func(o gc.Object) bool { return o.Reason == policy.OrphanGuard }
	const smallShare = "BOSGC_MAX_ORPHAN_PERCENT=95"
	for _, extra := range []string{"BOSGC_MAX_ORPHAN_PERCENT=50", smallShare} {
		d, code := l.sweepAt(extra)
		if n := count(d, guarded); code != gc.ExitRefused || n != 30 || len(d.Guards) != 1 || d.Guards[0].Kind != policy.ConfigMap {
			t.Fatalf("%s: exit code %d, %d held back, guards %+v", extra, code, n, d.Guards)
		}
	}
	guard := func(want int, args ...string) string {
		t.Helper()
		code, stdout, stderr := l.run(append([]string{"guard"}, args...))
		if code != want {
			t.Errorf("guard %v: exit code %d, want %d: %s", args, code, want, stderr)
		}
		return stdout + stderr
	}
	shown := guard(gc.ExitDone)
	for _, want := range []string{"ConfigMap", l.here.now().UTC().Format("2006-01-02T"), "looked orphaned, more than 50 %", "bosgc guard release"} {
		if !strings.Contains(shown, want) {
			t.Errorf("guard does not say %q:\n%s", want, shown)
		}
	}
	if text := guard(gc.ExitUsage, "release", "deployment"); !strings.Contains(text, "session, job, configmap or cfs") {
		t.Errorf("an unknown kind: %s", text)
	}
	if text := guard(gc.ExitDone, "release", "jobs"); !strings.Contains(text, "does not hold back Job") {
		t.Errorf("a kind that is not held back: %s", text)
	}
	renewing, stop := context.WithCancel(t.Context())
	var renewed sync.WaitGroup
	l.holdLease("another") // before the release asks for it
	renewed.Go(func() {
		for renewing.Err() == nil {
			l.holdLease("another")
			time.Sleep(300 * time.Millisecond)
		}
	})
	if text := guard(gc.ExitLocked, "release", "cm"); !strings.Contains(text, "another") {
		t.Errorf("while another run holds the lock: %s", text)
	}
	stop()
	renewed.Wait()
	l.Kube.Remove("leases", lab.Namespace, "bosgc")
	if text := guard(gc.ExitDone, "release", "cm", "-o", "json"); !strings.Contains(text, `"released": [`) {
		t.Errorf("released: %s", text)
	}
	if text := guard(gc.ExitDone, "-o", "json"); !strings.Contains(text, `"guards": []`) {
		t.Errorf("after it was released: %s", text)
	}
	d, code := l.sweepAt("BOSGC_MAX_ORPHAN_PERCENT=50")
	if n := count(d, func(o gc.Object) bool { return o.Reason == policy.Orphaned && o.Outcome == gc.Deleted }); code != gc.ExitDone || n != 30 {
		t.Errorf("after it was released: exit code %d, %d deleted", code, n)
	}
}

// Two sweeps within minutes see the same accident: an orphan waits until the interval is over.
func TestASightingCountsAfterAnInterval(t *testing.T) {
	t.Parallel()
	l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 5})
	l.abandonedConfigMap(orphan)
	l.advanceBoth(25 * time.Hour)
	const interval = "BOSGC_ORPHAN_INTERVAL=30m"
	for range 3 {
		d, _ := l.sweepAt(interval)
		l.is(d, policy.AwaitingConfirmation)
		l.advanceBoth(9 * time.Minute)
	}
	l.advanceBoth(4 * time.Minute)
	d, _ := l.sweepAt(interval)
	l.is(d, policy.Orphaned)
}
