package lab_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"bosgc/internal/lab"
)

func newHistory(t *testing.T, options lab.HistoryOptions) *lab.World {
	t.Helper()
	world, err := lab.NewHistory(options)
	if err != nil {
		t.Fatal(err)
	}
	return world
}

func TestSameSeedSameHistory(t *testing.T) {
	forProfiles(t, func(t *testing.T, csm string) {
		options := lab.HistoryOptions{CSM: csm, Seed: 4, Sessions: 20, Now: someDay}
		one, two := newHistory(t, options), newHistory(t, options)
		if !reflect.DeepEqual(one, two) {
			t.Error("the same seed, another past")
		}
		options.Seed = 5
		if reflect.DeepEqual(one.Links(), newHistory(t, options).Links()) {
			t.Error("another seed, the same past")
		}
	})
}

// A history must have everything that makes linking hard. Otherwise a benchmark of linking measures nothing.
func TestHistoryMakesLinkingHard(t *testing.T) {
	count := map[string]int{}
	for seed := range uint64(6) {
		server, err := lab.Start(newHistory(t, lab.HistoryOptions{CSM: "1.5", Seed: seed, Now: someDay}), lab.ServerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		links := server.World.Links()
		for _, session := range server.CFS.Sessions() {
			link, ok := links[session.Name]
			if !ok {
				t.Fatalf("no truth of %s", session.Name)
			}
			tag := session.Tags["bos_session"]
			isOwner := slices.ContainsFunc(link.Owners, func(o lab.Owner) bool { return o.ID == tag })
			if tag != "" && !isOwner && (len(link.Owners) > 0 || !link.ByOthers) {
				t.Errorf("%s has the tag %s, and is of %+v", session.Name, tag, link)
			}
			for what, is := range map[string]bool{
				"tagged with its owner": tag != "" && isOwner, "tagged with another": tag != "" && !isOwner,
				"its tag lost":        tag == "" && len(link.Owners) > 0,
				"its tag lost, known": tag == "" && len(link.Owners) > 0 && link.Known,
				"of several":          len(link.Owners) > 1, "not known": !link.Known, "nobody's": len(link.Owners) == 0,
				"partly nobody's": link.ByOthers && len(link.Owners) > 0, "failed": session.Succeeded == "false",
				"of v2": slices.ContainsFunc(link.Owners, func(o lab.Owner) bool { return o.V2 }),
				"image": session.Definition == "image",
				"after its session's end": len(link.Owners) == 1 &&
					afterEnd(t, server, link.Owners[0].ID, session.Start),
			} {
				if is {
					count[what]++
				} else {
					count[what] += 0
				}
			}
		}
		jobs := server.Kube.Names("jobs", lab.Namespace)
		if len(server.BOS.IDs()) < 15 || len(server.BOS.V2Sessions()) < 2 || len(jobs) == 0 {
			t.Errorf("%d sessions", len(server.BOS.IDs()))
		}
		count["ghosts"] += len(server.BOS.Ghosts())
	}
	for what, n := range count {
		t.Logf("%-25s %d", what, n)
		if n == 0 {
			t.Errorf("no CFS session is %s", what)
		}
	}
}

func afterEnd(t *testing.T, server *lab.Server, id string, start any) bool {
	t.Helper()
	stop, ok := server.BOS.Stop(id).(string)
	if !ok {
		return false
	}
	end, err := time.Parse("2006-01-02 15:04:05", stop[:19])
	began, err2 := time.Parse("2006-01-02T15:04:05", start.(string))
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	return began.After(end)
}

func BenchmarkHistory(b *testing.B) {
	for n := range b.N {
		if _, err := lab.NewHistory(lab.HistoryOptions{CSM: "1.5", Seed: uint64(n), Now: someDay}); err != nil {
			b.Fatal(err)
		}
	}
}
