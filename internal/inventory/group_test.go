package inventory

import (
	"reflect"
	"testing"
)

// What is learnt about a session must not change a group that somebody has judged or still reads.
func TestGroupIsCopiedNotChanged(t *testing.T) {
	s := Join(Seen{
		SessionIDs: []string{idA, idB}, Jobs: []Job{{Name: "boa-x", Session: idB}},
		ConfigMaps: []ConfigMap{{Name: idB}},
		Pods:       []Pod{{Name: "p", Session: idB}}, CFS: []CFSSession{{Name: "c", Tag: idB}},
	})
	before := s.Groups[1]
	was := *before
	record := Record{Presence: Present, Template: "compute"}
	for name, copied := range map[string]*Group{
		"record":     before.WithRecord(record),
		"listed":     before.WithListed(Absent),
		"v2":         before.WithV2(Present),
		"CFS":        before.WithCFS(nil),
		"ConfigMaps": before.WithConfigMaps([]ConfigMap{{Name: idC}}),
		"live":       before.WithLive(nil, nil, record),
	} {
		if !reflect.DeepEqual(*before, was) {
			t.Fatalf("%s: the group has changed: %+v", name, before)
		}
		if reflect.DeepEqual(*copied, was) {
			t.Errorf("%s: the copy is the same as before", name)
		}
		s.Replace(copied)
		if s.Groups[1] != copied || s.Groups[0].ID != idA {
			t.Errorf("%s: the copy has not taken the place of the group", name)
		}
	}
	s.Replace(&Group{ID: idC})
	s.Replace(&Group{ID: idA + "0"}) // would be between the two
	if len(s.Groups) != 2 || s.Groups[0].ID != idA || s.Groups[1].ID != idB {
		t.Errorf("a group that was not there has taken a place: %v", s.Groups)
	}
}

// A snapshot stays as it is when the lists that it was joined from are written to.
func TestSnapshotSharesNothingWithWhatWasSeen(t *testing.T) {
	seen := Seen{
		SessionIDs: []string{idA}, Jobs: []Job{{Name: "boa-x", Session: idA}, {Name: "boa-y"}},
		Pods:       []Pod{{Name: "p", Session: idA}},
		ConfigMaps: []ConfigMap{{Name: idA}}, CFS: []CFSSession{{Name: "c", Tag: idA}, {Name: "d"}},
	}
	s, want := Join(seen), Join(seen)
	seen.Jobs[0].Name, seen.Jobs[1].Name, seen.Pods[0].Name = "x", "x", "x"
	seen.ConfigMaps[0].User, seen.CFS[0].Limit, seen.CFS[1].Limit = "x", "x", "x"
	if !reflect.DeepEqual(s, want) {
		t.Errorf("the snapshot is now %+v", s)
	}
}
