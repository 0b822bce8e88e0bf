package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bosgc/gc"
	"bosgc/internal/lab"
)

func run(environ []string, args ...string) (code int, stdout, stderr string) {
	var out, log bytes.Buffer
	code = Run(context.Background(), args, environ, &out, &log)
	return code, out.String(), log.String()
}

func TestConfig(t *testing.T) {
	code, stdout, stderr := run([]string{"BOSGC_SESSION_TTL=3d", "PATH=/bin"}, "config")
	if code != gc.ExitDone || stderr != "" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	for _, want := range []string{"BOSGC_SESSION_TTL", "3d", "environment", "BOSGC_KEEP_LAST", "default"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in:\n%s", want, stdout)
		}
	}
	code, stdout, _ = run([]string{"BOSGC_SESSION_TTL=3d"}, "config", "-o", "json")
	var document struct {
		Settings []struct{ Name, Value, Origin, Default string }
	}
	if err := json.Unmarshal([]byte(stdout), &document); err != nil || code != gc.ExitDone || len(document.Settings) < 40 {
		t.Errorf("exit code %d, %d settings, error %v", code, len(document.Settings), err)
	}
}

func TestBadSettingsAreNamedAllAtOnce(t *testing.T) {
	bad := []string{"BOSGC_SESSION_TTL=7", "BOSGC_CFS=maybe"}
	for _, command := range []string{"config", "plan", "sweep"} {
		code, stdout, stderr := run(bad, command)
		if code != gc.ExitUsage || stdout != "" {
			t.Errorf("%s: exit code %d, stdout %q", command, code, stdout)
		}
		for _, want := range []string{`BOSGC_SESSION_TTL="7"`, "7d", `BOSGC_CFS="maybe"`, "off, linked, old"} {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: %q is not in:\n%s", command, want, stderr)
			}
		}
		code, stdout, _ = run(bad, command, "-o", "json")
		var f failure
		if err := json.Unmarshal([]byte(stdout), &f); err != nil || code != gc.ExitUsage || f.ExitCode != code || len(f.Problems) != 2 {
			t.Errorf("%s -o json: exit code %d, error %v, document %s", command, code, err, stdout)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"swep"}, {"plan", "now"}, {"plan", "-o", "xml"}, {"sweep", "--max-deletes", "0"}, {"sweep", "--max-deletes", "some"}, {"--nope"}} {
		code, stdout, stderr := run(nil, args...)
		if code != gc.ExitUsage || stdout != "" || !strings.Contains(stderr, "--help") {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	for _, args := range [][]string{{"--help"}, {"sweep", "--help"}, {"version"}, {"version", "-o", "json"}, {}} {
		if code, stdout, stderr := run(nil, args...); code != gc.ExitDone || stdout == "" || stderr != "" {
			t.Errorf("%v: exit code %d, stderr %q", args, code, stderr)
		}
	}
}

func TestNoWayToKubernetes(t *testing.T) {
	code, _, stderr := run(nil, "plan", "--kubeconfig", filepath.Join(t.TempDir(), "none"))
	if code != gc.ExitUsage || !strings.Contains(stderr, "--kubeconfig") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

func TestASweepThatMayNotDeleteDoesNotBegin(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Sessions: 20}, lab.ServerOptions{})
	s.Kube.Deny("delete", "jobs")
	s.Kube.Deny("list", "pods")
	before := s.exist()
	code, _, stderr := s.run([]string{"sweep"})
	if code != gc.ExitFailed || !strings.Contains(stderr, "delete jobs.batch") || !strings.Contains(stderr, "list pods") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	s.same("after that", s.exist(), before)
	if code, _, stderr := s.run([]string{"plan"}); code != gc.ExitDone || strings.Contains(stderr, "delete") {
		t.Errorf("a plan: exit code %d, stderr %q", code, stderr)
	}
}

// proxy is a mesh proxy that becomes ready at the nth request.
type proxy struct {
	mu      sync.Mutex
	readyAt int
	asked   int
	quit    int
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.URL.Path == "/healthz/ready" && r.Method == http.MethodGet:
		if p.asked++; p.asked < p.readyAt {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	case r.URL.Path == "/quitquitquit" && r.Method == http.MethodPost:
		p.quit++
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestTheMeshProxyIsWaitedForAndToldToQuit(t *testing.T) {
	p := &proxy{readyAt: 3}
	mesh := httptest.NewServer(p)
	defer mesh.Close()
	early := false
	s := start(t, lab.Options{CSM: "1.4", Sessions: 5}, lab.ServerOptions{OnRequest: func(int, *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		early = early || p.asked < p.readyAt || p.quit > 0
	}})
	for _, command := range []string{"plan", "sweep"} {
		p.asked, p.quit = 0, 0
		if code, _, stderr := s.run([]string{command}, "BOSGC_MESH_QUIT_URL="+mesh.URL+"/quitquitquit"); code != gc.ExitDone {
			t.Errorf("%s: exit code %d, stderr %q", command, code, stderr)
		}
		if p.quit != 1 || p.asked != 3 || early {
			t.Errorf("%s: told to quit %d times, asked %d times, a request came too early or too late: %v", command, p.quit, p.asked, early)
		}
	}
}

func TestTheMeshProxyIsToldToQuitAlsoAfterAMistake(t *testing.T) {
	p := &proxy{}
	mesh := httptest.NewServer(p)
	defer mesh.Close()
	for _, command := range []string{"plan", "sweep", "serve"} {
		p.quit = 0
		if code, _, _ := run([]string{"BOSGC_MESH_QUIT_URL=" + mesh.URL + "/quitquitquit", "BOSGC_SESSION_TTL=7"}, command); code != gc.ExitUsage || p.quit != 1 {
			t.Errorf("%s: exit code %d, told to quit %d times", command, code, p.quit)
		}
	}
}

// full is a disk without free space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAResultThatCannotBeWrittenIsNoMistakeOfUsage(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"config"}, {"config", "-o", "json"}} {
		var stderr bytes.Buffer
		if code := Run(context.Background(), args, nil, full{}, &stderr); code != gc.ExitFailed {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

func TestLogIsJSONUnlessATerminalReadsIt(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Sessions: 5}, lab.ServerOptions{})
	_, _, stderr := s.run([]string{"sweep"}, "BOSGC_LOG_LEVEL=info")
	for line := range strings.Lines(stderr) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
	_, _, stderr = s.run([]string{"sweep"}, "BOSGC_LOG_LEVEL=info", "BOSGC_LOG_FORMAT=text")
	if !strings.HasPrefix(stderr, "time=") {
		t.Errorf("no text: %s", stderr)
	}
}

func TestKubeconfigFromTheEnvironment(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Sessions: 5}, lab.ServerOptions{})
	t.Setenv("KUBECONFIG", s.Kubeconfig())
	if code, _, stderr := run(append(s.environ, os.Environ()...), "plan"); code != gc.ExitDone {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}
