package bos_test

import (
	"slices"
	"testing"

	"bosgc/internal/bos"
	"bosgc/internal/inventory"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simbos"
)

func TestNodesOnEveryRelease(t *testing.T) {
	for _, csm := range lab.Profiles() {
		t.Run("CSM "+csm, func(t *testing.T) {
			t.Parallel()
			world, server, client := startLab(t, csm, 1)
			for _, operation := range []string{"boot", "reboot", "configure", "shutdown"} {
				checkNodes(t, server, client, operation, world.Profile.BOSv1)
			}
		})
	}
}

func checkNodes(t *testing.T, server *lab.Server, client *bos.Client, operation string, hasV1 bool) {
	t.Helper()
	const whole, broken = "5a0df9d1-2c3b-4f5e-8a9b-0123456789ab", "6a0df9d1-2c3b-4f5e-8a9b-0123456789ab"
	server.BOS.Add(simbos.Session{
		ID: whole, Template: "t", Operation: operation, Start: "2023-06-23 20:57:34", Stop: "2023-06-23 21:24:14",
		BootSets: []simbos.BootSet{{Name: "compute", Nodes: []string{"x3", "x1", "x2"}, Failed: 1}},
	})
	server.BOS.Add(simbos.Session{ID: broken, Broken: true})

	want, wantNodes := inventory.Present, []string{"x1", "x2", "x3"}
	if !hasV1 {
		want, wantNodes = inventory.Unknown, nil // a missing route says nothing about a session
	}
	nodes, presence, err := client.Nodes(t.Context(), whole, "compute")
	if presence != want || (err == nil) != hasV1 || !slices.Equal(nodes, wantNodes) {
		t.Errorf("%s: %q, %v, %v", operation, nodes, presence, err)
	}
	for session, set := range map[string]string{whole: "uan", broken: "compute"} {
		nodes, presence, err := client.Nodes(t.Context(), session, set)
		if presence == inventory.Present || nodes != nil || (err == nil) != (presence == inventory.Absent) {
			t.Errorf("%s, boot set %s: %q, %v, %v", operation, set, nodes, presence, err)
		}
	}
}
