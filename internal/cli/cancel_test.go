package cli

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"
	"k8s.io/client-go/tools/clientcmd"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
	"bosgc/internal/state"
	"bosgc/policy"
)

// working returns a system on which a session configures some nodes and CFS has begun.
func working(t *testing.T, csm string, nodes int, serve lab.ServerOptions) (s *living, id string) {
	t.Helper()
	slow := lab.Quick()
	slow.Configure, slow.ConfigureWait = 30*time.Second, time.Minute
	s = startLiving(t, csm, nodes+20, slow, serve)
	s.CFS.AllowKills(true)
	id = s.life.Start(lab.SessionSpec{Operation: "configure", Configuration: "cos-config-2.5", Nodes: s.World.Nodes()[:nodes]})
	s.until("CFS is at work", func() bool { return len(s.life.MadeOf(id)) > 0 })
	return s, id
}

func (s *living) deployments() appsv1client.DeploymentInterface {
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig())
	if err != nil {
		s.t.Fatal(err)
	}
	return appsv1client.NewForConfigOrDie(config).Deployments(lab.Namespace)
}

func (s *living) scale(replicas int) {
	s.t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	if _, err := s.deployments().Patch(context.Background(), lab.Batcher, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		s.t.Fatal(err)
	}
	s.until("the batcher is scaled", func() bool { return len(s.life.Batcher().Pods) == replicas })
}

// batcherIs fails unless the batcher has that many replicas, and neither its Deployment nor the state has anything of a
// restart.
func (s *living) batcherIs(replicas int32) {
	s.t.Helper()
	d, err := s.deployments().Get(s.t.Context(), lab.Batcher, metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	if *d.Spec.Replicas != replicas || len(d.Annotations) > 0 {
		s.t.Errorf("the batcher has %d replicas and the annotations %v, want %d and none", *d.Spec.Replicas, d.Annotations, replicas)
	}
	left, err := state.NewStore(s.ownStore(), "bosgc").ReadBatcher(s.t.Context())
	if err != nil || left != (state.Batcher{}) {
		s.t.Errorf("%v, the state still has %+v", err, left)
	}
}

// leaveDown writes to the state what a run writes before it scales the batcher down, and scales it.
func (s *living) leaveDown() {
	s.t.Helper()
	err := state.NewStore(s.ownStore(), "bosgc").UpdateOutsideRun(s.t.Context(), func(now *state.State) {
		now.Batcher = state.Batcher{Deployment: lab.Batcher, Replicas: 1, Run: "r", At: time.Now()}
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.scale(0)
}

func TestLiveCancelOfALargeReboot(t *testing.T) {
	t.Parallel()
	for _, csm := range []string{"1.2", "1.5"} {
		t.Run("CSM "+csm, func(t *testing.T) {
			t.Parallel()
			slow := lab.Quick()
			slow.Configure, slow.ConfigureWait = time.Minute, 2*time.Minute
			s := startLiving(t, csm, 700, slow, lab.ServerOptions{})
			s.CFS.AllowKills(true)
			nodes := s.World.Nodes()
			id := s.life.Start(lab.SessionSpec{Operation: "reboot", Configuration: "cos-config-2.5", Nodes: nodes[:600]})
			neighbour := s.life.Start(lab.SessionSpec{Operation: "configure", Configuration: "cos-config-2.5", Nodes: nodes[600:640]})
			s.until("CFS is at work", func() bool { return len(s.life.MadeOf(id)) > 3 })

			s.clean(id, "--cancel")

			s.cancelled(id, time.Now())
			s.batcherIs(1)
			if wants := s.life.Wants(neighbour); len(wants) != 40 {
				t.Errorf("%d of the neighbour's nodes want its configuration, want 40", len(wants))
			}
			if left := s.traces(neighbour); len(left) < 4 {
				t.Errorf("only %v is left of the neighbour", left)
			}
			s.noDanger()
		})
	}
}

func TestLiveTheBatcherComesBackAsItWas(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{0, 2} {
		t.Run(fmt.Sprint(replicas), func(t *testing.T) {
			t.Parallel()
			s, id := working(t, "1.4", 6, lab.ServerOptions{})
			s.scale(replicas)
			s.clean(id, "--cancel")
			s.batcherIs(int32(replicas))
			if pods := s.life.Batcher().Pods; len(pods) != replicas {
				t.Errorf("the batcher has %d Pods", len(pods))
			}
		})
	}
}

func TestLiveSeveralSessionsCancelledTogetherRestartTheBatcherOnce(t *testing.T) {
	t.Parallel()
	s, id := working(t, "1.5", 6, lab.ServerOptions{})
	other := s.life.Start(lab.SessionSpec{Operation: "configure", Configuration: "gpu-config", Nodes: s.World.Nodes()[10:14]})
	s.until("CFS is at work on both", func() bool { return len(s.life.MadeOf(other)) > 0 })
	s.clean(id, "--cancel", other)
	s.cancelled(id, time.Now())
	s.cancelled(other, time.Now())
	restarts := 0
	for _, r := range s.Requests() {
		if r.Method == http.MethodPut && strings.HasSuffix(r.Path, "/deployments/"+lab.Batcher+"/scale") {
			restarts++
		}
	}
	if restarts != 2 { // down, up
		t.Errorf("the batcher was scaled %d times, want 2", restarts)
	}
}

// If a CFS session would make the batcher exit at its start, the batcher is not restarted. The exception is a CFS
// session that is deleted anyway.
func TestLiveABatcherThatWouldNotComeBackIsNotRestarted(t *testing.T) {
	t.Parallel()
	t.Run("somebody else's", func(t *testing.T) {
		t.Parallel()
		s, id := working(t, "1.3.1", 6, lab.ServerOptions{})
		nodes := s.World.Nodes()
		s.CFS.Run(simcfs.Session{Name: "batcher-00000000-0000-4000-8000-00000000000a", Configuration: "gpu-config", Limit: nodes[20], Definition: "dynamic"}, time.Now())
		s.CFS.RemoveComponent(nodes[20])
		const done = "batcher-00000000-0000-4000-8000-00000000000b"
		s.CFS.Add(simcfs.Session{
			Name: done, Configuration: "cos-config-2.4", Limit: nodes[0], Definition: "dynamic", Status: "complete",
			Succeeded: "true", Start: "2026-01-02T03:04:05", Completion: "2026-01-02T03:05:05",
			Tags: map[string]string{"bos_session": id},
		})
		code, stdout, stderr := s.run([]string{"clean", id, "--cancel", "--yes"})
		if code != gc.ExitPartial || !strings.Contains(stdout+stderr, nodes[20]) || !strings.Contains(stdout, "cray cfs sessions delete") {
			t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
		}
		s.batcherIs(1)
		if !s.life.Batcher().Works() {
			t.Error("the batcher does not work")
		}
		if len(s.life.Wants(id)) > 0 || s.life.Runs(id) {
			t.Error("the session was not stopped before")
		}
		for _, c := range s.CFS.Sessions() {
			if c.Name == done || c.Tags["bos_session"] == id && c.Status == "complete" {
				t.Errorf("%s is complete, and is still there", c.Name)
			}
		}
		// Without the cause, the procedure continues where it stopped.
		s.CFS.Remove("batcher-00000000-0000-4000-8000-00000000000a")
		s.clean(id)
		s.cancelled(id, time.Now())
	})
	t.Run("its own", func(t *testing.T) {
		t.Parallel()
		s, id := working(t, "1.3.1", 6, lab.ServerOptions{})
		s.CFS.RemoveComponent(s.World.Nodes()[2])
		s.clean(id, "--cancel")
		s.cancelled(id, time.Now())
	})
}

// Any later run continues a procedure that a person started and that was interrupted.
func TestLiveASweepGoesOnWithACancel(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	s, id := working(t, "1.4", 6, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if down.Load() && r.Method == http.MethodDelete {
			cancel()
		}
	}})
	down.Store(true)
	if code, _, stderr := s.runContext(ctx, []string{"clean", id, "--cancel", "--yes"}); code != gc.ExitFailed {
		t.Fatalf("stopped in the middle: exit code %d, %s", code, stderr)
	}
	down.Store(false)
	s.batcherIs(1)
	if len(s.traces(id)) == 0 {
		t.Fatal("the procedure was already complete: this test proves nothing")
	}
	plan, _ := s.document([]string{"plan"})
	if o := find(t, plan, policy.Job, "boa-"+id); o.Verdict != policy.Delete || o.Reason != policy.OwnerCollected {
		t.Errorf("the plan says %s (%s): %s", o.Verdict, o.Reason, o.Detail)
	}
	before := s.traces(id)
	if code, _, _ := s.run([]string{"sweep"}, "BOSGC_DRY_RUN=true"); code != gc.ExitDone || !slices.Equal(before, s.traces(id)) {
		t.Errorf("a dry run continued the procedure: exit code %d, %v", code, s.traces(id))
	}
	d, code := s.document([]string{"sweep"})
	if code != gc.ExitDone {
		t.Fatalf("exit code %d: %+v", code, d.Procedures)
	}
	s.cancelled(id, time.Now())
	if o := find(t, d, policy.Job, "boa-"+id); o.Outcome != gc.Deleted {
		t.Errorf("the report says that the Job is %s", o.Outcome)
	}
}

// A change can be made and its answer be lost. The next try finds its own change, and must not take it for somebody
// else's.
func TestLiveLostAnswersDoNotLeaveTheBatcherDown(t *testing.T) {
	t.Parallel()
	for skip, what := range []string{"down", "up"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, id := working(t, "1.4", 6, lab.ServerOptions{})
			if err := s.AddFault(lab.Fault{Kind: lab.FaultLoseAnswer, System: "kube", Method: http.MethodPut, Path: "/deployments/", Skip: skip, Count: 1}); err != nil {
				t.Fatal(err)
			}
			s.clean(id, "--cancel")
			s.batcherIs(1)
			s.cancelled(id, time.Now())
		})
	}
}

// A run died while the batcher was scaled down. The next run scales it up before it does anything else.
func TestLiveTheNextRunBringsTheBatcherUp(t *testing.T) {
	t.Parallel()
	s, _ := working(t, "1.4", 2, lab.ServerOptions{})
	s.leaveDown()
	s.until("it is down", func() bool { return len(s.life.Batcher().Pods) == 0 })
	if code, _, stderr := s.run([]string{"plan"}); code != gc.ExitDone {
		t.Errorf("plan: exit code %d, %s", code, stderr)
	}
	if len(s.life.Batcher().Pods) > 0 {
		t.Error("a plan has changed something")
	}
	if code, _, stderr := s.run([]string{"sweep"}); code != gc.ExitDone {
		t.Errorf("sweep: exit code %d, %s", code, stderr)
	}
	s.batcherIs(1)
	s.until("it is up", func() bool { return s.life.Batcher().Works() })
}

// A state that cannot be understood is set aside, and a batcher that is down comes up all the same.
func TestLiveABrokenStateDoesNotLeaveTheBatcherDown(t *testing.T) {
	t.Parallel()
	s, _ := working(t, "1.4", 2, lab.ServerOptions{})
	s.leaveDown()
	broken, _, err := s.ownStore().Get(t.Context(), "bosgc-state")
	if err == nil {
		broken.Data["format"] = "0"
		_, err = s.ownStore().Put(t.Context(), broken)
	}
	if err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := s.run([]string{"sweep", "--own-settings"}); code != gc.ExitDone {
		t.Errorf("sweep: exit code %d, %s", code, stderr)
	}
	s.batcherIs(1)
}
