package cfs_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"bosgc/internal/cfs"
	"bosgc/internal/inventory"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
)

func tagged(session string) map[string]string {
	return map[string]string{"bos_session": session, "a": "b"}
}

// addFleet adds n components of session s1 to CFS and returns their IDs.
func addFleet(server *lab.Server, n int) (ids []string) {
	for i := range n {
		id := fmt.Sprintf("x1000c0s%03db0n0", i)
		server.CFS.AddComponent(simcfs.Component{
			ID: id, DesiredConfig: "compute-1", Enabled: i%2 == 0, Status: "configured", Tags: tagged("s1"), ErrorCount: 1,
			Layers: []simcfs.Layer{{SessionName: "batcher-2"}, {SessionName: "batcher-1"}, {SessionName: "batcher-2"}},
		})
		ids = append(ids, id)
	}
	return ids
}

// bystanders are components that no test may change.
var bystanders = []simcfs.Component{
	{ID: "x2same-config", DesiredConfig: "compute-1", Tags: tagged("s2"), Enabled: true, ErrorCount: 1},
	{ID: "x2untagged", DesiredConfig: "compute-1", Enabled: true, ErrorCount: 1},
	{ID: "x2newer-config", DesiredConfig: "compute-2", Tags: tagged("s1"), ErrorCount: 1},
	{ID: "x2unset", Tags: tagged("s1"), ErrorCount: 1},
	{ID: "x2not-asked-for", DesiredConfig: "compute-1", Tags: tagged("s1"), Enabled: true, ErrorCount: 1},
}

func addBystanders(t *testing.T, server *lab.Server) {
	for _, one := range bystanders {
		server.CFS.AddComponent(one)
	}
	t.Cleanup(func() {
		for _, was := range bystanders {
			is, _ := server.CFS.Component(was.ID)
			if is.DesiredConfig != was.DesiredConfig || !maps.Equal(is.Tags, was.Tags) || is.Enabled != was.Enabled ||
				is.ErrorCount != was.ErrorCount {
				t.Errorf("%+v has become %+v", was, is)
			}
		}
		for _, danger := range server.Danger() {
			t.Errorf("dangerous: %s", danger)
		}
	})
}

func noRecord([]inventory.Component) error { return nil }

func patches(server *lab.Server) (n int) {
	for _, r := range server.Requests() {
		if r.Method == http.MethodPatch {
			n++
		}
	}
	return n
}

func TestUnsetOnEveryRelease(t *testing.T) {
	for _, csm := range lab.Profiles() {
		t.Run(csm, func(t *testing.T) {
			t.Parallel()
			server := startLab(t, csm, lab.ServerOptions{PageSize: 7})
			if csm < "1.5" {
				server = startLab(t, csm, lab.ServerOptions{})
			}
			ids := addFleet(server, 60)
			addBystanders(t, server)
			recorded := map[string]inventory.Component{}
			record := func(ours []inventory.Component) error {
				for _, one := range ours {
					if now, _ := server.CFS.Component(one.ID); now.DesiredConfig != "compute-1" {
						t.Errorf("%s is recorded after it was changed", one.ID)
					}
					recorded[one.ID] = one
				}
				return nil
			}
			asked := append(slices.Clone(ids), "x9", "x2same-config", "x2untagged", "x2newer-config", "x2unset", ids[0], "a,b", "")
			got := client(t, server.URL("cfs"), options).Unset(t.Context(), "s1", "compute-1", asked, record)
			for id, want := range map[string]struct {
				outcome cfs.UnsetOutcome
				says    string
			}{
				"x9":             {cfs.UnsetGone, ""},
				"x2same-config":  {cfs.UnsetClaimed, `session s2 has configured it since; its desired configuration is "compute-1"`},
				"x2untagged":     {cfs.UnsetClaimed, "names no session"},
				"x2newer-config": {cfs.UnsetClaimed, `"compute-2" now`},
				"x2unset":        {cfs.UnsetClaimed, "no configuration is desired any more"},
				"a,b":            {cfs.UnsetFailed, "comma"},
				"":               {cfs.UnsetFailed, "is empty"},
			} {
				if r := got[id]; r.Outcome != want.outcome ||
					!strings.Contains(fmt.Sprint(r.Detail, r.Err), want.says) ||
					(r.Err != nil) != (want.outcome == cfs.UnsetFailed) {
					t.Errorf("%q: %+v, want %+v", id, r, want)
				}
			}
			for i, id := range ids {
				now, _ := server.CFS.Component(id)
				if got[id] != (cfs.UnsetResult{Outcome: cfs.Unset}) || now.DesiredConfig != "" ||
					!maps.Equal(now.Tags, tagged("s1")) || now.Enabled != (i%2 == 0) {
					t.Errorf("%s: %+v, %+v", id, got[id], now)
				}
				was := recorded[id]
				if was.Desired != "compute-1" || was.Tag != "s1" || was.Enabled != now.Enabled {
					t.Errorf("recorded: %+v", was)
				}
			}
			sent := 3 // of 25 components each
			if csm == "1.5" || csm == "1.6" {
				sent = 1
			}
			if len(got) != len(ids)+7 || len(recorded) != len(ids) || patches(server) != sent {
				t.Errorf("%d results, %d recorded, %d patches", len(got), len(recorded), patches(server))
			}
		})
	}
}

func TestUnsetRefusesIncompleteArguments(t *testing.T) {
	server := startLab(t, "1.5", lab.ServerOptions{})
	ids := addFleet(server, 3)
	addBystanders(t, server)
	c := client(t, server.URL("cfs"), options)
	for _, tt := range []struct {
		name, session, config string
		ids                   []string
		record                func([]inventory.Component) error
		want                  string
	}{
		{"no session", "", "compute-1", ids, noRecord, "is empty"},
		{"two sessions", "s1,s2", "compute-1", ids, noRecord, "comma"},
		{"another tag", "s1=x", "compute-1", ids, noRecord, "equals"},
		{"no configuration", "s1", "", ids, noRecord, "no configuration"},
		{"no ID", "s1", "compute-1", []string{""}, noRecord, "is empty"},
		{"two IDs", "s1", "compute-1", []string{ids[0] + "," + ids[1]}, noRecord, "comma"},
		{"a line break", "s1", "compute-1", []string{ids[0] + "\n"}, noRecord, "cannot stand"},
		{"no journal", "s1", "compute-1", ids, nil, "could not be put back"},
		{"a journal that is full", "s1", "compute-1", ids, func([]inventory.Component) error { return errors.New("full") }, "nothing was sent: full"},
	} {
		got := c.Unset(t.Context(), tt.session, tt.config, tt.ids, tt.record)
		for _, id := range tt.ids {
			if r := got[id]; r.Outcome != cfs.UnsetFailed || r.Err == nil || !strings.Contains(r.Err.Error(), tt.want) {
				t.Errorf("%s: %+v", tt.name, r)
			}
		}
	}
	before := len(server.Requests())
	if got := c.Unset(t.Context(), "s1", "compute-1", nil, noRecord); len(got) != 0 ||
		len(server.Requests()) != before {
		t.Errorf("%v after %d requests", got, len(server.Requests())-before)
	}
	if patches(server) != 0 {
		t.Errorf("%d patches", patches(server))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := c.Unset(ctx, "s1", "compute-1", ids, noRecord); len(got) != 3 ||
		!errors.Is(got[ids[0]].Err, context.Canceled) || patches(server) != 0 {
		t.Errorf("%v", got)
	}
}

// trigger calls do once, directly before a request for components is carried out: the one that
// follows skip others with that method.
type trigger struct {
	method string
	skip   int32
	do     func()
	seen   atomic.Int32
}

func (t *trigger) onRequest(_ int, r *http.Request) {
	if r.Method == t.method && strings.Contains(r.URL.Path, "/components") && t.seen.Add(1) == t.skip+1 {
		t.do()
	}
}

func TestUnsetWhileSomethingChanges(t *testing.T) {
	claim := func(id string) simcfs.Component {
		return simcfs.Component{ID: id, DesiredConfig: "compute-1", Tags: tagged("s2"), Enabled: true}
	}
	for _, csm := range lab.Profiles() {
		v3 := csm >= "1.5"
		for _, tt := range []struct {
			name    string
			method  string
			skip    int32
			do      func(*lab.Server, string)
			want    cfs.UnsetOutcome // of that component; the others are unset
			says    string
			desired string
		}{
			{"removed before it is sent", http.MethodPatch, 0, func(s *lab.Server, id string) { s.CFS.RemoveComponent(id) }, cfs.UnsetGone, "", ""},
			{"removed before it is read again", http.MethodGet, 1, func(s *lab.Server, id string) { s.CFS.RemoveComponent(id) }, cfs.UnsetGone, "", ""},
			{"claimed before it is read again", http.MethodGet, 1, func(s *lab.Server, id string) { s.CFS.AddComponent(claim(id)) }, cfs.UnsetClaimed, "session s2", "compute-1"},
			{"overwritten by what CFS had read before", http.MethodGet, 1, func(s *lab.Server, id string) {
				now, _ := s.CFS.Component(id)
				now.DesiredConfig = "compute-1"
				s.CFS.AddComponent(now)
			}, cfs.Unset, "", ""},
			{"claimed before it is sent", http.MethodPatch, 0, func(s *lab.Server, id string) { s.CFS.AddComponent(claim(id)) }, map[bool]cfs.UnsetOutcome{true: cfs.UnsetClaimed, false: cfs.UnsetFailed}[v3], "session s2", map[bool]string{true: "compute-1"}[v3]},
		} {
			t.Run(csm+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				change := &trigger{method: tt.method, skip: tt.skip}
				server := startLab(t, csm, lab.ServerOptions{OnRequest: change.onRequest})
				ids := addFleet(server, 30)
				addBystanders(t, server)
				one := ids[7]
				change.do = func() { tt.do(server, one) }
				got := client(t, server.URL("cfs"), options).Unset(t.Context(), "s1", "compute-1", ids, noRecord)
				for _, id := range ids {
					r, want := got[id], cfs.Unset
					if id == one {
						want = tt.want
						if !strings.Contains(fmt.Sprint(r.Detail, r.Err), tt.says) {
							t.Errorf("%+v, want %q", r, tt.says)
						}
					}
					if now, _ := server.CFS.Component(id); r.Outcome != want || now.DesiredConfig != "" && id != one ||
						id == one && now.DesiredConfig != tt.desired {
						t.Errorf("%s: %+v, want %s; it is %+v", id, r, want, now)
					}
				}
				if r := got[one]; tt.want == cfs.UnsetFailed &&
					(r.Err == nil || !strings.Contains(r.Err.Error(), "must be set again")) {
					t.Errorf("%+v", r)
				}
			})
		}
	}
}

func TestUnsetTrustsOnlyWhatItReadsBack(t *testing.T) {
	for _, csm := range []string{"1.0", "1.4", "1.6"} {
		for _, tt := range []struct {
			fault   string
			outcome cfs.UnsetOutcome // empty: failed, but unset all the same
			says    string
			patches int
		}{
			{"lose-answer,system=cfs,method=PATCH,count=1", cfs.Unset, "", 1},
			{"status=503,system=cfs,method=PATCH,count=2", cfs.Unset, "", 3},
			{"status=503,system=cfs,method=PATCH", cfs.UnsetFailed, "HTTP 503", 3},
			{"null,system=cfs,method=PATCH", cfs.UnsetFailed, "accepted it 3 times", 3},
			{"html,system=cfs,method=PATCH", cfs.UnsetFailed, "not JSON", 3},
			{"status=500,system=cfs,method=GET,path=components", cfs.UnsetFailed, "nothing was sent", 0},
			{"status=500,system=cfs,method=GET,path=components,skip=1", "", "whether it is unset is not known", 1},
		} {
			t.Run(csm+" "+tt.fault, func(t *testing.T) {
				t.Parallel()
				server := startLab(t, csm, lab.ServerOptions{})
				ids := addFleet(server, 5)
				addBystanders(t, server)
				f, err := lab.ParseFault(tt.fault)
				if err == nil {
					err = server.AddFault(f)
				}
				if err != nil {
					t.Fatal(err)
				}
				records := 0
				got := client(t, server.URL("cfs"), options).Unset(t.Context(), "s1", "compute-1", ids, func([]inventory.Component) error {
					records++
					return nil
				})
				for _, id := range ids {
					now, _ := server.CFS.Component(id)
					r := got[id]
					if r.Outcome != tt.outcome && (tt.outcome != "" || r.Outcome != cfs.UnsetFailed) ||
						(now.DesiredConfig == "") != (tt.outcome != cfs.UnsetFailed) {
						t.Errorf("%s: %+v; it is %+v", id, r, now)
					}
					if r.Outcome == cfs.UnsetFailed && !strings.Contains(r.Err.Error(), tt.says) {
						t.Errorf("%v, want %q", r.Err, tt.says)
					}
				}
				if patches(server) != tt.patches || records > 1 {
					t.Errorf("%d patches, recorded %d times", patches(server), records)
				}
			})
		}
	}
}

func TestTaggedAndComponentsOnEveryRelease(t *testing.T) {
	for _, csm := range lab.Profiles() {
		t.Run(csm, func(t *testing.T) {
			t.Parallel()
			serve := lab.ServerOptions{}
			if csm >= "1.5" {
				serve.PageSize = 7
			}
			server := startLab(t, csm, serve)
			ids := addFleet(server, 60)
			addBystanders(t, server)
			c := client(t, server.URL("cfs"), options)
			all, err := c.TaggedComponents(t.Context(), "s1")
			if err != nil || len(all) != len(ids)+4 { // with one of startLab and three bystanders
				t.Fatalf("%d of %d, %v", len(all), len(ids), err)
			}
			want := inventory.Component{ID: ids[0], Desired: "compute-1", Tag: "s1", Enabled: true, Status: "configured"}
			if got := all[0]; got.ID != want.ID || got.Desired != want.Desired || got.Tag != want.Tag || !got.Enabled ||
				got.Status != want.Status || got.Fault != "" {
				t.Errorf("%+v, want %+v", got, want)
			}
			some, err := c.Components(t.Context(), append(slices.Clone(ids), ids[3], "x9", "x2same-config"))
			if err != nil || len(some) != len(ids)+1 || some["x2same-config"].Tag != "s2" ||
				len(some[ids[1]].CFSSessions) != 2 {
				t.Errorf("%d, %v", len(some), err)
			}
			if none, err := c.Components(t.Context(), nil); err != nil || none == nil || len(none) != 0 {
				t.Errorf("%v, %v", none, err)
			}
			if none, err := c.TaggedComponents(t.Context(), "nobody"); err != nil || len(none) != 0 {
				t.Errorf("%v, %v", none, err)
			}
			timing, err := c.Timing(t.Context())
			if err != nil || timing.Window.Seconds() != 60 || timing.Interval.Seconds() != 10 || timing.Disabled {
				t.Errorf("%+v, %v", timing, err)
			}
			for _, r := range server.Requests() {
				if len(r.Path)+len(r.Query) > 12_000 {
					t.Errorf("a URL of %d characters", len(r.Path)+len(r.Query))
				}
			}
		})
	}
}
