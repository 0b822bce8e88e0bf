package cli

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"bosgc/internal/lab"
)

const day = 24 * time.Hour

// soakNow is when every world of the soak begins. A case takes at most four hours from there. Objects that are too
// young in a story have six hours left, so a story stays true.
var soakNow = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// soakCase is a world, settings, and what happens to them. All of it is drawn from one number before anything runs, so
// that the number replays the case.
type soakCase struct {
	seed     uint64
	world    *lab.World
	serve    lab.ServerOptions
	settings soakSettings
	steps    []*soakStep
	wrong    *soakWrong    // nil: all systems are of one CSM
	accident *soakAccident // nil: BOS loses nothing
	days     bool          // it takes days, not hours
}

// soakSettings are the settings that all runs of a case share.
type soakSettings struct {
	// tuned reports whether the settings change which objects are deleted, so that the stories alone cannot tell.
	tuned                                              bool
	sessionTTL, failedTTL, abandonedTTL, grace, cfsTTL time.Duration
	keepLastFor                                        time.Duration // 0: for ever
	interval                                           time.Duration // of sightings
	keepLast, sightings, percent                       int
	templates                                          string
	cfs                                                string
	v1                                                 bool // the system has BOS v1
}

// soakStep is one run and its circumstances.
type soakStep struct {
	command    string        // sweep, dry-run or plan; guard in the end
	args       []string      // of the command
	wait       time.Duration // since the run before
	skew       time.Duration // of this machine's clock against the API server's
	maxDeletes int
	environ    []string
	faults     []lab.Fault
	changes    []soakChange
	crash      *soakCrash
	refused    bool // one system refuses all deletes
	raised     bool // a person has raised BOSGC_MAX_ORPHAN_PERCENT to raisedPercent
}

// soakCrash is the death of a process: after some request nothing of it arrives any more.
type soakCrash struct {
	of     string // which requests are counted: any, write or delete
	n      int
	served bool // the last request is carried out, but its answer is lost
}

// soakChange is something that somebody else does at the same time.
type soakChange struct {
	what   string // keep, until, garbage, touch, note, finalizer, pod, use, renew, cfs; expire
	kind   string
	name   string
	when   string // before: the run begins; journal: its first entry is written; request: the n-th
	n      int
	victim string // the session; empty for a CFS session without one
}

func drawCase(seed uint64) (*soakCase, error) {
	r := rand.New(rand.NewPCG(seed, 0x50a4))
	profiles := lab.Profiles()
	options := lab.Options{CSM: profiles[int(seed)%len(profiles)], Seed: seed, Sessions: 4 + r.IntN(12), Now: soakNow}
	if chance(r, 20) {
		options.Sessions = 20 + r.IntN(16) // enough for the guard to apply
	} else if chance(r, 20) {
		options.Sessions = r.IntN(4) // one object is a large share of such a system
	}
	if stories, err := lab.Stories(options.CSM); err == nil && chance(r, 35) {
		r.Shuffle(len(stories), func(a, b int) { stories[a], stories[b] = stories[b], stories[a] })
		options.Only = stories[:3+r.IntN(8)]
	}
	theme := themeOf(seed)
	theme.shape(&options)
	c := &soakCase{seed: seed, settings: drawSettings(r)}
	if options.Sessions >= 20 {
		// Sightings and share are so low that only the guard holds orphans back.
		c.settings.sightings, c.settings.percent = oneOf(r, 1, 1, 1, 2), oneOf(r, 0, 0, 10, 50)
	}
	c.settings.interval = oneOf(r, 0, 0, 30*time.Minute)
	var err error
	if c.world, err = lab.NewWorld(options); err != nil {
		return nil, err
	}
	c.settings.v1 = c.world.Profile.BOSv1
	c.serve = lab.ServerOptions{Gateway: chance(r, 10), PageSize: oneOf(r, 0, 0, 3, 7), KubePage: oneOf(r, 0, 0, 5, 16)}
	for range 1 + r.IntN(3) {
		c.steps = append(c.steps, drawStep(r, c))
	}
	for _, step := range c.steps[1:] {
		step.raised = options.Sessions >= 20 && seed%2 == 1
	}
	switch wrong := chance(r, 20); {
	case theme != nil:
		theme.set(c, r)
	case wrong:
		err = c.drawWrong(r)
	case seed%5 == 0:
		c.expireJob(r)
	case seed%11 == 4:
		c.refuseDeletes(r)
	case seed%7 == 6:
		c.drawAccident(r)
	}
	return c, err
}

// refuseDeletes has one system refuse all deletes during the first run, and nothing else happen to it.
func (c *soakCase) refuseDeletes(r *rand.Rand) {
	system := refusing[r.IntN(len(refusing))]
	ways := lab.Refusals(system.system)
	fault := ways[oneOf(r, slices.Sorted(maps.Keys(ways))...)]
	fault.Path = system.path
	step := c.steps[0]
	step.command, step.skew, step.crash, step.faults, step.maxDeletes = "sweep", 0, nil, []lab.Fault{fault}, 1000
	step.refused, step.environ = true, []string{"BOSGC_MAX_DELETES=1000", "BOSGC_REQUEST_TIMEOUT=1s"}
}

// expireJob has Kyverno remove the Job that alone shows that its session failed, or is protected, after a sweep has seen
// it. Nothing else goes wrong in such a case: a sweep that could not read the state does not know any more.
func (c *soakCase) expireJob(r *rand.Rand) {
	var jobs []lab.Fact
	for _, o := range c.world.Truth() {
		f := c.world.Facts()[o.Kind+" "+o.Name]
		shows := f.Reason == "kept-by-rule" || f.Failed && f.SessionReason == "too-young"
		if f.Kind == lab.KindJob && f.Listed && !f.Ghost && shows && o.Name == "boa-"+f.Session {
			jobs = append(jobs, f)
		}
	}
	if len(jobs) == 0 {
		return
	}
	for len(c.steps) < 2 {
		c.steps = append(c.steps, drawStep(r, c))
	}
	for _, step := range c.steps {
		step.command, step.faults, step.crash, step.skew = "sweep", nil, nil, 0
		step.environ = []string{fmt.Sprint("BOSGC_MAX_DELETES=", step.maxDeletes)}
	}
	f := jobs[r.IntN(len(jobs))]
	c.steps[1].changes = append(c.steps[1].changes,
		soakChange{what: "expire", when: "before", kind: f.Kind, name: f.Name, victim: f.Session})
}

// standardSettings are the defaults of the settings that are not drawn in every case.
var standardSettings = soakSettings{
	sessionTTL: 7 * day, failedTTL: 14 * day, abandonedTTL: 14 * day, grace: day, cfsTTL: 7 * day,
	keepLast: 1, keepLastFor: 90 * day, sightings: 2, percent: 50, cfs: "old",
}

func drawSettings(r *rand.Rand) soakSettings {
	s := standardSettings
	s.sightings, s.percent = oneOf(r, 1, 1, 2, 2, 3), oneOf(r, 0, 0, 10, 50, 100)
	if !chance(r, 25) {
		return s
	}
	s.tuned = true
	// The grace is never longer than another age. If a killed run has deleted one half of a session, the other half would
	// have to wait for the grace, longer than a soak lasts.
	s.grace = oneOf(r, 12*time.Hour, day)
	s.sessionTTL = oneOf(r, day, 3*day, 10*day, 30*day)
	s.failedTTL = oneOf(r, day, 5*day, 20*day)
	s.abandonedTTL = oneOf(r, 2*day, 14*day, 40*day)
	// Nor is that of CFS sessions: one that could not be deleted with its session is an orphan from then on.
	s.cfsTTL = min(oneOf(r, day, 7*day, 30*day), s.sessionTTL, s.failedTTL, s.abandonedTTL)
	s.keepLast, s.keepLastFor = oneOf(r, 0, 1, 2, 3), oneOf(r, 0, 20*day, 90*day)
	s.templates = oneOf(r, "", "own-*", "cos-*,gpu-nodes", "*")
	s.cfs = oneOf(r, "old", "old", "linked", "off")
	return s
}

func (s soakSettings) environ() []string {
	hours := func(d time.Duration) string { return fmt.Sprintf("%dh", d/time.Hour) }
	return []string{
		"BOSGC_SESSION_TTL=" + hours(s.sessionTTL), "BOSGC_FAILED_TTL=" + hours(s.failedTTL),
		"BOSGC_ABANDONED_TTL=" + hours(s.abandonedTTL), "BOSGC_ORPHAN_GRACE=" + hours(s.grace), "BOSGC_CFS_TTL=" + hours(s.cfsTTL),
		fmt.Sprint("BOSGC_KEEP_LAST=", s.keepLast), "BOSGC_KEEP_LAST_FOR=" + hours(s.keepLastFor),
		fmt.Sprint("BOSGC_ORPHAN_SIGHTINGS=", s.sightings), fmt.Sprintf("BOSGC_ORPHAN_INTERVAL=%dm", s.interval/time.Minute),
		fmt.Sprint("BOSGC_MAX_ORPHAN_PERCENT=", s.percent), "BOSGC_KEEP_TEMPLATES=" + s.templates, "BOSGC_CFS=" + s.cfs,
	}
}

func drawStep(r *rand.Rand, c *soakCase) *soakStep {
	s := &soakStep{
		command: oneOf(r, "sweep", "sweep", "sweep", "sweep", "sweep", "sweep", "sweep", "plan", "plan", "dry-run"),
		wait:    time.Duration(6+r.IntN(40)) * time.Minute, maxDeletes: oneOf(r, 1, 2, 3, 5, 10, 25, 1000, 1000, 1000),
	}
	if chance(r, 10) {
		s.skew = oneOf(r, -10*day, -2*time.Minute, -20*time.Second, 20*time.Second, 2*time.Minute, 2*time.Hour, 10*day, 10*day, 400*day, 400*day)
	}
	for range oneOf(r, 0, 0, 1, 1, 1, 2, 3) {
		s.faults = append(s.faults, drawFault(r, c))
	}
	for range oneOf(r, 0, 0, 1, 1, 2) {
		if change, ok := drawChange(r, c); ok {
			s.changes = append(s.changes, change)
		}
	}
	if chance(r, 40) {
		s.crash = &soakCrash{of: "any", n: 1 << r.IntN(9), served: chance(r, 50)}
		s.crash.n += r.IntN(s.crash.n)
		switch r.IntN(3) {
		case 0:
			s.crash.of, s.crash.n = "write", 1+r.IntN(40)
		case 1:
			s.crash.of, s.crash.n = "delete", 1+r.IntN(20)
		}
	}
	if chance(r, 30) {
		drawAlone(r, s)
	}
	// One second is the minimum. Three seconds leave time for retries.
	timeout := oneOf(r, 1, 1, 1, 3)
	s.environ = []string{
		fmt.Sprint("BOSGC_MAX_DELETES=", s.maxDeletes),
		fmt.Sprintf("BOSGC_REQUEST_TIMEOUT=%ds", timeout), fmt.Sprintf("BOSGC_LIST_TIMEOUT=%ds", timeout),
		fmt.Sprint("BOSGC_BOS_CONCURRENCY=", oneOf(r, 1, 2)), fmt.Sprint("BOSGC_CFS_CONCURRENCY=", oneOf(r, 1, 4)),
		fmt.Sprint("BOSGC_KUBE_CONCURRENCY=", oneOf(r, 1, 2, 8)), fmt.Sprint("BOSGC_JOURNAL_RUNS=", oneOf(r, 1, 2, 20)),
		"BOSGC_DEADLINE=" + oneOf(r, "15m", "15m", "15m", "4s"),
	}
	if chance(r, 4) {
		// Nothing listens there, so the connection is refused.
		s.environ = append(s.environ, oneOf(r, "BOSGC_BOS_URL=", "BOSGC_CFS_URL=")+"http://127.0.0.1:1")
	}
	return s
}

// drawChange draws a victim among the objects to be deleted: for all others a change makes no difference.
func drawChange(r *rand.Rand, c *soakCase) (soakChange, bool) {
	truth := c.world.Released()
	if len(truth) == 0 {
		return soakChange{}, false
	}
	change := soakChange{what: oneOf(r, "keep", "keep", "until", "garbage", "touch", "touch", "pod", "pod", "use", "renew", "cfs")}
	change.when, change.n = oneOf(r, "before", "journal", "journal", "request"), 1+r.IntN(150)
	for range 30 {
		o := truth[r.IntN(len(truth))]
		fact := c.world.Facts()[o.Kind+" "+o.Name]
		change.kind, change.name, change.victim = o.Kind, o.Name, fact.Session
		kube := o.Kind == lab.KindConfigMap || o.Kind == lab.KindJob
		fits := false
		switch change.what {
		case "keep", "until", "garbage", "touch", "note":
			fits = kube && (change.what != "note" || change.kind == lab.KindJob && change.victim != "")
		case "pod":
			fits = change.victim != ""
		case "use":
			fits = o.Kind == lab.KindConfigMap
		case "renew":
			// The new ConfigMap is young. It is still deleted only if another witness shows the age of its session.
			fits = o.Kind == lab.KindConfigMap && fact.Listed && !fact.End.IsZero()
		case "cfs":
			fits = o.Kind == lab.KindCFSSession
			change.when = oneOf(r, "before", "journal") // CFS has no preconditions: a change between recheck and delete is lost
		}
		other := change.what == "touch" || change.what == "garbage"
		if other && change.kind == lab.KindJob && change.victim != "" && c.seed%2 == 0 {
			change.what, change.when = "note", "before" // not drawn, so that the other cases stay as they were
		}
		if change.what == "touch" && c.seed%4 == 1 {
			change.what, change.when = "finalizer", "before"
		}
		if fits && o.GoesConfirmed() && !c.changed(change) {
			return change, true
		}
	}
	return change, false
}

// changed reports whether a session already has a change. The effect of two changes on one session would be hard to
// predict.
func (c *soakCase) changed(to soakChange) bool {
	for _, step := range c.steps {
		for _, change := range step.changes {
			if change.name == to.name || change.victim != "" && change.victim == to.victim {
				return true
			}
		}
	}
	return false
}

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func oneOf[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// String describes the case to a person who has to find out what went wrong.
func (c *soakCase) String() string {
	var b strings.Builder
	o := c.world.Options
	fmt.Fprintf(&b, "CSM %s, %d sessions", o.CSM, o.Sessions)
	if len(o.Only) > 0 {
		fmt.Fprintf(&b, ", only %s", strings.Join(o.Only, " "))
	}
	if c.wrong != nil {
		fmt.Fprintf(&b, "\n%s is that of another system: CSM %s, %d sessions", c.wrong.system, c.wrong.world.Profile.CSM, c.wrong.world.Options.Sessions)
	}
	if a := c.accident; a != nil {
		fmt.Fprintf(&b, "\nbefore run %d: %s of BOS, as of %s, %d sessions are lost; in doubt: Kubernetes %v, CFS %v", a.step+1, a.what, a.at.Format(time.DateOnly), len(a.lost), a.kube, a.cfs)
	}
	fmt.Fprintf(&b, "\nserved: gateway %v, CFS page %d, Kubernetes page %d\nsettings: %s", c.serve.Gateway, c.serve.PageSize, c.serve.KubePage, strings.Join(c.settings.environ(), " "))
	for i, s := range c.steps {
		fmt.Fprintf(&b, "\nrun %d: %s %s later, clock off by %s, %s", i+1, s.command, s.wait, s.skew, strings.Join(s.environ, " "))
		for _, f := range s.faults {
			fmt.Fprintf(&b, "\n  fault: %s system=%s method=%s path=%s status=%d count=%d skip=%d delay=%s body=%.60q",
				f.Name+f.Kind, f.System, f.Method, f.Path, f.Status, f.Count, f.Skip, time.Duration(f.Delay), f.Body)
		}
		for _, change := range s.changes {
			fmt.Fprintf(&b, "\n  change: %s of %s %s (session %s), at %s %d", change.what, change.kind, change.name, change.victim, change.when, change.n)
		}
		if s.crash != nil {
			fmt.Fprintf(&b, "\n  crash: at %s request %d, carried out %v", s.crash.of, s.crash.n, s.crash.served)
		}
	}
	return b.String()
}
