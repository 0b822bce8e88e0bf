package inventory

import (
	"slices"
	"testing"
)

const (
	idA = "00000001-0000-4000-8000-000000000000"
	idB = "00000002-0000-4000-8000-000000000000"
	idC = "00000003-0000-4000-8000-000000000000"
)

func groupsOf(s *Snapshot) map[string]*Group {
	groups := map[string]*Group{}
	for _, g := range s.Groups {
		groups[g.ID] = g
	}
	return groups
}

func TestJoin(t *testing.T) {
	s := Join(Seen{
		SessionIDs: []string{idA, idB},
		Unlisted:   Absent,
		Evidence:   Evidence{Jobs: true},
		Jobs: []Job{
			{Name: "boa-x", Session: idA, ConfigMap: idC}, // its name says nothing, its variable does
			{Name: "boa-y", Session: idA, ConfigMap: idB}, // mounts what belongs to another session
			{Name: "copy", Session: idB, ConfigMap: idA, Fault: "made by a person"},
			{Name: "boa-test", Fault: "no session"},
		},
		Pods: []Pod{
			{Name: "p1", Job: "boa-x"}, {Name: "p2", Session: idB, Job: "copy"}, {Name: "p3", Job: "boa-gone"},
		},
		ConfigMaps: []ConfigMap{{Name: idA}, {Name: idB}, {Name: idC}},
		References: []Reference{
			{ConfigMap: idC, Kind: "Job", Name: "boa-x", Session: idA},
			{ConfigMap: idB, Kind: "Job", Name: "boa-y", Session: idA},
			{ConfigMap: idA, Kind: "Job", Name: "copy", Session: idB},
		},
		CFS: []CFSSession{{Name: "c1", Tag: idA}, {Name: "c2"}, {Name: "c3", Tag: "someone's"}},
	})
	groups := groupsOf(s)
	if len(groups) != 3 || groups["someone's"] == nil || groups["someone's"].Listed != Absent {
		t.Fatalf("groups %v", groups)
	}
	a, b := groups[idA], groups[idB]
	if a.Listed != Present || b.Listed != Present {
		t.Error("listed sessions are not")
	}
	names := func(cms []ConfigMap, _ bool) (all string) {
		for _, cm := range cms {
			all += cm.Name + " (" + cm.User + ") "
		}
		return all
	}
	// A's own ConfigMap is used by the copy; idC is A's because A's Job mounts it.
	if got := names(a.ConfigMaps()); got != idA+" (Job copy) "+idC+" () " {
		t.Errorf("ConfigMaps of A: %s", got)
	}
	// B exists as a session, so its ConfigMap is its own, whoever mounts it.
	if got := names(b.ConfigMaps()); got != idB+" (Job boa-y) " {
		t.Errorf("ConfigMaps of B: %s", got)
	}
	if jobs, complete := a.Jobs(); len(jobs) != 2 || !complete {
		t.Errorf("Jobs of A: %v, complete %v", jobs, complete)
	}
	if _, complete := a.Pods(); complete {
		t.Error("the Pods were not read, and count as complete")
	}
	if pods, _ := a.Pods(); len(pods) != 1 || pods[0].Name != "p1" {
		t.Errorf("Pods of A: %v", pods)
	}
	if pods, _ := b.Pods(); len(pods) != 1 || pods[0].Name != "p2" {
		t.Errorf("Pods of B: %v", pods)
	}
	if len(s.StrayJobs) != 1 || s.StrayJobs[0].Name != "boa-test" ||
		len(s.UntaggedCFS) != 1 || s.UntaggedCFS[0].Name != "c2" {
		t.Errorf("without a session: %v, %v", s.StrayJobs, s.UntaggedCFS)
	}
}

// A ConfigMap that only a person's copy of a Job mounts does not become that session's.
func TestOnlyTrueJobsClaimConfigMaps(t *testing.T) {
	s := Join(Seen{
		SessionIDs: []string{idA}, Unlisted: Absent,
		Jobs:       []Job{{Name: "copy", Session: idA, ConfigMap: idC, Fault: "made by a person"}},
		ConfigMaps: []ConfigMap{{Name: idC}},
	})
	if g := groupsOf(s)[idC]; g == nil {
		t.Error("the ConfigMap went to the session that a copied Job names")
	}
}

func TestWhatIsNotListedIsUnknownWithoutACompleteList(t *testing.T) {
	s := Join(Seen{Jobs: []Job{{Name: "boa-x", Session: idA}}})
	if got := s.Groups[0].Listed; got != Unknown {
		t.Errorf("listed: %v", got)
	}
}

func TestPodsWithoutJob(t *testing.T) {
	seen := Seen{
		Jobs: []Job{{Name: "boa-1"}},
		Pods: []Pod{
			{Name: "d", Over: true},
			{Name: "c", Job: "boa-2"},
			{Name: "b", Job: "boa-2", Over: true},
			{Name: "a", Job: "boa-1", Over: true},
		},
		Evidence: Evidence{Jobs: true, Pods: true},
	}
	if got := seen.PodsWithoutJob(); !slices.Equal(got, []string{"b", "d"}) {
		t.Errorf("%q", got)
	}
	seen.Evidence.Jobs = false
	if got := seen.PodsWithoutJob(); got != nil {
		t.Errorf("%q, although the Jobs were not all read", got)
	}
}
