package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	batchv1client "k8s.io/client-go/kubernetes/typed/batch/v1"
	"k8s.io/client-go/tools/clientcmd"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/kubeconfig"
	"bosgc/internal/lab"
)

// soakWorld is a case while it runs.
type soakWorld struct {
	*soakCase
	server *lab.Server
	store  *kube.Store // read by the soak itself, without any faults
	begun  map[string]bool
	counts *soakCounts

	// now has no lock: the API server asks for the time while it holds its own lock.
	now atomic.Pointer[time.Time]

	mu         sync.Mutex // guards the fields below
	door       *lab.Door  // of the run under way; nil between runs
	step       *soakStep
	end        context.CancelFunc // of the run under way
	requests   map[string]int     // of the run under way, as crashes count them
	journalled bool               // the run has begun to write its journal
	waiting    []soakChange       // of this step, not made yet
	done       []soakChange       // to be reverted
	held       map[string]string  // what must not be deleted because of changes, and why
	sweeps     int                // started, including this one, as far as they count as sightings
	counted    time.Time          // when the last of those was
	expired    *batchv1.Job       // that Kyverno has removed
	released   map[string]bool    // what a person has looked at and released
	deletions  []lab.Deletion     // of this run
	runs       map[string]bool    // whose journals have been read
	violations []string
}

func startSoak(c *soakCase, counts *soakCounts) (*soakWorld, error) {
	s := &soakWorld{soakCase: c, counts: counts, held: map[string]string{}, released: map[string]bool{}, runs: map[string]bool{}, begun: map[string]bool{}}
	s.now.Store(&soakNow)
	c.serve.OnRequest, c.serve.OnDelete, c.serve.Clock = s.onRequest, s.onDelete, s.clock
	var err error
	if s.server, err = lab.Start(c.world, c.serve); err != nil {
		return nil, err
	}
	if c.wrong != nil {
		counts.add("wrong "+c.wrong.system, 1)
		if err = c.wrong.start(s); err != nil {
			return nil, err
		}
	}
	s.store, err = soakStore(s.server)
	for _, o := range s.server.Objects() {
		s.begun[name(o.Kind, o.Name)] = true
	}
	return s, err
}

func (s *soakWorld) close() {
	s.server.Close()
	if s.wrong != nil {
		s.wrong.server.Close()
	}
}

func soakStore(server *lab.Server) (*kube.Store, error) {
	client, err := soakKube(server)
	if err != nil {
		return nil, err
	}
	return client.Store(lab.Namespace), nil
}

func soakKube(server *lab.Server) (*kube.Client, error) {
	config, err := kubeconfig.Load(server.Kubeconfig(), "")
	if err != nil {
		return nil, err
	}
	return kube.New(config, kube.Options{Namespace: lab.Namespace, Concurrency: 4, RequestTimeout: time.Minute, ListTimeout: time.Minute})
}

// forgeNote writes on a Job that a cancel of its session has begun.
func (s *soakWorld) forgeNote(job string) bool {
	client, err := soakKube(s.server)
	if err != nil {
		return false
	}
	found, presence, err := client.GetJob(context.Background(), job)
	if err != nil || presence != inventory.Present {
		return false
	}
	note := fmt.Sprintf(`{"phase":"delete","unset":true,"cancel":true,"job":%q,"run":"r","at":"2026-01-01T00:00:00Z"}`, found.UID)
	return s.server.Annotate(lab.KindJob, job, "bosgc/clean", note)
}

func (s *soakWorld) clock() time.Time { return *s.now.Load() }

func (s *soakWorld) violate(format string, values ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.violated(format, values...)
}

// violated is violate for callers that hold mu.
func (s *soakWorld) violated(format string, values ...any) {
	s.violations = append(s.violations, fmt.Sprintf(format, values...))
}

// onRequest is called before each request is served.
func (s *soakWorld) onRequest(_ int, r *http.Request) {
	s.mu.Lock()
	if s.door == nil || !s.door.Passed(r) {
		s.mu.Unlock()
		return // the soak itself, or what a dead process still had on the wire
	}
	classes := []string{"any"}
	if r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews") {
		classes = append(classes, "write")
	}
	if r.Method == http.MethodDelete {
		classes = append(classes, "delete")
	}
	for _, class := range classes {
		s.requests[class]++
	}
	begins := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/configmaps") && !s.journalled
	s.journalled = s.journalled || begins
	var now []soakChange
	s.waiting = slices.DeleteFunc(s.waiting, func(c soakChange) bool {
		due := c.when == "journal" && begins || c.when == "request" && s.requests["any"] >= c.n
		if due {
			now = append(now, c)
		}
		return due
	})
	dies := false
	if crash := s.step.crash; crash != nil && slices.Contains(classes, crash.of) && s.requests[crash.of] == crash.n {
		dies = true
		s.door.Shut()
		s.counts.add("crashes", 1)
		defer s.end()
	}
	s.mu.Unlock()
	s.change(now)
	if slices.ContainsFunc(now, func(c soakChange) bool { return c.when == "journal" }) {
		// What is deleted first has been read by now, and that answer is reused for half a second. After that the change
		// counts.
		time.Sleep(600 * time.Millisecond)
	}
	if dies && !s.step.crash.served {
		panic(http.ErrAbortHandler)
	}
}

// soakRun is the result of one run.
type soakRun struct {
	code           int
	crashed        bool
	document       gc.Document // of a run that did not crash, if it has written one
	stdout, stderr string
	requests       []lab.Request
}

// run runs one command as a process of its own would: with its own connections, which end with it.
func (s *soakWorld) run(step *soakStep, extra ...string) (soakRun, error) {
	door, err := s.server.Open()
	if err != nil {
		return soakRun{}, err
	}
	defer door.Shut()
	// The real clock: a run that does not end is a violation too.
	ctx, cancel := context.WithTimeoutCause(context.Background(), 2*time.Minute, errors.New("the soak's patience has ended"))
	defer cancel()
	s.mu.Lock()
	s.door, s.step, s.end, s.requests, s.journalled = door, step, cancel, map[string]int{}, false
	s.deletions = nil
	now := s.clock().Add(step.skew)
	s.mu.Unlock()
	args := append([]string{step.command}, step.args...)
	kubeconfig, reach := s.wrong.wire(door.Kubeconfig(), door.Env())
	environ := slices.Concat(reach, s.settings.environ(), []string{"BOSGC_LOG_LEVEL=error"}, step.environ, extra)
	if step.raised {
		environ = append(environ, fmt.Sprint("BOSGC_MAX_ORPHAN_PERCENT=", s.percentOf(step)))
	}
	if step.command == "dry-run" {
		args, environ = []string{"sweep"}, append(environ, "BOSGC_DRY_RUN=true")
	}
	from := len(s.server.Requests())
	var out, errs bytes.Buffer
	var run soakRun
	// The kubeconfig is a flag because client-go reads the variable from this process.
	if step.command != "guard" {
		args = append(args, "--own-settings")
	}
	run.code = runAt(ctx, func() time.Time { return now }, append(args, "-o", "json", "--kubeconfig", kubeconfig), environ, &out, &errs)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		s.violate("the run has not ended: %v", cause)
	}
	run.stdout, run.stderr = out.String(), errs.String()
	run.requests = s.server.Requests()[from:]
	s.mu.Lock()
	defer s.mu.Unlock()
	run.crashed = ctx.Err() != nil
	s.door = nil
	s.counts.add("runs", 1)
	s.counts.add("requests", len(run.requests))
	s.counts.add("deletes", len(s.deletions))
	if !run.crashed {
		if err := json.Unmarshal(out.Bytes(), &run.document); err != nil {
			s.violated("stdout is not a document: %v\n%.300s\n%.300s", err, run.stdout, run.stderr)
		}
		s.counts.add("skipped", run.document.Outcomes[gc.Skipped])
	}
	return run, nil
}

// take runs one step of the case and checks what it has done.
func (s *soakWorld) take(step *soakStep) error {
	later := s.clock().Add(step.wait)
	s.now.Store(&later)
	s.expireJobs(later)
	s.mu.Lock()
	s.waiting = nil
	var now []soakChange
	for _, change := range step.changes {
		if change.when == "before" {
			now = append(now, change)
		} else {
			s.waiting = append(s.waiting, change)
		}
	}
	// A minute less: a clock may be off by as much.
	if step.command == "sweep" && later.Sub(s.counted) >= s.settings.interval-time.Minute {
		s.sweeps++
		s.counted = later
	}
	s.mu.Unlock()
	s.passTime()
	s.change(now)
	for _, f := range step.faults {
		if err := s.server.AddFault(f); err != nil {
			return err
		}
		if f.Name != "" {
			s.counts.add("fault "+f.Name, 1)
		}
	}
	if a := s.accident; a != nil && !a.happened && s.steps[a.step] == step {
		s.happen()
	}
	before := s.census()
	run, err := s.run(step)
	s.recover()
	if err == nil {
		err = s.check(step, run, before)
	}
	return err
}

// recover ends all faults.
func (s *soakWorld) recover() {
	s.server.ClearFaults()
	s.server.BOS.Restart()
	// A run may have been too late to see a change that was made during it. The next run is not.
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, change := range s.done {
		s.hold(change)
	}
}

// passTime removes the lock of a run that has died, as the next run would do after seeing for half a minute that nobody
// renews it.
func (s *soakWorld) passTime() { s.server.Kube.Remove("leases", lab.Namespace, "bosgc") }

// change makes changes, and notes what must not be deleted any more.
func (s *soakWorld) change(changes []soakChange) {
	for _, c := range changes {
		happened := true
		switch c.what {
		case "keep":
			happened = s.server.Annotate(c.kind, c.name, "bosgc/keep", "true")
		case "until":
			happened = s.server.Annotate(c.kind, c.name, "bosgc/keep-until", soakNow.Add(30*day).Format(time.RFC3339))
		case "garbage":
			happened = s.server.Annotate(c.kind, c.name, "bosgc/keep", "yes, please")
		case "note":
			happened = s.forgeNote(c.name)
		case "expire":
			happened = s.expire(c.name)
		case "finalizer":
			happened = s.server.SetFinalizers(c.kind, c.name, "site.example/backup")
		case "touch":
			happened = s.server.Annotate(c.kind, c.name, "site/touched", "yes")
		case "pod":
			s.server.StartPod(c.pod(), c.victim)
		case "use":
			s.server.UseConfigMap(c.pod(), c.name)
		case "renew":
			// Without its session nothing would tell the age of a new ConfigMap.
			happened = slices.Contains(s.server.BOS.IDs(), c.victim) && s.server.Recreate(c.name)
		case "cfs":
			happened = s.server.RunCFS(c.name, true)
		}
		if !happened {
			continue
		}
		s.mu.Lock()
		s.counts.add("changes", 1)
		s.done = append(s.done, c)
		if c.when != "request" {
			s.hold(c)
		}
		s.mu.Unlock()
	}
}

// expire removes a Job as Kyverno does.
func (s *soakWorld) expire(job string) bool {
	config, err := clientcmd.BuildConfigFromFlags("", s.server.Kubeconfig())
	if err != nil {
		return false
	}
	s.expired, err = batchv1client.NewForConfigOrDie(config).Jobs(lab.Namespace).Get(context.Background(), job, metav1.GetOptions{})
	if err == nil {
		s.server.Kube.Remove("jobs", lab.Namespace, job)
	}
	return err == nil
}

func (c soakChange) pod() string { return "by-hand-" + strings.ToLower(c.name) }

// hold notes what a change protects. The caller must hold mu.
func (s *soakWorld) hold(c soakChange) {
	switch c.what {
	case "keep", "until", "garbage", "note", "pod":
		for key, fact := range s.world.Facts() {
			if fact.Session == c.victim && c.victim != "" {
				s.held[key] = c.what + " of " + c.name
			}
		}
	case "use", "cfs":
		s.held[name(c.kind, c.name)] = c.what
	}
}

// undo reverts the changes that would keep the world from converging.
func (s *soakWorld) undo() {
	s.mu.Lock()
	done := s.done
	s.done, s.waiting, s.held = nil, nil, map[string]string{}
	s.mu.Unlock()
	for _, c := range done {
		switch c.what {
		case "keep", "garbage":
			s.server.Annotate(c.kind, c.name, "bosgc/keep", "")
		case "until":
			s.server.Annotate(c.kind, c.name, "bosgc/keep-until", "")
		case "note":
			s.server.Annotate(c.kind, c.name, "bosgc/clean", "")
		case "finalizer":
			s.server.SetFinalizers(c.kind, c.name)
		case "pod", "use":
			s.server.EndPod(c.pod())
		case "expire":
			s.server.Kube.Add("jobs", s.expired)
		case "cfs":
			s.server.RunCFS(c.name, false)
		}
	}
}
