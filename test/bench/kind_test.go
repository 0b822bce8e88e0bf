package bench

import (
	"math"
	"testing"

	"bosgc/internal/lab"
)

func TestKindOf(t *testing.T) {
	for _, tt := range []struct{ system, method, path, query, want string }{
		{"bos", "GET", "/v1/session", "", "bos list"},
		{"bos", "GET", "/v1/session/a", "", "bos GET"},
		{"bos", "DELETE", "/v1/session/a", "", "bos DELETE"},
		{"bos", "GET", "/v1/session/a/status/compute", "", "bos other"},
		{"bos", "GET", "/", "", "bos other"},
		{"cfs", "GET", "/v2/sessions", "tags=bos_session=a", "cfs list"},
		{"cfs", "DELETE", "/v2/sessions/a", "", "cfs DELETE"},
		{"cfs", "GET", "/v2/components", "", "cfs other"},
		{"kube", "GET", "/api/v1/namespaces/services/configmaps", "limit=500", "kube list"},
		{"kube", "GET", "/api/v1/namespaces/services/pods", "watch=true", "kube watch"},
		{"kube", "GET", "/apis/batch/v1/namespaces/services/jobs", "limit=500&continue=a", "kube page"},
		{"kube", "GET", "/api/v1/namespaces/services/configmaps", "labelSelector=app.kubernetes.io%2Fmanaged-by%3Dbosgc", "kube own"},
		{"kube", "GET", "/api/v1/namespaces/services/configmaps/a", "", "kube GET configmaps"},
		{"kube", "GET", "/api/v1/namespaces/services/configmaps/bosgc-state", "", "kube own"},
		{"kube", "POST", "/api/v1/namespaces/services/configmaps", "", "kube own"},
		{"kube", "PUT", "/apis/coordination.k8s.io/v1/namespaces/services/leases/bosgc", "", "kube own"},
		{"kube", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "", "kube other"},
		{"kube", "DELETE", "/apis/batch/v1/namespaces/services/jobs/boa-a", "", "kube DELETE jobs"},
		{"kube", "GET", "/version", "", "kube other"},
	} {
		if got := kindOf(lab.Request{System: tt.system, Method: tt.method, Path: tt.path, Query: tt.query}); got != tt.want {
			t.Errorf("%s %s?%s: %s, want %s", tt.method, tt.path, tt.query, got, tt.want)
		}
	}
}

func TestExponent(t *testing.T) {
	x := []float64{1000, 10_000, 100_000}
	for _, want := range []float64{0.9, 1, 1.3} {
		var y []float64
		for _, objects := range x {
			y = append(y, 0.002*math.Pow(objects, want))
		}
		if got := exponent(x, y); math.Abs(got-want) > 1e-9 {
			t.Errorf("%f, want %f", got, want)
		}
	}
}

func TestExtrapolated(t *testing.T) {
	base := Cost{Wall: 10, CPU: 4, Received: 1000, Requests: map[string]int{"kube page": 3}}
	some := Cost{Wall: 30, CPU: 9, Received: 1500, Requests: map[string]int{"kube page": 3, "bos GET": 20}}
	whole := some.extrapolated(base, 20, 200)
	if whole.Wall != 210 || whole.CPU != 54 || whole.Received != 6000 || whole.Requests["kube page"] != 3 || whole.Requests["bos GET"] != 200 || whole.Sample != 20 {
		t.Errorf("%+v", whole)
	}
	some.mark = &mark{Families: 10, Wall: 20, CPU: 8}
	if whole := some.extrapolated(base, 20, 200); whole.Wall != 210 || whole.CPU != 27 || whole.Requests["bos GET"] != 200 {
		t.Errorf("%+v", whole)
	}
}
