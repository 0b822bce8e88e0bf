package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"bosgc/internal/lab/simbos"
	"bosgc/internal/lab/simcfs"
	"bosgc/internal/lab/simkube"
)

// ServerOptions say how a world is served.
type ServerOptions struct {
	// Gateway puts BOS and CFS behind an API gateway with TLS and tokens. Otherwise they are reached as from inside the
	// mesh, over plain HTTP.
	Gateway bool
	// Login is what the gateway does with a request without a valid token: redirect (the default) redirects to a login
	// page, html answers with that page, 401 refuses.
	Login     string
	TokenLife time.Duration // default 1 hour
	PageSize  int           // CFS's default_page_size; default 1000
	Batcher   simcfs.BatcherOptions
	// CFSRealCosts makes lists, filters and patches with filters of CFS take as long as on CSM 1.5 and later.
	CFSRealCosts bool
	// BOSWorkerLife is after how long a stuck BOS worker is killed; 0: as in the release.
	BOSWorkerLife time.Duration
	// ServiceTime is how long each request takes at least, by system (bos, cfs, kube).
	ServiceTime map[string]time.Duration
	Faults      []Fault
	// OnRequest is called before each request is served. Requests are numbered over all systems from 1.
	OnRequest func(n int, r *http.Request)
	// OnDelete is called after each delete that was carried out, before it is answered.
	OnDelete func(Deletion)
	// Remember stores every answer. The faults stale and repeat need it.
	Remember bool
	// KubePage is the most objects that the API server puts into a page of a list, whatever the client asks for; 0: no
	// limit.
	KubePage int
	// Clock is the clock of the API server, for the Date of its answers and for creation times, and of BOS; nil:
	// time.Now.
	Clock func() time.Time
	// BOSEtcd is the URL of a real etcd in which BOS stores its sessions.
	BOSEtcd string
	// Listen opens the ports of BOS and CFS where other machines reach them; nil: on loopback, where all other ports
	// always are.
	Listen func(context.Context) (net.Listener, error)
}

type listenFunc = func(context.Context) (net.Listener, error)

// system has a port of its own.
type system struct {
	name    string
	handler http.Handler
	tls     bool
}

// Server is a running world.
type Server struct {
	BOS  *simbos.Server
	CFS  *simcfs.Server
	Kube *simkube.Server

	World   *World
	options ServerOptions

	dir        string // files for clients
	ca         *authority
	tokens     tokens
	handlers   []system
	urls       map[string]string
	servers    []*http.Server
	closed     chan struct{}
	background sync.WaitGroup
	once       sync.Once

	faults  faults
	log     requestLog
	traffic map[string]*traffic // by system
	locks   changeLocks
}

// Start serves a world on loopback, each system on a port of its own.
func Start(world *World, options ServerOptions) (*Server, error) {
	dir, err := os.MkdirTemp("", "bosgc-lab-")
	if err != nil {
		return nil, err
	}
	s := &Server{
		World: world, options: options, dir: dir, urls: map[string]string{}, traffic: map[string]*traffic{},
		tokens: tokens{life: options.TokenLife, valid: map[string]time.Time{}}, closed: make(chan struct{}),
	}
	s.populate()
	if options.BOSEtcd != "" {
		err = s.BOS.MoveToEtcd(options.BOSEtcd)
	}
	if err == nil {
		err = s.listenAll()
	}
	for _, f := range options.Faults {
		if err == nil {
			err = s.AddFault(f)
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// populate makes the systems of the world's release, and puts its objects into them.
func (s *Server) populate() {
	p, w := s.World.Profile, s.World
	life := p.BOSWorkerLife
	if s.options.BOSWorkerLife > 0 {
		life = s.options.BOSWorkerLife
	}
	s.BOS = simbos.New(simbos.Options{
		Version: p.BOS, V1: p.BOSv1, V2: p.BOSv2, TemplateKey: p.TemplateKey, HonestComplete: p.HonestComplete,
		Created201: p.Created201, RefuseTenants: p.RefuseTenants, Workers: p.BOSWorkers, WorkerLife: life,
		ServiceTime: s.options.ServiceTime["bos"], Seed: w.Options.Seed, Now: s.options.Clock,
	})
	for _, session := range w.sessions {
		s.BOS.Add(session)
		if !w.gone[session.Template] {
			s.BOS.AddTemplate(session.Template)
		}
	}
	for _, session := range w.v2 {
		s.BOS.AddV2(session)
	}
	const wellBelow = simbos.ListLimit * 3 / 4
	if w.Options.ListBytes > 0 {
		s.BOS.ScaleList(w.Options.ListBytes)
	} else if w.Options.ListBytes == 0 && s.BOS.ListBytes() > wellBelow {
		s.BOS.ScaleList(wellBelow)
	}
	cfs := p.cfs(s.options.PageSize, s.options.Batcher)
	cfs.RealCosts = s.options.CFSRealCosts
	s.CFS = simcfs.New(cfs)
	for _, session := range w.cfs {
		s.CFS.Add(session)
	}
	for _, component := range w.components {
		s.CFS.AddComponent(component)
	}
	s.Kube = simkube.New(simkube.Options{
		GitVersion: p.Kubernetes, CronJobV1: p.CronJobV1, Token: kubeToken,
		Namespaces: []string{"default", Namespace, "user"}, Born: w.Options.Now.Add(-500 * day),
		Now: s.options.Clock, PageLimit: s.options.KubePage,
	})
	for _, o := range w.objects {
		s.Kube.Add(o.resource, o.object)
	}
	if w.bulk != nil {
		s.Kube.AddBulk(w.bulk)
	}
}

func (s *Server) listenAll() (err error) {
	if s.ca, err = newAuthority(); err != nil {
		return err
	}
	if err := os.WriteFile(s.caFile(), s.ca.pem, 0o600); err != nil {
		return err
	}
	bos, cfs := s.intercept("bos", s.BOS), s.intercept("cfs", s.CFS)
	s.handlers = []system{
		{"kube", s.intercept("kube", s.Kube), true},
		{"lab", s.control(), false},
		{"bos", bos, false},
		{"cfs", cfs, false},
		{"gateway", s.gateway(bos, cfs), true},
	}
	for _, h := range s.handlers {
		if err := s.listen(h.name, h.handler, h.tls); err != nil {
			return err
		}
	}
	return s.writeKubeconfig(s.Kubeconfig(), s.urls)
}

// listen opens the port of a system and serves it.
func (s *Server) listen(name string, handler http.Handler, tls bool) (err error) {
	open := s.options.Listen
	if open == nil || name != "bos" && name != "cfs" {
		open = loopback
	}
	s.urls[name], err = s.serve(name, open, handler, tls)
	return err
}

func loopback(ctx context.Context) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", "127.0.0.1:0")
}

// serve serves a system on a new port, and returns its URL. TLS is with HTTP/1.1, so that a fault that breaks a
// connection does not break a stream only.
func (s *Server) serve(name string, open listenFunc, handler http.Handler, tls bool) (url string, err error) {
	listener, err := open(context.Background())
	if err != nil {
		return "", err
	}
	listener = s.countTraffic(name, listener)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	if name == "bos" || name == "cfs" {
		server.ConnState = closeWhenIdle
	}
	s.servers = append(s.servers, server)
	url = "http://" + listener.Addr().String()
	serve := func() error { return server.Serve(listener) }
	if tls {
		url = "https://" + listener.Addr().String()
		server.TLSConfig = s.ca.serverConfig()
		serve = func() error { return server.ServeTLS(listener, "", "") }
	}
	go func() {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			log.Printf("lab: %s: %v", name, err)
		}
	}()
	return url, nil
}

// closeWhenIdle closes a connection after its first answer without announcing it, as uWSGI, under which BOS and CFS
// run, does in every release. A gateway in front of them does not close its connections.
func closeWhenIdle(conn net.Conn, state http.ConnState) {
	if state == http.StateIdle {
		_ = conn.Close()
	}
}

// intercept returns a handler that logs and delays requests, and applies faults to them.
func (s *Server) intercept(system string, inner http.Handler) http.Handler {
	slow := s.options.ServiceTime[system]
	if system == "bos" {
		slow = 0 // BOS does it itself: a worker is busy meanwhile
	}
	if s.options.OnDelete != nil {
		inner = s.reportDeletes(system, inner)
	}
	earlier := &answerMemory{answers: map[string]*bufferedAnswer{}}
	if s.options.Remember {
		inner = earlier.recording(inner)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := s.log.begin(system, r)
		recorder := &statusRecorder{ResponseWriter: w}
		defer func() { s.log.end(request, recorder.status) }()
		if s.options.OnRequest != nil {
			s.options.OnRequest(request.N, r)
		}
		if slow > 0 {
			time.Sleep(slow)
		}
		if s.options.Clock != nil && system == "kube" {
			w.Header().Set("Date", s.options.Clock().UTC().Format(http.TimeFormat))
		}
		if f, ok := s.faults.match(system, r); ok {
			f.apply(recorder, r, inner, earlier, s.closed)
			return
		}
		inner.ServeHTTP(recorder, r)
	})
}

// AddFault puts a fault in force.
func (s *Server) AddFault(f Fault) error {
	switch f.Name {
	case "bos-down", "cfs-down", "kube-down":
		f.Kind, f.System = FaultRefuse, f.Name[:len(f.Name)-len("-down")]
	case "etcd-down":
		s.BOS.SetEtcdDown(true)
		return nil
	case "list-hangs":
		s.BOS.SetListHangs(true)
		return nil
	case "continue-expired":
		s.Kube.ExpireContinue(max(1, f.Count))
		return nil
	case "":
	default:
		f.Kind = ""
	}
	if err := f.compile(); err != nil {
		return err
	}
	s.faults.add(f)
	return nil
}

// ClearFaults removes all faults. Requests that already hang go on hanging.
func (s *Server) ClearFaults() {
	s.faults.clear()
	s.BOS.SetEtcdDown(false)
	s.BOS.SetListHangs(false)
	s.Kube.ExpireContinue(0)
}

// FaultCounts returns how many requests each kind of fault was applied to.
func (s *Server) FaultCounts() map[string]int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return maps.Clone(s.faults.counts)
}

// Requests returns all requests so far, in the order in which they came.
func (s *Server) Requests() []Request { return s.log.all() }

// Danger returns the requests that no careful client sends, each with what it did.
func (s *Server) Danger() []string { return slices.Concat(s.CFS.Danger(), s.Kube.Danger()) }

// Objects returns what exists now: sessions with ghosts, and all Jobs, ConfigMaps and CFS sessions, but for bosgc's own
// ConfigMaps.
func (s *Server) Objects() []Object {
	var objects []Object
	for kind, names := range map[string][]string{
		KindSession: s.BOS.IDs(), KindJob: s.Kube.Names("jobs", Namespace),
		KindConfigMap: s.Kube.Names("configmaps", Namespace), KindCFSSession: s.CFS.Names(),
	} {
		for _, name := range names {
			if kind == KindConfigMap && s.Kube.Label("configmaps", Namespace, name, "app.kubernetes.io/managed-by") == "bosgc" {
				continue
			}
			objects = append(objects, Object{Kind: kind, Name: name})
		}
	}
	slices.SortFunc(objects, compareObjects)
	return objects
}

// URL returns the URL of a system: bos, cfs, kube, gateway or lab.
func (s *Server) URL(system string) string { return s.urls[system] }

func (s *Server) caFile() string { return filepath.Join(s.dir, "ca.pem") }

// Kubeconfig returns the file with which kubectl and client-go reach the API server.
func (s *Server) Kubeconfig() string { return filepath.Join(s.dir, "kubeconfig") }

// Env returns the environment for bosgc, as KEY=value.
func (s *Server) Env() []string { return s.env(s.Kubeconfig(), s.urls) }

func (s *Server) env(kubeconfig string, urls map[string]string) []string {
	env := []string{"KUBECONFIG=" + kubeconfig, "LAB_URL=" + s.urls["lab"]}
	if !s.options.Gateway {
		return append(env, "BOSGC_BOS_URL="+urls["bos"], "BOSGC_CFS_URL="+urls["cfs"])
	}
	return append(env,
		"BOSGC_BOS_URL="+urls["gateway"]+"/apis/bos",
		"BOSGC_CFS_URL="+urls["gateway"]+"/apis/cfs",
		"BOSGC_TOKEN_URL="+urls["gateway"]+tokenPath,
		"BOSGC_CLIENT_ID="+clientID,
		"BOSGC_CLIENT_SECRET="+clientSecret,
		"BOSGC_CA_FILE="+s.caFile(),
	)
}

// Close stops all systems and removes the files for clients.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		s.background.Wait()
		for _, server := range s.servers {
			err = errors.Join(err, server.Close())
		}
		s.BOS.Close()
		err = errors.Join(err, os.RemoveAll(s.dir))
	})
	if err != nil {
		return fmt.Errorf("closing the lab: %w", err)
	}
	return nil
}
