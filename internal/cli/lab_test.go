package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	batchv1client "k8s.io/client-go/kubernetes/typed/batch/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/policy"
)

// system is a simulated CSM against which a test runs bosgc from the outside: environment in, documents and exit codes
// out.
type system struct {
	*lab.Server
	t       *testing.T
	environ []string
}

// manySightings keeps orphans from being deleted in tests of something else, however often they sweep.
const manySightings = "BOSGC_ORPHAN_SIGHTINGS=99"

// anySweepCounts has two sweeps in a row count as two sightings.
const anySweepCounts = "BOSGC_ORPHAN_INTERVAL=0s"

func start(t *testing.T, options lab.Options, serve lab.ServerOptions) *system {
	t.Helper()
	if options.Now.IsZero() {
		options.Now = time.Now()
	}
	world, err := lab.NewWorld(options)
	if err != nil {
		t.Fatal(err)
	}
	return startWorld(t, world, serve)
}

func startWorld(t *testing.T, world *lab.World, serve lab.ServerOptions) *system {
	t.Helper()
	server, err := lab.Start(world, serve)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return &system{Server: server, t: t, environ: append(server.Env(), "BOSGC_LOG_LEVEL=error", manySightings, anySweepCounts)}
}

// run runs a command. The kubeconfig is a flag because client-go reads the variable from the process, not from the
// environment that Run is given.
func (s *system) run(args []string, extra ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	return s.runContext(context.Background(), args, extra...)
}

func (s *system) runContext(ctx context.Context, args []string, extra ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	var out, errors bytes.Buffer
	args = append(slices.Clone(args), "--kubeconfig", s.Kubeconfig())
	code = Run(ctx, args, append(slices.Clone(s.environ), extra...), &out, &errors)
	return code, out.String(), errors.String()
}

func (s *system) document(args []string, extra ...string) (gc.Document, int) {
	s.t.Helper()
	code, stdout, stderr := s.run(append(args, "-o", "json"), extra...)
	return s.decode(stdout, stderr), code
}

func (s *system) decode(stdout, stderr string) gc.Document {
	s.t.Helper()
	var d gc.Document
	decoder := json.NewDecoder(bytes.NewReader([]byte(stdout)))
	if err := decoder.Decode(&d); err != nil {
		s.t.Fatalf("stdout is not a document: %v\n%s\n%s", err, stdout, stderr)
	}
	if decoder.More() {
		s.t.Fatalf("stdout holds more than one document:\n%s", stdout)
	}
	return d
}

// readsBody reports whether a request reads the content of a session's ConfigMap.
func readsBody(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/configmaps/") && !strings.Contains(r.URL.Path, "/bosgc-")
}

// name returns the text by which tests compare objects.
func name(kind, name string) string { return kind + " " + name }

func (s *system) exist() map[string]bool {
	set := map[string]bool{}
	for _, o := range s.Objects() {
		set[name(o.Kind, o.Name)] = true
	}
	return set
}

// stays returns what must be left after a sweep that deletes everything that is due.
func (s *system) stays() map[string]bool {
	set := s.exist()
	for _, o := range s.World.Truth() {
		if o.Goes() {
			delete(set, name(o.Kind, o.Name))
		}
	}
	return set
}

// staysConfirmed returns what must be left after a sweep that also deletes confirmed orphans.
func (s *system) staysConfirmed() map[string]bool {
	set := s.exist()
	for _, o := range s.World.Truth() {
		if o.GoesConfirmed() {
			delete(set, name(o.Kind, o.Name))
		}
	}
	return set
}

func (s *system) same(what string, got, want map[string]bool) {
	s.t.Helper()
	stories := map[string]lab.Object{}
	for _, o := range s.World.Truth() {
		stories[name(o.Kind, o.Name)] = o
	}
	for _, o := range slices.Sorted(maps.Keys(want)) {
		if !got[o] {
			s.t.Errorf("%s: %s is missing (%s %s, story %s)", what, o, stories[o].Verdict, stories[o].Reason, stories[o].Story)
		}
	}
	for _, o := range slices.Sorted(maps.Keys(got)) {
		if !want[o] {
			s.t.Errorf("%s: %s is there (%s %s, story %s)", what, o, stories[o].Verdict, stories[o].Reason, stories[o].Story)
		}
	}
}

// noDanger fails if bosgc has sent something that no careful client sends: a delete of a collection, a delete without
// preconditions, or a second request for the list of sessions.
func (s *system) noDanger() {
	s.t.Helper()
	for _, request := range s.Danger() {
		s.t.Errorf("dangerous: %s", request)
	}
}

// agree compares a plan with what the world's stories say about each object.
func (s *system) agree(d gc.Document) {
	s.t.Helper()
	got := map[string]string{}
	for _, o := range d.Objects {
		got[name(string(o.Kind), o.Name)] = fmt.Sprintf("%s %s (%s)", o.Verdict, o.Reason, o.Detail)
	}
	for _, o := range s.World.Truth() {
		key, want := name(o.Kind, o.Name), o.Verdict+" "+o.Reason
		if verdict, ok := got[key]; !ok || len(verdict) < len(want) || verdict[:len(want)] != want {
			s.t.Errorf("%s: plan says %q, want %q (story %s)", key, verdict, want, o.Story)
		}
		delete(got, key)
	}
	for key, verdict := range got {
		s.t.Errorf("%s: plan says %q, want it not listed", key, verdict)
	}
}

func count(d gc.Document, is func(gc.Object) bool) int {
	n := 0
	for _, o := range d.Objects {
		if is(o) {
			n++
		}
	}
	return n
}

func outcome(want gc.Outcome) func(gc.Object) bool {
	return func(o gc.Object) bool { return o.Outcome == want }
}

func find(t *testing.T, d gc.Document, kind policy.Kind, name string) gc.Object {
	t.Helper()
	for _, o := range d.Objects {
		if o.Kind == kind && o.Name == name {
			return o
		}
	}
	t.Fatalf("%s %s is not in the %s", kind, name, d.Kind)
	return gc.Object{}
}

// person returns a client configuration for somebody other than bosgc.
func (s *system) person() *rest.Config {
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig())
	if err != nil {
		s.t.Error(err)
	}
	return config
}

func (s *system) core() *corev1client.CoreV1Client { return corev1client.NewForConfigOrDie(s.person()) }

var protection = []byte(`{"metadata":{"annotations":{"bosgc/keep":"true"}}}`)

// annotate protects a ConfigMap.
func (s *system) annotate(configMap string) {
	_, err := s.core().ConfigMaps(lab.Namespace).Patch(context.Background(), configMap, types.MergePatchType, protection, metav1.PatchOptions{})
	if err != nil {
		s.t.Error(err)
	}
}

func (s *system) annotateJob(job string) {
	_, err := batchv1client.NewForConfigOrDie(s.person()).Jobs(lab.Namespace).Patch(context.Background(), job, types.MergePatchType, protection, metav1.PatchOptions{})
	if err != nil {
		s.t.Error(err)
	}
}

// startPod starts a Pod that works for a session.
func (s *system) startPod(session string) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "by-hand", Namespace: lab.Namespace}, Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "boa", Image: "boa", Env: []corev1.EnvVar{{Name: "SESSION_ID", Value: session}}}},
	}}
	if _, err := s.core().Pods(lab.Namespace).Create(context.Background(), pod, metav1.CreateOptions{}); err != nil {
		s.t.Error(err)
	}
}

// sessionOf returns the session in the tag of a CFS session.
func (s *system) sessionOf(cfsSession string) string {
	text, err := fetch(s.URL("cfs") + "/v2/sessions/" + cfsSession)
	if err != nil {
		s.t.Error(err)
		return ""
	}
	var session struct {
		Tags map[string]string `json:"tags"`
	}
	if err := json.Unmarshal([]byte(text), &session); err != nil {
		s.t.Error(err)
	}
	return session.Tags["bos_session"]
}
