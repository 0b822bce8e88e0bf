package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"

	"bosgc/gc"
	"bosgc/internal/lab"
)

// converge runs undisturbed sweeps after the disturbed runs, and requires that the end is the expected one:
//
//  1. One sweep deletes everything that the evidence of its own session allows, without confirming any orphan:
//     wherever a run was killed, what it has left leads to the rest.
//  2. As many sweeps as orphans need leave exactly the objects to keep.
//  3. One more sweep does nothing, and a plan has nothing to delete.
//
// The clock stands still, so that no object comes of age on the way. The share of orphans is not limited, because
// the stories do not consider it.
func (s *soakWorld) converge() error {
	var twin *soakWorld
	if s.settings.tuned {
		// With tuned settings the expected end is that of an undisturbed twin.
		var err error
		if twin, err = s.twin(); err != nil {
			return err
		}
		defer twin.server.Close()
	}
	if err := s.sweepsUndisturbed(1, "BOSGC_ORPHAN_SIGHTINGS=99"); err != nil {
		return err
	}
	expected, err := s.expected(twin, false)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(s.exist())) {
		if !expected[key] && !s.leadsNowhere(key) && !s.renewed(key) {
			s.violate("after one undisturbed sweep %s is left", s.told(key))
		}
	}
	if err := s.sweepsUndisturbed(max(1, s.settings.sightings-1)); err != nil {
		return err
	}
	if expected, err = s.expected(twin, true); err != nil {
		return err
	}
	s.same(expected)
	return s.sameTwice()
}

// calm ends what has disturbed the runs.
func (s *soakWorld) calm() error {
	s.undo()
	s.passTime()
	return s.forgetHang()
}

// forgetHang removes the memory of a list that hung, as an administrator does after repairing BOS (docs/rescue.md).
// Otherwise the list would be requested again a day later, and no soak lasts that long.
func (s *soakWorld) forgetHang() error {
	config, err := clientcmd.BuildConfigFromFlags("", s.server.Kubeconfig())
	if err != nil {
		return err
	}
	patch := []byte(`{"data":{"list.json":null}}`)
	_, err = corev1client.NewForConfigOrDie(config).ConfigMaps(lab.Namespace).Patch(context.Background(), "bosgc-state", types.MergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// twin returns the same world at the same time without any disturbance.
func (s *soakWorld) twin() (*soakWorld, error) {
	fresh, err := drawCase(s.seed)
	if err != nil {
		return nil, err
	}
	fresh.steps = nil
	fresh.serve.Remember = false
	twin, err := startSoak(fresh, newSoakCounts())
	if err != nil {
		return nil, err
	}
	twin.now.Store(s.now.Load())
	return twin, nil
}

var undisturbed = soakStep{command: "sweep", maxDeletes: 1000}

// sweepsUndisturbed runs n sweeps, each of which must end without any problem.
func (s *soakWorld) sweepsUndisturbed(n int, extra ...string) error {
	extra = append(extra, "BOSGC_MAX_ORPHAN_PERCENT=100", "BOSGC_ORPHAN_INTERVAL=0s")
	for range n {
		s.mu.Lock()
		s.sweeps++
		s.mu.Unlock()
		before := s.census()
		run, err := s.run(&undisturbed, extra...)
		if err != nil {
			return err
		}
		if run.code != gc.ExitDone {
			s.violate("an undisturbed sweep: %s; sources %+v", run, run.document.Sources)
		}
		percent := s.settings.percent
		s.settings.percent = 100
		err = s.check(&undisturbed, run, before)
		s.settings.percent = percent
		if err != nil {
			return err
		}
	}
	return nil
}

// expected returns what must be left, with confirmed orphans or without.
func (s *soakWorld) expected(twin *soakWorld, confirmed bool) (map[string]bool, error) {
	if twin != nil {
		var err error
		if confirmed {
			err = twin.sweepsUndisturbed(max(1, s.settings.sightings-1))
		} else {
			err = twin.sweepsUndisturbed(1, "BOSGC_ORPHAN_SIGHTINGS=99")
		}
		for _, v := range twin.violations {
			s.violate("the twin: %s", v)
		}
		twin.violations = nil
		return twin.exist(), err
	}
	stays := maps.Clone(s.begun)
	for _, o := range s.world.Released() {
		if o.Goes() || confirmed && o.GoesConfirmed() {
			delete(stays, name(o.Kind, o.Name))
		}
	}
	return stays, nil
}

// leadsNowhere reports whether an object may have become an orphan, and so takes more than one sweep: a CFS session that
// could not be deleted with its session, or a ConfigMap: one that was in use while its session was deleted, or one that alone shows the age of its session and is
// deleted after it (docs/policy.md, "Order").
func (s *soakWorld) leadsNowhere(key string) bool {
	f := s.world.Facts()[key]
	if f.Kind != lab.KindConfigMap {
		return f.Kind == lab.KindCFSSession && f.Tag != ""
	}
	for _, step := range s.steps {
		for _, c := range step.changes {
			if c.what == "use" && c.name == f.Name {
				return true
			}
		}
	}
	return strings.HasPrefix(f.Story, "metadata-empty")
}

// renewed reports whether an object belongs to a session without a Job whose ConfigMap somebody has created again. By
// all evidence the session is as young as that ConfigMap. Whether other objects were deleted before is chance.
func (s *soakWorld) renewed(key string) bool {
	f := s.world.Facts()[key]
	for _, step := range s.steps {
		for _, c := range step.changes {
			if c.what == "renew" && c.victim == f.Session && f.Session != "" && !f.HasJob {
				return true
			}
		}
	}
	return false
}

// same requires that exactly the expected objects are left.
func (s *soakWorld) same(expected map[string]bool) {
	left := s.exist()
	for _, key := range slices.Sorted(maps.Keys(expected)) {
		if !left[key] && !s.renewed(key) {
			s.violate("in the end, %s is missing", s.told(key))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(left)) {
		if !expected[key] && !s.renewed(key) {
			s.violate("in the end, %s is left", s.told(key))
		}
	}
}

// sameTwice requires that one more sweep does nothing.
func (s *soakWorld) sameTwice() error {
	before := s.exist()
	if err := s.sweepsUndisturbed(1); err != nil {
		return err
	}
	if n := len(s.deletions); n > 0 {
		s.violate("one more sweep has deleted %d more objects, such as %s", n, s.deletions[0].Name)
	}
	if s.seed%4 > 0 {
		return nil
	}
	run, err := s.run(&soakStep{command: "plan"})
	if err != nil {
		return err
	}
	if run.document.Summary.Delete > 0 || !maps.Equal(before, s.exist()) {
		s.violate("a plan after the last sweep: %d to delete", run.document.Summary.Delete)
	}
	return nil
}

func (s *soakWorld) told(key string) string {
	f := s.world.Facts()[key]
	return fmt.Sprintf("%s (story %s, %s %s)", key, f.Story, f.Verdict, f.Reason)
}
