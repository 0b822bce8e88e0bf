package live

import (
	"testing"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
)

const a, b = "aaaaaaaa-0000-4000-8000-000000000000", "bbbbbbbb-0000-4000-8000-000000000000"

// due returns a view of session a, which has a ConfigMap and a CFS session.
func due(t *testing.T) *view {
	t.Helper()
	seen := inventory.Seen{
		Unlisted: inventory.Absent, ConfigMaps: []inventory.ConfigMap{{Name: a, UID: "uid", Body: inventory.BodyExact}},
	}
	s := inventory.Join(seen)
	s.Groups[0] = s.Groups[0].WithRecord(inventory.Record{Presence: inventory.Present, Template: "compute"})
	return newView(s, seen, map[string]bool{a: true})
}

// A ConfigMap that another session's Job mounts is that one's, as long as it does. Then it is its own session's again:
// it has what keeps that, and is what still tells of it.
func TestAConfigMapIsNotForgottenWhileItIsAnothers(t *testing.T) {
	v := due(t)
	job := inventory.Job{Name: "boa-" + b, Session: b, ConfigMap: a}
	mounts := kube.Change{Name: job.Name, Listing: kube.Listing{Jobs: []inventory.Job{job}}}
	unmounts := kube.Change{Name: job.Name, Gone: true}
	for i, tt := range []struct {
		change kube.Change
		owner  string
	}{{unmounts, a}, {mounts, b}, {mounts, b}, {unmounts, a}} {
		v.apply(jobs, tt.change)
		for _, id := range []string{a, b} {
			want := 0
			if id == tt.owner {
				want = 1
			}
			var cms []inventory.ConfigMap
			if g := v.group(id, nil); g != nil {
				cms, _ = g.ConfigMaps()
			}
			if len(cms) != want || want == 1 && (cms[0].UID != "uid" || cms[0].Body != inventory.BodyExact) {
				t.Errorf("change %d: session %.8s has the ConfigMaps %+v; expected %d", i, id, cms, want)
			}
		}
	}
	g := v.group(a, []inventory.CFSSession{{Name: "batcher-1", Tag: a}})
	if g == nil || g.Record.Template != "compute" || len(g.CFS) != 1 {
		t.Errorf("of session %.8s is known %+v", a, g)
	}
}

// What starts for a session is seen whatever tells of it: its own variable, or a Job that is seen before or after it.
func TestWhatStartsBelongsToItsSession(t *testing.T) {
	job := kube.Change{Name: "copy", Listing: kube.Listing{Jobs: []inventory.Job{{Name: "copy", Session: a, ConfigMap: a}}}}
	pod := func(p inventory.Pod) kube.Change {
		return kube.Change{Name: p.Name, Listing: kube.Listing{Pods: []inventory.Pod{p}}}
	}
	of := func(changes ...func(*view)) (jobs, pods int) {
		v := due(t)
		for _, change := range changes {
			change(v)
		}
		g := v.group(a, nil)
		j, _ := g.Jobs()
		p, _ := g.Pods()
		return len(j), len(p)
	}
	addJob := func(v *view) { v.apply(jobs, job) }
	addPod := func(p inventory.Pod) func(*view) { return func(v *view) { v.apply(pods, pod(p)) } }
	relist := func(l kube.Listing) func(*view) { return func(v *view) { v.replace(jobs, l) } }
	byName, ofJob := inventory.Pod{Name: "p", Session: a}, inventory.Pod{Name: "p", Job: "copy"}
	for _, tt := range []struct {
		name       string
		jobs, pods int
		changes    []func(*view)
	}{
		{"nothing", 0, 0, nil},
		{"a Job", 1, 0, []func(*view){addJob}},
		{"the same Job twice", 1, 0, []func(*view){addJob, addJob}},
		{"a Pod", 0, 1, []func(*view){addPod(byName)}},
		{"a Pod of a Job", 1, 1, []func(*view){addJob, addPod(ofJob)}},
		{"a Pod that is seen before its Job", 1, 1, []func(*view){addPod(ofJob), addJob}},
		{"a Pod of another session", 0, 0, []func(*view){addPod(inventory.Pod{Name: "p", Session: b})}},
		{"a Pod of a Job that is not there", 0, 0, []func(*view){addPod(ofJob)}},
		{"a Job that has gone", 0, 0, []func(*view){addJob, func(v *view) { v.apply(jobs, kube.Change{Name: "copy", Gone: true}) }}},
		{"a list without the Job", 0, 0, []func(*view){addJob, relist(kube.Listing{})}},
		{"a list with the Job", 1, 0, []func(*view){relist(job.Listing)}},
	} {
		if j, p := of(tt.changes...); j != tt.jobs || p != tt.pods {
			t.Errorf("%s: %d Jobs and %d Pods; expected %d and %d", tt.name, j, p, tt.jobs, tt.pods)
		}
	}
}

// A ConfigMap is in use while something of another session, or of none, refers to it.
func TestReferencesCountWhileTheyLast(t *testing.T) {
	v := due(t)
	refer := func(kind, name, session string) kube.Change {
		ref := inventory.Reference{ConfigMap: a, Kind: kind, Name: name, Session: session}
		return kube.Change{Name: name, Listing: kube.Listing{References: []inventory.Reference{ref}}}
	}
	user := func() string {
		cms, _ := v.group(a, nil).ConfigMaps()
		return cms[0].User
	}
	v.apply(pods, refer(pods, "own", a))
	if user() != "" {
		t.Errorf("its own Pod counts as a user: %s", user())
	}
	v.apply(cronJobs, refer(cronJobs, "backup", ""))
	if user() != "CronJob backup" {
		t.Errorf("used by %q; expected the CronJob", user())
	}
	v.apply(cronJobs, kube.Change{Name: "backup", Listing: kube.Listing{}})
	if user() != "" {
		t.Errorf("used by %q after the CronJob was changed", user())
	}
	v.apply(cronJobs, refer(cronJobs, "backup", ""))
	v.replace(cronJobs, kube.Listing{})
	if user() != "" || len(v.related[a]) != 1 { // the own Pod's reference, and nothing else
		t.Errorf("used by %q after a list without the CronJob; %v", user(), v.related)
	}
}
