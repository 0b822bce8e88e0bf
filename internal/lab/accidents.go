package lab

import (
	"net/http"
	"slices"
	"time"

	"bosgc/internal/lab/simbos"
)

// WipeBOS removes every session of BOS v1, as CSM's remedy for a list that hangs does. Jobs and ConfigMaps stay.
func (s *Server) WipeBOS() {
	for _, id := range s.BOS.IDs() {
		s.BOS.Remove(id)
	}
}

// RestoreBOS brings BOS's database back as it was at a time: of the world's sessions those that began later are gone,
// and those that have been deleted since are there again.
func (s *Server) RestoreBOS(at time.Time) {
	started := map[string]time.Time{}
	for _, f := range s.World.Facts() {
		if f.Kind == KindSession {
			started[f.Name] = f.Start
		}
	}
	s.WipeBOS()
	for _, session := range s.World.sessions {
		if started[session.ID].Before(at) {
			s.BOS.Add(session)
		}
	}
}

// Severed reports what nothing shows any more to be of BOS's system if BOS has lost these sessions: that of Kubernetes,
// and those CFS sessions that name one. It stays so whatever else of the world goes.
func (w *World) Severed(lost map[string]bool) (kube, named bool) {
	left := *w
	left.sessions = slices.DeleteFunc(slices.Clone(w.sessions), func(s simbos.Session) bool { return lost[s.ID] })
	left.v2 = slices.DeleteFunc(slices.Clone(w.v2), func(s simbos.V2Session) bool { return lost[s.Name] })
	d := (&builder{World: &left, now: w.Options.Now.UTC()}).findDoubts()
	return d.kube && w.Profile.BOSv1 || d.unnamed && !w.Profile.BOSv1, d.unnamed
}

// V2Names returns the sessions of BOS v2.
func (w *World) V2Names() []string {
	names := make([]string, 0, len(w.v2))
	for _, s := range w.v2 {
		names = append(names, s.Name)
	}
	return names
}

// ForgetV2 removes every session of BOS v2, whose Redis has come up empty.
func (s *Server) ForgetV2() {
	for _, session := range s.World.v2 {
		s.BOS.RemoveV2(session.Name)
	}
}

// ExpireJobs removes the Jobs whose time to live, which Kyverno has given them, is over.
func (s *Server) ExpireJobs(now time.Time) []string {
	s.locks.kube.Lock()
	defer s.locks.kube.Unlock()
	return s.Kube.ExpireJobs(now)
}

// Refusals are the ways in which a system refuses, or fails, every delete while its reads work.
func Refusals(system string) map[string]Fault {
	refusal := func(status int, kind, body string) Fault {
		return Fault{
			Kind: FaultStatus, System: system, Method: http.MethodDelete, Status: status,
			Header: map[string]string{"Content-Type": kind}, Body: body,
		}
	}
	const text, problem = "application/json", "application/problem+json"
	all := map[string]Fault{
		"403": refusal(http.StatusForbidden, problem, `{"title":"Forbidden","detail":"no deletes","status":403}`),
		"500": refusal(http.StatusInternalServerError, problem, `{"title":"Internal Server Error","status":500}`),
		"503": refusal(http.StatusServiceUnavailable, problem, `{"title":"Service Unavailable","status":503}`),
	}
	if system != "kube" {
		return all
	}
	const status = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",`
	all["403"] = refusal(http.StatusForbidden, text,
		status+`"reason":"Forbidden","code":403,"message":"configmaps is forbidden: User \"bosgc\" cannot delete"}`)
	all["500"] = refusal(http.StatusInternalServerError, text,
		status+`"reason":"InternalError","code":500,"message":"etcdserver: mvcc: database space exceeded"}`)
	all["503"] = refusal(http.StatusServiceUnavailable, text,
		status+`"reason":"ServiceUnavailable","code":503,"message":"the server is currently unable to handle the request"}`)
	all["webhook"] = refusal(http.StatusForbidden, text, status+`"reason":"Forbidden","code":403,`+
		`"message":"admission webhook \"validate.kyverno.svc-fail\" denied the request: no deletes here"}`)
	return all
}

// Wired is an environment in which one of the three systems is that of another server.
func (s *Server) Wired(system string, other *Server) (kubeconfig string, env []string) {
	kubeconfig = s.Kubeconfig()
	if system == "kube" {
		return other.Kubeconfig(), s.Env()
	}
	variable := map[string]string{"bos": "BOSGC_BOS_URL=", "cfs": "BOSGC_CFS_URL="}[system]
	return kubeconfig, append(s.Env(), variable+other.URL(system))
}

// NamesSessions reports whether a tag in CFS names a session. Where none does, nothing shows whose CFS that is
// (docs/safety.md, "What it does not promise").
func (w *World) NamesSessions() bool { return len((&builder{World: w}).namedByCFS()) > 0 }

// Indistinct reports whether nothing shows that BOS of one world and Kubernetes of another are not of one system: BOS has
// no session of the last week and Kubernetes names none at all, as where people have deleted all Jobs and ConfigMaps.
func Indistinct(bos, kube *World) bool {
	together := &builder{
		World: &World{Profile: bos.Profile, sessions: bos.sessions, objects: kube.objects}, now: bos.Options.Now.UTC(),
	}
	return together.findDoubts().untraced
}
