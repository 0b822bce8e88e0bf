package cli

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	batchv1client "k8s.io/client-go/kubernetes/typed/batch/v1"
	"k8s.io/client-go/tools/clientcmd"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
	"bosgc/policy"
)

// living is a CSM on which sessions run, with a working batcher.
type living struct {
	*system

	life *lab.Life
}

func startLiving(t *testing.T, csm string, nodes int, quick lab.LifeOptions, serve lab.ServerOptions) *living {
	t.Helper()
	serve.Batcher = simcfs.BatcherOptions{BatchWindow: 1, CheckInterval: 1}
	s := start(t, lab.Options{CSM: csm, Seed: 3, Sessions: 6, Nodes: nodes}, serve)
	return &living{s, s.Live(quick)}
}

// clean runs "bosgc clean" for a session, which must succeed.
func (s *living) clean(id string, flags ...string) gc.Document {
	s.t.Helper()
	code, stdout, stderr := s.run(append([]string{"clean", id, "--yes", "-o", "json"}, flags...), "BOSGC_LOG_LEVEL=info")
	if code != gc.ExitDone {
		s.t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	return s.decode(stdout, stderr)
}

func (s *living) batch() *batchv1client.BatchV1Client {
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig())
	if err != nil {
		s.t.Fatal(err)
	}
	return batchv1client.NewForConfigOrDie(config)
}

// until waits until the system has reached a state by itself.
func (s *living) until(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("waited half a minute: %s", what)
		}
	}
}

// byHand is a configuration that a person sets on a node that still has a session's tag.
const byHand = "site-config"

// traces returns the kinds of what is left of a session.
func (s *living) traces(id string) []string {
	var left []string
	for _, o := range s.Objects() {
		if o.Name == id || o.Name == "boa-"+id {
			left = append(left, name(o.Kind, o.Name))
		}
	}
	for _, c := range s.CFS.Sessions() {
		if c.Tags["bos_session"] == id && c.Configuration != byHand {
			left = append(left, name(lab.KindCFSSession, c.Name))
		}
	}
	for _, pod := range s.life.Pods(id) {
		left = append(left, "Pod "+pod.Name)
	}
	if slices.Contains(s.life.Ghosts(), id) {
		left = append(left, "ghost "+id)
	}
	return left
}

// others returns everything that does not belong to the session.
func (s *living) others(id string) map[string]bool {
	all := s.exist()
	for _, trace := range s.traces(id) {
		delete(all, trace)
	}
	return all
}

// kindsDeleted returns the kinds of the deleted objects, in the order of the deletes.
func (s *living) kindsDeleted(from int) []string {
	var kinds []string
	for _, request := range s.Requests()[from:] {
		path := request.Path
		if request.Method != http.MethodDelete {
			continue
		}
		kind := map[bool]string{true: "Job"}[strings.Contains(path, "/jobs/")]
		switch {
		case strings.Contains(path, "/configmaps/bosgc"):
			continue
		case strings.Contains(path, "/configmaps/"):
			kind = "ConfigMap"
		case strings.Contains(path, "/v1/session/"):
			kind = "Session"
		case strings.Contains(path, "/sessions/"):
			kind = "CFSSession"
		}
		kinds = append(kinds, kind)
	}
	return slices.Compact(kinds)
}

type operation struct {
	name string
	spec lab.SessionSpec
}

var operations = []operation{
	{"boot", lab.SessionSpec{Operation: "boot", Configuration: "cos-config-2.4"}},
	{"reboot", lab.SessionSpec{Operation: "reboot", Configuration: "cos-config-2.4"}},
	{"configure", lab.SessionSpec{Operation: "configure", Configuration: "cos-config-2.4"}},
	{"shutdown", lab.SessionSpec{Operation: "shutdown", Configuration: "cos-config-2.4"}},
	{"reboot without configuration", lab.SessionSpec{Operation: "reboot", Configuration: "cos-config-2.4", DisableCFS: true}},
}

func withBOSv1() []string {
	return slices.DeleteFunc(lab.Profiles(), func(csm string) bool { return csm == "1.6" })
}

// onEvery runs play on every release with every operation. The runs mostly wait, so many run at once, however few cores
// there are.
func onEvery(t *testing.T, play func(*testing.T, string, operation)) {
	t.Helper()
	var all errgroup.Group
	all.SetLimit(12)
	for _, csm := range withBOSv1() {
		for _, operation := range operations {
			all.Go(func() error {
				t.Run("CSM "+csm+" "+operation.name, func(t *testing.T) { play(t, csm, operation) })
				return nil
			})
		}
	}
	_ = all.Wait() // each subtest reports for itself
}

// CSM's documentation has three cases for what a session leaves behind. Case 1: the session has completed, and only its
// leftovers are to be deleted.
func TestLiveProcedureForACompletedSession(t *testing.T) {
	t.Parallel()
	onEvery(t, func(t *testing.T, csm string, operation operation) {
		// Given a session that has completed,
		s, id := completed(t, csm, operation.spec)
		wanted, rest, from := s.life.Wants(id), s.others(id), len(s.Requests())
		nodes := s.components()

		// when an administrator cleans up after it,
		s.clean(id)

		// then its ConfigMap is deleted, its session, its CFS sessions, and last its Job,
		order := []string{"ConfigMap", "Session", "CFSSession", "Job"}
		if len(wanted) == 0 {
			order = slices.Delete(order, 2, 3)
		}
		if got := s.kindsDeleted(from); !slices.Equal(got, order) {
			t.Errorf("the order of deletes was %v, want %v", got, order)
		}
		if left := s.traces(id); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		// nothing else is deleted,
		now := s.exist() // the batcher may have started something new
		for _, other := range slices.Sorted(maps.Keys(rest)) {
			if !now[other] {
				t.Errorf("%s is gone too", other)
			}
		}
		// and the nodes keep their desired configuration.
		if after := s.components(); !maps.Equal(nodes, after) {
			t.Errorf("the desired configurations were %v and now are %v", nodes, after)
		}
		s.noDanger()
	})
}

// Case 2: the session has completed, and its configuration must not run again at the next boot of the nodes.
func TestLiveProcedureForACompletedSessionWhoseConfigurationGoes(t *testing.T) {
	t.Parallel()
	onEvery(t, func(t *testing.T, csm string, operation operation) {
		// Given a session that has completed, and two nodes that somebody has configured since,
		s, id := completed(t, csm, operation.spec)
		wanted := s.life.Wants(id)
		if (len(wanted) == 0) != (operation.name == "shutdown" || operation.spec.DisableCFS) {
			t.Fatalf("it wants its configuration on %v", wanted)
		}
		want := s.components()
		if len(wanted) > 0 {
			s.CFS.SetBatcher(simcfs.BatcherOptions{Disable: true}) // it would start at once with the configurations that are set here
			s.CFS.SetByHand(wanted[0], byHand, false)
			s.CFS.SetByHand(wanted[1], operation.spec.Configuration, true)
			want = s.components()
			for _, node := range wanted[2:] {
				want[node] = ""
			}
		}

		// when an administrator cleans up after it with --unset-config,
		d := s.clean(id, "--unset-config")

		// then exactly the nodes that still have the session's configuration have none,
		if after := s.components(); !maps.Equal(want, after) {
			t.Errorf("the desired configurations are\n%v, want\n%v", after, want)
		}
		if left := s.traces(id); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		s.noDanger() // such as a PATCH of tags, of enabled, or of every component

		// and a restore puts it back.
		if len(wanted) == 0 {
			return
		}
		if code, stdout, stderr := s.run([]string{"restore", d.Run, "--yes"}); code != gc.ExitDone {
			t.Fatalf("restore: exit code %d\n%s\n%s", code, stdout, stderr)
		}
		for _, node := range wanted[2:] {
			want[node] = operation.spec.Configuration
		}
		if after := s.components(); !maps.Equal(want, after) {
			t.Errorf("restored, the desired configurations are\n%v, want\n%v", after, want)
		}
	})
}

// Case 3: the session runs and must be stopped.
func TestLiveProcedureForACancelledSession(t *testing.T) {
	t.Parallel()
	onEvery(t, func(t *testing.T, csm string, operation operation) {
		// Given a session that runs, and a neighbour on other nodes with the same configuration,
		slow := lab.Quick()
		slow.Configure = 8 * time.Second // bosgc must finish before that, on a busy machine too
		slow.Boot, slow.Shutdown = 30*time.Second, 30*time.Second
		s := startLiving(t, csm, 64, slow, lab.ServerOptions{})
		s.CFS.AllowKills(true)
		nodes := s.World.Nodes()
		spec := operation.spec
		spec.Nodes = nodes[:20]
		id := s.life.Start(spec)
		neighbour := lab.SessionSpec{Operation: "configure", Configuration: spec.Configuration, Nodes: nodes[30:40]}
		other := s.life.Start(neighbour)
		s.until("the session runs", func() bool { return s.life.Runs(id) })
		if spec.Operation == "configure" {
			s.until("a CFS session runs", func() bool { return len(s.life.MadeOf(id)) > 0 })
		}

		// when an administrator cleans up after it without "--cancel", it is refused,
		code, _, stderr := s.run([]string{"clean", id, "--yes"})
		if code != gc.ExitFailed || !strings.Contains(stderr, "bosgc clean --cancel "+id) || !s.life.Runs(id) {
			t.Fatalf("exit code %d, %s", code, stderr)
		}

		// and when the administrator cancels it,
		s.clean(id, "--cancel")

		// then nothing of it is left, and nothing of it starts again,
		s.cancelled(id, time.Now())
		// and the neighbour completes.
		s.until("the neighbour ends", func() bool { return s.BOS.Stop(other) != nil })
		if wants := s.life.Wants(other); len(wants) != len(neighbour.Nodes) {
			t.Errorf("the neighbour's nodes want its configuration: %v", wants)
		}
		s.noDanger()
	})
}

// cancelled fails if anything of a session is left or comes back.
func (s *living) cancelled(id string, at time.Time) {
	s.t.Helper()
	if left := s.traces(id); len(left) > 0 {
		s.t.Errorf("left: %v", left)
	}
	if wants := s.life.Wants(id); len(wants) > 0 {
		s.t.Errorf("its configuration is still wanted on %v", wants)
	}
	batcher := s.life.Batcher()
	if len(batcher.Pods) != 1 || !batcher.Works() {
		s.t.Errorf("the batcher: %+v", batcher)
	}
	for _, made := range s.life.MadeOf(id) {
		if made.At.After(at) {
			s.t.Errorf("CFS session %s was started afterwards", made.Name)
		}
	}
}

// completed returns a system on which a session has completed.
func completed(t *testing.T, csm string, spec lab.SessionSpec) (s *living, id string) {
	t.Helper()
	return completedOn(t, csm, spec, lab.ServerOptions{})
}

func completedOn(t *testing.T, csm string, spec lab.SessionSpec, serve lab.ServerOptions) (s *living, id string) {
	t.Helper()
	s = startLiving(t, csm, 64, lab.Quick(), serve)
	spec.Nodes = s.World.Nodes()[:8]
	id = s.life.Start(spec)
	s.until("the session ends", func() bool { return s.BOS.Stop(id) != nil && !s.life.Runs(id) })
	jobs := s.batch().Jobs(lab.Namespace)
	s.until("its Job ends", func() bool {
		job, err := jobs.Get(t.Context(), "boa-"+id, metav1.GetOptions{})
		return err == nil && len(job.Status.Conditions) > 0
	})
	s.until("its CFS sessions end", func() bool {
		return !slices.ContainsFunc(s.CFS.Sessions(), func(c simcfs.Session) bool { return c.Tags["bos_session"] == id && c.Status != "complete" })
	})
	return s, id
}

// components returns the desired configuration of each node.
func (s *living) components() map[string]string {
	wanted := map[string]string{}
	for _, component := range s.CFS.Components() {
		wanted[component.ID] = component.DesiredConfig
	}
	return wanted
}

func TestLiveCleanSaysWhatItWouldDo(t *testing.T) {
	t.Parallel()
	s, id := completed(t, "1.4", operations[1].spec)
	before, writes := s.exist(), s.Kube.Writes()
	d, code := s.document([]string{"clean", id, "--unset-config", "--dry-run"})
	if code != gc.ExitDone || d.Kind != "Plan" || len(d.Procedures) != 1 || len(d.Procedures[0].Steps) != 3 {
		t.Fatalf("exit code %d, %+v", code, d)
	}
	var unset []string
	for _, o := range d.Objects {
		if o.Verdict != policy.Delete || o.Outcome != "" {
			t.Errorf("%s %s: %s %s", o.Kind, o.Name, o.Verdict, o.Outcome)
		}
		if o.Kind == policy.Component {
			unset = append(unset, o.Name)
		}
	}
	nodes := s.World.Nodes()[:8]
	if slices.Sort(unset); !slices.Equal(unset, nodes) {
		t.Errorf("the configuration of %q is to be unset; expected %q", unset, nodes)
	}
	if step := d.Procedures[0].Steps[0].Detail; !strings.Contains(step, "of 8 components") {
		t.Errorf("step %q", step)
	}
	s.same("after a dry run", s.exist(), before)
	if s.Kube.Writes() != writes {
		t.Error("something was written")
	}
	code, stdout, _ := s.run([]string{"clean", id, "--cancel", "--dry-run"})
	for _, text := range []string{"reboot", "cos-config-2.4", "8 nodes", "ConfigMap", "boa-" + id} {
		if !strings.Contains(stdout, text) {
			t.Errorf("%q is not in the output, exit code %d:\n%s", text, code, stdout)
		}
	}
	for i, line := range strings.Split(stdout, "\n") {
		if len([]rune(line)) > 120 {
			t.Errorf("line %d is %d wide", i+1, len(line))
		}
	}
}

func TestLiveCleanRefuses(t *testing.T) {
	t.Parallel()
	s, id := completed(t, "1.4", operations[0].spec)
	const unknown = "0a5d6a0e-6d3c-4c42-8f5b-6f6f9f2b1c11"
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"nobody to ask", []string{"clean", id}, gc.ExitUsage, "--yes"},
		{"no session", []string{"clean"}, gc.ExitUsage, "arg"},
		{"no ID", []string{"clean", "cos-2.4", "--yes"}, gc.ExitUsage, "no ID of a session"},
	} {
		if code, _, stderr := s.run(tt.args); code != tt.code || !strings.Contains(stderr, tt.says) {
			t.Errorf("%s: exit code %d, %s", tt.name, code, stderr)
		}
	}
	mistyped := "f" + id[1:]
	if id[0] == 'f' {
		mistyped = "e" + id[1:]
	}
	for _, tt := range []struct{ id, says string }{{unknown, "no system has anything"}, {mistyped, "did you mean one of these?\n  " + id}} {
		for _, flag := range []string{"--yes", "--dry-run"} {
			if code, _, stderr := s.run([]string{"clean", tt.id, flag}); code != gc.ExitFailed || !strings.Contains(stderr, tt.says) || strings.Contains(stderr, " goes") {
				t.Errorf("clean %s %s of a session that never existed: exit code %d, %s", tt.id, flag, code, stderr)
			}
		}
	}
	s.annotate(id)
	before := s.exist()
	if code, _, stderr := s.run([]string{"clean", id, "--yes"}); code != gc.ExitFailed || !strings.Contains(stderr, "bosgc/keep") {
		t.Errorf("protected: exit code %d, %s", code, stderr)
	}
	s.same("protected", s.exist(), before)
	if err := s.AddFault(lab.Fault{Name: "bos-down"}); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := s.run([]string{"clean", id, "--yes"}, "BOSGC_REQUEST_TIMEOUT=1s"); code != gc.ExitIncomplete {
		t.Errorf("BOS is down: exit code %d, %s", code, stderr)
	}
	s.ClearFaults()
	s.same("refused", s.exist(), before)
	fmt.Fprintln(t.Output(), "refusals leave everything as it is")
}

// A record that BOS cannot read stays so for ever: describe answers 500, and DELETE reads nothing and works. A sweep keeps
// such a session, explain says what takes it apart, and that does.
func TestCleanOfASessionWhoseRecordBOSCannotRead(t *testing.T) {
	t.Parallel()
	for _, csm := range []string{"1.0", "1.5"} {
		s := start(t, lab.Options{CSM: csm, Sessions: 4, Only: []string{"record-broken", "finished-recently"}}, lab.ServerOptions{})
		d, _ := s.document([]string{"plan"})
		tried := 0
		for _, o := range d.Objects {
			if o.Kind != policy.Session || o.Reason != policy.BadData {
				continue
			}
			tried++
			if code, out, _ := s.run([]string{"explain", "session/" + o.Name}); !strings.Contains(out, "bosgc clean "+o.Name) {
				t.Errorf("CSM %s: exit code %d\n%s", csm, code, out)
			}
			code, out, errs := s.run([]string{"clean", o.Name, "--yes"})
			if code != gc.ExitDone || slices.Contains(s.BOS.IDs(), o.Name) || s.Kube.Has("configmaps", lab.Namespace, o.Name) {
				t.Errorf("CSM %s: exit code %d, in BOS: %v\n%s%s", csm, code, slices.Contains(s.BOS.IDs(), o.Name), out, errs)
			}
		}
		if tried == 0 {
			t.Errorf("CSM %s: no session has a broken record", csm)
		}
	}
}

// A session of which somebody has deleted everything but the record has nothing that shows whose it is, so a sweep keeps
// it while it is young. A person who names it takes it apart, and nothing else goes with it.
func TestCleanOfASessionOfWhichOnlyTheRecordIsLeft(t *testing.T) {
	t.Parallel()
	for _, csm := range []string{"1.0", "1.4"} {
		s := start(t, lab.Options{CSM: csm, Sessions: 6, Only: []string{"nothing-but-the-record"}}, lab.ServerOptions{})
		ids := s.BOS.IDs()
		for i, id := range ids {
			code, out, errs := s.run([]string{"clean", id, "--yes"})
			if left := s.BOS.IDs(); code != gc.ExitDone || slices.Contains(left, id) || len(left) != len(ids)-i-1 {
				t.Fatalf("CSM %s: exit code %d, %d of %d left\n%s%s", csm, code, len(left), len(ids), out, errs)
			}
		}
	}
}

// What explain says of "bosgc clean" is what that does: it offers it where it works, and says why where it would refuse.
func TestExplainSaysWhatCleanWouldDo(t *testing.T) {
	t.Parallel()
	for _, csm := range []string{"1.0", "1.4", "1.6"} {
		s := start(t, lab.Options{CSM: csm, Seed: 3, Sessions: 60}, lab.ServerOptions{})
		d, _ := s.document([]string{"plan"})
		offered, refused := 0, 0
		seen := map[policy.Reason]int{}
		for _, o := range d.Objects {
			if o.Verdict == policy.Delete || o.Session == "" {
				continue
			}
			if seen[o.Reason]++; seen[o.Reason] > 3 {
				continue
			}
			_, out, _ := s.run([]string{"explain", string(o.Kind) + "/" + o.Name})
			offers := regexp.MustCompile(`bosgc clean (--cancel )?` + o.Session).FindString(out)
			refuses := strings.Contains(out, "would refuse it")
			if offers == "" && !refuses {
				continue
			}
			arguments := []string{"clean", o.Session, "--dry-run"}
			if strings.Contains(out, "clean --cancel") {
				arguments = append(arguments, "--cancel")
			}
			code, stdout, stderr := s.run(arguments)
			if offers != "" {
				offered++
			} else {
				refused++
			}
			if (code == gc.ExitDone) != (offers != "") {
				t.Errorf("CSM %s: %s %s (%s): offered %v, exit code %d\n%s\n%s%s", csm, o.Kind, o.Name, o.Reason, offers != "", code, out, stdout, stderr)
			}
		}
		if offered < 3 {
			t.Errorf("CSM %s: offered %d times, refused %d times", csm, offered, refused)
		}
	}
}
