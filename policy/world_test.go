package policy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"bosgc/internal/inventory"
)

// now is a fixed moment; ages in these tests are counted back from it.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

var defaults = Settings{
	SessionTTL: 7 * day, FailedTTL: 14 * day, AbandonedTTL: 14 * day,
	KeepLast: 0, OrphanGrace: day, OrphanSightings: 2, MaxOrphanPercent: 50, CFS: CFSOld, CFSTTL: 7 * day,
}

var allRead = inventory.Evidence{Jobs: true, Pods: true, ConfigMaps: true, CronJobs: true}

// id returns the nth session ID.
func id(n int) string { return fmt.Sprintf("%08d-0000-4000-8000-000000000000", n) }

var (
	s1 = id(1)
	s2 = id(2)
	s3 = id(3)
)

func ago(d time.Duration) inventory.Stamp { return inventory.KnownStamp(now.Add(-d)) }

// world is what a test sets up: what there is, and what BOS answers.
type world struct {
	inventory.Seen
	records map[string]inventory.Record
	v2      map[string]inventory.Presence
	memory  Memory

	templates inventory.Templates
}

func newWorld(listed ...string) *world {
	w := &world{records: map[string]inventory.Record{}, v2: map[string]inventory.Presence{}}
	w.SessionIDs, w.Unlisted, w.Evidence, w.V1 = listed, inventory.Absent, allRead, inventory.Present
	return w
}

// record sets what BOS answers for a session; with an age of 0 the answer has no such time.
func (w *world) record(id, template string, started, stopped time.Duration) *world {
	r := inventory.Record{Presence: inventory.Present, Template: template, Operation: "boot"}
	if started != 0 {
		r.Start = ago(started)
	}
	if stopped != 0 {
		r.Stop = ago(stopped)
	}
	w.records[id] = r
	return w
}

// with sets the whole answer of BOS for a session.
func (w *world) with(id string, record inventory.Record) *world {
	w.records[id] = record
	return w
}

func (w *world) job(session string, change func(*inventory.Job)) *world {
	job := inventory.Job{
		Name: "boa-" + session, UID: "uid-job-" + session, ResourceVersion: "1", Session: session,
		Template: "compute", ConfigMap: session, BackoffLimit: 4, Created: ago(20 * day),
	}
	if change != nil {
		change(&job)
	}
	w.Jobs = append(w.Jobs, job)
	return w
}

func ended(age time.Duration, failed bool) func(*inventory.Job) {
	return func(j *inventory.Job) { j.Terminal, j.Failed, j.Finished = true, failed, ago(age) }
}

func (w *world) pod(session string, change func(*inventory.Pod)) *world {
	pod := inventory.Pod{Name: fmt.Sprintf("boa-%s-%d", session, len(w.Pods)), Job: "boa-" + session, Session: session}
	if change != nil {
		change(&pod)
	}
	w.Pods = append(w.Pods, pod)
	return w
}

// held returns a change to a Pod that only its proxy keeps alive.
func held(age time.Duration, exit int) func(*inventory.Pod) {
	return func(p *inventory.Pod) {
		p.Boa = inventory.Container{Terminated: true, ExitCode: exit, Finished: ago(age)}
		p.OthersRun = true
	}
}

func (w *world) configMap(name string, age time.Duration, change func(*inventory.ConfigMap)) *world {
	cm := inventory.ConfigMap{
		Name: name, UID: "uid-cm-" + name, ResourceVersion: "1", Created: ago(age), Body: inventory.BodyExact,
	}
	if change != nil {
		change(&cm)
	}
	w.ConfigMaps = append(w.ConfigMaps, cm)
	return w
}

func (w *world) cfs(tag string, age time.Duration, change func(*inventory.CFSSession)) *world {
	c := inventory.CFSSession{
		Name: "batcher-" + id(9000+len(w.CFS)), Definition: "dynamic", Limit: "x1000c0s0b0n0", Status: "complete",
		Start: ago(age + time.Minute), Completion: ago(age), Tag: tag,
	}
	if change != nil {
		change(&c)
	}
	w.CFS = append(w.CFS, c)
	return w
}

func (w *world) snapshot() *inventory.Snapshot {
	s := inventory.Join(w.Seen)
	s.Templates = w.templates
	s.Ties = inventory.Ties{Kubernetes: inventory.Tie{Shown: true}, CFS: inventory.Tie{Shown: true}}
	for i, g := range s.Groups {
		record, said := w.records[g.ID]
		if !said && g.Listed == inventory.Absent && w.V1 == inventory.Present {
			record.Presence = inventory.Absent // it is asked for each such ID
		}
		s.Groups[i] = g.WithRecord(record).WithV2(w.v2[g.ID])
	}
	return s
}

func (w *world) judge(settings Settings) []Decision {
	s := w.snapshot()
	j := NewJudge(s, settings, now, w.memory)
	j.Guard(s)
	return slices.Collect(j.All(s))
}

// check compares decisions with lines of the form "Kind name: verdict reason".
func check(t *testing.T, got []Decision, want ...string) {
	t.Helper()
	lines := map[string]bool{}
	for _, d := range got {
		lines[fmt.Sprintf("%s %s: %s %s", d.Kind, d.Name, d.Verdict, d.Reason)] = true
		if d.Detail == "" {
			t.Errorf("%s %s: no detail", d.Kind, d.Name)
		}
	}
	for _, line := range want {
		if !lines[line] {
			t.Errorf("missing %q", line)
		}
		delete(lines, line)
	}
	for line := range lines {
		t.Errorf("not expected: %q", line)
	}
}

func session(id, verdict string) string { return "Session " + id + ": " + verdict }
func job(id, verdict string) string     { return "Job boa-" + id + ": " + verdict }
func cm(id, verdict string) string      { return "ConfigMap " + id + ": " + verdict }
func cfs(n int, verdict string) string  { return "CFSSession batcher-" + id(9000+n) + ": " + verdict }

func with(s Settings, change func(*Settings)) Settings {
	change(&s)
	return s
}
