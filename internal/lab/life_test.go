package lab_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
	"bosgc/internal/lab/simkube"
)

// startLiving starts a world without sessions that lives in virtual time.
func startLiving(t *testing.T, csm string, nodes int, options lab.LifeOptions) (*lab.Server, *lab.Life) {
	t.Helper()
	server := start(t, lab.Options{CSM: csm, Seed: 3, Nodes: nodes, Now: someDay}, lab.ServerOptions{})
	return server, server.Life(someDay, options)
}

func patchObject(t *testing.T, server *lab.Server, resource, name, patch string) {
	t.Helper()
	var err error
	client := typedClient(t, server)
	switch resource {
	case "jobs":
		jobs := client.BatchV1().Jobs(lab.Namespace)
		_, err = jobs.Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	case "deployments":
		deployments := client.AppsV1().Deployments(lab.Namespace)
		_, err = deployments.Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func scale(t *testing.T, server *lab.Server, replicas int) {
	t.Helper()
	patchObject(t, server, "deployments", lab.Batcher, fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas))
}

func parallelism(t *testing.T, server *lab.Server, id string, n int) {
	t.Helper()
	patchObject(t, server, "jobs", "boa-"+id, fmt.Sprintf(`{"spec":{"parallelism":%d}}`, n))
}

func jobStatus(t *testing.T, server *lab.Server, id string) (active, failed int32, over bool) {
	t.Helper()
	job, err := typedClient(t, server).BatchV1().Jobs(lab.Namespace).Get(t.Context(), "boa-"+id, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return job.Status.Active, job.Status.Failed, len(job.Status.Conditions) > 0
}

// categories returns how many nodes each category of a phase has.
func categories(t *testing.T, server *lab.Server, id, phase string) map[string]int {
	t.Helper()
	body := mustAsk(t, "GET", server.URL("bos")+"/v1/session/"+id+"/status/compute").json(t)
	counts := map[string]int{}
	phases, _ := body["phases"].([]any)
	for _, item := range phases {
		if p := item.(map[string]any); p["name"] == phase {
			for _, c := range p["categories"].([]any) {
				category := c.(map[string]any)
				if n := len(category["node_list"].([]any)); n > 0 {
					counts[category["name"].(string)] = n
				}
			}
		}
	}
	return counts
}

func TestRebootSession(t *testing.T) {
	for _, csm := range []string{"1.0", "1.2", "1.3.1", "1.4", "1.5"} {
		t.Run(csm, func(t *testing.T) {
			t.Parallel()
			server, life := startLiving(t, csm, 40, lab.LifeOptions{})
			nodes := server.World.Nodes()[:30]
			id := life.Start(lab.SessionSpec{Nodes: nodes, Configuration: "cos-config-2.4"})
			life.Pass(time.Minute)
			if got := categories(t, server, id, "shutdown"); got["in_progress"] != 30 {
				t.Errorf("while they go down: %v", got)
			}
			life.Pass(3 * time.Minute)
			node, _ := server.CFS.Component(nodes[0])
			if node.DesiredConfig != "cos-config-2.4" || node.Tags["bos_session"] != id || node.Enabled ||
				len(life.MadeAfter(someDay, nodes...)) > 0 {
				t.Errorf("staged, and not to be configured yet: %+v, %v", node, life.MadeAfter(someDay, nodes...))
			}
			stop := server.BOS.Stop(id)
			if got := categories(t, server, id, "boot"); got["in_progress"] != 30 || !life.Runs(id) || stop != nil {
				t.Errorf("while they boot: %v", got)
			}
			life.Pass(10 * time.Minute)
			made := life.MadeOf(id)
			if len(made) != 2 || len(made[0].Nodes) != 25 || len(made[1].Nodes) != 5 ||
				made[1].At.Sub(made[0].At) < time.Minute {
				t.Errorf("a full batch at once and another after the window: %v", made)
			}
			for _, m := range made {
				if m.Tags["bos_session"] != id || !strings.HasPrefix(m.Name, "batcher-") || m.Configuration != "cos-config-2.4" {
					t.Errorf("%+v", m)
				}
			}
			node, _ = server.CFS.Component(nodes[0])
			if node.Status != "configured" || node.Layers[0].SessionName != made[0].Name {
				t.Errorf("%+v", node)
			}
			stop = server.BOS.Stop(id)
			if got := categories(t, server, id, "configure"); got["succeeded"] != 30 || stop == nil || life.Runs(id) {
				t.Errorf("at the end: %v, %v", got, server.BOS.Stop(id))
			}
			if active, _, over := jobStatus(t, server, id); active != 0 || !over || life.Pods(id)[0].Phase != "Succeeded" {
				t.Errorf("the Job: %d, %v, %v", active, over, life.Pods(id))
			}
			for name, link := range life.Links() {
				if len(link.Owners) != 1 || link.Owners[0].ID != id || !link.Known || link.ByOthers {
					t.Errorf("%s: %+v", name, link)
				}
			}
			if len(life.Links()) != 2 || len(server.Danger()) > 0 {
				t.Errorf("%v, %v", life.Links(), server.Danger())
			}
		})
	}
}

func TestOtherOperations(t *testing.T) {
	for _, c := range []struct {
		spec  lab.SessionSpec
		made  int
		tag   bool
		phase string
	}{
		{lab.SessionSpec{Operation: "boot", Configuration: "c"}, 1, true, "boot"},
		{lab.SessionSpec{Operation: "configure", Configuration: "c"}, 1, true, "configure"},
		{lab.SessionSpec{Operation: "shutdown", Configuration: "c"}, 0, false, "shutdown"},
		{lab.SessionSpec{Operation: "reboot", Configuration: "c", DisableCFS: true}, 0, false, "boot"},
	} {
		t.Run(c.spec.Operation+fmt.Sprint(c.spec.DisableCFS), func(t *testing.T) {
			t.Parallel()
			server, life := startLiving(t, "1.4", 10, lab.LifeOptions{})
			c.spec.Nodes = server.World.Nodes()[:5]
			id := life.Start(c.spec)
			life.Pass(20 * time.Minute)
			node, _ := server.CFS.Component(c.spec.Nodes[0])
			if tagged := node.Tags["bos_session"] == id; tagged != c.tag || len(life.MadeOf(id)) != c.made {
				t.Errorf("%+v, %v", node, life.MadeOf(id))
			}
			if got := categories(t, server, id, c.phase); got["succeeded"] != 5 || server.BOS.Stop(id) == nil {
				t.Errorf("%v, %v", got, server.BOS.Stop(id))
			}
		})
	}
}

func TestDeletedRunningSessionBecomesGhost(t *testing.T) {
	server, life := startLiving(t, "1.5", 10, lab.LifeOptions{})
	id := life.Start(lab.SessionSpec{Nodes: server.World.Nodes()[:5], Configuration: "c"})
	life.Pass(time.Minute)
	if got := mustAsk(t, "DELETE", server.URL("bos")+"/v1/session/"+id); got.status != 204 || len(life.Ghosts()) > 0 {
		t.Fatalf("%+v", got)
	}
	life.Pass(2 * time.Minute)
	if !slices.Equal(life.Ghosts(), []string{id}) {
		t.Fatalf("ghosts: %v", life.Ghosts())
	}
	got := mustAsk(t, "GET", server.URL("bos")+"/v1/session/"+id)
	if got.status != 404 || strings.TrimSpace(got.text) != "{}" {
		t.Errorf("%+v", got)
	}
	if got := mustAsk(t, "DELETE", server.URL("bos")+"/v1/session/"+id); got.status != 204 {
		t.Errorf("%+v", got)
	}
}

func TestStoppedJobWorksForItsGracePeriod(t *testing.T) {
	server, life := startLiving(t, "1.2", 10, lab.LifeOptions{})
	id := life.Start(lab.SessionSpec{Nodes: server.World.Nodes()[:5], Configuration: "c"})
	life.Pass(90 * time.Second)
	parallelism(t, server, id, 0)
	life.Pass(3 * time.Second)
	active, failed, over := jobStatus(t, server, id)
	if active != 0 || failed != 0 || over || len(life.Pods(id)) != 1 || !life.Pods(id)[0].Terminating || !life.Runs(id) {
		t.Errorf("a Job says at once that nothing is active: %d %d %v, %v", active, failed, over, life.Pods(id))
	}
	life.Pass(40 * time.Second)
	if len(life.Pods(id)) > 0 || life.Runs(id) {
		t.Errorf("after its grace: %v", life.Pods(id))
	}
	life.Pass(time.Hour, 10*time.Second)
	if _, _, over := jobStatus(t, server, id); over || server.BOS.Stop(id) != nil || len(life.Pods(id)) > 0 {
		t.Error("a stopped Job has an end, or another Pod")
	}
	parallelism(t, server, id, 1)
	life.Pass(20 * time.Minute)
	if _, _, over := jobStatus(t, server, id); !over || server.BOS.Stop(id) == nil {
		t.Error("a Job that goes on has no end")
	}
}

func TestPodWithoutConfigMapNeverStarts(t *testing.T) {
	server, life := startLiving(t, "1.5", 10, lab.LifeOptions{})
	id := life.Start(lab.SessionSpec{Nodes: server.World.Nodes()[:5], Configuration: "c"})
	server.Kube.Remove("configmaps", lab.Namespace, id)
	life.Pass(time.Hour, 10*time.Second)
	if active, _, over := jobStatus(t, server, id); active != 1 || over || life.Pods(id)[0].Phase != "Pending" {
		t.Errorf("%d %v %v", active, over, life.Pods(id))
	}
}

func TestFailedPodIsReplacedUpToTheLimit(t *testing.T) {
	server, life := startLiving(t, "1.4", 10, lab.LifeOptions{})
	id := life.Start(lab.SessionSpec{Nodes: server.World.Nodes()[:5], Configuration: "c"})
	var between []time.Duration
	last := life.Now()
	for range 5 {
		for range 1000 {
			if life.Runs(id) {
				break
			}
			life.Pass(time.Second)
		}
		between = append(between, life.Now().Sub(last))
		last = life.Now()
		life.FailPod(id)
		life.Pass(time.Second)
	}
	life.Pass(10 * time.Minute)
	if _, failed, over := jobStatus(t, server, id); failed != 5 || !over || len(life.Pods(id)) != 5 {
		t.Errorf("%d failed, over %v, %v", failed, over, life.Pods(id))
	}
	if !slices.IsSorted(between) || between[4] < 80*time.Second {
		t.Errorf("between tries: %v", between)
	}
}

func TestBatcherLivesAsLongAsItsPod(t *testing.T) {
	server, life := startLiving(t, "1.4", 10, lab.LifeOptions{})
	life.Pass(time.Minute)
	if state := life.Batcher(); !state.Works() || state.Pods[0].Labels["app.kubernetes.io/instance"] != lab.Batcher {
		t.Fatalf("%+v", state)
	}
	scale(t, server, 0)
	life.Pass(2 * time.Second)
	deployments := typedClient(t, server).AppsV1().Deployments(lab.Namespace)
	deployment, err := deployments.Get(t.Context(), lab.Batcher, metav1.GetOptions{})
	if err != nil || deployment.Status.Replicas != 0 || deployment.Status.ObservedGeneration != deployment.Generation {
		t.Errorf("%+v, %v", deployment.Status, err)
	}
	if state := life.Batcher(); len(state.Processes) != 1 || !state.Pods[0].Terminating {
		t.Errorf("a batcher ends before its grace is over: %+v", state)
	}
	life.Pass(40 * time.Second)
	if state := life.Batcher(); len(state.Processes)+len(state.Pods) != 0 {
		t.Errorf("%+v", state)
	}
	scale(t, server, 1)
	life.Pass(2 * time.Second)
	if state := life.Batcher(); len(state.Pods) != 1 || len(state.Processes) != 0 {
		t.Errorf("%+v", state)
	}
	life.Pass(30 * time.Second)
	deployment, err = deployments.Get(t.Context(), lab.Batcher, metav1.GetOptions{})
	if state := life.Batcher(); !state.Works() || err != nil || deployment.Status.ReadyReplicas != 1 {
		t.Errorf("%+v, %+v, %v", state, deployment.Status, err)
	}
}

func TestRollingRestartHasTwoBatchers(t *testing.T) {
	server, life := startLiving(t, "1.4", 10, lab.LifeOptions{})
	life.Pass(time.Minute)
	const restarted = `{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"now"}}}`
	patchObject(t, server, "deployments", lab.Batcher, `{"spec":{"template":`+restarted+`}}`)
	most := 0
	for range 120 {
		life.Pass(time.Second)
		state := life.Batcher()
		most = max(most, len(state.Processes))
		if !slices.ContainsFunc(state.Pods, func(p simkube.PodState) bool { return p.Works() && !p.Terminating }) {
			t.Fatalf("the old one is ended before the new one works: %+v", state)
		}
	}
	if state := life.Batcher(); most != 2 || !state.Works() {
		t.Errorf("%d at a time, then %+v", most, state)
	}
}

func TestDeletedJobEndsItsPods(t *testing.T) {
	background, foreground := metav1.DeletePropagationBackground, metav1.DeletePropagationForeground
	for _, policy := range []metav1.DeletionPropagation{background, foreground} {
		server, life := startLiving(t, "1.5", 10, lab.LifeOptions{})
		id := life.Start(lab.SessionSpec{Nodes: server.World.Nodes()[:5], Configuration: "c"})
		life.Pass(time.Minute)
		jobs := typedClient(t, server).BatchV1().Jobs(lab.Namespace)
		options := metav1.DeleteOptions{PropagationPolicy: &policy}
		if err := jobs.Delete(t.Context(), "boa-"+id, options); err != nil {
			t.Fatal(err)
		}
		life.Pass(3 * time.Second)
		exists := server.Kube.Has("jobs", lab.Namespace, "boa-"+id)
		if len(life.Pods(id)) != 1 || exists != (policy == foreground) {
			t.Errorf("%s: the Job exists: %v; %v", policy, exists, life.Pods(id))
		}
		life.Pass(time.Minute)
		if server.Kube.Has("jobs", lab.Namespace, "boa-"+id) || len(life.Pods(id)) > 0 || life.Runs(id) {
			t.Errorf("%s: %v", policy, life.Pods(id))
		}
	}
}

func TestLifeInRealTime(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.5", Seed: 1, Nodes: 8}, lab.ServerOptions{
		Batcher: simcfs.BatcherOptions{BatchWindow: 1, CheckInterval: 1},
	})
	life := server.Live(lab.Quick())
	id := life.Start(lab.SessionSpec{Nodes: server.World.Nodes()[:4], Configuration: "c"})
	for deadline := time.Now().Add(time.Minute); server.BOS.Stop(id) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no end: %+v, %v", life.Batcher(), life.MadeOf(id))
		}
	}
	if len(life.MadeOf(id)) != 1 {
		t.Errorf("%v", life.MadeOf(id))
	}
	options, _ := json.Marshal(mustAsk(t, "GET", server.URL("cfs")+"/v3/options").json(t))
	if !strings.Contains(string(options), `"batch_window":1,`) {
		t.Errorf("%s", options)
	}
}
