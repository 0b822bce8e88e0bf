package inventory

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// Whatever is kept side by side reads as before.
func TestFoldChangesNothing(t *testing.T) {
	seen := func() Seen {
		var s Seen
		for i := range 3000 {
			id := fmt.Sprintf("5a0df9d1-2c3b-4f5e-8a9b-%012d", i)
			s.SessionIDs = append(s.SessionIDs, id)
			s.ConfigMaps = append(s.ConfigMaps, ConfigMap{Name: id, UID: "uid-" + id, ResourceVersion: fmt.Sprint(i), Fault: "fault"})
			s.Jobs = append(s.Jobs, Job{Name: "boa-" + id, UID: "job-" + id, ResourceVersion: "7", Session: id, ConfigMap: id, Template: "compute"})
			s.Pods = append(s.Pods, Pod{Name: "boa-" + id + "-x", Job: "boa-" + id, Session: id})
			s.CFS = append(s.CFS, CFSSession{Name: "batcher-" + id, Tag: id, Limit: "x1000c0s0b0n0"}, CFSSession{Name: strings.Repeat("n", i), Status: "complete"})
		}
		return s
	}
	folded, want := seen(), seen()
	folded.Fold()
	if !reflect.DeepEqual(folded, want) {
		t.Error("what was seen reads otherwise")
	}
	f := NewFolder(want.SessionIDs)
	for _, g := range Join(want).Groups {
		if got := f.Clone(g); !reflect.DeepEqual(got, g) {
			t.Fatalf("%+v reads %+v", g, got)
		}
	}
}

// Small texts amid what goes again must not each hold a piece of memory.
func TestTextsTakeWhatTheyAreLong(t *testing.T) {
	const n = 10_000
	source := strings.Repeat("5a0df9d1-2c3b-4f5e-8a9b-012345678901", 2)
	kept := make([]string, n)
	var texts Texts
	if pieces := testing.AllocsPerRun(1, func() {
		for i := range kept {
			kept[i] = texts.Keep(source[i%36 : i%36+36])
		}
	}); pieces > n*36/blockSize+1 {
		t.Errorf("%v pieces for %d bytes", pieces, n*36)
	}
	for i := range kept {
		if kept[i] != source[i%36:i%36+36] {
			t.Fatalf("%d reads %q", i, kept[i])
		}
	}
}
