package bench

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"bosgc/internal/lab"
	"bosgc/test/plane"
)

// host serves a world as often as needed, each time as if nobody had touched it.
type host interface {
	fresh(t testing.TB) site
	name() string
}

// site is a world that is served.
type site interface {
	environ() []string
	requests() []lab.Request // so far
	received() int64         // bytes that the systems have sent
	left() map[string]bool   // objects that exist, by kind and name
}

// labHost simulates all three systems. Each request takes at least the service time.
type labHost struct {
	world   *World
	service time.Duration
	etcd    string // URL of an etcd with a copy of BOS's keys; empty if none is needed
}

func (h labHost) name() string {
	if h.service == 0 {
		return "lab, answers at once"
	}
	return "lab, " + h.service.String() + " each request"
}

func (h labHost) fresh(t testing.TB) site {
	t.Helper()
	server, err := lab.Start(h.world.World, lab.ServerOptions{ServiceTime: map[string]time.Duration{
		"bos": h.service, "cfs": h.service, "kube": h.service,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return labSite{server, h.etcd}
}

type labSite struct {
	server *lab.Server
	etcd   string
}

func (s labSite) environ() []string {
	return append(s.server.Env(), etcdEnviron(s.etcd)...)
}

func etcdEnviron(url string) []string {
	if url == "" {
		return nil
	}
	return []string{"BOSGC_BOS_ETCD_ENDPOINTS=" + url}
}

func (s labSite) requests() []lab.Request { return s.server.Requests() }

func (s labSite) received() (sum int64) {
	for _, system := range []string{"bos", "cfs", "kube"} {
		_, sent := s.server.Traffic(system)
		sum += sent
	}
	return sum
}

func (s labSite) left() map[string]bool {
	set := map[string]bool{}
	for _, o := range s.server.Objects() {
		set[o.Kind+o.Name] = true
	}
	return set
}

// planeHost has a real kube-apiserver with its etcd, and simulates BOS and CFS.
type planeHost struct {
	labHost

	plane *plane.Plane
	proxy *proxy
}

func newPlaneHost(t testing.TB, world *World, etcd string) planeHost {
	t.Helper()
	p := plane.Start(t, plane.Options{Namespaces: []string{lab.Namespace}, NoControllers: true, Audit: true})
	server, err := url.Parse(p.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	h := planeHost{labHost{world: world, etcd: etcd}, p, startProxy(t, server.Host)}
	h.put(t, func(lab.KubeObject) bool { return true })
	return h
}

func (h planeHost) name() string { return "real kube-apiserver; BOS and CFS of the lab" }

// put writes objects to etcd behind the API server's back and waits until it has noticed.
func (h planeHost) put(t testing.TB, which func(lab.KubeObject) bool) {
	t.Helper()
	h.plane.PutAll(t, func(yield func(plane.Stored) bool) {
		for o := range h.world.KubeObjects() {
			if which(o) && !yield(plane.Stored(o)) {
				return
			}
		}
	})
	plane.Eventually(t, time.Minute, func() error {
		there := h.left(t)
		for _, f := range h.world.Answer {
			if f.ConfigMap != "" && !there[lab.KindConfigMap+f.ConfigMap] || f.Job != "" && !there[lab.KindJob+f.Job] {
				return fmt.Errorf("what session %s has in Kubernetes is not all there", f.Session)
			}
		}
		return nil
	})
}

func (h planeHost) fresh(t testing.TB) site {
	t.Helper()
	gone := map[string]bool{}
	for _, f := range h.world.Answer {
		gone["configmaps"+f.ConfigMap], gone["jobs"+f.Job] = true, true
	}
	h.plane.Wipe(t, "configmaps", lab.Namespace, "bosgc-")
	h.plane.Wipe(t, "leases", lab.Namespace, "bosgc")
	h.put(t, func(o lab.KubeObject) bool { return gone[o.Resource+o.Name] })
	config := rest.CopyConfig(h.plane.Config)
	config.Host = "https://" + h.proxy.address
	return planeSite{
		labSite: h.labHost.fresh(t).(labSite), t: t, host: h, kubeconfig: plane.WriteKubeconfig(t, config),
		before: len(h.plane.Requests(t)), sent: h.proxy.sent.Load(),
	}
}

// left lists the real Jobs and ConfigMaps, by kind and name.
func (h planeHost) left(t testing.TB) map[string]bool {
	t.Helper()
	set := map[string]bool{}
	jobs, err := h.plane.Client.BatchV1().Jobs(lab.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range jobs.Items {
		set[lab.KindJob+jobs.Items[i].Name] = true
	}
	cms, err := h.plane.Client.CoreV1().ConfigMaps(lab.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range cms.Items {
		set[lab.KindConfigMap+cms.Items[i].Name] = true
	}
	return set
}

type planeSite struct {
	labSite

	t          testing.TB
	host       planeHost
	kubeconfig string
	before     int   // number of requests to the API server at the start
	sent       int64 // bytes that the API server had sent at the start
}

func (s planeSite) environ() []string {
	env := slices.DeleteFunc(s.labSite.environ(), func(one string) bool { return strings.HasPrefix(one, "KUBECONFIG=") })
	return append(env, "KUBECONFIG="+s.kubeconfig)
}

func (s planeSite) received() int64 {
	return s.labSite.received() + s.host.proxy.sent.Load() - s.sent
}

// requests returns the requests to the simulated systems, then those that the API server has logged.
func (s planeSite) requests() []lab.Request {
	all := s.server.Requests()
	// The API server logs a request a moment after the answer.
	time.Sleep(300 * time.Millisecond)
	for _, r := range s.host.plane.Requests(s.t)[s.before:] {
		at, err := url.Parse(r.RequestURI)
		if err != nil {
			s.t.Fatal(err)
		}
		method := map[string]string{"get": "GET", "list": "GET", "delete": "DELETE", "create": "POST", "update": "PUT", "watch": "GET"}[r.Verb]
		all = append(all, lab.Request{Time: r.Received, System: "kube", Method: method, Path: at.Path, Query: at.RawQuery})
	}
	return all
}

func (s planeSite) left() map[string]bool {
	set := s.labSite.left()
	maps.DeleteFunc(set, func(key string, _ bool) bool {
		return strings.HasPrefix(key, lab.KindJob) || strings.HasPrefix(key, lab.KindConfigMap)
	})
	maps.Copy(set, s.host.left(s.t))
	return set
}

// bosEtcd starts an etcd with BOS's keys, for contenders that read them there. Above about a thousand
// sessions, BOS's list is larger than BOS can send, and bosgc does not request it.
func bosEtcd(t testing.TB, world *World) string {
	t.Helper()
	if world.Sessions <= 1000 {
		return ""
	}
	etcd := plane.StartEtcd(t, nil)
	server, err := lab.Start(world.World, lab.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(server.BOS.CopyToEtcd(etcd.URL), server.Close()); err != nil {
		t.Fatal(err)
	}
	return etcd.URL
}

// kubectl returns the path of a real kubectl.
func kubectl(t testing.TB) string { return filepath.Join(plane.Binaries(t, ""), "kubectl") }
