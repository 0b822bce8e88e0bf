package gc_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/journal"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
	"bosgc/internal/state"
	"bosgc/policy"
)

// mixedPast is a past in which two sessions of one configuration began together, so that a batch has nodes of both,
// and a third on nodes of its own long before.
func mixedPast(t *testing.T, csm string, change ...func(*past)) (p *past, a, b string, mixed []string) {
	t.Helper()
	p = newPast(t, csm, 7)
	nodes := p.World.Nodes()
	p.life.Start(lab.SessionSpec{Operation: "configure", Configuration: "cos-config-2.4", Nodes: nodes[100:110]})
	p.life.Pass(3*time.Hour, 5*time.Second)
	a = p.life.Start(lab.SessionSpec{Operation: "boot", Configuration: "cos-config-2.4", Nodes: nodes[:8], Template: "a"})
	b = p.life.Start(lab.SessionSpec{Operation: "boot", Configuration: "cos-config-2.4", Nodes: nodes[8:20], Template: "b"})
	for _, f := range change {
		f(p)
	}
	p.life.Pass(3*time.Hour, 5*time.Second)
	for name, link := range p.life.Links() {
		if len(link.Owners) == 2 {
			mixed = append(mixed, name)
		}
	}
	if len(mixed) == 0 {
		t.Fatal("the batcher has mixed nothing")
	}
	return p, a, b, mixed
}

// breaks makes what is asked for at such a path fail: "bos ^/v1/session$".
func (p *past) breaks(t *testing.T, what string) {
	t.Helper()
	system, path, _ := strings.Cut(what, " ")
	if err := p.AddFault(lab.Fault{Kind: lab.FaultStatus, Status: http.StatusForbidden, System: system, Method: http.MethodGet, Path: path}); err != nil {
		t.Fatal(err)
	}
}

// alter puts another CFS session of the same name in the place of one.
func (p *past) alter(name string, change func(*simcfs.Session)) {
	for _, c := range p.CFS.Sessions() {
		if c.Name == name {
			change(&c)
			p.CFS.Add(c)
		}
	}
}

func objectOf(t *testing.T, objects []gc.Object, name string) gc.Object {
	t.Helper()
	i := slices.IndexFunc(objects, func(o gc.Object) bool { return o.Name == name })
	if i < 0 {
		t.Fatalf("%s is not in the plan", name)
	}
	return objects[i]
}

func sourceOf(p gc.Document) *inventory.Source {
	for i, source := range p.Sources {
		if source.Name == inventory.SourceCFSComponents {
			return &p.Sources[i]
		}
	}
	return nil
}

// journal opens a journal of a run that there was not before.
func (p *past) journal(t *testing.T) *journal.Journal {
	t.Helper()
	p.runs++
	j, err := journal.Open(t.Context(), journal.Options{
		Store: p.systems.Kube.Store(lab.Namespace), Name: "bosgc", Run: fmt.Sprint("r", p.runs), Runs: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (p *past) execute(t *testing.T, plan *gc.Plan, most int) *gc.Report {
	t.Helper()
	report := gc.NewReport(plan.Document)
	limits := gc.Limits{MaxDeletes: most, Grace: 10 * time.Second, Journal: p.journal(t)}
	if err := plan.Execute(t.Context(), limits, report); err != nil {
		t.Fatal(err)
	}
	return report
}

// asked gives what was asked of BOS and CFS since a number of requests.
func (p *past) asked(since int) (paths []string) {
	for _, r := range p.Requests()[since:] {
		if r.System != "kube" {
			paths = append(paths, r.Method+" "+r.Path)
		}
	}
	return paths
}

func TestAMixedCFSSessionGoesWithAllItsSessions(t *testing.T) {
	for _, csm := range []string{"1.0", "1.5"} {
		t.Run(csm, func(t *testing.T) {
			t.Parallel()
			p, a, b, mixed := mixedPast(t, csm)
			plan := p.plan(t, expired)
			o := objectOf(t, plan.Objects, mixed[0])
			if o.Verdict != policy.Delete || o.Reason != policy.OwnerCollected || !strings.Contains(o.Detail, a) || !strings.Contains(o.Detail, b) {
				t.Fatalf("%+v", o)
			}
			if source := sourceOf(plan.Document); source == nil || !source.Complete || source.Count == 0 || source.Requests == 0 {
				t.Errorf("source %+v", source)
			}
			before := len(p.Requests())
			report := p.execute(t, plan, 1000)
			for _, name := range append(mixed, a, b) {
				if o := objectOf(t, report.Objects, name); o.Outcome != gc.Deleted {
					t.Errorf("%s: %s %s", o.Name, o.Outcome, o.Detail)
				}
			}
			deletes := slices.DeleteFunc(p.asked(before), func(path string) bool { return !strings.HasPrefix(path, "DELETE") })
			last := slices.IndexFunc(deletes, func(path string) bool { return strings.Contains(path, a) || strings.Contains(path, b) })
			for _, name := range mixed {
				if i := slices.IndexFunc(deletes, func(path string) bool { return strings.HasSuffix(path, name) }); i < 0 || i > last {
					t.Errorf("%s did not go before its sessions: %q", name, deletes)
				}
			}
			if danger := p.Danger(); len(danger) > 0 {
				t.Error(danger)
			}
		})
	}
}

func TestByTagAloneNothingMoreIsAsked(t *testing.T) {
	p, _, _, mixed := mixedPast(t, "1.5")
	settings := expired
	settings.CFSLink = policy.LinkExact
	before := len(p.Requests())
	plan := p.plan(t, settings)
	if o := objectOf(t, plan.Objects, mixed[0]); o.Verdict != policy.Keep || o.Reason != policy.PolicyOff {
		t.Errorf("%+v", o)
	}
	if source := sourceOf(plan.Document); source != nil {
		t.Errorf("source %+v", source)
	}
	for _, path := range p.asked(before) {
		if strings.Contains(path, "/components") || strings.Contains(path, "/status") || strings.Contains(path, "/v2/sessions") {
			t.Errorf("%s", path)
		}
	}
}

func TestNoCandidateMeansNoFurtherRequest(t *testing.T) {
	p := newPast(t, "1.5", 7)
	p.life.Start(lab.SessionSpec{Operation: "configure", Configuration: "c", Nodes: p.World.Nodes()[:5]})
	p.life.Pass(time.Hour, 5*time.Second)
	before := len(p.Requests())
	p.plan(t, expired)
	for _, path := range p.asked(before) {
		if strings.Contains(path, "/components") || strings.Contains(path, "/status") {
			t.Errorf("%s, although every CFS session has a tag", path)
		}
	}
}

// Only sessions that were at work when one of the CFS sessions began are asked for their nodes.
func TestOnlySessionsOfThatTimeAreAskedFor(t *testing.T) {
	p, a, b, _ := mixedPast(t, "1.5")
	before := len(p.Requests())
	p.plan(t, expired)
	for _, path := range p.asked(before) {
		if strings.Contains(path, "/status/") && !strings.Contains(path, a) && !strings.Contains(path, b) {
			t.Errorf("%s", path)
		}
	}
}

func TestASessionThatConfiguresNothingIsNoRival(t *testing.T) {
	p, _, _, mixed := mixedPast(t, "1.5", func(p *past) {
		p.life.Start(lab.SessionSpec{Operation: "configure", Configuration: "cos-config-2.4", DisableCFS: true, Nodes: p.World.Nodes()[:20]})
	})
	if o := objectOf(t, p.plan(t, expired).Objects, mixed[0]); o.Verdict != policy.Delete {
		t.Errorf("%+v", o)
	}
}

func TestAMixedCFSSessionStaysWithOneOfItsSessions(t *testing.T) {
	p, _, b, mixed := mixedPast(t, "1.5")
	p.Annotate(lab.KindJob, "boa-"+b, "bosgc/keep", "true")
	o := objectOf(t, p.plan(t, expired).Objects, mixed[0])
	if o.Verdict != policy.Keep || o.Reason != policy.OwnerKept || !strings.Contains(o.Detail, b) {
		t.Errorf("%+v", o)
	}
}

func TestASecondLookIsTakenAtAllItsSessions(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, p *past, b, mixed string){
		"one is protected":             func(_ *testing.T, p *past, b, _ string) { p.Annotate(lab.KindJob, "boa-"+b, "bosgc/keep", "true") },
		"the ConfigMap of one is kept": func(_ *testing.T, p *past, b, _ string) { p.Annotate(lab.KindConfigMap, b, "bosgc/keep", "true") },
		"a Pod was started for one":    func(_ *testing.T, p *past, b, _ string) { p.StartPod("again", b) },
		"the CFS session runs once more": func(_ *testing.T, p *past, _, mixed string) {
			p.alter(mixed, func(c *simcfs.Session) { c.Status = "running" })
		},
		"the CFS session has a tag now": func(_ *testing.T, p *past, b, mixed string) {
			p.alter(mixed, func(c *simcfs.Session) { c.Tags = map[string]string{"bos_session": b} })
		},
		"Pods cannot be watched": func(t *testing.T, p *past, _, _ string) { p.breaks(t, "kube /pods") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _, b, mixed := mixedPast(t, "1.5")
			plan := p.plan(t, expired)
			if o := objectOf(t, plan.Objects, mixed[0]); o.Verdict != policy.Delete {
				t.Fatalf("%+v", o)
			}
			change(t, p, b, mixed[0])
			report := p.execute(t, plan, 1000)
			if o := objectOf(t, report.Objects, mixed[0]); o.Outcome != gc.Skipped && o.Outcome != gc.Waiting {
				t.Errorf("%s: %s", o.Outcome, o.Detail)
			}
		})
	}
}

func TestTheLimitCountsMixedCFSSessionsToo(t *testing.T) {
	p, a, b, mixed := mixedPast(t, "1.5")
	report := p.execute(t, p.plan(t, expired), len(mixed))
	for _, name := range mixed {
		if o := objectOf(t, report.Objects, name); o.Outcome != gc.Deleted {
			t.Errorf("%+v", o)
		}
	}
	for _, id := range []string{a, b} {
		if o := objectOf(t, report.Objects, id); o.Outcome != gc.Waiting {
			t.Errorf("%+v", o)
		}
	}
}

// What cannot be read makes no link, and loses none of the rest of the plan.
func TestWithoutAllFactsNothingIsInferred(t *testing.T) {
	for name, fault := range map[string]string{
		"the status of a boot set": "bos ^/v1/session/%s/status/compute",
		"the components":           "cfs ^/v3/components",
		"the sessions of BOS v2":   "bos ^/v2/sessions",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, a, _, mixed := mixedPast(t, "1.5")
			p.breaks(t, strings.ReplaceAll(fault, "%s", a))
			plan := p.plan(t, expired)
			if o := objectOf(t, plan.Objects, mixed[0]); o.Verdict == policy.Delete {
				t.Errorf("%+v", o)
			}
			if o := objectOf(t, plan.Objects, a); o.Verdict != policy.Delete {
				t.Errorf("%+v", o)
			}
			source := sourceOf(plan.Document)
			if strings.HasPrefix(fault, "cfs") && (source == nil || source.Complete || source.Error == "" || plan.ExitCode != gc.ExitIncomplete) {
				t.Errorf("source %+v, exit code %d", source, plan.ExitCode)
			}
		})
	}
}

// linked returns the links of a session, with new clients.
func (p *past) linked(t *testing.T, id string, memory ...state.SessionList) ([]inventory.Link, error) {
	t.Helper()
	o := collect.Options{Settings: expired, Clock: time.Now, ReadTimeout: time.Minute}
	for _, list := range memory {
		o.List = list
	}
	clients := p.again(t)
	asked := func(g *inventory.Group) (policy.Request, *inventory.Group) { return policy.Clean, g }
	w, err := clients.Sessions(t.Context(), o, []string{id}, asked)
	if err != nil {
		t.Fatal(err)
	}
	return w.Linked(t.Context(), clients, o)
}

func TestLinkedGivesAllLinksOfASession(t *testing.T) {
	p, a, b, mixed := mixedPast(t, "1.4")
	links, err := p.linked(t, a)
	if err != nil {
		t.Fatal(err)
	}
	exact, inferred := 0, 0
	for _, l := range links {
		switch {
		case l.Exact && slices.Equal(l.Sessions, []string{a}):
			exact++
		case l.Strong() && slices.Contains(l.Sessions, a) && slices.Contains(l.Sessions, b) && slices.Contains(mixed, l.CFS):
			inferred++
		default:
			t.Errorf("%+v", l)
		}
	}
	of := 0
	for _, made := range p.life.MadeOf(a) {
		if len(made.Owners) == 1 {
			of++
		}
	}
	if exact != of || inferred != len(mixed) {
		t.Errorf("%d by tag and %d inferred, expected %d and %d", exact, inferred, of, len(mixed))
	}
	if links, err := p.linked(t, "5a0df9d1-2c3b-4f5e-8a9b-0123456789ab"); err != nil || len(links) > 0 {
		t.Errorf("of a session that does not exist: %+v, %v", links, err)
	}
}

func TestLinkedKnowsWhatStillRuns(t *testing.T) {
	p := newPast(t, "1.5", 7)
	nodes := p.World.Nodes()
	a := p.life.Start(lab.SessionSpec{Operation: "boot", Configuration: "c", Nodes: nodes[:8]})
	p.life.Start(lab.SessionSpec{Operation: "boot", Configuration: "c", Nodes: nodes[8:20]})
	p.life.Pass(9*time.Minute, 5*time.Second)
	links, err := p.linked(t, a)
	if err != nil {
		t.Fatal(err)
	}
	running := func(l inventory.Link) bool {
		c, _, _, err := p.systems.CFS.RawSession(t.Context(), l.CFS)
		return err == nil && c.Status == "running" && l.Strong() && !l.Exact
	}
	if !slices.ContainsFunc(links, running) {
		t.Errorf("%+v", links)
	}
}

func TestLinkedVetoesWhatItCannotKnow(t *testing.T) {
	p, a, _, mixed := mixedPast(t, "1.4")
	p.breaks(t, "bos ^/v1/session$")
	links, err := p.linked(t, a)
	if err != nil {
		t.Fatal(err)
	}
	vetoed := false
	for _, l := range links {
		vetoed = vetoed || l.CFS == mixed[0] && !l.Strong() && strings.Contains(l.Veto, "not all sessions")
		if l.Exact && !l.Strong() {
			t.Errorf("a tag needs no list: %+v", l)
		}
	}
	if !vetoed {
		t.Errorf("%+v", links)
	}
	p.breaks(t, "cfs ^/v2/sessions")
	if links, err := p.linked(t, a); err == nil {
		t.Errorf("without CFS: %+v", links)
	}
}

// Where BOS's list cannot be asked for, sessions are proven one by one, and what belongs to one is told all the same.
func TestLinksWithoutBOSsList(t *testing.T) {
	p, a, _, _ := mixedPast(t, "1.5")
	links, err := p.linked(t, a, state.SessionList{Sessions: 5, Hang: &state.Hang{At: time.Now(), Bytes: 1}})
	if err != nil || len(links) == 0 {
		t.Fatalf("%v, %v", links, err)
	}
	for _, l := range links {
		if !l.Exact && l.Veto == "" {
			t.Errorf("%+v, although not all sessions are known", l)
		}
	}
}
