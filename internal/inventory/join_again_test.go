package inventory

import (
	"reflect"
	"slices"
	"testing"
)

// What was seen is joined before BOS's list is known, after that, and again before deletes: an earlier join must not
// change the result of a later one.
func TestJoiningAgainSaysTheSame(t *testing.T) {
	seen := func() Seen {
		return Seen{
			SessionIDs: []string{idB}, Unlisted: Absent,
			Jobs: []Job{
				{Name: "boa-1", Session: idC, ConfigMap: idA}, // both mount what is named like a third session
				{Name: "boa-2", Session: idB, ConfigMap: idA},
				{Name: "boa-3", Session: idA, ConfigMap: idB},
			},
			Pods:       []Pod{{Name: "p2", Job: "boa-3"}, {Name: "p1", Session: idC}, {Name: "p3", Job: "boa-1"}},
			ConfigMaps: []ConfigMap{{Name: idA}, {Name: idB}},
			References: []Reference{
				{ConfigMap: idA, Kind: "Job", Name: "boa-1", Session: idC},
				{ConfigMap: idA, Kind: "Job", Name: "boa-2", Session: idB},
				{ConfigMap: idB, Kind: "Job", Name: "boa-3", Session: idA},
			},
			CFS: []CFSSession{{Name: "c1", Tag: idC}, {Name: "c2"}, {Name: "c3", Tag: idA}},
		}
	}
	want := Join(seen())
	cms, _ := groupsOf(want)[idB].ConfigMaps()
	names := []string{cms[0].Name, cms[1].Name}
	if !slices.Equal(names, []string{idA, idB}) || cms[0].User != "Job boa-1" {
		t.Fatalf("%+v: the last Job by name says whose it is", cms)
	}
	again := seen()
	early := again
	early.SessionIDs = nil
	Join(early)
	for range 2 {
		if got := Join(again); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v\nwant\n%+v", got, want)
		}
	}
}
