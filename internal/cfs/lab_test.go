package cfs_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"bosgc/internal/inventory"
	"bosgc/internal/lab"
)

// Every release, with pages of two sizes.
func TestEveryRelease(t *testing.T) {
	for _, csm := range lab.Profiles() {
		for _, pageSize := range []int{3, 1000} {
			t.Run(fmt.Sprintf("CSM %s, pages of %d", csm, pageSize), func(t *testing.T) {
				t.Parallel()
				world, err := lab.NewWorld(lab.Options{CSM: csm, Seed: 3, Sessions: 100})
				if err != nil {
					t.Fatal(err)
				}
				server, err := lab.Start(world, lab.ServerOptions{PageSize: pageSize})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = server.Close() })
				client, ctx := client(t, server.URL("cfs"), options), t.Context()
				sessions, err := client.Sessions(ctx)
				if err != nil {
					t.Fatal(err)
				}
				tags, err := client.TaggedSessions(ctx)
				wanted := map[string]bool{}
				for _, c := range server.CFS.Components() {
					wanted[c.Tags["bos_session"]] = true
				}
				delete(wanted, "")
				if err != nil || !slices.Equal(tags, slices.Sorted(maps.Keys(wanted))) || len(tags) == 0 {
					t.Errorf("tags of components: %q, want %d; error %v", tags, len(wanted), err)
				}
				there := map[string]bool{}
				for _, o := range server.Objects() {
					if o.Kind == lab.KindCFSSession {
						there[o.Name] = true
					}
				}
				tagged, complete := 0, ""
				for _, c := range sessions {
					if !there[c.Name] {
						t.Errorf("%s is listed and is not there, or twice", c.Name)
					}
					delete(there, c.Name)
					if c.Tag != "" {
						tagged++
					}
					if c.Status == "complete" {
						complete = c.Name
					}
					one, presence, err := client.Session(ctx, c.Name)
					if err != nil || presence != inventory.Present || one != c {
						t.Errorf("%s by itself: %+v (%v, error %v), in the list: %+v", c.Name, one, presence, err, c)
					}
				}
				if len(there) > 0 || tagged == 0 {
					t.Errorf("not listed: %v; %d have a tag", there, tagged)
				}
				for _, want := range []bool{true, false} {
					if existed, err := client.Delete(ctx, complete); err != nil || existed != want {
						t.Errorf("delete: existed %v, error %v, want %v", existed, err, want)
					}
				}
				for _, danger := range server.Danger() {
					t.Error(danger)
				}
				for _, r := range server.Requests() {
					if r.System == "cfs" && world.Profile.CFSv3 && strings.HasPrefix(r.Path, "/v2/sessions") {
						t.Errorf("CSM %s was asked for %s", csm, r.Path)
					}
				}
			})
		}
	}
}
