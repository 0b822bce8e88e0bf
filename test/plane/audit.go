package plane

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Request is a request that the API server has answered.
type Request struct {
	Verb       string    `json:"verb"` // as Kubernetes names it: get, list, delete
	RequestURI string    `json:"requestURI"`
	UserAgent  string    `json:"userAgent"`
	Received   time.Time `json:"requestReceivedTimestamp"`
}

func (p *Plane) audited(dir string) error {
	policy := filepath.Join(dir, "audit.yaml")
	p.audit = filepath.Join(dir, "audit.log")
	err := os.WriteFile(policy, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"), 0o600)
	p.env.ControlPlane.APIServer.Configure().
		Set("audit-policy-file", policy).
		Set("audit-log-path", p.audit).
		Set("audit-log-maxsize", "100000") // MB: the log must not be rotated while it is counted
	return err
}

// Requests returns all requests so far, without the API server's own. It needs Options.Audit.
func (p *Plane) Requests(t testing.TB) []Request {
	t.Helper()
	f, err := os.Open(p.audit)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []Request
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r Request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("the audit log: %v: %s", err, lines.Bytes())
		}
		if !strings.HasPrefix(r.UserAgent, "kube-apiserver/") {
			all = append(all, r)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
