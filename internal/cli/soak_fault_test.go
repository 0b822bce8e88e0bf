package cli

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"bosgc/internal/lab"
)

// soakTarget is a kind of request that faults are drawn for.
type soakTarget struct {
	system, method, path string
	list                 bool
}

var soakTargets = []soakTarget{
	{"bos", "GET", `^/v1/session$`, true},
	{"bos", "GET", `^/v1/session/`, false},
	{"bos", "GET", `^/v1/session/`, false},
	{"bos", "DELETE", ``, false},
	{"bos", "DELETE", ``, false},
	{"bos", "GET", `^/v2/sessions$`, true},
	{"bos", "", ``, false},
	{"cfs", "GET", `/options$`, false},
	{"cfs", "GET", `/sessions(\?|$)`, true},
	{"cfs", "GET", `/sessions/`, false},
	{"cfs", "DELETE", ``, false},
	{"cfs", "", ``, false},
	{"kube", "GET", `/jobs(\?|$)`, true},
	{"kube", "GET", `/pods(\?|$)`, true},
	{"kube", "GET", `/configmaps(\?|$)`, true},
	{"kube", "GET", `/cronjobs(\?|$)`, true},
	{"kube", "GET", `/configmaps/[0-9a-f]{8}-`, false},
	{"kube", "GET", `/configmaps/[0-9a-f]{8}-`, false},
	{"kube", "GET", `/jobs/`, false},
	{"kube", "DELETE", `/(jobs|configmaps)/[0-9a-f]`, false},
	{"kube", "DELETE", ``, false},
	{"kube", "POST|PUT", `/configmaps`, false},
	{"kube", "GET", `/configmaps/bosgc-`, false},
	{"kube", "", `/leases`, false},
	{"kube", "POST", `selfsubjectaccessreviews`, false},
	{"kube", "", ``, false},
}

// drawGateway draws a gateway that has lost its route to a service, and answers "not found" in its own words.
func drawGateway(r *rand.Rand) lab.Fault {
	f := oneOf(r,
		lab.Fault{System: "bos", Path: `^/v1/session/`},
		lab.Fault{System: "bos", Path: `^/v1/session/`},
		lab.Fault{System: "cfs", Path: `/sessions/`},
		lab.Fault{System: "kube", Path: `/configmaps/[0-9a-f]{8}-`},
		lab.Fault{System: "kube", Path: `/jobs/`},
	)
	f.Kind, f.Status, f.Method, f.Count = lab.FaultStatus, http.StatusNotFound, oneOf(r, "", "GET", "GET", "DELETE"), oneOf(r, 0, 0, 0, 1, 3)
	f.Header, f.Body = map[string]string{"Content-Type": "text/html"}, "<h1>404 Not Found</h1>"
	if chance(r, 25) { // it has found another service
		f.Status, f.Body, f.Header = http.StatusOK, oneOf(r, "{}", `{"status":"ok"}`), map[string]string{"Content-Type": "application/json"}
	}
	return f
}

// drawAlone draws a single fault. With several faults, one of them often ends the run before another can do harm.
func drawAlone(r *rand.Rand, s *soakStep) {
	s.command, s.skew, s.maxDeletes, s.faults, s.crash = "sweep", 0, 1000, nil, nil
	var f lab.Fault
	switch r.IntN(4) {
	case 0:
		s.skew = oneOf(r, 2*time.Hour, 10*day, 10*day, 400*day)
		return
	case 1:
		f = drawGateway(r)
		f.Method, f.Count = http.MethodGet, 0
	case 2:
		// A list is refused first, and answered when it is requested again directly before the deletes. A collector that
		// takes unseen objects for absent ones would then delete.
		f = oneOf(r,
			lab.Fault{System: "bos", Path: `^/v1/session$`},
			lab.Fault{System: "bos", Path: `^/v1/session$`},
			lab.Fault{System: "kube", Path: `/configmaps(\?|$)`},
			lab.Fault{System: "kube", Path: `/configmaps(\?|$)`},
			lab.Fault{System: "kube", Path: `/jobs(\?|$)`},
			lab.Fault{System: "kube", Path: `/pods(\?|$)`},
			lab.Fault{System: "kube", Path: `/cronjobs(\?|$)`},
		)
		f.Kind, f.Status, f.Method, f.Count = lab.FaultStatus, http.StatusForbidden, http.MethodGet, 1
	case 3:
		// The same for what is read for the journal, and read again before its delete.
		f = oneOf(r, lab.Fault{System: "kube", Path: `/jobs/`}, lab.Fault{System: "kube", Path: `/configmaps/[0-9a-f]{8}-`})
		f.Kind, f.Status, f.Method, f.Count, f.Skip = lab.FaultStatus, http.StatusForbidden, http.MethodGet, 1, r.IntN(6)
	}
	s.faults = []lab.Fault{f}
}

func drawFault(r *rand.Rand, c *soakCase) lab.Fault {
	if chance(r, 12) {
		return drawGateway(r)
	}
	if chance(r, 6) {
		return lab.Fault{Name: oneOf(r, "etcd-down", "list-hangs", "continue-expired", "bos-down", "cfs-down")}
	}
	target := oneOf(r, soakTargets...)
	if c.serve.Gateway && chance(r, 20) {
		target = soakTarget{system: "token"}
	}
	f := lab.Fault{System: target.system, Method: target.method, Path: target.path}
	f.Count = oneOf(r, 1, 1, 2, 4, 0)
	f.Skip = oneOf(r, 0, 0, 0, 1, 3, r.IntN(30))
	kinds := []string{
		lab.FaultStatus, lab.FaultStatus, lab.FaultStatus, lab.FaultStatus, lab.FaultStatus, lab.FaultStatus, lab.FaultStatus, lab.FaultStatus,
		lab.FaultRefuse, lab.FaultHang, lab.FaultHTML, lab.FaultTruncate, lab.FaultMalformed, lab.FaultNull, lab.FaultDelay,
		lab.FaultLoseAnswer, lab.FaultReset,
	}
	if target.list {
		f.Skip = oneOf(r, 0, 0, 0, 1) // a run reads each list two or three times
		for range 3 {
			kinds = append(kinds, lab.FaultDuplicate, lab.FaultReorder, lab.FaultStale, lab.FaultRepeat)
		}
	}
	f.Kind = oneOf(r, kinds...)
	switch f.Kind {
	case lab.FaultStatus:
		drawStatus(r, target, &f)
	case lab.FaultHang:
		f.Count = max(1, f.Count) // each one takes a second
	case lab.FaultDelay:
		f.Delay, f.Count = lab.Duration(time.Duration(50+r.IntN(1500))*time.Millisecond), max(1, f.Count)
	case lab.FaultStale:
		// Only the first list of a run is stale. If the recheck directly before the deletes were as stale, nobody could know
		// better.
		f.Count, f.Skip = 1, 0
		c.serve.Remember = true
	case lab.FaultRepeat:
		f.Path = strings.TrimSuffix(strings.TrimSuffix(f.Path, `$`), `(\?|$)`) + `\?.*(continue|after_id)=`
		c.serve.Remember = true
	}
	return f
}

// drawStatus draws an answer that is an error. It leaves out lies: a false answer in a system's own words, such as
// BOS's {} for a session that it has.
func drawStatus(r *rand.Rand, target soakTarget, f *lab.Fault) {
	f.Status = oneOf(r, 400, 401, 403, 403, 403, 404, 404, 404, 404, 409, 410, 429, 429, 500, 500, 502, 503, 504)
	f.Header, f.Body = map[string]string{"Content-Type": "text/html"}, fmt.Sprintf("<h1>%d</h1>", f.Status)
	if f.Status == 429 || f.Status == 503 && chance(r, 50) {
		f.Header["Retry-After"] = oneOf(r, "1", "1", "0", "30")
	}
	word := http.StatusText(f.Status)
	switch {
	case target.system == "kube" && f.Status != 404 && chance(r, 60):
		reasons := map[int]string{
			400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 409: "Conflict", 410: "Expired", 429: "TooManyRequests",
			500: "InternalError", 502: "InternalError", 503: "ServiceUnavailable", 504: "Timeout",
		}
		f.Header["Content-Type"] = "application/json"
		f.Body = fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":%q}`, reasons[f.Status], f.Status, word)
	case target.system != "kube" && f.Status != 404 && chance(r, 60):
		f.Header["Content-Type"] = "application/problem+json"
		f.Body = fmt.Sprintf(`{"type":"about:blank","title":%q,"detail":"none","status":%d}`, word, f.Status)
	case target.list && f.Status == 404 && target.system == "bos" && chance(r, 60):
		// Only this path is unknown. If all paths of an API were, the API would have been removed.
		f.Header["Content-Type"] = "application/problem+json"
		f.Body = `{"type":"about:blank","title":"Not Found","detail":"The requested URL was not found on the server.","status":404}`
	}
}
