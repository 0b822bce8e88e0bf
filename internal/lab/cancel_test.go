package lab_test

import (
	"net/http"
	"testing"
	"time"

	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
)

// cancelSession plays the manual procedure for a session that is under way, with or without the restart of the batcher,
// and waits until nothing can happen any more.
func cancelSession(
	t *testing.T, after time.Duration, restarts bool,
) (server *lab.Server, life *lab.Life, id, neighbour string) {
	t.Helper()
	server, life = startLiving(t, "1.4", 640, lab.LifeOptions{})
	server.CFS.AllowKills(true)
	nodes := server.World.Nodes()
	own := nodes[30:] // batches are filled in the order of names, so that the last ones belong to this session
	id = life.Start(lab.SessionSpec{Nodes: own, Configuration: "c"})
	neighbour = life.Start(lab.SessionSpec{Nodes: nodes[:30], Configuration: "c"})
	life.Pass(after, 5*time.Second)
	parallelism(t, server, id, 0)
	life.Pass(40 * time.Second)
	unsetDesired(t, server, own)
	if restarts {
		restartBatcher(t, server, life)
	}
	for _, made := range life.MadeOf(id) {
		if len(made.Owners) == 1 {
			mustAsk(t, http.MethodDelete, server.URL("cfs")+"/v2/sessions/"+made.Name)
		}
	}
	server.Kube.Remove("configmaps", lab.Namespace, id)
	mustAsk(t, http.MethodDelete, server.URL("bos")+"/v1/session/"+id)
	ended := life.Now()
	life.Pass(40*time.Minute, 5*time.Second)
	if made := life.MadeAfter(ended, own...); restarts && len(made) > 0 {
		t.Errorf("%d started afterwards, first %+v", len(made), made[0])
	}
	return server, life, id, neighbour
}

// The procedure works at any time of a session, and does not affect a neighbour with the same configuration.
func TestManualProcedureCancelsSession(t *testing.T) {
	for _, after := range []time.Duration{time.Minute, 4 * time.Minute, 8 * time.Minute, 9 * time.Minute} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			server, life, id, neighbour := cancelSession(t, after, true)
			if len(life.Ghosts())+len(life.Pods(id))+len(life.Wants(id)) > 0 || !life.Batcher().Works() {
				t.Errorf("ghosts %v, Pods %v, nodes %v, %+v", life.Ghosts(), life.Pods(id), life.Wants(id), life.Batcher())
			}
			if got := categories(t, server, neighbour, "configure"); got["succeeded"] != 30 || len(server.Danger()) > 0 {
				t.Errorf("the neighbour: %v; %v", got, server.Danger())
			}
		})
	}
}

// Without the restart, a batch that was not sent yet starts.
func TestBatchStartsAfterCancelWithoutRestart(t *testing.T) {
	_, life, id, _ := cancelSession(t, 7*time.Minute+30*time.Second, false)
	stale := 0
	for _, made := range life.MadeOf(id) {
		if made.At.After(someDay.Add(8*time.Minute + 5*time.Second)) {
			stale++
		}
	}
	if stale == 0 {
		t.Errorf("none of %d", len(life.MadeOf(id)))
	}
}

func TestBOAStagesAllNodesOrNone(t *testing.T) {
	server, life := startLiving(t, "1.4", 10, lab.LifeOptions{})
	nodes := server.World.Nodes()
	server.CFS.RemoveComponent(nodes[3])
	id := life.Start(lab.SessionSpec{Operation: "configure", Nodes: nodes[:4], Configuration: "c"})
	life.Pass(5 * time.Minute)
	if len(life.Wants(id))+len(life.MadeOf(id)) > 0 || server.BOS.Stop(id) == nil {
		t.Errorf("%v, %v, %v", life.Wants(id), life.MadeOf(id), server.BOS.Stop(id))
	}
	if got := categories(t, server, id, "configure"); got["failed"] != 4 {
		t.Errorf("%v", got)
	}
}

func TestSessionOfBOSV2HasTheSameTag(t *testing.T) {
	server, life := startLiving(t, "1.5", 10, lab.LifeOptions{})
	nodes := server.World.Nodes()[:4]
	id := life.Start(lab.SessionSpec{V2: true, Nodes: nodes, Configuration: "c"})
	life.Pass(20 * time.Minute)
	body := mustAsk(t, "GET", server.URL("bos")+"/v2/sessions/"+id).json(t)
	status := body["status"].(map[string]any)["status"]
	made := life.MadeOf(id)
	if len(made) != 1 || made[0].Tags["bos_session"] != id || body["components"] == "" || status != "complete" {
		t.Errorf("%v, %v", made, body)
	}
	if len(server.BOS.IDs())+len(life.Pods(id)) > 0 || server.Kube.Has("configmaps", lab.Namespace, id) {
		t.Error("BOS v2 left something of v1")
	}
	for name, link := range life.Links() {
		if len(link.Owners) != 1 || !link.Owners[0].V2 {
			t.Errorf("%s: %+v", name, link)
		}
	}
}

// Clients read and change the systems while they live.
func TestLifeWithClients(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.5", Seed: 1, Nodes: 30, Sessions: 5}, lab.ServerOptions{
		Batcher: simcfs.BatcherOptions{BatchWindow: 1, CheckInterval: 1},
	})
	life := server.Live(lab.Quick())
	id := life.Start(lab.SessionSpec{Nodes: server.World.Nodes(), Configuration: "c"})
	for range 40 {
		for _, url := range []string{
			server.URL("bos") + "/v1/session/" + id + "/status/compute",
			server.URL("cfs") + "/v3/components", server.URL("cfs") + "/v3/sessions",
		} {
			if got := mustAsk(t, "GET", url); got.status == 500 {
				t.Fatalf("%+v", got)
			}
		}
		life.Batcher()
		life.Links()
		life.Pods(id)
	}
	scale(t, server, 0)
	parallelism(t, server, id, 0)
}
