package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/gc"
	"bosgc/internal/lab"
)

// nasty are names that no system should return, but could.
var nasty = []string{
	"\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "a\rb", "a\nb\nFAKE LINE", "\u202eright-to-left", "\u0000", "", " ", ".", "..", "../session",
	"a/b", "%2e%2e%2f", "?x=y", "#", strings.Repeat("long", 10000), "\ufffd", "a b", "' OR 1=1", "<script>alert(1)</script>", "{{.}}",
}

// onlyText fails if a text has characters that a terminal would act on.
func onlyText(t *testing.T, what, text string) {
	t.Helper()
	for i, r := range text {
		if r != '\n' && !unicode.IsPrint(r) && !unicode.IsSpace(r) || r == '\r' || r == '\u202e' {
			t.Fatalf("%s has the character %q in %q", what, r, text[max(0, i-40):min(len(text), i+40)])
		}
	}
}

func jsonOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Names and texts from other systems are data. They must not reach a terminal as commands, a path as an element, or a
// log as a line.
func TestNastyNames(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 30}, lab.ServerOptions{})
	ids := append(slices.Clone(s.BOS.IDs()), nasty...)
	var cfs []map[string]any
	for _, name := range nasty {
		cfs = append(cfs, map[string]any{
			"name": name, "target": map[string]any{"definition": name}, "ansible": map[string]any{"limit": name}, "tags": map[string]any{"bos_session": name},
			"status": map[string]any{"session": map[string]any{"status": name, "startTime": name, "completionTime": name}},
		})
	}
	header := map[string]string{"Content-Type": "application/json"}
	for _, fault := range []lab.Fault{
		{Kind: lab.FaultStatus, Status: 200, System: "bos", Path: "^/v1/session$", Header: header, Body: jsonOf(ids)},
		{Kind: lab.FaultStatus, Status: 200, System: "cfs", Path: `^/v2/sessions(\?|$)`, Header: header, Body: jsonOf(cfs)},
	} {
		if err := s.AddFault(fault); err != nil {
			t.Fatal(err)
		}
	}
	for n, text := range nasty {
		id := fmt.Sprintf("%08d-0b0a-4908-8706-050403020100", n)
		s.Kube.Add("configmaps", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: id, Namespace: lab.Namespace, Annotations: map[string]string{"bosgc/keep": text, "bosgc/keep-until": text}}})
		s.Kube.Add("jobs", &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "boa-" + id, Namespace: lab.Namespace}, Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: text, Env: []corev1.EnvVar{{Name: "SESSION_ID", Value: text}, {Name: "SESSION_TEMPLATE_ID", Value: text}}}},
		}}}})
	}
	before := s.exist()
	for _, command := range []string{"plan", "sweep"} {
		for _, format := range []string{"text", "json"} {
			code, stdout, stderr := s.run([]string{command}, "BOSGC_LOG_LEVEL=debug", "BOSGC_LOG_FORMAT="+format)
			if code == gc.ExitUsage {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			onlyText(t, command+" stdout", stdout)
			onlyText(t, command+" stderr", stderr)
			if strings.Contains(stdout+stderr, "\nFAKE LINE") {
				t.Error("a name begins a new line")
			}
		}
	}
	for _, r := range s.Requests() {
		if r.Method == http.MethodDelete && (strings.Contains(r.Path, "..") || strings.HasSuffix(r.Path, "/")) {
			t.Errorf("sent DELETE %s", r.Path)
		}
	}
	s.ClearFaults()
	left := s.exist()
	for _, o := range s.World.Truth() {
		if n := name(o.Kind, o.Name); before[n] && !left[n] && !o.Goes() {
			t.Errorf("%s is gone", n)
		}
	}
	s.noDanger()
}

// A server's error message is such a text, too.
func TestNastyErrors(t *testing.T) {
	t.Parallel()
	for _, system := range []string{"bos", "cfs", "kube"} {
		s := start(t, lab.Options{CSM: "1.2", Sessions: 5}, lab.ServerOptions{})
		if err := s.AddFault(lab.Fault{Kind: lab.FaultStatus, Status: 400, System: system, Body: strings.Join(nasty, " ")}); err != nil {
			t.Fatal(err)
		}
		for _, format := range []string{"text", "json"} {
			code, stdout, stderr := s.run([]string{"sweep"}, "BOSGC_LOG_LEVEL=debug", "BOSGC_LOG_FORMAT="+format)
			if code != gc.ExitIncomplete && code != gc.ExitFailed {
				t.Errorf("%s: exit code %d", system, code)
			}
			onlyText(t, system+" stdout", stdout)
			onlyText(t, system+" stderr", stderr)
		}
	}
}

// Bodies that are huge, deep or endless must not use up the memory or the run's time.
func TestBodiesWithoutMeasure(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]lab.Fault{
		"deep":    {Kind: lab.FaultStatus, Status: 200, Header: map[string]string{"Content-Type": "application/json"}, Body: strings.Repeat("[", 5_000_000)},
		"deeper":  {Kind: lab.FaultStatus, Status: 200, Header: map[string]string{"Content-Type": "application/json"}, Body: strings.Repeat(`{"a":`, 1_000_000)},
		"endless": {Kind: lab.FaultEndless},
	} {
		for _, system := range []string{"bos", "cfs", "kube"} {
			t.Run(name+" "+system, func(t *testing.T) { // one after the other, to use less memory
				s := start(t, lab.Options{CSM: "1.2", Sessions: 5}, lab.ServerOptions{})
				fault.System = system
				if err := s.AddFault(fault); err != nil {
					t.Fatal(err)
				}
				before := s.exist()
				begun := time.Now()
				code, _, stderr := s.run([]string{"sweep"}, "BOSGC_REQUEST_TIMEOUT=1s", "BOSGC_LIST_TIMEOUT=2s", "BOSGC_DEADLINE=10s")
				if code != gc.ExitIncomplete && code != gc.ExitFailed {
					t.Errorf("exit code %d: %s", code, stderr)
				}
				if took := time.Since(begun); took > 40*time.Second {
					t.Errorf("it took %s", took)
				}
				var m runtime.MemStats
				if runtime.ReadMemStats(&m); m.Sys > 1500<<20 {
					t.Errorf("the process uses %d MiB", m.Sys>>20)
				}
				s.ClearFaults()
				left := s.exist()
				for _, o := range s.World.Truth() {
					if n := o.Kind + " " + o.Name; before[n] && !left[n] && !o.Goes() {
						t.Errorf("%s is gone", n)
					}
				}
			})
		}
	}
}
