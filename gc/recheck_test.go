package gc

import (
	"testing"

	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/policy"
)

// A ConfigMap that another session's Job mounts is that one's, as long as it does. Then it is its own session's again:
// it has what keeps that, and is what still tells of it.
func TestAConfigMapIsNotForgottenWhileItIsAnothers(t *testing.T) {
	const a, b = "aaaaaaaa-0000-4000-8000-000000000000", "bbbbbbbb-0000-4000-8000-000000000000"
	w := &collect.World{Judge: policy.NewJudge(&inventory.Snapshot{}, policy.Settings{}, inventory.Stamp{}.At(), policy.Memory{})}
	w.Seen = inventory.Seen{
		Unlisted: inventory.Absent, ConfigMaps: []inventory.ConfigMap{{Name: a, UID: "uid", Body: inventory.BodyExact}},
		CFS: []inventory.CFSSession{{Name: "batcher-1", Tag: a}},
	}
	w.Snapshot = inventory.Join(w.Seen)
	w.Snapshot.Groups[0].Record = inventory.Record{Presence: inventory.Present, Template: "compute"}
	l := newRechecker(collect.Clients{}, w, []Object{{Kind: policy.ConfigMap, Name: a, Session: a, Verdict: policy.Delete}})
	if g := l.groups[a]; g == nil {
		t.Fatal("the session of which something is to be deleted is not rechecked")
	}
	mounts := kube.Listing{Jobs: []inventory.Job{{Name: "boa-" + b, Session: b, ConfigMap: a}}}
	for i, tt := range []struct {
		jobs  kube.Listing
		owner string
	}{{kube.Listing{}, a}, {mounts, b}, {mounts, b}, {kube.Listing{}, a}} {
		l.groups = l.join(tt.jobs, kube.Listing{}, kube.Listing{})
		for _, id := range []string{a, b} {
			want := 0
			if id == tt.owner {
				want = 1
			}
			var cms []inventory.ConfigMap
			if g := l.groups[id]; g != nil {
				cms, _ = g.ConfigMaps()
			}
			if len(cms) != want || want == 1 && (cms[0].UID != "uid" || cms[0].Body != inventory.BodyExact) {
				t.Errorf("list %d: session %.8s has the ConfigMaps %+v; expected %d", i, id, cms, want)
			}
		}
		if g := l.groups[a]; g == nil || g.Record.Template != "compute" || len(g.CFS) != 1 {
			t.Errorf("list %d: of session %.8s is known %+v", i, a, g)
		}
	}
}
