package gc_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/cleanup"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// TestLinkingOfClean holds that "bosgc plan", "bosgc clean --dry-run" and "bosgc clean" decide alike about CFS sessions
// without a tag, if inferred links are acted on: what a person was shown is what is done.
func TestLinkingOfClean(t *testing.T) {
	releases, n := linkingWorlds(t)
	deleted, kept := 0, 0
	for _, csm := range releases {
		for seed := range uint64(n) {
			p := newPast(t, csm, seed+1)
			p.live(t, 6)
			d, k := p.compareCleanWithPlan(t)
			deleted, kept = deleted+d, kept+k
			_ = p.Close()
		}
	}
	t.Logf("%d CFS sessions without a tag were deleted, %d kept", deleted, kept)
	if deleted < n || kept < n {
		t.Errorf("%d CFS sessions were deleted and %d kept: this shows nothing", deleted, kept)
	}
}

// compareCleanWithPlan compares clean with a plan for every CFS session without a tag, and returns how many were
// deleted and kept. Clean is carried out for those that are deleted, and then for one that is kept, each in the world
// that the one before has left.
func (p *past) compareCleanWithPlan(t *testing.T) (deleted, kept int) {
	t.Helper()
	compare := func(l inventory.Link, command string, due, deletes bool, objects []gc.Object) {
		if deletes != due {
			t.Errorf("CSM %s, seed %d: plan deletes %s: %t; %s %q deletes it: %t; veto %q; %+v", p.World.Profile.CSM,
				p.World.Options.Seed, l.CFS, due, command, l.Sessions, deletes, l.Veto, outcomes(objects))
		}
	}
	plan := p.plan(t, expired)
	links := slices.DeleteFunc(plan.Links(), func(l inventory.Link) bool {
		return l.Exact || len(l.Sessions) == 0 || !p.exist(l.Sessions)
	})
	slices.SortStableFunc(links, func(a, b inventory.Link) int { return cmp.Compare(b.Score, a.Score) })
	for _, l := range links {
		shown := p.clean(t, l.Sessions, false)
		compare(l, "clean --dry-run", goes(plan.Objects, l.CFS), goes(shown, l.CFS), shown)
	}
	for _, l := range links {
		due := goes(p.plan(t, expired).Objects, l.CFS)
		if !p.exist(l.Sessions) || !due && kept > 0 {
			continue
		}
		done := p.clean(t, l.Sessions, true)
		compare(l, "clean", due, !slices.Contains(p.CFS.Names(), l.CFS), done)
		if due {
			deleted++
		} else {
			kept++
		}
	}
	return deleted, kept
}

func outcomes(objects []gc.Object) (lines []string) {
	for _, o := range objects {
		lines = append(lines, fmt.Sprintf("%s %s: %s %s %s %s", o.Kind, o.Name, o.Verdict, o.Outcome, o.Detail, o.Error))
	}
	return lines
}

func goes(objects []gc.Object, cfs string) bool {
	return slices.ContainsFunc(objects, func(o gc.Object) bool {
		return o.Kind == policy.CFSSession && o.Name == cfs && o.Verdict == policy.Delete
	})
}

// exist reports whether BOS v1 has a record of each session.
func (p *past) exist(ids []string) bool {
	return !slices.ContainsFunc(ids, func(id string) bool { return !p.BOS.HasRecord(id) })
}

// clean plans the manual procedure for some sessions, and carries it out unless it is a dry run.
func (p *past) clean(t *testing.T, ids []string, execute bool) []gc.Object {
	t.Helper()
	run := gc.Run{ID: "c", Options: collect.Options{Settings: expired, Clock: time.Now, ReadTimeout: time.Minute}}
	plan, err := cleanup.MakePlan(t.Context(), p.again(t), run, cleanup.Request{Sessions: ids})
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Refusal(); err != nil {
		t.Fatalf("clean of %q is refused: %v", ids, err)
	}
	if execute {
		again, err := cleanup.MakePlan(t.Context(), p.systems, run, plan.Again(nil)) // with clients that have listed
		if err != nil {
			t.Fatal(err)
		}
		limits := gc.Limits{Journal: p.journal(t), MaxDeletes: 1000, Grace: time.Second}
		report, err := again.Execute(t.Context(), limits)
		if err != nil {
			t.Fatal(err)
		}
		return report.Objects
	}
	return plan.Objects
}
