package cli

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simbos"
	"bosgc/internal/lab/simcfs"
)

// life is one boot session, step by step as BOS creates it and BOA runs it (docs/csm.md, "What BOS v1 makes").
type life struct {
	id, kind    string
	made, ended time.Time // of its ConfigMap; of its Job, or zero while the Job runs or may still be created
}

// nursery is a system in which sessions are created, run, end and age. Its time advances with each request that it
// receives. So whatever happens may happen between any two requests.
type nursery struct {
	*timeline
	grace time.Duration
	seen  int // sightings that an orphan needs

	mu      sync.Mutex // guards the fields below
	dice    *rand.Rand
	coming  moments
	lives   map[string]*life
	harmed  []string
	judged  []time.Time // when each completed sweep judged
	deletes int
}

// moment is an event and its time.
type moment struct {
	at time.Time
	do func(now time.Time)
}

type moments []moment

func (e moments) Len() int           { return len(e) }
func (e moments) Less(a, b int) bool { return e[a].at.Before(e[b].at) }
func (e moments) Swap(a, b int)      { e[a], e[b] = e[b], e[a] }
func (e *moments) Push(x any)        { *e = append(*e, x.(moment)) }
func (e *moments) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func startNursery(t *testing.T, seed uint64, grace time.Duration, sightings int) *nursery {
	t.Helper()
	clock := newMoving()
	n := &nursery{grace: grace, seen: sightings, dice: rand.New(rand.NewPCG(seed, 11)), lives: map[string]*life{}}
	// A few running sessions keep the world from being empty.
	s := start(t, lab.Options{CSM: "1.2", Seed: seed, Sessions: 3, Only: []string{"running"}, Now: clock.now()},
		lab.ServerOptions{Clock: clock.now, OnRequest: func(_ int, r *http.Request) { n.request(r) }})
	n.timeline = &timeline{s, clock, clock}
	return n
}

// request advances the time before each request, and judges deletes.
func (n *nursery) request(r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.timeline == nil {
		return
	}
	n.pass(n.upTo(8 * time.Second))
	if takesAway(r.Method, r.URL.Path) {
		n.deletes++
		n.judge(path.Base(r.URL.Path))
	}
}

func (n *nursery) upTo(most time.Duration) time.Duration {
	return time.Duration(n.dice.Int64N(int64(most)))
}

// pass advances the time and runs the events that become due.
func (n *nursery) pass(by time.Duration) {
	n.server.advance(by)
	now := n.server.now()
	for len(n.coming) > 0 && !n.coming[0].at.After(now) {
		heap.Pop(&n.coming).(moment).do(now)
	}
}

func (n *nursery) after(wait time.Duration, do func(now time.Time)) {
	heap.Push(&n.coming, moment{n.server.now().Add(wait), do})
}

// raceTTL is the default of BOSGC_SESSION_TTL.
const raceTTL = 7 * 24 * time.Hour

// judge compares a delete with the life of the object's session.
func (n *nursery) judge(object string) {
	now := n.server.now()
	id := strings.TrimPrefix(strings.TrimPrefix(object, "boa-"), "batcher-")
	l := n.lives[id]
	harm := func(why string, values ...any) {
		n.harmed = append(n.harmed, fmt.Sprintf("%s, made %s ago, ended %s ago: ", object, now.Sub(l.made), now.Sub(l.ended))+fmt.Sprintf(why, values...))
	}
	// An orphan must have its age, and must have been seen at that age by enough sweeps.
	orphaned := func(since time.Time) {
		sightings := 0
		for _, at := range append(n.judged, now) { // the current sweep has judged before now
			if at.Sub(since) >= n.grace-time.Second { // Kubernetes keeps seconds
				sightings++
			}
		}
		if now.Sub(since) < n.grace || sightings < n.seen {
			harm("an orphan, seen by %d sweeps", sightings)
		}
	}
	switch {
	case l == nil:
		n.harmed = append(n.harmed, object+" belongs to no life")
	case l.kind == "no Job":
		orphaned(l.made)
	case l.ended.IsZero():
		harm("it is being made, or runs")
	case now.Sub(l.ended) >= raceTTL-time.Second:
	case l.kind == "no entry":
		orphaned(l.ended)
	default:
		harm("it is not old enough")
	}
}

// born starts a life. Each of BOS's steps can take minutes if its etcd is slow.
func (n *nursery) born(now time.Time) {
	l := &life{id: uuid.Must(uuid.NewRandomFromReader(bytesOf{n.dice})).String(), kind: "whole", made: now}
	switch n.dice.IntN(8) {
	case 0:
		l.kind = "no Job" // making it failed
	case 1:
		l.kind = "no entry" // etcd could not be reached
	}
	n.lives[l.id] = l
	n.Kube.Add("configmaps", &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: l.id, Namespace: lab.Namespace},
		Data:       map[string]string{"data.json": `{"name": "compute", "boot_sets": {"compute": {}}}`},
	})
	if l.kind == "no Job" {
		return
	}
	n.after(n.upTo(15*time.Minute), func(now time.Time) {
		n.Kube.Add("jobs", l.job(time.Time{}))
		begun := now
		// A BOA that fails at once ends before BOS has written the session's record.
		n.after(n.upTo(time.Hour)*time.Duration(n.dice.IntN(3))/2, func(now time.Time) { n.end(l, begun, now) })
		n.after(n.upTo(2*time.Minute), func(now time.Time) { n.configures(l, now) })
		if l.kind != "no entry" {
			n.after(n.upTo(8*time.Minute), func(time.Time) { n.listed(l, begun) })
		}
	})
}

// listed writes BOS's record: its attributes, and its status some time later.
func (n *nursery) listed(l *life, begun time.Time) {
	n.BOS.Add(simbos.Session{ID: l.id, Template: "t", Operation: "boot", NoStatus: true})
	n.after(n.upTo(3*time.Minute), func(time.Time) {
		record := simbos.Session{ID: l.id, Template: "t", Operation: "boot", Start: begun.UTC().Format("2006-01-02T15:04:05.000000Z")}
		if !l.ended.IsZero() {
			record.Stop = l.ended.UTC().Format("2006-01-02 15:04:05.000000")
		}
		n.BOS.Add(record)
	})
}

// configures creates a CFS session for BOA.
func (n *nursery) configures(l *life, now time.Time) {
	c := simcfs.Session{
		Name: "batcher-" + l.id, Configuration: "c", Limit: "x1000c0s0b0n0", Definition: "dynamic", Status: "pending", Succeeded: "none",
		Start: now.UTC().Format("2006-01-02T15:04:05"), Tags: map[string]string{"bos_session": l.id},
	}
	n.CFS.Add(c)
	n.after(n.upTo(10*time.Minute), func(now time.Time) {
		c.Status, c.Succeeded, c.Completion = "complete", "true", now.UTC().Format("2006-01-02T15:04:05")
		n.CFS.Add(c)
	})
}

// end ends BOA, and writes to BOS what BOS hears about it.
func (n *nursery) end(l *life, begun, now time.Time) {
	l.ended = now
	n.Kube.Add("jobs", l.job(now))
	if l.kind == "whole" && slices.Contains(n.BOS.IDs(), l.id) {
		n.BOS.Add(simbos.Session{
			ID: l.id, Template: "t", Operation: "boot",
			Start: begun.UTC().Format("2006-01-02T15:04:05.000000Z"), Stop: now.UTC().Format("2006-01-02 15:04:05.000000"),
		})
	}
}

// job returns BOA's Job, running or complete.
func (l *life) job(ended time.Time) *batchv1.Job {
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "boa-" + l.id, Namespace: lab.Namespace, CreationTimestamp: metav1.NewTime(l.made)},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "boa", Image: "boa", Env: []corev1.EnvVar{{Name: "SESSION_ID", Value: l.id}, {Name: "SESSION_TEMPLATE_ID", Value: "t"}}}},
			Volumes: []corev1.Volume{{Name: "boot-session", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: l.id},
			}}}},
		}}},
		Status: batchv1.JobStatus{Active: 1},
	}
	if !ended.IsZero() {
		at := metav1.NewTime(ended)
		job.Status = batchv1.JobStatus{Succeeded: 1, CompletionTime: &at, Conditions: []batchv1.JobCondition{
			{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: at},
		}}
	}
	return job
}

func (n *nursery) sweep() {
	n.t.Helper()
	d, code := n.sweepAt("BOSGC_KEEP_LAST=0", "BOSGC_ORPHAN_GRACE="+n.grace.String(), fmt.Sprintf("BOSGC_ORPHAN_SIGHTINGS=%d", n.seen))
	if code != gc.ExitDone {
		n.t.Errorf("exit code %d: %s, %+v, %v", code, d.Stopped, d.Sources, d.Outcomes)
	}
	n.mu.Lock()
	n.judged = append(n.judged, d.CreatedAt)
	n.mu.Unlock()
}

// doze advances the time to a few minutes before the next event.
func (n *nursery) doze() {
	n.mu.Lock()
	defer n.mu.Unlock()
	free := 24 * time.Hour
	if len(n.coming) > 0 {
		free = min(free, n.coming[0].at.Sub(n.server.now())-15*time.Minute)
	}
	if free > 0 {
		n.pass(n.upTo(free))
	}
}

// run creates sessions in crowds, and sweeps until all of them are old or enough returns true.
func (n *nursery) run(crowds, each int, enough func() bool) {
	n.mu.Lock()
	for range crowds {
		crowd := n.upTo(24 * time.Hour)
		for range each {
			n.after(crowd+n.upTo(20*time.Minute), n.born)
		}
	}
	end := n.server.now().Add(24*time.Hour + raceTTL + n.grace + 24*time.Hour)
	n.mu.Unlock()
	for n.server.now().Before(end) && !enough() {
		n.sweep()
		n.doze()
	}
}

// Sessions are created, slowly, while sweeps run back to back. No session is harmed that is being created, runs or is
// too young. In the end all garbage is deleted.
func TestRaceWithSessionsBeingMade(t *testing.T) {
	t.Parallel()
	seed := uint64(0)
	for _, grace := range []time.Duration{time.Hour, 24 * time.Hour} {
		for _, sightings := range []int{1, 2} {
			seed++
			t.Run(fmt.Sprintf("grace %s, %d sightings", grace, sightings), func(t *testing.T) {
				t.Parallel()
				n := startNursery(t, seed, grace, sightings)
				before := n.exist()
				n.run(1, 12, func() bool { return false })
				for _, harm := range n.harmed {
					t.Error(harm)
				}
				n.same("in the end", n.exist(), before)
				if len(n.lives) != 12 || n.deletes < 24 || len(n.coming) > 0 {
					t.Errorf("%d lives, %d deletes, %d events left: this test proves nothing", len(n.lives), n.deletes, len(n.coming))
				}
				n.noDanger()
				t.Logf("%d sweeps, %d requests, %d deletes", len(n.judged), len(n.Requests()), n.deletes)
			})
		}
	}
}

// Without the grace the same world is harmed. So the test above would notice a missing grace.
func TestRaceIsLostWithoutGrace(t *testing.T) {
	t.Parallel()
	n := startNursery(t, 9, 0, 1)
	harmed := func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return slices.ContainsFunc(n.harmed, func(harm string) bool { return strings.Contains(harm, "being made") })
	}
	if n.run(9, 12, harmed); !harmed() {
		t.Errorf("nothing was harmed in %d sweeps with %d deletes", len(n.judged), n.deletes)
	}
}

// bytesOf reads random bytes.
type bytesOf struct{ *rand.Rand }

func (c bytesOf) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c.Uint32())
	}
	return len(p), nil
}
