package lab_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
)

// setDesired sets the desired configuration of nodes, to be configured at once.
func setDesired(server *lab.Server, nodes []string, configuration, session string) {
	server.CFS.SetBySession(nodes, configuration, session, true)
}

func TestBatchesAreKeyedByConfigurationAndNotByTag(t *testing.T) {
	server, life := startLiving(t, "1.3.1", 20, lab.LifeOptions{})
	life.Pass(time.Minute)
	nodes := server.World.Nodes()
	setDesired(server, nodes[:4], "one", "a")
	setDesired(server, nodes[4:8], "one", "b")
	setDesired(server, nodes[8:12], "two", "b")
	life.Pass(5 * time.Minute)
	made := server.CFS.Made()
	if len(made) != 2 {
		t.Fatalf("%v", made)
	}
	for _, m := range made {
		mixed := m.Configuration == "one"
		if len(m.Nodes) != 4+4*map[bool]int{true: 1}[mixed] || (m.Tags["bos_session"] == "") != mixed {
			t.Errorf("%+v", m)
		}
		if want := map[bool][]string{true: {"a", "b"}, false: {"b"}}[mixed]; !slices.Equal(m.Owners, want) {
			t.Errorf("owners of %+v", m)
		}
	}
}

func TestFailedConfigurationsAreTriedThreeTimes(t *testing.T) {
	server, life := startLiving(t, "1.5", 10, lab.LifeOptions{
		Fails: func(_ simcfs.Session, node string) bool { return strings.HasSuffix(node, "n1") },
	})
	nodes := server.World.Nodes()[:4]
	id := life.Start(lab.SessionSpec{Operation: "configure", Nodes: nodes, Configuration: "c"})
	life.Pass(40 * time.Minute)
	made := life.MadeOf(id)
	if len(made) != 3 || len(made[0].Nodes) != 4 || len(made[1].Nodes) != 2 {
		t.Fatalf("%v", made)
	}
	for _, node := range nodes {
		component, _ := server.CFS.Component(node)
		want := map[bool]string{true: "failed", false: "configured"}[strings.HasSuffix(node, "n1")]
		if component.Status != want || (component.ErrorCount == 3) != (want == "failed") {
			t.Errorf("%+v", component)
		}
	}
	if got := categories(t, server, id, "configure"); got["failed"] != 2 || got["succeeded"] != 2 {
		t.Errorf("%v", got)
	}
	body := mustAsk(t, "GET", server.URL("cfs")+"/v3/components/"+nodes[1]+"?state_details=true").json(t)
	layer := body["state"].([]any)[0].(map[string]any)
	if layer["status"] != "failed" || layer["session_name"] != made[2].Name {
		t.Errorf("%v", layer)
	}
}

func TestDeletedCFSSessionIsRecreatedWhileDesired(t *testing.T) {
	server, life := startLiving(t, "1.4", 10, lab.LifeOptions{Configure: time.Hour})
	nodes := server.World.Nodes()[:4]
	setDesired(server, nodes, "c", "a")
	life.Pass(3 * time.Minute)
	first := server.CFS.Made()[0]
	mustAsk(t, "DELETE", server.URL("cfs")+"/v2/sessions/"+first.Name)
	deleted := life.Now()
	life.Pass(3 * time.Minute)
	made := server.CFS.Made()
	if len(made) != 2 || made[1].At.Sub(deleted) > 80*time.Second || !slices.Equal(made[1].Nodes, first.Nodes) {
		t.Fatalf("%v", made)
	}
	if killed := server.CFS.KilledAnsible(); !slices.Equal(killed, []string{first.Name}) || len(server.Danger()) != 1 {
		t.Errorf("%v, %v", killed, server.Danger())
	}
	server.CFS.AllowKills(true)
	unsetDesired(t, server, nodes)
	mustAsk(t, "DELETE", server.URL("cfs")+"/v2/sessions/"+made[1].Name)
	life.Pass(time.Hour, 10*time.Second)
	if len(server.CFS.Made()) != 2 || len(server.CFS.KilledAnsible()) != 2 || len(server.Danger()) != 1 {
		t.Errorf("%v, %v", server.CFS.Made(), server.Danger())
	}
	if component, _ := server.CFS.Component(nodes[0]); component.Layers != nil {
		t.Errorf("a deleted CFS session worked on: %+v", component)
	}
}

func unsetDesired(t *testing.T, server *lab.Server, nodes []string) {
	t.Helper()
	var patches []string
	for _, node := range nodes {
		patches = append(patches, fmt.Sprintf(`{"id":%q,"desiredConfig":""}`, node))
	}
	got, err := ask(t.Context(), "PATCH", server.URL("cfs")+"/v2/components", "["+strings.Join(patches, ",")+"]")
	if err != nil || got.status != 200 {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestStaleBatchStartsAfterUnset(t *testing.T) {
	server, life := startLiving(t, "1.4", 10, lab.LifeOptions{})
	life.Pass(time.Minute)
	nodes := server.World.Nodes()[:4]
	setDesired(server, nodes, "c", "a")
	life.Pass(20 * time.Second)
	unsetDesired(t, server, nodes)
	life.Pass(2 * time.Minute)
	if made := server.CFS.Made(); len(made) != 1 || !slices.Equal(made[0].Owners, []string{"a"}) {
		t.Errorf("%v", made)
	}
}

func TestRestartDropsUnsentBatches(t *testing.T) {
	server, life := startLiving(t, "1.4", 10, lab.LifeOptions{})
	life.Pass(time.Minute)
	nodes := server.World.Nodes()[:4]
	setDesired(server, nodes, "c", "a")
	life.Pass(5 * time.Second)
	scale(t, server, 0)
	unsetDesired(t, server, nodes)
	life.Pass(45 * time.Second)
	scale(t, server, 1)
	life.Pass(10 * time.Minute)
	if made := server.CFS.Made(); len(made) != 0 || !life.Batcher().Works() {
		t.Errorf("%v", made)
	}
}

// restartBatcher restarts the batcher as the manual procedure does, without two of them at a time.
func restartBatcher(t *testing.T, server *lab.Server, life *lab.Life) {
	t.Helper()
	scale(t, server, 0)
	life.Pass(time.Minute)
	scale(t, server, 1)
	life.Pass(time.Minute)
}

func TestRestartTakesOverRunningSessions(t *testing.T) {
	server, life := startLiving(t, "1.4", 10, lab.LifeOptions{Configure: 20 * time.Minute})
	nodes := server.World.Nodes()[:4]
	setDesired(server, nodes, "c", "a")
	life.Pass(3 * time.Minute)
	restartBatcher(t, server, life)
	life.Pass(30 * time.Minute)
	if made := server.CFS.Made(); len(made) != 1 {
		t.Errorf("%v", made)
	}
	// A batch that was taken over is known by its key alone: another configuration gets a second session.
	setDesired(server, nodes, "d", "b")
	life.Pass(3 * time.Minute)
	restartBatcher(t, server, life)
	setDesired(server, nodes, "e", "b")
	life.Pass(3 * time.Minute)
	if made := server.CFS.Made(); len(made) != 3 || server.CFS.Sessions()[0].Configuration == "" {
		t.Errorf("%v", made)
	}
}

func TestRebuildFailsOnMissingComponent(t *testing.T) {
	for _, csm := range lab.Profiles() {
		t.Run(csm, func(t *testing.T) {
			t.Parallel()
			server, life := startLiving(t, csm, 10, lab.LifeOptions{Configure: 10 * time.Hour})
			nodes := server.World.Nodes()
			setDesired(server, nodes[:2], "c", "a")
			life.Pass(3 * time.Minute)
			server.CFS.RemoveComponent(nodes[0])
			if life.Pass(time.Minute); !life.Batcher().Works() {
				t.Fatal("one that works minds")
			}
			restartBatcher(t, server, life)
			setDesired(server, nodes[2:4], "c", "b")
			life.Pass(10 * time.Minute)
			dead := slices.Contains([]string{"1.0", "1.2", "1.3.1"}, csm)
			want := map[bool]simcfs.BatcherState{true: simcfs.BatcherDead, false: simcfs.BatcherStuck}[dead]
			if state := life.Batcher(); len(state.Processes) != 1 || state.Processes[0] != want || len(server.CFS.Made()) != 1 {
				t.Fatalf("%+v, %v", state, server.CFS.Made())
			}
			server.CFS.Remove(server.CFS.Made()[0].Name)
			life.Pass(3 * time.Minute)
			if state := life.Batcher(); state.Works() == dead || (len(server.CFS.Made()) == 2) == dead {
				t.Errorf("once the cause is gone: %+v, %v", state, server.CFS.Made())
			}
			restartBatcher(t, server, life)
			if life.Pass(3 * time.Minute); !life.Batcher().Works() {
				t.Errorf("restarted: %+v", life.Batcher())
			}
		})
	}
}

func TestTwoBatchersCreateTwoSessions(t *testing.T) {
	server, life := startLiving(t, "1.4", 10, lab.LifeOptions{Terminate: 5 * time.Minute})
	life.Pass(time.Minute)
	patchObject(t, server, "deployments", lab.Batcher, `{"spec":{"template":{"metadata":{"annotations":{"again":"1"}}}}}`)
	life.Pass(20 * time.Second)
	setDesired(server, server.World.Nodes()[:2], "c", "a")
	life.Pass(2 * time.Minute)
	if made := server.CFS.Made(); len(made) != 2 || made[0].Name == made[1].Name {
		t.Errorf("%v", made)
	}
}

func TestBatcherRestsAfterTwentyFailures(t *testing.T) {
	server, life := startLiving(t, "1.4", 30, lab.LifeOptions{
		Fails: func(simcfs.Session, string) bool { return true }, Configure: 10 * time.Second, Pending: time.Second,
	})
	server.CFS.SetBatcher(simcfs.BatcherOptions{BatchSize: 1, RetryPolicy: 1, MaxBackoff: 150})
	nodes := server.World.Nodes()
	setDesired(server, nodes[:19], "c", "a")
	life.Pass(2 * time.Minute)
	var held []time.Duration
	for _, node := range nodes[19:23] {
		setDesired(server, []string{node}, "c", "a")
		before := life.Now()
		life.Pass(10 * time.Minute)
		held = append(held, server.CFS.Made()[len(server.CFS.Made())-1].At.Sub(before).Round(10*time.Second))
	}
	if len(server.CFS.Made()) != 23 {
		t.Fatalf("%d sessions", len(server.CFS.Made()))
	}
	// From the twentieth on, each failure is followed by a longer rest. A node that comes after it is served at once.
	setDesired(server, nodes[23:24], "c", "a")
	life.Pass(40 * time.Second)
	setDesired(server, nodes[24:25], "c", "a")
	life.Pass(60 * time.Second)
	if made := server.CFS.Made(); len(made) != 24 {
		t.Errorf("%v; sent while it rests: %v", held, made[24:])
	}
	restartBatcher(t, server, life)
	if made := server.CFS.Made(); len(made) != 25 {
		t.Errorf("a restart does not end the rest: %d", len(made))
	}
}

func TestPatchesOfComponents(t *testing.T) {
	server, life := startLiving(t, "1.5", 10, lab.LifeOptions{})
	nodes := server.World.Nodes()
	server.CFS.SetBySession(nodes[:4], "c", "a", false)
	server.CFS.SetBySession(nodes[4:6], "c", "b", false)
	for _, c := range []struct {
		filters string
		nodes   int
		danger  bool
	}{
		{fmt.Sprintf(`{"ids":"%s,%s","config_name":"c","tags":"bos_session=a"}`, nodes[0], nodes[5]), 1, false},
		{`{"tags":"bos_session=a","status":"pending"}`, 4, false},
		{`{"config_name":"c","enabled":true}`, 0, false},
		{`{"config_name":""}`, 10, true},
		{`{"configuration":"c"}`, 10, true},
		{`{}`, 10, true},
	} {
		before := len(server.Danger())
		got, err := ask(t.Context(), "PATCH", server.URL("cfs")+"/v3/components", `{"patch":{},"filters":`+c.filters+`}`)
		ids, _ := got.json(t)["component_ids"].([]any)
		if err != nil || len(ids) != c.nodes || (len(server.Danger()) > before) != c.danger {
			t.Errorf("%s: %+v, %v", c.filters, got, server.Danger()[before:])
		}
	}
	for _, body := range []string{
		`[{"id":"` + nodes[0] + `","enabled":true}]`, `{"patch":{"tags":{"x":"y"}},"filters":{"ids":"` + nodes[0] + `"}}`,
	} {
		before := len(server.Danger())
		_, err := ask(t.Context(), "PATCH", server.URL("cfs")+"/v3/components", body)
		if err != nil || len(server.Danger()) != before+1 {
			t.Errorf("%s: %v", body, server.Danger()[before:])
		}
	}
	_ = life
}

func TestRemovingTag(t *testing.T) {
	for csm, want := range map[string]int{"1.0": 500, "1.2": 500, "1.3.1": 200} {
		server := start(t, lab.Options{CSM: csm, Seed: 1, Nodes: 4}, lab.ServerOptions{})
		node := server.World.Nodes()[0]
		server.CFS.SetBySession([]string{node}, "c", "a", false)
		body := `[{"id":"` + node + `","desiredConfig":"","tags":{"bos_session":""}}]`
		got, err := ask(t.Context(), "PATCH", server.URL("cfs")+"/v2/components", body)
		component, _ := server.CFS.Component(node)
		refused := component.DesiredConfig == "c" && component.Tags["bos_session"] == "a"
		applied := component.DesiredConfig == "" && component.Tags["bos_session"] == ""
		if err != nil || got.status != want || refused != (want == 500) || applied != (want == 200) {
			t.Errorf("%s: %+v, %+v", csm, got, component)
		}
	}
}

func TestBatcherOptionsAreServedInBothNames(t *testing.T) {
	batcher := simcfs.BatcherOptions{BatchSize: 7, CheckInterval: 2, RetryPolicy: 4, MaxBackoff: 90}
	server := start(t, lab.Options{CSM: "1.5", Seed: 1}, lab.ServerOptions{Batcher: batcher})
	v2 := mustAsk(t, "GET", server.URL("cfs")+"/v2/options").json(t)
	v3 := mustAsk(t, "GET", server.URL("cfs")+"/v3/options").json(t)
	for names, want := range map[[2]string]float64{
		{"batchSize", "batch_size"}:                                   7,
		{"batchWindow", "batch_window"}:                               60,
		{"batcherCheckInterval", "batcher_check_interval"}:            2,
		{"defaultBatcherRetryPolicy", "default_batcher_retry_policy"}: 4, {"batcherMaxBackoff", "batcher_max_backoff"}: 90,
	} {
		if v2[names[0]] != want || v3[names[1]] != want {
			t.Errorf("%v: %v, %v", names, v2[names[0]], v3[names[1]])
		}
	}
}
