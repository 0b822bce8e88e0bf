package cli

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// wayOut is a situation in which something is not deleted, and what a person does about it, as docs/runbook.md says.
type wayOut struct {
	csm, story string
	stuck      func(*timeline) []string                // what brings it about, and the settings meanwhile; nil: the story is enough
	remedy     func(t *timeline, o gc.Object) []string // and the settings from then on
}

// waysOut has one for each reason that keeps an object. What bosgc never deletes a person deletes.
var waysOut = map[policy.Reason]wayOut{
	policy.Running: {"1.2", "running-for-weeks", nil, func(l *timeline, o gc.Object) []string {
		l.Kube.Remove("jobs", lab.Namespace, "boa-"+o.Session)
		l.podsGo()
		return nil
	}},
	policy.TooYoung: {"1.2", "finished-recently", nil, func(l *timeline, _ gc.Object) []string {
		l.advanceBoth(8 * day)
		return nil
	}},
	policy.KeptLast: {"1.2", "kept-only-one-of-template", nil, func(*timeline, gc.Object) []string {
		return []string{"BOSGC_KEEP_LAST=0"}
	}},
	policy.KeptByRule: {"1.2", "keep-on-configmap", nil, func(l *timeline, o gc.Object) []string {
		l.Annotate(lab.KindConfigMap, o.Session, "bosgc/keep", "")
		return nil
	}},
	policy.NotOurs:              {"1.2", "look-labelled", nil, deletedByHand},
	policy.Foreign:              {"1.2", "cfs-by-a-person", nil, deletedByHand},
	policy.AwaitingConfirmation: {"1.2", "orphan-configmap", nil, nothing},
	policy.OwnerKept: {"1.2", "finished-recently", nil, func(l *timeline, _ gc.Object) []string {
		l.advanceBoth(8 * day)
		return nil
	}},
	policy.InUse: {"1.2", "in-use-by-pod", nil, func(l *timeline, _ gc.Object) []string {
		l.podsGo()
		return nil
	}},
	policy.Terminating: {"1.2", "configmap-terminating", nil, func(l *timeline, o gc.Object) []string {
		l.SetFinalizers(string(o.Kind), o.Name)
		return nil
	}},
	policy.PolicyOff: {"1.2", "cfs-untagged-old", func(*timeline) []string {
		return []string{"BOSGC_CFS=off"}
	}, nothing},
	policy.OrphanGuard: {"1.2", "finished-expired", func(l *timeline) []string {
		l.WipeBOS()
		return nil
	}, func(l *timeline, o gc.Object) []string {
		for _, kind := range []string{"job", "configmap", "cfs"} {
			l.release(kind)
		}
		return nil
	}},
	policy.EvidenceIncomplete: {"1.2", "finished-expired", func(l *timeline) []string {
		l.fault(lab.Fault{Name: "bos-down"})
		return []string{"BOSGC_REQUEST_TIMEOUT=1s", "BOSGC_LIST_TIMEOUT=1s"}
	}, func(l *timeline, _ gc.Object) []string {
		l.ClearFaults()
		return nil
	}},
	policy.BadData: {"1.2", "record-broken", nil, func(l *timeline, o gc.Object) []string {
		if code, out, errs := l.run([]string{"clean", o.Session, "--yes"}); code != gc.ExitDone {
			l.t.Errorf("clean: exit code %d\n%s%s", code, out, errs)
		}
		return nil
	}},
	policy.ClockSkew: {"1.2", "finished-expired", func(l *timeline) []string {
		l.here.advance(2 * day)
		return nil
	}, func(l *timeline, _ gc.Object) []string {
		l.here.advance(-2 * day)
		return nil
	}},
}

func nothing(*timeline, gc.Object) []string { return nil }

func deletedByHand(l *timeline, o gc.Object) []string {
	if o.Kind == policy.CFSSession {
		l.CFS.Remove(o.Name)
	} else {
		l.Kube.Remove("configmaps", lab.Namespace, o.Name)
	}
	return nil
}

// podsGo removes all Pods.
func (l *timeline) podsGo() {
	for _, pod := range l.Kube.Names("pods", lab.Namespace) {
		l.EndPod(pod)
	}
}

// Every reason for which an object is kept ends, and the object goes within three more sweeps.
func TestEveryReasonThatKeepsHasAWayOut(t *testing.T) {
	t.Parallel()
	for _, reason := range slices.Concat(policy.Reasons(policy.Keep), policy.Reasons(policy.Unknown)) {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			way, known := waysOut[reason]
			if !known {
				t.Fatal("nothing ends it")
			}
			clock := newMoving()
			// The other story shows that the systems are one.
			s := start(t, lab.Options{CSM: way.csm, Sessions: 6, Now: clock.now(), Only: []string{way.story, "running"}}, lab.ServerOptions{Clock: clock.now})
			l := &timeline{s, clock, &moving{begin: clock.begin}}
			var settings []string
			if way.stuck != nil {
				settings = way.stuck(l)
			}
			d, _ := l.sweepAt(settings...)
			i := slices.IndexFunc(d.Objects, func(o gc.Object) bool { return o.Reason == reason && l.tells(o, way.story) })
			if i < 0 {
				t.Fatalf("nothing is %s: %+v", reason, d.Summary)
			}
			o := d.Objects[i]
			settings = append(way.remedy(l, o), "BOSGC_REQUEST_TIMEOUT=5s")
			for range 3 {
				l.sweepAt(settings...)
				l.server.advance(time.Hour)
				l.here.advance(time.Hour)
			}
			if l.exist()[name(string(o.Kind), o.Name)] {
				d, code := l.sweepAt(settings...)
				left := find(t, d, o.Kind, o.Name)
				t.Errorf("%s %s is still there: %s (%s), exit code %d", o.Kind, o.Name, left.Reason, left.Detail, code)
			}
		})
	}
}

// tells reports whether a story has made an object.
func (s *system) tells(o gc.Object, story string) bool {
	return s.World.Facts()[name(string(o.Kind), o.Name)].Story == story
}

// Every exit code but 0 ends once a person has done what the runbook says, and the next sweeps finish.
func TestEveryExitCodeHasAWayOut(t *testing.T) {
	t.Parallel()
	cleared := func(l *timeline) []string {
		l.ClearFaults()
		return nil
	}
	fails := func(f lab.Fault) func(*timeline) []string {
		return func(l *timeline) []string {
			f.Kind, f.Status = lab.FaultStatus, http.StatusForbidden
			l.fault(f)
			return nil
		}
	}
	for code, tt := range map[int]struct{ cause, remedy func(*timeline) []string }{
		gc.ExitFailed: {fails(lab.Fault{System: "kube", Method: "POST", Path: "/configmaps"}), cleared},
		gc.ExitUsage: {
			func(*timeline) []string { return []string{"BOSGC_SESSION_TTL=soon"} },
			func(*timeline) []string { return nil },
		},
		gc.ExitPartial: {fails(lab.Fault{System: "bos", Method: "DELETE"}), cleared},
		gc.ExitRefused: {
			func(l *timeline) []string { l.WipeBOS(); return nil },
			func(l *timeline) []string {
				for _, kind := range []string{"job", "configmap", "cfs"} {
					l.release(kind)
				}
				return nil
			},
		},
		gc.ExitLocked: {
			func(l *timeline) []string {
				l.holdLease("another")
				return []string{"BOSGC_DEADLINE=5s", "BOSGC_REQUEST_TIMEOUT=1s"}
			},
			func(l *timeline) []string { l.Kube.Remove("leases", lab.Namespace, "bosgc"); return nil },
		},
		gc.ExitIncomplete: {fails(lab.Fault{System: "kube", Method: "GET", Path: `/pods(\?|$)`}), cleared},
	} {
		l := startTimeline(t, lab.Options{CSM: "1.2", Sessions: 6, Only: []string{"finished-expired"}})
		before := l.judged()
		settings := append(tt.cause(l), "BOSGC_KEEP_LAST=0")
		if got := l.exitCode(settings); got != code {
			t.Errorf("exit code %d, want %d", got, code)
		}
		settings = append(tt.remedy(l), "BOSGC_KEEP_LAST=0")
		got := 0
		for range 4 {
			got = l.exitCode(settings)
			l.advanceBoth(time.Hour)
			if got == gc.ExitRefused { // CFS sessions whose Jobs have gone are in doubt only now
				l.release("cfs")
			}
		}
		if n := l.judged(); got != gc.ExitDone || n > 0 || before == 0 {
			t.Errorf("exit code %d: after its remedy it is %d, and %d of %d objects are left", code, got, n, before)
		}
	}
}

func (l *timeline) exitCode(settings []string) int {
	l.t.Helper()
	var out, errs strings.Builder
	environ := slices.Concat(l.environ, []string{"BOSGC_ORPHAN_SIGHTINGS=2"}, settings)
	return runAt(l.t.Context(), l.here.now, []string{"sweep", "--own-settings", "--kubeconfig", l.Kubeconfig()}, environ, &out, &errs)
}
