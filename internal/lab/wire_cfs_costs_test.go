package lab_test

import (
	"testing"
	"time"

	"bosgc/internal/lab"
)

// TestCFSReadsEveryRecord holds which requests cost CFS as much as it has records: those that list or filter, whatever
// they are for.
func TestCFSReadsEveryRecord(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.6", Seed: 1, Sessions: 40, Nodes: 64}, lab.ServerOptions{PageSize: 5})
	node := server.World.Nodes()[0]
	components, sessions := len(server.CFS.Components()), len(server.CFS.Names())
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/v3/components", "", components},
		{"GET", "/v3/components?ids=" + node, "", components},
		{"GET", "/v2/components?ids=" + node, "", components},
		{"PATCH", "/v3/components", `{"patch":{"desired_config":""},"filters":{"ids":"` + node + `"}}`, components},
		{"PATCH", "/v3/components", `[{"id":"` + node + `","desired_config":""}]`, 1},
		{"GET", "/v3/components/" + node, "", 1},
		{"PATCH", "/v3/components/" + node, `{"desired_config":""}`, 1},
		{"GET", "/v3/sessions?limit=1", "", sessions},
		{"GET", "/v3/sessions?name_contains=nothing", "", sessions},
		{"GET", "/v3/sessions/" + server.CFS.Names()[0], "", 1},
		{"GET", "/v3/options", "", 0},
	} {
		before := server.CFS.RecordsRead()
		if _, err := ask(t.Context(), c.method, server.URL("cfs")+c.path, c.body); err != nil {
			t.Fatal(err)
		}
		if got := server.CFS.RecordsRead() - before; got != c.want {
			t.Errorf("%s %s: %d records read, expected %d", c.method, c.path, got, c.want)
		}
	}
}

// TestCFSRealCosts holds that reading takes time only where that is asked for and the release is slow.
func TestCFSRealCosts(t *testing.T) {
	for _, c := range []struct {
		csm  string
		real bool
		slow bool
	}{{"1.6", true, true}, {"1.5", true, true}, {"1.6", false, false}, {"1.4", true, false}} {
		server := start(t, lab.Options{CSM: c.csm, Seed: 1, Nodes: 1000}, lab.ServerOptions{CFSRealCosts: c.real})
		var want time.Duration
		if c.slow {
			want = time.Duration(len(server.CFS.Components())) * 83 * time.Microsecond
		}
		begin := time.Now()
		mustAsk(t, "GET", server.URL("cfs")+"/v2/components?ids=x")
		took := time.Since(begin)
		mustAsk(t, "GET", server.URL("cfs")+"/v2/components/"+server.World.Nodes()[0])
		if spent := server.CFS.ReadingTime(); spent != want || took < want {
			t.Errorf("CSM %s, real costs %v: %s spent with reading, expected %s; the list took %s", c.csm, c.real, spent, want, took)
		}
	}
}
