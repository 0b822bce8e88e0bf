package kill

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"bosgc/internal/inventory"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
	"bosgc/internal/state"
	"bosgc/test/plane"
)

// configuration is used by both sessions, so that only the tag tells whose a node is.
const configuration = "cos-config-2.4"

// living is a CSM on which two sessions run: one that is to be cancelled, and a neighbour.
type living struct {
	*gate

	t       *testing.T
	lab     *lab.Server
	life    *lab.Life
	kube    *kubernetes.Clientset // for the test itself; it does not pass the gate
	shipped string
	environ []string

	session, neighbour string
	theirs             []string       // nodes of the neighbour
	others             map[string]int // number of objects that are not of the session, by kind
}

// inhabit starts a world and waits until both sessions are in the midst of their work.
func inhabit(t *testing.T, shipped, operation string) *living {
	t.Helper()
	w, err := lab.NewWorld(lab.Options{CSM: "1.4", Seed: 3, Nodes: 16, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.Start(w, lab.ServerOptions{Batcher: simcfs.BatcherOptions{BatchWindow: 1, CheckInterval: 1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	server.CFS.AllowKills(true)
	pace := lab.Quick()
	// Long enough that they are still at work after the kill.
	pace.Shutdown, pace.Boot, pace.Configure, pace.ConfigureWait = 500*time.Millisecond, 3*time.Second, 10*time.Second, time.Minute
	l := &living{gate: &gate{}, t: t, lab: server, life: server.Live(pace), shipped: shipped}
	l.connect()

	nodes := w.Nodes()
	l.theirs = nodes[8:12]
	l.neighbour = l.life.Start(lab.SessionSpec{Operation: "configure", Configuration: configuration, Nodes: l.theirs})
	// Otherwise the batcher would put the nodes of both into one CFS session.
	l.until("the neighbour is configured", func() bool { return len(l.life.MadeOf(l.neighbour)) > 0 })
	l.session = l.life.Start(lab.SessionSpec{Operation: operation, Configuration: configuration, Nodes: nodes[:6]})
	l.until("the session works", func() bool {
		return len(l.life.Wants(l.session)) == 6 && (operation == "reboot" || len(l.life.MadeOf(l.session)) > 0)
	})
	l.others = l.besides()
	return l
}

// connect puts the gate in front of the world.
func (l *living) connect() {
	config, err := clientcmd.BuildConfigFromFlags("", l.lab.Kubeconfig())
	if err != nil {
		l.t.Fatal(err)
	}
	config.QPS = -1
	l.kube = kubernetes.NewForConfigOrDie(config)
	api, err := rest.TransportFor(config)
	if err != nil {
		l.t.Fatal(err)
	}
	to := func(system string) func() string { return func() string { return l.lab.URL(system) } }
	plain := &http.Transport{}
	l.t.Cleanup(plain.CloseIdleConnections)
	l.environ = []string{
		"BOSGC_LOG_LEVEL=info", "HOME=" + l.t.TempDir(),
		"KUBECONFIG=" + plane.WriteKubeconfig(l.t, &rest.Config{Host: l.front(l.t, "kube", api, to("kube"))}),
		"BOSGC_BOS_URL=" + l.front(l.t, "bos", plain, to("bos")),
		"BOSGC_CFS_URL=" + l.front(l.t, "cfs", plain, to("cfs")),
	}
}

// until waits for something that the system does by itself.
func (l *living) until(what string, is func() bool) {
	l.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("waited a minute: %s", what)
		}
	}
}

// run runs a command and kills it at a request.
func (l *living) run(k kill, args ...string) result {
	l.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(l.t.Context(), l.shipped, append(args, "-o", "json")...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &stdout, &stderr, l.environ
	l.only = func(what string) bool { return writes(what) == k.write }
	l.arm(k.at, k.after, func() int {
		if err := cmd.Start(); err != nil {
			l.t.Error(err)
			return 0
		}
		return cmd.Process.Pid
	})
	if cmd.Process == nil {
		l.t.FailNow()
	}
	_ = cmd.Wait() // ProcessState has the result
	l.under.Wait()
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	r := result{killed: status.Signaled() && status.Signal() == syscall.SIGKILL, code: cmd.ProcessState.ExitCode(), stderr: stderr.String()}
	if err := json.Unmarshal(stdout.Bytes(), &r.document); err != nil && r.code == 0 {
		l.t.Errorf("no document: %v\n%s", err, r.stderr)
	}
	return r
}

// traces returns everything that still exists of the session, by kind.
func (l *living) traces() []string {
	var left []string
	tags := map[string]string{}
	for _, s := range l.lab.CFS.Sessions() {
		tags[s.Name] = s.Tags["bos_session"]
	}
	made := map[string]bool{}
	for _, m := range l.life.MadeOf(l.session) {
		made[m.Name] = true
	}
	for _, o := range l.lab.Objects() {
		if o.Name == l.session || o.Name == "boa-"+l.session || o.Kind == lab.KindCFSSession && (tags[o.Name] == l.session || made[o.Name]) {
			left = append(left, o.Kind+" "+o.Name)
		}
	}
	for _, pod := range l.life.Pods(l.session) {
		left = append(left, "Pod "+pod.Name)
	}
	if slices.Contains(l.life.Ghosts(), l.session) {
		left = append(left, "ghost "+l.session)
	}
	return left
}

func (l *living) besides() map[string]int {
	all := map[string]int{}
	for _, o := range l.lab.Objects() {
		all[o.Kind]++
	}
	for _, trace := range l.traces() {
		kind, _, _ := strings.Cut(trace, " ")
		all[kind]--
	}
	maps.DeleteFunc(all, func(_ string, n int) bool { return n <= 0 })
	return all
}

// desired returns the desired configuration of each node that has one.
func (l *living) desired() map[string]string {
	wanted := map[string]string{}
	for _, component := range l.lab.CFS.Components() {
		if component.DesiredConfig != "" {
			wanted[component.ID] = component.DesiredConfig
		}
	}
	return wanted
}

// state describes what a kill has left to the next run, which knows of the session only what is noted
// on its Job.
func (l *living) state() string {
	l.t.Helper()
	job, err := l.kube.BatchV1().Jobs(lab.Namespace).Get(l.t.Context(), "boa-"+l.session, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return finished
	case err != nil:
		l.t.Fatal(err)
	case job.Annotations[inventory.CleaningAnnotation] == "":
		return untouched
	}
	return halfway
}

func (l *living) batcher() *appsv1.Deployment {
	l.t.Helper()
	d, err := l.kube.AppsV1().Deployments(lab.Namespace).Get(l.t.Context(), lab.Batcher, metav1.GetOptions{})
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

// left returns what the state says of a batcher that is down.
func (l *living) left() state.Batcher {
	l.t.Helper()
	stored, err := l.kube.CoreV1().ConfigMaps(lab.Namespace).Get(l.t.Context(), "bosgc-state", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return state.Batcher{}
	}
	var left state.Batcher
	if text := stored.Data["batcher.json"]; err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &left)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return left
}

// comesUp fails if the batcher is down and nothing tells the next run to bring it up.
func (l *living) comesUp() {
	l.t.Helper()
	if left := l.left(); *l.batcher().Spec.Replicas == 0 && (left.Deployment != lab.Batcher || left.Replicas != 1) {
		l.t.Errorf("the batcher is down, and the state has %+v", left)
	}
}

// unlock removes the holder of the lock, as site.age does.
func (l *living) unlock() {
	l.t.Helper()
	leases := l.kube.CoordinationV1().Leases(lab.Namespace)
	lease, err := leases.Get(l.t.Context(), "bosgc", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return
	}
	if err == nil {
		lease.Spec.HolderIdentity = nil
		_, err = leases.Update(l.t.Context(), lease, metav1.UpdateOptions{})
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// over checks that everything is as after an undisturbed cancel.
func (l *living) over() {
	l.t.Helper()
	ended := time.Now()
	l.released()
	if left := l.traces(); len(left) > 0 {
		l.t.Errorf("left: %v", left)
	}
	for end := ended.Add(3 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if d, left := l.batcher(), l.left(); *d.Spec.Replicas != 1 || left != (state.Batcher{}) {
			l.t.Errorf("the batcher: %d replicas, and the state has %+v", *d.Spec.Replicas, left)
			break
		}
	}
	l.until("the neighbour ends", func() bool { return l.lab.BOS.Stop(l.neighbour) != nil })
	if left := l.traces(); len(left) > 0 {
		l.t.Errorf("left, or come back: %v", left)
	}
	ours := map[string]bool{}
	for _, made := range l.life.MadeOf(l.session) {
		ours[made.Name] = true
		if made.At.After(ended) {
			l.t.Errorf("CFS session %s was started afterwards", made.Name)
		}
	}
	for _, killed := range l.lab.CFS.KilledAnsible() {
		if !ours[killed] {
			l.t.Errorf("CFS session %s was deleted while it ran, and is not of the session", killed)
		}
	}
	if b := l.life.Batcher(); !b.Works() {
		l.t.Errorf("the batcher: %+v", b)
	}
	want := map[string]string{}
	for _, node := range l.theirs {
		want[node] = configuration
	}
	if wants := l.life.Wants(l.neighbour); !slices.Equal(wants, l.theirs) {
		l.t.Errorf("the neighbour wants its configuration on %v", wants)
	}
	if got := l.desired(); !maps.Equal(got, want) {
		l.t.Errorf("the desired configurations are %v, want %v", got, want)
	}
	if got := l.besides(); !maps.Equal(got, l.others) {
		l.t.Errorf("besides the session there are %v, and were %v", got, l.others)
	}
	for _, danger := range l.lab.Danger() {
		l.t.Errorf("dangerous: %s", danger)
	}
}

// released fails if a run that has ended still holds the lock.
func (l *living) released() {
	l.t.Helper()
	lease, err := l.kube.CoordinationV1().Leases(lab.Namespace).Get(l.t.Context(), "bosgc", metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "" {
		l.t.Errorf("the run has ended, and the lock is %+v, %v", lease.Spec, err)
	}
}
