package bos_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"bosgc/internal/bos"
	"bosgc/internal/inventory"
	"bosgc/internal/lab"
	"bosgc/internal/transport"
)

func startLab(t *testing.T, csm string, sessions int) (*lab.World, *lab.Server, *bos.Client) {
	t.Helper()
	world, err := lab.NewWorld(lab.Options{CSM: csm, Seed: 3, Sessions: sessions})
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
	return world, server, bos.New(toBOS, 10*time.Second)
}

// On every release, what the client returns for each session agrees with what the simulated BOS holds.
func TestEveryRelease(t *testing.T) {
	for _, csm := range lab.Profiles() {
		t.Run("CSM "+csm, func(t *testing.T) {
			t.Parallel()
			world, server, client := startLab(t, csm, 400)
			ctx := t.Context()
			ids, err := client.List(ctx)
			if !world.Profile.BOSv1 {
				if !errors.Is(err, bos.ErrNoV1) {
					t.Errorf("list: %v, want ErrNoV1", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(ids, server.BOS.IDs()) {
				t.Errorf("%d sessions listed, BOS has %d", len(ids), len(server.BOS.IDs()))
			}
			checkRecords(ctx, t, client, server, ids)
		})
	}
}

func checkRecords(ctx context.Context, t *testing.T, client *bos.Client, server *lab.Server, ids []string) {
	t.Helper()
	ghosts, broken, phases, timed := 0, 0, 0, 0
	for _, id := range ids {
		record, err := client.Get(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case record.Presence == inventory.Absent:
			ghosts++
			continue
		case record.Broken:
			broken++
			continue
		case record.Template == "" || record.Operation == "":
			t.Errorf("%s: %+v", id, record)
		}
		if record.Start.Known() && record.Stop.Known() {
			timed++
		}
		for _, set := range []string{"compute", "uan"} {
			status, err := client.BootSetStatus(ctx, id, set)
			if err != nil {
				t.Fatal(err)
			}
			phases += len(status.Phases)
		}
	}
	if ghosts == 0 || broken == 0 || phases == 0 || timed == 0 {
		t.Errorf("%d ghosts, %d broken records, %d phases, %d sessions with both times: none of these should be 0",
			ghosts, broken, phases, timed)
	}
	for _, want := range []bool{true, false} {
		if existed, err := client.Delete(ctx, ids[0]); err != nil || existed != want {
			t.Errorf("delete: existed %v, error %v, want %v", existed, err, want)
		}
	}
	if slices.Contains(server.BOS.IDs(), ids[0]) {
		t.Error("the deleted session is still there")
	}
	presence, err := client.V2Session(ctx, ids[0])
	if err != nil || presence != inventory.Absent {
		t.Errorf("BOS v2: %v, error %v", presence, err)
	}
}
