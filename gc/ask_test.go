package gc_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/bos"
	"bosgc/internal/cfs"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/kubeconfig"
	"bosgc/internal/lab"
	"bosgc/internal/progress"
	"bosgc/internal/transport"
	"bosgc/policy"
)

// BOS is not asked for sessions that Kubernetes decides about, and the plan is the same as if it had been asked for
// all.
func TestAPlanIsTheSameIfBOSIsAskedForAll(t *testing.T) {
	for _, csm := range []string{"1.0", "1.4", "1.5"} {
		for keepLast := range 2 {
			t.Run(fmt.Sprintf("CSM %s, BOSGC_KEEP_LAST=%d", csm, keepLast), func(t *testing.T) {
				t.Parallel()
				world, err := lab.NewWorld(lab.Options{CSM: csm, Seed: uint64(40 + keepLast), Sessions: 200})
				if err != nil {
					t.Fatal(err)
				}
				settings := usual
				settings.KeepLast = keepLast
				some, asked := planned(t, world, settings, false)
				all, askedAll := planned(t, world, settings, true)
				// Where a template has come out of use, all that are young are asked for, and a few whose Jobs tell of a boot.
				if asked > askedAll+10*keepLast || asked == askedAll && keepLast == 0 {
					t.Errorf("BOS was asked %d times, and %d times for all: this test shows nothing", asked, askedAll)
				}
				t.Logf("BOS was asked %d times, and %d times for all", asked, askedAll)
				if len(some) != len(all) {
					t.Errorf("%d objects, and %d if BOS is asked for all", len(some), len(all))
				}
				for object, is := range some {
					if all[object] != is {
						t.Errorf("%s: %s, but %s if BOS is asked for all", object, is, all[object])
					}
				}
			})
		}
	}
}

// Where nothing goes, nobody's place among the newest matters, and nobody is asked.
func TestWhereNothingGoesBOSIsAskedForItsListAlone(t *testing.T) {
	world, err := lab.NewBulk(lab.BulkOptions{CSM: "1.4", Seed: 1, Sessions: 300, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	settings := usual
	settings.KeepLast = 1
	// Besides the list: whether there is a BOS v1, and a few that tell how large its list may be.
	if objects, asked := planned(t, world, settings, false); asked > 20 || len(objects) < 300 {
		t.Errorf("BOS was asked %d times for a plan of %d objects", asked, len(objects))
	}
}

// That all the old sessions that were asked for are broken says nothing of BOS, if it reads those that were spared.
func TestSessionsThatAreBrokenForLong(t *testing.T) {
	failing := []lab.Fault{{Kind: lab.FaultStatus, Status: 500, System: "bos", Method: "GET", Path: "/v1/session/."}}
	for _, tt := range []struct {
		stories string
		faults  []lab.Fault
		want    bool
	}{
		{"record-broken finished-recently", nil, true},
		{"record-broken", nil, true}, // BOS answers 404 for an ID that does not exist
		{"record-broken", failing, false},
	} {
		stories, want := tt.stories, tt.want
		world, err := lab.NewWorld(lab.Options{CSM: "1.4", Seed: 3, Sessions: 30, Only: strings.Fields(stories)})
		if err != nil {
			t.Fatal(err)
		}
		server, err := lab.Start(world, lab.ServerOptions{Faults: tt.faults})
		if err != nil {
			t.Fatal(err)
		}
		plan, err := gc.MakePlan(t.Context(), systemsOf(t, server), gc.Run{ID: "a", Options: collect.Options{Clock: time.Now, ReadTimeout: time.Minute, Settings: usual}})
		if err != nil {
			t.Fatal(err)
		}
		if complete := plan.Sources[0].Complete; plan.Sources[0].Name != inventory.SourceSessions || complete != want {
			t.Errorf("%s, %v: %+v, complete should be %v", stories, tt.faults, plan.Sources[0], want)
		}
		_ = server.Close()
	}
}

// usual are the settings' defaults, but for what a test sets.
var usual = policy.Settings{
	SessionTTL: 168 * time.Hour, FailedTTL: 336 * time.Hour, AbandonedTTL: 336 * time.Hour, OrphanGrace: 24 * time.Hour,
	OrphanSightings: 2, MaxOrphanPercent: 50, CFS: policy.CFSOld, CFSTTL: 168 * time.Hour, CFSLink: policy.LinkExact,
}

// planned gives the verdicts of a plan, and how often BOS was asked for it.
func planned(t *testing.T, world *lab.World, settings policy.Settings, askAll bool) (verdicts map[string]string, asked int) {
	t.Helper()
	server, err := lab.Start(world, lab.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	plan, err := gc.MakePlan(t.Context(), systemsOf(t, server), gc.Run{ID: "a", Options: collect.Options{Clock: time.Now, ReadTimeout: time.Minute, Settings: settings, AskEverySession: askAll}})
	if err != nil {
		t.Fatal(err)
	}
	verdicts = map[string]string{}
	for _, o := range plan.Objects {
		verdicts[string(o.Kind)+" "+o.Name] = string(o.Verdict) + " " + string(o.Reason)
	}
	for _, r := range server.Requests() {
		if r.System == "bos" {
			asked++
		}
	}
	return verdicts, asked
}

func systemsOf(t *testing.T, server *lab.Server) collect.Clients {
	t.Helper()
	config, err := kubeconfig.Load(server.Kubeconfig(), "")
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := kube.New(config, kube.Options{Namespace: lab.Namespace, Concurrency: 8, RequestTimeout: time.Minute, ListTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	client := func(url string) *transport.Client {
		c, err := transport.New(url, transport.Options{RequestTimeout: time.Minute, Concurrency: 4})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	return collect.Clients{
		BOS: bos.New(client(server.URL("bos")), time.Minute), CFS: cfs.New(client(server.URL("cfs")), time.Minute), Kube: cluster,
		Reporter: progress.Reporter{Log: slog.New(slog.DiscardHandler)}, BOSConcurrency: 4, KubeConcurrency: 8,
	}
}
