package chart

import (
	"strings"
	"testing"

	"bosgc/internal/lab"
	"bosgc/test/plane"
)

// TestHelm4 goes through the life of a release with Helm 4, which lets the server merge (server-side apply) or merges
// by itself, and takes over one of Helm 3.
func TestHelm4(t *testing.T) {
	for _, tt := range []struct{ name, installs, serverSide string }{
		{"the server merges", "helm4", "true"},
		{"Helm merges", "helm4", "false"},
		{"from Helm 3, the server merges", "helm", "true"},
		{"from Helm 3", "helm", "auto"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, plane.Options{})
			helm := func(name string, args ...string) {
				t.Helper()
				if name == "helm4" && args[0] != "uninstall" {
					args = append(args, "--server-side="+tt.serverSide)
				}
				if _, err := HelmOf(t, name, s.kubeconfig, append(args, "-n", lab.Namespace)...); err != nil {
					t.Fatal(err)
				}
			}
			set := "config.namespace=" + lab.Namespace
			helm(tt.installs, "install", "bosgc", Dir(), "--set", set+",config.sessionTTL=60d")
			before := s.objects(t)
			s.admitted(t, "app.kubernetes.io/instance=bosgc,app.kubernetes.io/component=exporter")

			// Stopped by hand: no upgrade lets it go on, and a setting neither gets lost nor stays.
			s.kubectl(t, "patch", "cronjob", "bosgc", "-p", `{"spec":{"suspend":true}}`)
			helm("helm4", "upgrade", "bosgc", Dir(), "--set", set+",config.sessionTTL=60d,config.keepLast=2,extraEnv[0].name=A,extraEnv[0].value=b")
			if got := s.kubectl(t, "get", "cronjob", "bosgc", "-o", "jsonpath={.spec.suspend}"); got != "true" {
				t.Errorf("suspend is %q after an upgrade", got)
			}
			for _, want := range []string{"BOSGC_SESSION_TTL=60d", "BOSGC_KEEP_LAST=2", "A=b"} {
				if got := strings.Join(s.environ(t), " "); !strings.Contains(" "+got+" ", " "+want+" ") {
					t.Errorf("upgraded, %s is not in %s", want, got)
				}
			}
			helm("helm4", "upgrade", "bosgc", Dir(), "--set", set+",mode=serve")
			s.admitted(t, "app.kubernetes.io/component=sweeper,app.kubernetes.io/instance=bosgc,pod-template-hash")
			if out := s.kubectl(t, "get", "cronjobs", "-o", "name"); out != "" {
				t.Errorf("mode serve has %s", out)
			}
			helm("helm4", "rollback", "bosgc", "1")
			if got := s.objects(t); got != before {
				t.Errorf("rolled back: %s, want %s", got, before)
			}
			if got := strings.Join(s.environ(t), " "); !strings.Contains(got, "BOSGC_SESSION_TTL=60d") || strings.Contains(got, "BOSGC_KEEP_LAST") {
				t.Errorf("rolled back, the variables are %s", got)
			}
			helm("helm4", "uninstall", "bosgc")
			if got := s.objects(t); got != "" {
				t.Errorf("left behind: %s", got)
			}
		})
	}
}

// objects returns the objects of the release, by name.
func (s *site) objects(t *testing.T) string {
	t.Helper()
	out := s.kubectl(t, "get", "cronjobs,deployments,services,serviceaccounts,roles,rolebindings,networkpolicies", "-l", "app.kubernetes.io/instance=bosgc", "-o", "name")
	return strings.Join(strings.Fields(out), " ")
}
