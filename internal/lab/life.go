package lab

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"bosgc/internal/lab/simbos"
	"bosgc/internal/lab/simcfs"
	"bosgc/internal/lab/simkube"
)

// Batcher is the Deployment of CFS's batcher.
const Batcher = "cray-cfs-batcher"

// LifeOptions say how a world lives: how long things take, and what goes wrong. What is zero takes as
// long as on a real system.
type LifeOptions struct {
	Shutdown, Boot time.Duration // of a node; 2 and 5 minutes
	Pending        time.Duration // from a CFS session's creation until it runs; 20 seconds
	Configure      time.Duration // how long it runs; 3 minutes
	BootWait       time.Duration // BOA waits no longer for its nodes to boot; 30 minutes
	ConfigureWait  time.Duration // nor for their configuration; 30 minutes
	Poll           time.Duration // how often BOA looks; 5 seconds

	PodStart   time.Duration // 5 seconds
	Terminate  time.Duration // how long a Pod works on that is to end; 30 seconds
	Sync       time.Duration // how often Kubernetes' controllers look; 1 second
	JobBackoff time.Duration // 10 seconds

	// BootFails says whether a node never comes up, and Fails whether its configuration fails in a CFS
	// session; nil is never. Late is how much longer a node takes to boot.
	BootFails func(node string) bool
	Fails     func(session simcfs.Session, node string) bool
	Late      func(node string) time.Duration
}

// Quick are options for a world that lives in real time, in which everything takes a part of a second.
// The batcher's times are seconds, and are set in ServerOptions.
func Quick() LifeOptions {
	const ms = time.Millisecond
	return LifeOptions{
		Shutdown: 200 * ms, Boot: 400 * ms, Pending: 100 * ms, Configure: 600 * ms, BootWait: 20 * time.Second,
		ConfigureWait: 20 * time.Second, Poll: 100 * ms, PodStart: 50 * ms, Terminate: 500 * ms, Sync: 40 * ms,
		JobBackoff: 200 * ms,
	}
}

func (o LifeOptions) filled() LifeOptions {
	for _, option := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&o.Shutdown, 2 * time.Minute},
		{&o.Boot, 5 * time.Minute},
		{&o.Pending, 20 * time.Second},
		{&o.Configure, 3 * time.Minute},
		{&o.BootWait, 30 * time.Minute},
		{&o.ConfigureWait, 30 * time.Minute},
		{&o.Poll, 5 * time.Second},
		{&o.PodStart, 5 * time.Second},
		{&o.Terminate, 30 * time.Second},
		{&o.Sync, time.Second},
		{&o.JobBackoff, 10 * time.Second},
	} {
		*option.value = cmp.Or(*option.value, option.standard)
	}
	return o
}

// Life makes things happen on a system: sessions run, nodes boot, CFS works, and Kubernetes does what it
// is told. It moves by Step only, and takes its time from there.
type Life struct {
	bos     *simbos.Server
	cfs     *simcfs.Server
	kube    *simkube.Server
	options LifeOptions
	profile Profile
	changes *changes

	mu       sync.Mutex
	now      time.Time
	b        *builder // draws names, and makes the objects of sessions
	control  *simkube.Controllers
	sessions map[string]*run
	order    []string
	agents   map[string]*agent          // by Pod, or by the name of a session of v2
	batchers map[string]*simcfs.Batcher // by Pod
	boots    map[string]time.Time       // nodes that are about to come up
	up       map[string]time.Time       // when they last did
}

// Life makes a world live, from a moment on, as far as Step is called. The Pods of the batcher exist
// from then on; whatever else is there stays as it is until something is done to it.
func (s *Server) Life(now time.Time, options LifeOptions) *Life {
	l := newLife(s.World, s.BOS, s.CFS, s.Kube, now, options)
	l.changes = &s.changes
	l.control = s.Kube.StartControllers(simkube.ControllerOptions{
		Sync: l.options.Sync, Start: l.options.PodStart, Grace: l.options.Terminate, Backoff: l.options.JobBackoff,
		Deployments: []string{Batcher}, Namespace: Namespace,
	}, now)
	l.Step(now)
	return l
}

// Live makes a world live in real time, until the server is closed.
func (s *Server) Live(options LifeOptions) *Life {
	l := s.Life(time.Now(), options)
	s.alive.Add(1)
	go func() {
		defer s.alive.Done()
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-s.closed:
				return
			case <-ticker.C:
				l.Step(time.Now())
			}
		}
	}()
	return l
}

func newLife(w *World, bos *simbos.Server, cfs *simcfs.Server, kube *simkube.Server, now time.Time, options LifeOptions) *Life {
	drawn := w.Options
	drawn.Seed, drawn.Now = drawn.Seed+1, now
	return &Life{
		bos: bos, cfs: cfs, kube: kube, options: options.filled(), profile: w.Profile, now: now, changes: &changes{},
		b:        newBuilder(&World{Options: drawn, Profile: w.Profile}),
		sessions: map[string]*run{}, agents: map[string]*agent{}, batchers: map[string]*simcfs.Batcher{},
		boots: map[string]time.Time{}, up: map[string]time.Time{},
	}
}

// Step lets everything happen that is due by now. Nothing happens between two steps, so they should be
// closer than what is to be told apart.
func (l *Life) Step(now time.Time) {
	for _, lock := range []*sync.Mutex{&l.changes.kube, &l.changes.cfs, &l.changes.bos, &l.mu} {
		lock.Lock()
		defer lock.Unlock()
	}
	l.step(now)
}

// Pass steps through a time in steps of a second or of what is given, and returns when it is over.
func (l *Life) Pass(d time.Duration, step ...time.Duration) {
	each := time.Second
	if len(step) > 0 {
		each = step[0]
	}
	for end := l.Now().Add(d); l.Now().Before(end); {
		l.Step(l.Now().Add(min(each, end.Sub(l.Now()))))
	}
}

func (l *Life) step(now time.Time) {
	l.now = now
	if l.control != nil {
		l.control.Tick(now)
		l.processes()
	}
	for _, node := range keysOf(l.boots) {
		if !now.Before(l.boots[node]) {
			delete(l.boots, node)
			l.up[node] = now
			l.cfs.Booted(node)
		}
	}
	for _, name := range keysOf(l.agents) {
		a := l.agents[name]
		a.tick(now)
		if a.over && a.pod != "" {
			l.control.FinishPod(Namespace, a.pod, 0)
		}
		if a.over {
			delete(l.agents, name)
		}
	}
	for _, pod := range keysOf(l.batchers) {
		l.batchers[pod].Tick(now)
	}
	l.cfs.Work(now, simcfs.Pace{Pending: l.options.Pending, Run: l.options.Configure, Fails: l.options.Fails})
}

// processes begins what runs in each Pod that works, and ends what ran in one that has gone.
func (l *Life) processes() {
	works := map[string]bool{}
	for _, pod := range l.kube.Pods(Namespace, "app.kubernetes.io/name", Batcher) {
		works[pod.Name] = pod.Works()
		if pod.Works() && l.batchers[pod.Name] == nil {
			l.batchers[pod.Name] = l.cfs.NewBatcher(l.b.uuid)
		}
	}
	for _, id := range l.order {
		r := l.sessions[id]
		if r.spec.V2 {
			continue
		}
		for _, pod := range l.kube.Pods(Namespace, "job-name", "boa-"+id) {
			works[pod.Name] = pod.Works()
			if pod.Works() && l.agents[pod.Name] == nil {
				l.agents[pod.Name] = &agent{life: l, run: r, pod: pod.Name}
			}
		}
	}
	for pod := range l.batchers {
		if !works[pod] {
			delete(l.batchers, pod)
		}
	}
	for name, a := range l.agents {
		if a.pod != "" && !works[name] {
			delete(l.agents, name)
		}
	}
}

func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Now is the time of the last step.
func (l *Life) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}
