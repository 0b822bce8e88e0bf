package bos_test

import (
	"slices"
	"testing"
	"time"

	"bosgc/internal/bos"
	"bosgc/internal/inventory"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simbos"
	"bosgc/internal/transport"
)

func TestNodesOnEveryRelease(t *testing.T) {
	const one, other = "5a0df9d1-2c3b-4f5e-8a9b-0123456789ab", "6a0df9d1-2c3b-4f5e-8a9b-0123456789ab"
	for _, csm := range lab.Profiles() {
		t.Run("CSM "+csm, func(t *testing.T) {
			t.Parallel()
			world, err := lab.NewWorld(lab.Options{CSM: csm, Seed: 3, Sessions: 1})
			if err != nil {
				t.Fatal(err)
			}
			server, err := lab.Start(world, lab.ServerOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Close() })
			toBOS, err := transport.New(server.URL("bos"), transport.Options{RequestTimeout: 10 * time.Second, Concurrency: 2})
			if err != nil {
				t.Fatal(err)
			}
			for _, operation := range []string{"boot", "reboot", "configure", "shutdown"} {
				server.BOS.Add(simbos.Session{
					ID: one, Template: "t", Operation: operation, Start: "2023-06-23 20:57:34", Stop: "2023-06-23 21:24:14",
					BootSets: []simbos.BootSet{{Name: "compute", Nodes: []string{"x3", "x1", "x2"}, Failed: 1}},
				})
				server.BOS.Add(simbos.Session{ID: other, Broken: true})
				client, want := bos.New(toBOS, 10*time.Second), inventory.Present
				if !world.Profile.BOSv1 {
					want = inventory.Unknown // a path that nobody serves says nothing of a session
				}
				nodes, presence, err := client.Nodes(t.Context(), one, "compute")
				if presence != want || (err == nil) != (want == inventory.Present) || err == nil && !slices.Equal(nodes, []string{"x1", "x2", "x3"}) {
					t.Errorf("%s: %q, %v, %v", operation, nodes, presence, err)
				}
				for session, set := range map[string]string{one: "uan", other: "compute"} {
					if nodes, presence, err := client.Nodes(t.Context(), session, set); presence == inventory.Present || nodes != nil || (err == nil) != (presence == inventory.Absent) {
						t.Errorf("%s: %q, %v, %v", set, nodes, presence, err)
					}
				}
			}
		})
	}
}
