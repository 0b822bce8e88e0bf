package lab_test

import (
	"bytes"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/internal/lab"
)

var someDay = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t *testing.T, options lab.Options) *lab.World {
	t.Helper()
	world, err := lab.NewWorld(options)
	if err != nil {
		t.Fatal(err)
	}
	return world
}

func start(t *testing.T, options lab.Options, serve lab.ServerOptions) *lab.Server {
	t.Helper()
	server, err := lab.Start(newWorld(t, options), serve)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func forProfiles(t *testing.T, test func(t *testing.T, csm string)) {
	t.Helper()
	for _, csm := range lab.Profiles() {
		t.Run(csm, func(t *testing.T) {
			t.Parallel()
			test(t, csm)
		})
	}
}

func TestSameSeedSameWorld(t *testing.T) {
	forProfiles(t, func(t *testing.T, csm string) {
		options := lab.Options{CSM: csm, Seed: 7, Sessions: 120, Now: someDay}
		one, two := newWorld(t, options), newWorld(t, options)
		if !reflect.DeepEqual(one, two) {
			t.Error("the same seed, another world")
		}
		options.Seed = 8
		if bytes.Equal(one.TruthDocument(), newWorld(t, options).TruthDocument()) {
			t.Error("another seed, the same world")
		}
	})
}

func TestEveryStoryIsTold(t *testing.T) {
	forProfiles(t, func(t *testing.T, csm string) {
		names, err := lab.Stories(csm)
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]bool{}
		for _, o := range newWorld(t, lab.Options{CSM: csm, Seed: 9, Sessions: 300, Now: someDay}).Truth() {
			told[o.Story] = true
		}
		for _, name := range names {
			if !told[name] {
				t.Errorf("story %s is never told", name)
			}
		}
	})
}

var (
	sessionID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	reasons   = regexp.MustCompile(`^(delete (completed-expired|failed-expired|abandoned|ghost|` +
		`owner-collected|cfs-expired)|` +
		`keep (running|too-young|kept-last|kept-by-rule|not-ours|in-use|awaiting-confirmation|terminating|owner-kept|foreign)|` +
		`unknown (bad-data|clock-skew))$`)
)

// isJudged reports whether a plan lists an object, by its name.
func isJudged(o lab.Object) bool {
	switch o.Kind {
	case lab.KindJob:
		return strings.HasPrefix(o.Name, "boa-")
	case lab.KindConfigMap:
		return sessionID.MatchString(o.Name)
	}
	return true
}

func TestTruthCoversExactlyWhatIsJudged(t *testing.T) {
	forProfiles(t, func(t *testing.T, csm string) {
		server := start(t, lab.Options{CSM: csm, Seed: 3, Sessions: 150}, lab.ServerOptions{})
		told := map[lab.Object]bool{}
		for _, o := range server.World.Truth() {
			if !reasons.MatchString(o.Verdict + " " + o.Reason) {
				t.Errorf("%s %s (%s): no such verdict: %s %s", o.Kind, o.Name, o.Story, o.Verdict, o.Reason)
			}
			thing := lab.Object{Kind: o.Kind, Name: o.Name}
			if told[thing] {
				t.Errorf("%s %s is told twice", o.Kind, o.Name)
			}
			told[thing] = true
		}
		for _, o := range server.Objects() {
			if isJudged(o) && !told[o] {
				t.Errorf("%s %s has no truth", o.Kind, o.Name)
			}
			delete(told, o)
		}
		for o := range told {
			t.Errorf("%s %s is told, but does not exist", o.Kind, o.Name)
		}
	})
}

func TestOneOfEachTemplateIsKept(t *testing.T) {
	world := newWorld(t, lab.Options{CSM: "1.0", Seed: 1, Sessions: 3, Now: someDay, Only: []string{"kept-newest-of-tie"}})
	var kept, gone []string
	for _, o := range world.Truth() {
		if o.Kind != lab.KindSession {
			continue
		}
		if o.Goes() {
			gone = append(gone, o.Name)
		} else {
			kept = append(kept, o.Name)
		}
	}
	if len(kept) != 3 || len(gone) != 6 {
		t.Fatalf("three ties of three: kept %d, gone %d", len(kept), len(gone))
	}
	if slices.Max(kept) < slices.Max(gone) {
		t.Error("of equal ends, the greatest ID is the newest")
	}
}

// The content of a ConfigMap does not matter while its session is kept.
func TestBodyCountsOnlyForWhatWouldGo(t *testing.T) {
	options := lab.Options{CSM: "1.4", Seed: 1, Sessions: 30, Now: someDay, Only: []string{"configmap-two-keys"}}
	session := map[string]string{}
	for _, o := range newWorld(t, options).Truth() {
		switch o.Kind {
		case lab.KindConfigMap:
			session[o.Name] += " " + o.Reason
		case lab.KindSession:
			session[o.Name] += o.Reason
		}
	}
	seen := map[string]int{}
	for _, reasons := range session {
		seen[reasons]++
	}
	if len(seen) != 2 {
		t.Errorf("not both of the two cases: %v", seen)
	}
	for reasons := range seen {
		if !slices.Contains([]string{" not-ourscompleted-expired", " owner-keptkept-last"}, reasons) {
			t.Errorf("ConfigMap and session: %s", reasons)
		}
	}
}

func TestListStaysBelowItsLimit(t *testing.T) {
	for _, sessions := range []int{0, 40, 3000} {
		server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: sessions, Nodes: 600}, lab.ServerOptions{})
		if size := server.BOS.ListBytes(); size > 4<<20*3/4 {
			t.Errorf("%d sessions: the list has %d bytes", sessions, size)
		}
	}
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 10, ListBytes: 5 << 20}, lab.ServerOptions{})
	if size := server.BOS.ListBytes(); size < 5<<20*9/10 {
		t.Errorf("asked for 5 MiB, the list has %d bytes", size)
	}
}

func TestBadOptions(t *testing.T) {
	if _, err := lab.NewWorld(lab.Options{CSM: "2.0"}); err == nil {
		t.Error("no such release")
	}
	if _, err := lab.NewWorld(lab.Options{CSM: "1.4", Only: []string{"nonsense"}}); err == nil {
		t.Error("no such story")
	}
}
