package cli

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
	"bosgc/internal/state"
)

// noted marks a session as one whose cleanup another run has started and not finished.
func (s *living) noted(id, phase string, cancel bool) {
	s.t.Helper()
	own, err := soakStore(s.Server)
	if err != nil {
		s.t.Fatal(err)
	}
	begun := state.Procedure{Run: "r", At: time.Now(), Cancel: cancel, Sessions: []string{id}}
	err = state.NewStore(own, "bosgc").UpdateOutsideRun(s.t.Context(), func(now *state.State) {
		now.Procedures = now.Procedures.Begin(time.Now(), begun)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.forged(id, phase, cancel)
}

// forged writes the note of a cleanup that no run has started.
func (s *living) forged(id, phase string, cancel bool) {
	s.t.Helper()
	job, err := s.batch().Jobs(lab.Namespace).Get(s.t.Context(), "boa-"+id, metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	note := fmt.Sprintf(`{"phase":%q,"unset":%v,"cancel":%v,"job":%q,"run":"r","at":"2026-01-01T00:00:00Z"}`, phase, cancel, cancel, job.UID)
	if !s.Annotate(lab.KindJob, job.Name, "bosgc/clean", note) {
		s.t.Fatal("the Job has gone")
	}
}

// Sessions of BOS v2 have IDs of the same form and the same tag.
func TestLiveASessionOfBOSv2IsNotTakenApart(t *testing.T) {
	t.Parallel()
	for _, csm := range []string{"1.5", "1.6"} {
		t.Run("CSM "+csm, func(t *testing.T) {
			t.Parallel()
			slow := lab.Quick()
			slow.Configure, slow.ConfigureWait = 30*time.Second, time.Minute
			s := startLiving(t, csm, 64, slow, lab.ServerOptions{})
			id := s.life.Start(lab.SessionSpec{V2: true, Operation: "configure", Configuration: "cos-config-2.4", Nodes: s.World.Nodes()[:8]})
			s.until("CFS is at work", func() bool { return len(s.life.MadeOf(id)) > 0 })
			for _, flag := range []string{"--unset-config", "--cancel"} {
				code, _, stderr := s.run([]string{"clean", id, "--yes", flag})
				if code != gc.ExitFailed || !strings.Contains(stderr, "BOS v2") {
					t.Errorf("%s: exit code %d, %s", flag, code, stderr)
				}
			}
			if len(s.CFS.KilledAnsible()) > 0 || len(s.life.Wants(id)) != 8 {
				t.Errorf("killed: %v, still wanted on %d of 8", s.CFS.KilledAnsible(), len(s.life.Wants(id)))
			}
		})
	}
}

// In a namespace without any BOS objects there is no Job to show that a session runs.
func TestLiveAWrongNamespaceProvesNothing(t *testing.T) {
	t.Parallel()
	s, id := working(t, "1.2", 6, lab.ServerOptions{})
	code, _, stderr := s.run([]string{"clean", id, "--yes", "--unset-config"}, "BOSGC_NAMESPACE=default")
	if code != gc.ExitIncomplete || !strings.Contains(stderr, "BOSGC_NAMESPACE") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if !s.BOS.HasRecord(id) || len(s.life.Wants(id)) != 6 {
		t.Error("the running session has lost something")
	}
}

// Once the configuration is unset, a component no longer shows that the batcher has it in a batch.
func TestLiveACancelThatIsGoneOnWithStillRestartsTheBatcher(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var begun atomic.Bool
	s := startLiving(t, "1.4", 64, lab.Quick(), lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if begun.Load() && r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/components") {
			cancel()
		}
	}})
	s.CFS.AllowKills(true)
	nodes := s.World.Nodes()[:8]
	first := s.life.Start(lab.SessionSpec{Operation: "configure", Configuration: "cos-config-2.3", Nodes: nodes})
	s.until("the nodes are configured", func() bool { return s.BOS.Stop(first) != nil && !s.life.Runs(first) })
	s.CFS.SetBatcher(simcfs.BatcherOptions{BatchWindow: 10, CheckInterval: 1})
	id := s.life.Start(lab.SessionSpec{Operation: "configure", Configuration: "cos-config-2.4", Nodes: nodes})
	s.until("the next configuration is wanted", func() bool { return len(s.life.Wants(id)) == len(nodes) })
	time.Sleep(2 * time.Second) // by now the batcher is filling a batch
	begun.Store(true)
	if code, _, _ := s.runContext(ctx, []string{"clean", id, "--yes", "--cancel"}); code != gc.ExitFailed {
		t.Fatalf("it was not interrupted: exit code %d", code)
	}
	d := s.clean(id)
	ended := time.Now()
	s.cancelled(id, ended)
	if made := s.life.MadeOf(id); len(made) > 0 {
		t.Errorf("its CFS session %s has started: %+v", made[0].Name, d.Procedures[0].Steps)
	}
}

func TestLiveASweepGoesOnThoughThereIsNothingElseToDo(t *testing.T) {
	t.Parallel()
	s, id := completed(t, "1.2", operations[1].spec)
	s.noted(id, "delete", false)
	if code, _, stderr := s.run([]string{"sweep"}); code != gc.ExitDone || len(s.traces(id)) > 0 {
		t.Errorf("exit code %d, left %v\n%s", code, s.traces(id), stderr)
	}
}

func TestLiveASweepThatGoesOnKeepsToItsLimit(t *testing.T) {
	t.Parallel()
	s, id := completed(t, "1.2", operations[1].spec)
	s.noted(id, "delete", false)
	whole := len(s.traces(id))
	for n := 1; len(s.traces(id)) > 0; n++ {
		d, code := s.document([]string{"sweep", "--max-deletes", "2"})
		if code != gc.ExitDone || d.Outcomes[gc.Deleted] > 2 || n > whole {
			t.Fatalf("sweep %d: exit code %d, outcomes %v, left %v", n, code, d.Outcomes, s.traces(id))
		}
	}
}

func TestLiveWhatASweepCannotGoOnWithIsNoSuccess(t *testing.T) {
	t.Parallel()
	s, id := completed(t, "1.4", operations[0].spec)
	s.noted(id, "unset", true)
	s.annotate(id)
	if code, _, _ := s.run([]string{"sweep"}); code != gc.ExitPartial {
		t.Errorf("protected: exit code %d", code)
	}
	s.Annotate(lab.KindJob, "boa-"+id, "bosgc/clean", "{}")
	if code, _, _ := s.run([]string{"sweep"}); code != gc.ExitPartial {
		t.Errorf("the note cannot be read: exit code %d", code)
	}
}

// If somebody creates a Job again from its manifest, the note is created again too. But it is about another Job.
func TestLiveANoteIsOfOneJob(t *testing.T) {
	t.Parallel()
	s, id := completed(t, "1.2", operations[1].spec)
	s.noted(id, "stop", true)
	jobs := s.batch().Jobs(lab.Namespace)
	job, err := jobs.Get(t.Context(), "boa-"+id, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	again := job.DeepCopy()
	again.ObjectMeta = metav1.ObjectMeta{Name: job.Name, Namespace: job.Namespace, Annotations: job.Annotations}
	again.Spec.Selector = nil
	again.Status.Conditions, again.Status.CompletionTime, again.Status.Succeeded, again.Status.Active = nil, nil, 0, 1
	background := metav1.DeletePropagationBackground
	if err := jobs.Delete(t.Context(), job.Name, metav1.DeleteOptions{PropagationPolicy: &background}); err != nil {
		t.Fatal(err)
	}
	if _, err := jobs.Create(t.Context(), again, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := s.run([]string{"sweep"}); code != gc.ExitDone {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if now, err := jobs.Get(t.Context(), job.Name, metav1.GetOptions{}); err != nil || now.Spec.Parallelism != nil && *now.Spec.Parallelism == 0 {
		t.Errorf("a Job that somebody created was taken for the one in the note: %v", err)
	}
}

// Another clean may ask for more. It also deletes what was created since the first one.
func TestLiveCleanAgainWithMoreToDo(t *testing.T) {
	t.Parallel()
	t.Run("the configuration too", func(t *testing.T) {
		t.Parallel()
		s, id := completed(t, "1.4", operations[1].spec)
		if err := s.AddFault(lab.Fault{Kind: "status", Status: http.StatusInternalServerError, System: "bos", Method: http.MethodDelete}); err != nil {
			t.Fatal(err)
		}
		if code, _, _ := s.run([]string{"clean", id, "--yes"}); code != gc.ExitPartial {
			t.Errorf("BOS refuses the delete: exit code %d", code)
		}
		s.ClearFaults()
		s.clean(id, "--unset-config")
		if wants := s.life.Wants(id); len(wants) > 0 {
			t.Errorf("its configuration is still wanted on %v", wants)
		}
	})
	t.Run("the rest", func(t *testing.T) {
		t.Parallel()
		s, id := completed(t, "1.4", operations[1].spec)
		s.noted(id, "finish", true)
		s.clean(id)
		if left := s.traces(id); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestLiveWhatCFSDoesNotSayIsNotNothing(t *testing.T) {
	t.Parallel()
	var begun atomic.Bool
	var s *living
	fails := lab.Fault{Kind: "status", Status: http.StatusInternalServerError, System: "cfs", Method: http.MethodGet, Path: "/v[23]/sessions($|\\?)"}
	s, id := completedOn(t, "1.2", operations[1].spec, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/jobs/boa-") && begun.CompareAndSwap(false, true) {
			if err := s.AddFault(fails); err != nil {
				t.Error(err)
			}
		}
	}})
	if code, _, _ := s.run([]string{"clean", id, "--yes"}); code != gc.ExitIncomplete || len(s.traces(id)) < 4 {
		t.Errorf("the list fails once it has begun: exit code %d, left %v", code, s.traces(id))
	}
	if code, _, _ := s.run([]string{"clean", id, "--yes"}); code != gc.ExitIncomplete || len(s.traces(id)) < 4 {
		t.Errorf("the list fails from the beginning: exit code %d, left %v", code, s.traces(id))
	}
	s.ClearFaults()
	s.clean(id)
}

func TestLiveWhatItHasConfiguredMustBeKnown(t *testing.T) {
	t.Parallel()
	s, id := completed(t, "1.4", operations[1].spec)
	s.Kube.Remove("configmaps", lab.Namespace, id)
	for _, c := range s.CFS.Sessions() { // CFS has deleted them by age
		if c.Tags["bos_session"] == id {
			s.CFS.Remove(c.Name)
		}
	}
	code, _, stderr := s.run([]string{"clean", id, "--yes", "--unset-config"})
	if code != gc.ExitFailed || !strings.Contains(stderr, "configuration") || !s.BOS.HasRecord(id) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	s.clean(id)
}

func TestLiveAnAdministratorsZeroIsNotUndone(t *testing.T) {
	t.Parallel()
	var steps atomic.Int32
	var s *living
	s, id := working(t, "1.4", 6, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "/scale") || r.UserAgent() != "bosgc" || steps.Add(1) != 1 {
			return
		}
		// The number of replicas is noted, and the batcher is about to be scaled.
		zero := []byte(`{"spec":{"replicas":0}}`)
		if _, err := s.deployments().Patch(context.Background(), lab.Batcher, types.MergePatchType, zero, metav1.PatchOptions{}); err != nil {
			t.Error(err)
		}
	}})
	if code, _, _ := s.run([]string{"clean", id, "--yes", "--cancel"}); code != gc.ExitPartial {
		t.Errorf("exit code %d", code)
	}
	s.batcherIs(0)
	s.clean(id)
	s.batcherIs(0)
}

// A CFS session that only looks like one of the batcher's is kept, and would still make the batcher exit.
func TestLiveAFatalCFSSessionThatStaysKeepsTheBatcherRunning(t *testing.T) {
	t.Parallel()
	s, id := working(t, "1.2", 6, lab.ServerOptions{})
	missing := s.World.Nodes()[20]
	s.CFS.Run(simcfs.Session{Name: "batcher-by-hand", Configuration: "cos-config-2.5", Limit: missing, Definition: "dynamic", Tags: map[string]string{"bos_session": id}}, time.Now())
	s.CFS.RemoveComponent(missing)
	code, stdout, _ := s.run([]string{"clean", id, "--yes", "--cancel"})
	if code != gc.ExitPartial || !strings.Contains(stdout, missing) || !s.life.Batcher().Works() {
		t.Errorf("exit code %d, the batcher works: %v\n%s", code, s.life.Batcher().Works(), stdout)
	}
}

// A batch with nodes of several sessions is tagged with none of them, and is left to finish.
func TestLiveWhatIsSharedWithOthersIsSaid(t *testing.T) {
	t.Parallel()
	slow := lab.Quick()
	slow.Configure, slow.ConfigureWait = 30*time.Second, time.Minute
	s := startLiving(t, "1.4", 64, slow, lab.ServerOptions{})
	s.CFS.AllowKills(true)
	nodes := s.World.Nodes()
	id := s.life.Start(lab.SessionSpec{Operation: "configure", Configuration: "cos-config-2.4", Nodes: nodes[:6]})
	other := s.life.Start(lab.SessionSpec{Operation: "configure", Configuration: "cos-config-2.4", Nodes: nodes[6:12]})
	s.until("CFS is at work", func() bool { return len(s.life.MadeOf(id)) > 0 && len(s.life.MadeOf(other)) > 0 })
	d := s.clean(id, "--cancel")
	for _, made := range s.life.MadeOf(id) {
		if len(made.Owners) < 2 {
			continue
		}
		if said := fmt.Sprintf("%+v", d.Procedures[0].Steps); !strings.Contains(said, made.Name) {
			t.Errorf("CFS session %s is not mentioned: %s", made.Name, said)
		}
		return
	}
	t.Log("NOT TESTED: the nodes of the two sessions were in different batches this time")
}

// CSM 1.6 has no BOS v1 any more. What BOS v1 left behind can still be cleaned up by name.
func TestLiveCleanWithoutBOSv1(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.6", Sessions: 30}, lab.ServerOptions{})
	var id string
	for _, o := range s.World.Truth() {
		if o.Kind == lab.KindConfigMap && o.Story == "orphan-configmap" {
			id = o.Name
		}
	}
	if id == "" {
		t.Fatal("the world has no ConfigMap without an owner")
	}
	want := s.exist()
	delete(want, name(lab.KindConfigMap, id))
	if code, stdout, stderr := s.run([]string{"clean", id, "--yes"}); code != gc.ExitDone {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	s.same("after it", s.exist(), want)
}
