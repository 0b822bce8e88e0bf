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
	// Gateway puts BOS and CFS behind an API gateway over TLS that wants a token; without
	// it they are reached as from inside the mesh, over plain HTTP.
	Gateway bool
	// Login is what the gateway does with a request without a valid token: redirect (the
	// default) to a login page, html to give that page at once, or 401.
	Login     string
	TokenLife time.Duration // 0 is an hour
	PageSize  int           // CFS's default_page_size; 0 is 1000
	Batcher   simcfs.BatcherOptions
	// BOSWorkerLife is after how long a stuck BOS worker is killed; 0 is what the release
	// does.
	BOSWorkerLife time.Duration
	// ServiceTime is how long each request takes at least, by system (bos, cfs, kube).
	ServiceTime map[string]time.Duration
	Faults      []Fault
	// OnRequest is called before each request is served, with its number counted over all
	// systems from 1.
	OnRequest func(n int, r *http.Request)
	// OnDelete is called after each delete that was carried out, before the answer goes out.
	OnDelete func(Deletion)
	// Remember keeps every answer, so that a stale one can be given instead of a true one.
	Remember bool
	// KubePage is how many objects the API server puts into one page of a list at most, whatever
	// it is asked for; 0 is as many as are asked for.
	KubePage int
	// Clock is what the API server takes for the time, in its answers' Date and in what is made
	// there; time.Now if it is nil.
	Clock func() time.Time
	// BOSEtcd is the URL of a real etcd for BOS to keep its sessions in.
	BOSEtcd string
	// Listen opens the ports of BOS and CFS where others than this machine reach them; without
	// it they are on loopback, as all others always are.
	Listen func(context.Context) (net.Listener, error)
}

// system is what listens on a port of its own.
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

	dir      string // of the files for clients
	ca       *authority
	tokens   tokens
	handlers []system
	urls     map[string]string
	servers  []*http.Server
	closed   chan struct{}
	alive    sync.WaitGroup
	once     sync.Once

	faults  faults
	log     requestLog
	traffic map[string]*traffic // by system
	changes changes
}

// Start serves a world on loopback, each system on a port of its own.
func Start(world *World, options ServerOptions) (*Server, error) {
	dir, err := os.MkdirTemp("", "bosgc-lab-")
	if err != nil {
		return nil, err
	}
	s := &Server{
		World: world, options: options, dir: dir, urls: map[string]string{}, traffic: map[string]*traffic{}, closed: make(chan struct{}),
		tokens: tokens{life: options.TokenLife, valid: map[string]time.Time{}},
	}
	s.populate()
	if options.BOSEtcd != "" {
		err = s.BOS.KeepIn(options.BOSEtcd)
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

func (s *Server) populate() {
	p, w := s.World.Profile, s.World
	life := p.BOSWorkerLife
	if s.options.BOSWorkerLife > 0 {
		life = s.options.BOSWorkerLife
	}
	s.BOS = simbos.New(simbos.Options{
		Version: p.BOS, V1: p.BOSv1, V2: p.BOSv2, TemplateKey: p.TemplateKey, HonestComplete: p.HonestComplete,
		Created201: p.Created201, RefuseTenants: p.RefuseTenants, Workers: p.BOSWorkers, WorkerLife: life,
		ServiceTime: s.options.ServiceTime["bos"], Seed: w.Options.Seed,
	})
	for _, session := range w.sessions {
		s.BOS.Add(session)
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
	s.CFS = simcfs.New(p.cfs(s.options.PageSize, s.options.Batcher))
	for _, session := range w.cfs {
		s.CFS.Add(session)
	}
	for _, component := range w.components {
		s.CFS.AddComponent(component)
	}
	s.Kube = simkube.New(simkube.Options{
		GitVersion: p.Kubernetes, CronJobV1: p.CronJobV1, Token: kubeToken, Namespaces: []string{"default", Namespace, "user"},
		Born: w.Options.Now.Add(-500 * day), Now: s.options.Clock, PageLimit: s.options.KubePage,
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
	bos, cfs := s.wrap("bos", s.BOS), s.wrap("cfs", s.CFS)
	s.handlers = []system{
		{"kube", s.wrap("kube", s.Kube), true},
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

// listen serves one system.
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

// serve begins to listen, and says where. TLS stays with HTTP/1.1: a fault that breaks a connection is
// to break one, not a stream.
func (s *Server) serve(name string, open func(context.Context) (net.Listener, error), handler http.Handler, tls bool) (url string, err error) {
	listener, err := open(context.Background())
	if err != nil {
		return "", err
	}
	listener = s.counted(name, listener)
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

// closeWhenIdle closes a connection after its first answer without announcing it, as the uWSGI that BOS and
// CFS run under does in every release. A gateway in front of them keeps its connections.
func closeWhenIdle(conn net.Conn, state http.ConnState) {
	if state == http.StateIdle {
		_ = conn.Close()
	}
}

// wrap notes each request, slows it down and lets faults happen to it.
func (s *Server) wrap(system string, inner http.Handler) http.Handler {
	slow := s.options.ServiceTime[system]
	if system == "bos" {
		slow = 0 // BOS does it itself, because a worker is busy meanwhile
	}
	if s.options.OnDelete != nil {
		inner = s.witnessed(system, inner)
	}
	before := &memory{answers: map[string]*kept{}}
	if s.options.Remember {
		inner = before.of(inner)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := s.log.begin(system, r)
		noted := &seen{ResponseWriter: w}
		defer func() { s.log.end(request, noted.status) }()
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
			f.happen(noted, r, inner, before, s.closed)
			return
		}
		inner.ServeHTTP(noted, r)
	})
}

// AddFault makes requests go wrong from now on.
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

// ClearFaults makes everything well again. What already hangs goes on hanging.
func (s *Server) ClearFaults() {
	s.faults.clear()
	s.BOS.SetEtcdDown(false)
	s.BOS.SetListHangs(false)
	s.Kube.ExpireContinue(0)
}

// Happened counts the requests that faults have happened to, by kind of fault.
func (s *Server) Happened() map[string]int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return maps.Clone(s.faults.happened)
}

// Requests returns every request so far, in the order in which they came.
func (s *Server) Requests() []Request { return s.log.all() }

// Danger lists the requests that no careful client makes, each with what it did.
func (s *Server) Danger() []string { return slices.Concat(s.CFS.Danger(), s.Kube.Danger()) }

// Objects returns what exists now: sessions (ghosts too), and all Jobs, ConfigMaps and CFS
// sessions, judged or not. What a sweeper keeps for itself is not among them.
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

// URL is where a system is served: bos, cfs, kube, gateway or lab.
func (s *Server) URL(system string) string { return s.urls[system] }

func (s *Server) caFile() string { return filepath.Join(s.dir, "ca.pem") }

// Kubeconfig is the file by which kubectl and client-go reach the API server.
func (s *Server) Kubeconfig() string { return filepath.Join(s.dir, "kubeconfig") }

// Env is the environment for a client, as KEY=value.
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

// Close ends everything and removes the files.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		s.alive.Wait()
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
