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

// Batcher is the name of the Deployment of CFS's batcher.
const Batcher = "cray-cfs-batcher"

// LifeOptions say how long things take in a living world, and what goes wrong. The defaults are as on a real system.
type LifeOptions struct {
	Shutdown      time.Duration // of a node; default 2 minutes
	Boot          time.Duration // of a node; default 5 minutes
	Pending       time.Duration // from a CFS session's creation until it runs; default 20 seconds
	Configure     time.Duration // how long a CFS session runs; default 3 minutes
	BootWait      time.Duration // how long BOA waits for nodes to boot; default 30 minutes
	ConfigureWait time.Duration // how long BOA waits for nodes to be configured; default 30 minutes
	Poll          time.Duration // between two looks of BOA; default 5 seconds

	PodStart   time.Duration // from a Pod's creation until it runs; default 5 seconds
	Terminate  time.Duration // a Pod's grace period; default 30 seconds
	Sync       time.Duration // between two rounds of Kubernetes' controllers; default 1 second
	JobBackoff time.Duration // after a Job's first failed Pod; default 10 seconds

	// BootFails reports whether a node never comes up; nil: never.
	BootFails func(node string) bool
	// Fails reports whether a node's configuration fails in a CFS session; nil: never.
	Fails func(session simcfs.Session, node string) bool
	// Late returns how much longer a node takes to boot; nil: no longer.
	Late func(node string) time.Duration
}

// Quick returns options for a world in real time, in which each step takes less than a second. The batcher's times are
// whole seconds, and are set in ServerOptions.
func Quick() LifeOptions {
	const ms = time.Millisecond
	return LifeOptions{
		Shutdown: 200 * ms, Boot: 400 * ms, Pending: 100 * ms, Configure: 600 * ms, BootWait: 20 * time.Second,
		ConfigureWait: 20 * time.Second, Poll: 100 * ms, PodStart: 50 * ms, Terminate: 500 * ms, Sync: 40 * ms,
		JobBackoff: 200 * ms,
	}
}

func (o LifeOptions) withDefaults() LifeOptions {
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

// Life makes things happen on a system: sessions run, nodes boot, CFS configures them, and Kubernetes' controllers
// work. Time passes in Step alone.
type Life struct {
	bos     *simbos.Server
	cfs     *simcfs.Server
	kube    *simkube.Server
	options LifeOptions
	profile Profile
	locks   *changeLocks

	mu          sync.Mutex
	now         time.Time
	builder     *builder // draws names, and builds the objects of sessions
	controllers *simkube.Controllers
	sessions    map[string]*liveSession
	order       []string
	agents      map[string]*agent          // by Pod, or by the name of a session of v2
	batchers    map[string]*simcfs.Batcher // by Pod
	booting     map[string]time.Time       // nodes that are about to come up
	bootedAt    map[string]time.Time       // when they last did
}

// Life makes the world live from now on, as far as Step is called. The batcher gets a Pod; everything else stays as it
// is until something is done to it.
func (s *Server) Life(now time.Time, options LifeOptions) *Life {
	l := newLife(s.World, s.BOS, s.CFS, s.Kube, now, options)
	l.locks = &s.locks
	l.controllers = s.Kube.StartControllers(simkube.ControllerOptions{
		Sync: l.options.Sync, Start: l.options.PodStart, Grace: l.options.Terminate, Backoff: l.options.JobBackoff,
		Deployments: []string{Batcher}, Namespace: Namespace,
	}, now)
	l.Step(now)
	return l
}

// Live makes the world live in real time, until the server is closed.
func (s *Server) Live(options LifeOptions) *Life {
	l := s.Life(time.Now(), options)
	s.background.Add(1)
	go func() {
		defer s.background.Done()
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

// newLife returns a Life on these systems. kube may be nil.
func newLife(
	w *World, bos *simbos.Server, cfs *simcfs.Server, kube *simkube.Server, now time.Time, options LifeOptions,
) *Life {
	drawn := w.Options
	drawn.Seed, drawn.Now = drawn.Seed+1, now
	return &Life{
		bos: bos, cfs: cfs, kube: kube, options: options.withDefaults(), profile: w.Profile, now: now, locks: &changeLocks{},
		builder:  newBuilder(&World{Options: drawn, Profile: w.Profile}),
		sessions: map[string]*liveSession{}, agents: map[string]*agent{}, batchers: map[string]*simcfs.Batcher{},
		booting: map[string]time.Time{}, bootedAt: map[string]time.Time{},
	}
}

// Step makes everything happen that is due by now. Nothing happens between two steps, so they should be closer together
// than events that have to be told apart.
func (l *Life) Step(now time.Time) {
	for _, lock := range []*sync.Mutex{&l.locks.kube, &l.locks.cfs, &l.locks.bos, &l.mu} {
		lock.Lock()
		defer lock.Unlock()
	}
	l.step(now)
}

// Pass lets a time pass, in steps of one second or of the given length.
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
	if l.controllers != nil {
		l.controllers.Tick(now)
		l.syncProcesses()
	}
	for _, node := range sortedKeys(l.booting) {
		if !now.Before(l.booting[node]) {
			delete(l.booting, node)
			l.bootedAt[node] = now
			l.cfs.Booted(node)
		}
	}
	for _, name := range sortedKeys(l.agents) {
		a := l.agents[name]
		a.tick(now)
		if a.finished && a.pod != "" {
			l.controllers.FinishPod(Namespace, a.pod, 0)
		}
		if a.finished {
			delete(l.agents, name)
		}
	}
	for _, pod := range sortedKeys(l.batchers) {
		l.batchers[pod].Tick(now)
	}
	l.cfs.Tick(now, simcfs.Pace{Pending: l.options.Pending, Run: l.options.Configure, Fails: l.options.Fails})
}

// syncProcesses starts a process for each Pod that works, and ends those of Pods that are gone.
func (l *Life) syncProcesses() {
	works := map[string]bool{}
	for _, pod := range l.kube.Pods(Namespace, "app.kubernetes.io/name", Batcher) {
		works[pod.Name] = pod.Works()
		if pod.Works() && l.batchers[pod.Name] == nil {
			l.batchers[pod.Name] = l.cfs.NewBatcher(l.builder.uuid)
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
				l.agents[pod.Name] = &agent{life: l, session: r, pod: pod.Name}
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

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Now returns the time of the last step.
func (l *Life) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}
