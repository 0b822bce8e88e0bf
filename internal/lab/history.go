package lab

import (
	"maps"
	"slices"
	"time"

	"bosgc/internal/lab/simbos"
	"bosgc/internal/lab/simcfs"
)

// HistoryOptions say which history to play.
type HistoryOptions struct {
	CSM      string
	Seed     uint64
	Sessions int           // of BOS v1 and v2 together; default 40
	Nodes    int           // default 200
	Days     int           // default 10
	TTL      time.Duration // age at which CFS deletes complete sessions; default 7 days; negative: never
	Now      time.Time     // end of the history; zero: the time of the call
}

// historian plays a history.
type historian struct {
	*builder // draws the events, and makes the objects in Kubernetes at the end

	options HistoryOptions
	life    *Life
	begin   time.Time
	events  []event
	planned int             // number of sessions
	broken  map[string]bool // nodes whose configuration always fails
	killed  map[string]bool // sessions whose BOA was killed
}

// event is an action at a time.
type event struct {
	at time.Time
	do func()
}

// NewHistory plays days in which sessions of BOS, people and CFS's batcher get in each other's way. It returns the
// world at their end, with the truth of which CFS session belongs to which session (see Links). The same options make
// the same world. It has no Truth.
func NewHistory(options HistoryOptions) (*World, error) {
	profile, err := profileOf(options.CSM)
	if err != nil {
		return nil, err
	}
	for _, option := range []struct {
		value    *int
		standard int
	}{{&options.Sessions, 40}, {&options.Nodes, 200}, {&options.Days, 10}} {
		if *option.value <= 0 {
			*option.value = option.standard
		}
	}
	if options.Now.IsZero() {
		options.Now = time.Now()
	}
	if options.TTL == 0 {
		options.TTL = 7 * day
	}
	world := &World{Profile: profile, Options: Options{
		CSM: options.CSM, Seed: options.Seed, Sessions: options.Sessions, Nodes: options.Nodes, Now: options.Now,
	}}
	h := &historian{builder: newBuilder(world), options: options, killed: map[string]bool{}, broken: map[string]bool{}}
	h.begin = h.now.Add(-time.Duration(options.Days) * day)
	h.addUnrelated()
	h.createSystems()
	h.plan()
	h.play()
	h.takeOver()
	return world, nil
}

// createSystems creates the systems as they are at the beginning.
func (h *historian) createSystems() {
	p := h.Profile
	bos := simbos.New(simbos.Options{V1: p.BOSv1, V2: p.BOSv2, TemplateKey: p.TemplateKey})
	cfs := simcfs.New(p.cfs(0, simcfs.BatcherOptions{}))
	for _, node := range h.nodes {
		cfs.AddComponent(simcfs.Component{ID: node, Enabled: true, Status: "unconfigured"})
		h.broken[node] = h.chance(1)
	}
	h.life = newLife(h.World, bos, cfs, nil, h.begin, LifeOptions{
		Fails:     func(_ simcfs.Session, node string) bool { return h.broken[node] || h.chance(1) },
		BootFails: func(string) bool { return h.chance(1) },
		// Two percent of the nodes boot after BOA has given them up, so that CFS configures them after the session's end.
		Late: func(string) time.Duration {
			if h.chance(2) {
				return h.between(30*time.Minute, 70*time.Minute)
			}
			return h.between(0, 2*time.Minute)
		},
	})
	h.life.batchers[Batcher] = cfs.NewBatcher(h.life.builder.uuid)
}

// play plays the events: in steps of the batcher's check interval while something is under way, and otherwise from one
// event to the next.
func (h *historian) play() {
	slices.SortStableFunc(h.events, func(a, b event) int { return a.at.Compare(b.at) })
	for now := h.begin; now.Before(h.now); {
		for len(h.events) > 0 && !h.events[0].at.After(now) {
			h.life.now = now
			h.events[0].do()
			h.events = h.events[1:]
		}
		h.life.step(now)
		next := h.now
		if len(h.events) > 0 {
			next = h.events[0].at
		}
		if h.life.busy() {
			next = earlier(next, now.Add(10*time.Second))
		}
		now = next
	}
	if h.options.TTL < 0 {
		return
	}
	for _, session := range h.life.cfs.Sessions() {
		if session.Status == "complete" && cfsTime(session.Start).Before(h.now.Add(-h.options.TTL)) {
			h.life.cfs.Remove(session.Name)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// busy reports whether anything is under way that changes by itself.
func (l *Life) busy() bool {
	for _, batcher := range l.batchers {
		if len(batcher.Unsent()) > 0 {
			return true
		}
	}
	return len(l.agents)+len(l.booting) > 0 || l.cfs.Active()
}

// takeOver puts what exists at the end into the world.
func (h *historian) takeOver() {
	l, w := h.life, h.World
	w.sessions, w.v2 = l.bos.Sessions(), l.bos.V2Sessions()
	w.cfs, w.components = l.cfs.Sessions(), l.cfs.Components()
	w.links = l.Links()
	for _, id := range l.order {
		if r := l.sessions[id]; !r.spec.V2 {
			h.addObjectsOf(r)
		}
	}
}

// addObjectsOf adds what Kubernetes has of a session at the end.
func (h *historian) addObjectsOf(r *liveSession) {
	l := h.life
	s := &sessionBuilder{
		b: h.builder, sessionTruth: &sessionTruth{
			id: r.id, template: r.spec.Template, start: r.start, operation: r.spec.Operation,
		},
		configuration: r.spec.Configuration, disabled: r.spec.DisableCFS, sets: r.spec.Sets,
	}
	ended, stopped := stopOf(l.bos.Stop(r.id))
	agent := l.agents[r.id]
	if !l.bos.Has(r.id) && agent == nil {
		return
	}
	s.configMap(followsSession)
	switch {
	case agent != nil:
		s.job(running, jobActive(0)).pod(r.start, podRunning)
	case stopped && h.jobStays(ended):
		s.job(followsSession, jobComplete(ended)).pod(r.start, podEnded(0, ended))
	case h.killed[r.id] && h.jobStays(r.start.Add(time.Hour)):
		at := r.start.Add(time.Hour)
		s.job(followsSession, jobFailed(earlier(at, h.now))).pod(r.start, podEnded(1, earlier(at, h.now)))
	}
}

func stopOf(value any) (time.Time, bool) {
	text, _ := value.(string)
	for _, form := range []string{plainForm, "2006-01-02 15:04:05"} {
		if at, err := time.Parse(form, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// Links returns the truth of which session each CFS session at the end of a history belongs to, by name of the CFS
// session. Other worlds have none.
func (w *World) Links() map[string]Link { return maps.Clone(w.links) }
