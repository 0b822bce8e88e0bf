package lab_test

import (
	"net/http"
	"testing"
	"time"

	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
)

// cancelled plays the manual procedure for a session that is under way, with or without the restart of
// the batcher, and waits as long as anything can still happen.
func cancelled(t *testing.T, after time.Duration, restarts bool) (server *lab.Server, life *lab.Life, id, neighbour string) {
	t.Helper()
	server, life = living(t, "1.4", 640, lab.LifeOptions{})
	server.CFS.AllowKills(true)
	nodes := server.World.Nodes()
	own := nodes[30:] // the batches are filled in the order of names, so the last ones are of this session
	id = life.Start(lab.SessionSpec{Nodes: own, Configuration: "c"})
	neighbour = life.Start(lab.SessionSpec{Nodes: nodes[:30], Configuration: "c"})
	life.Pass(after, 5*time.Second)
	parallelism(t, server, id, 0)
	life.Pass(40 * time.Second)
	unset(t, server, own)
	if restarts {
		restart(t, server, life)
	}
	for _, made := range life.MadeOf(id) {
		if len(made.Owners) == 1 {
			do(t, http.MethodDelete, server.URL("cfs")+"/v2/sessions/"+made.Name)
		}
	}
	server.Kube.Remove("configmaps", lab.Namespace, id)
	do(t, http.MethodDelete, server.URL("bos")+"/v1/session/"+id)
	ended := life.Now()
	life.Pass(40*time.Minute, 5*time.Second)
	if made := life.MadeAfter(ended, own...); restarts && len(made) > 0 {
		t.Errorf("%d started afterwards, first %+v", len(made), made[0])
	}
	return server, life, id, neighbour
}

// The procedure works at each moment of a session, if it is followed; and a neighbour of the same
// configuration does not notice.
func TestTheManualProcedureCancelsASession(t *testing.T) {
	for _, after := range []time.Duration{time.Minute, 4 * time.Minute, 8 * time.Minute, 9 * time.Minute} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			server, life, id, neighbour := cancelled(t, after, true)
			if len(life.Ghosts())+len(life.Pods(id))+len(life.Wants(id)) > 0 || !life.Batcher().Works() {
				t.Errorf("ghosts %v, Pods %v, nodes %v, %+v", life.Ghosts(), life.Pods(id), life.Wants(id), life.Batcher())
			}
			if got := categories(t, server, neighbour, "configure"); got["succeeded"] != 30 || len(server.Danger()) > 0 {
				t.Errorf("the neighbour: %v; %v", got, server.Danger())
			}
		})
	}
}

// Without the restart a batch that was not sent yet starts after all.
func TestWithoutARestartABatchStartsAfterTheCancel(t *testing.T) {
	_, life, id, _ := cancelled(t, 7*time.Minute+30*time.Second, false)
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
	server, life := living(t, "1.4", 10, lab.LifeOptions{})
	nodes := server.World.Nodes()
	server.CFS.RemoveComponent(nodes[3])
	id := life.Start(lab.SessionSpec{Operation: "configure", Nodes: nodes[:4], Configuration: "c"})
	life.Pass(5 * time.Minute)
	if got := categories(t, server, id, "configure"); len(life.Wants(id))+len(life.MadeOf(id)) > 0 || got["failed"] != 4 || server.BOS.Stop(id) == nil {
		t.Errorf("%v, %v", life.Wants(id), got)
	}
}

func TestASessionOfBOSV2LivesInTheSameTags(t *testing.T) {
	server, life := living(t, "1.5", 10, lab.LifeOptions{})
	nodes := server.World.Nodes()[:4]
	id := life.Start(lab.SessionSpec{V2: true, Nodes: nodes, Configuration: "c"})
	life.Pass(20 * time.Minute)
	body := do(t, "GET", server.URL("bos")+"/v2/sessions/"+id).json(t)
	if made := life.MadeOf(id); len(made) != 1 || made[0].Tags["bos_session"] != id || body["components"] == "" || body["status"].(map[string]any)["status"] != "complete" {
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

// What lives is asked, and told, at the same time.
func TestLifeBearsClients(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.5", Seed: 1, Nodes: 30, Sessions: 5}, lab.ServerOptions{Batcher: simcfs.BatcherOptions{BatchWindow: 1, CheckInterval: 1}})
	life := server.Live(lab.Quick())
	id := life.Start(lab.SessionSpec{Nodes: server.World.Nodes(), Configuration: "c"})
	for range 40 {
		for _, url := range []string{server.URL("bos") + "/v1/session/" + id + "/status/compute", server.URL("cfs") + "/v3/components", server.URL("cfs") + "/v3/sessions"} {
			if got := do(t, "GET", url); got.status == 500 {
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
