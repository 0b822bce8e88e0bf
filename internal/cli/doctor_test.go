package cli

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"bosgc/gc"
	"bosgc/internal/doctor"
	"bosgc/internal/lab"
)

func (s *system) checks(args []string, extra ...string) (checks, int) {
	s.t.Helper()
	code, stdout, stderr := s.run(append([]string{"doctor", "-o", "json"}, args...), extra...)
	var d checks
	if err := json.Unmarshal([]byte(stdout), &d); err != nil {
		s.t.Fatalf("stdout is not a document: %v\n%s\n%s", err, stdout, stderr)
	}
	if d.ExitCode != code {
		s.t.Errorf("the document has exit code %d, the command %d", d.ExitCode, code)
	}
	return d, code
}

// failures returns the names of the checks that failed, and what the first of them found and says is to be done.
func failures(d checks) (names, text string) {
	var all []string
	for _, c := range d.Checks {
		if c.Level == doctor.Failure {
			all = append(all, c.Name)
			if text == "" {
				text = c.Found + "; " + c.Remedy
			}
		}
	}
	return strings.Join(all, ","), text
}

func TestDoctorOfAWellSystem(t *testing.T) {
	eachRelease(t, func(t *testing.T, options lab.Options) {
		s := start(t, options, lab.ServerOptions{})
		before := s.exist()
		d, code := s.checks(nil)
		if names, text := failures(d); code != gc.ExitDone || names != "" {
			t.Errorf("exit code %d, failed: %s: %s", code, names, text)
		}
		s.same("after the doctor", s.exist(), before)
		for _, r := range s.Requests() {
			if r.Method != http.MethodGet && !strings.Contains(r.Path, "selfsubjectaccessreviews") {
				t.Errorf("the doctor sent %s %s", r.Method, r.Path)
			}
			if r.System == "bos" && r.Path == "/v1/session" {
				t.Error("the doctor asked BOS for its list")
			}
		}
	})
}

func TestDoctorNamesWhatIsWrong(t *testing.T) {
	answers := func(system, path string) lab.Fault {
		return lab.Fault{Kind: lab.FaultStatus, Status: http.StatusServiceUnavailable, System: system, Path: path}
	}
	for _, tt := range []struct {
		name    string
		prepare func(s *system)
		args    []string
		env     []string
		failed  string
		says    string
	}{
		{"a permission", func(s *system) { s.Kube.Deny("delete", "jobs") }, nil, nil, "permissions", "delete jobs.batch"},
		{
			"BOS is not well", func(s *system) { s.fault(answers("bos", "healthz")) }, nil, nil, "BOS", "docs/rescue.md",
		},
		{"CFS", func(s *system) { s.fault(answers("cfs", "options")) }, nil, nil, "CFS", "BOSGC_CFS_URL"},
		{"the namespace", func(*system) {}, nil, []string{"BOSGC_NAMESPACE=elsewhere"}, "namespace", "BOSGC_NAMESPACE"},
		{"the settings", func(*system) {}, nil, []string{"BOSGC_SESSION_TTL=7"}, "settings", "BOSGC_SESSION_TTL"},
		{
			"the metrics", func(*system) {},
			[]string{"--metrics-url", "http://127.0.0.1:1/metrics"},
			nil,
			"metrics", "BosgcMetricsMissing",
		},
		{
			"the state", func(s *system) { s.fault(refusal(http.MethodGet, "configmaps/bosgc-state")) }, nil, nil,
			"state", "BosgcStateUnreadable",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, lab.Options{CSM: "1.4", Seed: 3, Sessions: 20}, lab.ServerOptions{})
			s.environ = append(s.environ, "BOSGC_REQUEST_TIMEOUT=2s")
			tt.prepare(s)
			d, code := s.checks(tt.args, tt.env...)
			names, text := failures(d)
			if code != gc.ExitFailed || names != tt.failed || !strings.Contains(text, tt.says) {
				t.Errorf("exit code %d, failed: %q (%s); want %q, and %q", code, names, text, tt.failed, tt.says)
			}
		})
	}
}

func TestDoctorWarnsOfPermissionsThatNoSweepNeeds(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Seed: 3, Sessions: 20}, lab.ServerOptions{})
	for _, excess := range []string{"get secrets", "update configmaps", "patch deployments.apps"} {
		says := "warning  permissions  not needed: " + excess
		if _, stdout, _ := s.run([]string{"doctor"}); !strings.Contains(stdout, says) {
			t.Errorf("who may %s is not warned of it:\n%s", excess, stdout)
		}
		verb, resource, _ := strings.Cut(strings.TrimSuffix(excess, ".apps"), " ")
		s.Kube.Deny(verb, resource)
		if _, stdout, _ := s.run([]string{"doctor"}); strings.Contains(stdout, says) {
			t.Errorf("who may not %s is warned of it:\n%s", excess, stdout)
		}
	}
}

func (s *system) fault(f lab.Fault) {
	s.t.Helper()
	if err := s.AddFault(f); err != nil {
		s.t.Fatal(err)
	}
}
