package inventory

import (
	"fmt"
	"testing"
	"time"
)

// What two systems name shows that they are of one CSM, in every direction; what only one names shows nothing.
func TestTiesOfEveryKind(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago := func(days int) Stamp { return KnownStamp(now.Add(-time.Duration(days) * 24 * time.Hour)) }
	id := func(n int) string { return fmt.Sprintf("%08d-0000-4000-8000-000000000000", n) }
	ended := func(days int) Record { return Record{Presence: Present, Start: ago(days), Stop: ago(days)} }
	base := Group{Listed: Absent, V1: Present, evidence: Evidence{Jobs: true, Pods: true, ConfigMaps: true, CronJobs: true}}
	bos := func(n, days int) *Group {
		g := base
		g.ID, g.Listed, g.Record = id(n), Present, ended(days)
		return &g
	}
	bare := func(n int) *Group { g := base; g.ID = id(n); return &g }
	configMap := func(g *Group, days int) *Group {
		return g.WithConfigMaps([]ConfigMap{{Name: g.ID, Created: ago(days)}})
	}
	tagged := func(g *Group) *Group { return g.WithCFS([]CFSSession{{Name: "c", Tag: g.ID}}) }
	removed := func(g *Group) *Group { fresh := *g; fresh.V1 = Absent; return &fresh }
	running := func(g *Group) *Group {
		return g.WithLive([]Job{{Name: "boa-" + g.ID, Session: g.ID, Created: ago(40)}}, nil, g.Record)
	}
	unlisted := func(g *Group) *Group { return g.WithListed(Unknown) }
	here := TieEvidence{CA: true}
	for _, tt := range []struct {
		name                string
		groups              []*Group
		with                TieEvidence
		kube, cfs, untraced bool
	}{
		{"nothing anywhere", nil, TieEvidence{CA: true, Components: map[string]Presence{}}, false, true, true},
		{"a session of BOS's has a ConfigMap", []*Group{configMap(bos(1, 9), 9)}, here, true, false, false},
		{
			"BOS and Kubernetes name different sessions",
			[]*Group{bos(1, 40), configMap(bare(2), 9)},
			here,
			false, false, false,
		},
		{"BOS lists none", []*Group{configMap(bare(2), 9)}, here, false, false, false},
		{
			"BOS lists none, and Kubernetes and CFS know each other: BOS may be wrong",
			[]*Group{tagged(configMap(bare(2), 9))},
			here, false, false, false,
		},
		{
			"CFS shares a session with each of the two",
			[]*Group{tagged(bos(1, 9)), tagged(configMap(bare(2), 9))},
			here, true, true, false,
		},
		{"CFS knows a session of BOS's", []*Group{tagged(configMap(bos(1, 9), 9))}, here, true, true, false},
		{
			"CFS knows one of Kubernetes's, which is BOS's place",
			[]*Group{configMap(bos(1, 9), 9), tagged(configMap(bare(2), 9))},
			here, true, true, false,
		},
		{"CFS knows only others", []*Group{configMap(bos(1, 9), 9), tagged(bare(3))}, here, true, false, false},
		{
			"CFS knows only others, and BOS v2 has one",
			[]*Group{configMap(bos(1, 9), 9), tagged(bare(3)).WithV2(Present)},
			here, true, true, false,
		},
		{
			"a component has the tag of a session of BOS's",
			[]*Group{configMap(bos(1, 9), 9), tagged(bare(3))},
			TieEvidence{CA: true, Components: map[string]Presence{id(1): Absent}},
			true, true, false,
		},
		{
			"no component has the tag of one",
			[]*Group{configMap(bos(1, 9), 9)},
			TieEvidence{CA: true, Components: map[string]Presence{id(7): Absent}},
			true, false, false,
		},
		{
			"no session has ever used CFS",
			[]*Group{configMap(bos(1, 9), 9)},
			TieEvidence{CA: true, Components: map[string]Presence{}},
			true, true, false,
		},
		{
			"BOS and Kubernetes contradict each other: CFS is not believed either",
			[]*Group{tagged(bos(1, 40)), configMap(bare(2), 9)},
			here, false, false, false,
		},
		{
			"BOS's list cannot be had: CFS and Kubernetes know each other",
			[]*Group{unlisted(tagged(configMap(bare(2), 9)))},
			here, false, true, false,
		},
		{"only old records", []*Group{bos(1, 40), bos(2, 8)}, here, false, false, true},
		{"a record so young that it must have a ConfigMap", []*Group{bos(1, 40), bos(2, 6)}, here, false, false, false},
		{"only old records, in a namespace without the CA", []*Group{bos(1, 40)}, TieEvidence{}, false, false, false},
		{
			"a session of BOS's has a ConfigMap, and the CA is elsewhere",
			[]*Group{configMap(bos(1, 9), 9)},
			TieEvidence{},
			true, false, false,
		},
		{
			"BOS v1 has been removed, and bosgc is in the same cluster",
			[]*Group{removed(configMap(bare(1), 9))},
			TieEvidence{CA: true, SameCluster: true},
			true, false, false,
		},
		{
			"BOS v1 has been removed: so it has in any other system of that release",
			[]*Group{removed(configMap(bare(1), 9))},
			here, false, false, false,
		},
		{
			"BOS v1 has been removed, and CFS knows sessions of both",
			[]*Group{removed(tagged(configMap(bare(1), 9))), removed(tagged(bare(2)).WithV2(Present))},
			here, true, true, false,
		},
		{"BOS v1 has been removed, and something is young", []*Group{removed(configMap(bare(1), 0))}, TieEvidence{CA: true, SameCluster: true}, false, false, false},
		{"BOS v1 has been removed, and something runs", []*Group{removed(running(bare(1)))}, TieEvidence{CA: true, SameCluster: true}, false, false, false},
		{
			"BOS v1 has been removed, and its chart is here",
			[]*Group{removed(configMap(bare(1), 9))},
			TieEvidence{CA: true, JobTemplate: true, SameCluster: true},
			false, false, false,
		},
		{"BOS v1 has been removed, without the CA", []*Group{removed(configMap(bare(1), 9))}, TieEvidence{SameCluster: true}, false, false, false},
		{
			"BOS v1 has been removed: Kubernetes does not show whose CFS that is",
			[]*Group{removed(tagged(configMap(bare(1), 9)))},
			TieEvidence{CA: true, SameCluster: true},
			true, false, false,
		},
		{
			"BOS v1 has been removed, and v2 has a session that CFS names",
			[]*Group{removed(tagged(bare(1)).WithV2(Present))},
			TieEvidence{CA: true, SameCluster: true},
			true, true, false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.with.Now, tt.with.Grace = now, 24*time.Hour
			got := FindTies(&Snapshot{Groups: tt.groups}, tt.with)
			if got.Kubernetes.Shown != tt.kube || got.CFS.Shown != tt.cfs || got.Untraced != tt.untraced {
				t.Errorf("%+v, want %v, %v, %v", got, tt.kube, tt.cfs, tt.untraced)
			}
			for _, tie := range []Tie{got.Kubernetes, got.CFS} {
				if tie.Shown == (tie.Doubt != "") {
					t.Errorf("%+v", tie)
				}
			}
		})
	}
}
