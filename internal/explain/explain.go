// Package explain collects everything known about one object: the facts, every rule that applies, when it may be
// deleted, and what would change that.
package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bosgc/gc"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// Explanation is everything known about one object.
type Explanation struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"` // Explanation
	Run        string    `json:"run"`
	CreatedAt  time.Time `json:"createdAt"`
	Cluster    string    `json:"cluster"`
	Namespace  string    `json:"namespace"`
	// Object has no verdict if it is a session that BOS does not list, and of which something else is left.
	Object gc.Object `json:"object"`
	Facts  []Fact    `json:"facts"` // what it is
	Linked []Tied    `json:"linked"`
	// Links are of CFS sessions that have no tag.
	Links      []inventory.Link `json:"links"`
	LinksError string           `json:"linksError,omitempty"` // why the links could not be worked out
	Rules      []Rule           `json:"rules"`                // those that apply to it, in order
	Owner      *Owner           `json:"owner,omitempty"`      // the object whose verdict decides its own
	// Eligible is whether it can be deleted now, when it can be, or what has to change first.
	Eligible string             `json:"eligible"`
	Changes  []Change           `json:"changes"` // what would change the verdict
	Sources  []inventory.Source `json:"sources"`
	// Deletion is what the journal has of it, if it is gone.
	Deletion *Deletion `json:"deletion,omitempty"`
	ExitCode int       `json:"exitCode"`
}

// Change is something that would change a verdict.
type Change struct {
	Text    string `json:"text"`
	Command string `json:"command,omitempty"` // that does it
}

// Fact is one thing that is known of an object.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Tied is an object that belongs to the same session.
type Tied struct {
	Kind     string         `json:"kind"` // also Pod, which is not judged
	Name     string         `json:"name"`
	Evidence string         `json:"evidence"` // how that is known
	Verdict  policy.Verdict `json:"verdict,omitempty"`
	Reason   policy.Reason  `json:"reason,omitempty"`
}

// Rule is the result of one rule for an object.
type Rule struct {
	Name       string         `json:"name"`
	Verdict    policy.Verdict `json:"verdict"`
	Reason     policy.Reason  `json:"reason"`
	Detail     string         `json:"detail"`
	EligibleAt time.Time      `json:"eligibleAt,omitzero"` // when the rule stops applying
	Settings   []string       `json:"settings,omitempty"`  // that it depends on
	Decides    bool           `json:"decides"`
}

// Owner is the object whose verdict decides that of another, with the results of the rules for it.
type Owner struct {
	Kind  policy.Kind `json:"kind"`
	Name  string      `json:"name"`
	Rules []Rule      `json:"rules"`
}

// NotFoundError means that no source knows the name.
type NotFoundError struct {
	Kind    policy.Kind
	Name    string
	Nearest []string // similar known names with their kinds, the most similar first
	Missing []string // sources that were not read completely, which may have it
	Sources []inventory.Source
}

func (u *NotFoundError) Error() string {
	text := fmt.Sprintf("no %s %.80q found", words[u.Kind], u.Name)
	if len(u.Missing) > 0 {
		text += "; it may exist all the same, because this was not read completely: " + strings.Join(u.Missing, ", ")
	}
	if len(u.Nearest) == 0 {
		return text + "; \"bosgc plan --all\" lists everything that bosgc judges"
	}
	return text + "; did you mean one of these?\n  " + strings.Join(u.Nearest, "\n  ")
}

// Explain reads everything, as a plan does, and returns all that is known about one object. Nothing is changed. The
// error is a *NotFoundError, or that of the context.
func Explain(
	ctx context.Context, clients collect.Clients, run gc.Run, kind policy.Kind, name string,
) (*Explanation, error) {
	now := run.Clock().UTC()
	// Its future place among the newest depends on all other sessions.
	run.AskEverySession = run.Settings.KeepLast > 0
	w, err := clients.World(ctx, run.Options, now)
	if err != nil {
		return nil, err
	}
	d, said, found := w.Judge.Explain(w.Snapshot, kind, name)
	if askForRecord(ctx, clients, w, d.Session); found {
		d, said, _ = w.Judge.Explain(w.Snapshot, kind, name)
	}
	g := w.Group(d.Session)
	if !found && kind == policy.Session {
		// A session that BOS does not list may have left other objects. They are what is asked about.
		if g = w.Group(name); g != nil {
			d = policy.Decision{Kind: kind, Name: name, Session: name, Detail: "BOS does not list it; something of it is left"}
			if g.Listed == inventory.Unknown {
				d.Detail = "whether BOS lists it is not known"
			}
			found = true
		}
	}
	if !found {
		return nil, notFound(w, kind, name)
	}
	e := &Explanation{
		APIVersion: gc.APIVersion, Kind: "Explanation", Run: run.ID, CreatedAt: now, Cluster: run.Cluster,
		Namespace: run.Namespace, Object: gc.NewObject(d), Facts: []Fact{}, Linked: []Tied{}, Links: []inventory.Link{},
		Rules: newRules(said, now), Changes: []Change{}, Sources: w.Sources,
	}
	x := &explainer{Explanation: e, clients: clients, world: w, group: withV2(ctx, clients, g), run: run}
	x.readWholeLimit(ctx)
	x.addFacts()
	x.addTied()
	x.addOwner()
	x.addLinks(ctx)
	x.setEligible()
	x.addChanges()
	e.ExitCode = (&gc.Document{Sources: w.Sources}).ComputeExitCode()
	return e, context.Cause(ctx)
}

func newRules(said []policy.Finding, now time.Time) []Rule {
	all := make([]Rule, 0, len(said))
	for _, s := range said {
		r := Rule{Name: s.Rule, Verdict: s.Verdict, Reason: s.Reason, Detail: s.Detail, Settings: s.Settings, Decides: s.Decides}
		// An orphan is old enough at that time, but it waits for the confirmation by later sweeps.
		if s.Verdict != policy.Delete && s.EligibleAt.After(now) && !s.Reason.LooksOrphaned() {
			r.EligibleAt = gc.DocumentTime(s.EligibleAt)
		}
		all = append(all, r)
	}
	return all
}

// explainer makes one Explanation.
type explainer struct {
	*Explanation

	clients collect.Clients
	world   *collect.World
	group   *inventory.Group // of its session; nil if it has none
	run     gc.Run
}

// addTied lists all that belongs to the same session, and how that is known.
func (x *explainer) addTied() {
	if x.group == nil {
		return
	}
	pods, _ := x.group.Pods()
	jobs, _ := x.group.Jobs()
	mounted := map[string]string{}
	for _, job := range jobs {
		mounted[job.ConfigMap] = job.Name
	}
	evidence := map[policy.Kind]func(string) string{
		policy.Session: func(string) string { return "BOS lists it" },
		policy.Job:     func(string) string { return "its variable SESSION_ID names the session" },
		policy.ConfigMap: func(name string) string {
			if name == x.group.ID {
				return "its name is the session's ID"
			}
			return "Job " + mounted[name] + " of the session mounts it"
		},
		policy.CFSSession: func(string) string { return "its tag bos_session names the session" },
	}
	for _, d := range x.world.Judge.Group(x.group) {
		if d.Kind != x.Object.Kind || d.Name != x.Object.Name {
			x.Linked = append(x.Linked, Tied{string(d.Kind), d.Name, evidence[d.Kind](d.Name), d.Verdict, d.Reason})
		}
	}
	for _, pod := range pods {
		how := "its variable SESSION_ID names the session"
		if pod.Job != "" {
			how = "it is of Job " + pod.Job
		}
		switch {
		case pod.Over || pod.Boa.Terminated && !pod.OthersRun:
			how += "; it has ended"
		case pod.Boa.Terminated:
			how += "; its boa has ended, another container has not"
		default:
			how += "; it works"
		}
		x.Linked = append(x.Linked, Tied{Kind: "Pod", Name: pod.Name, Evidence: how})
	}
}

// addOwner finds the object that it is deleted or kept with, and applies the rules to that.
func (x *explainer) addOwner() {
	tied := slices.ContainsFunc(x.Rules, func(r Rule) bool {
		return r.Reason == policy.OwnerKept || r.Reason == policy.OwnerCollected
	})
	if x.group == nil || !tied {
		return
	}
	for _, kind := range []policy.Kind{policy.Session, policy.Job} {
		for _, d := range x.world.Judge.Group(x.group) {
			if d.Kind == kind && kind != x.Object.Kind {
				_, said, _ := x.world.Judge.Explain(x.world.Snapshot, kind, d.Name)
				x.Owner = &Owner{kind, d.Name, newRules(said, x.CreatedAt)}
				return
			}
		}
	}
}

// addLinks infers which CFS sessions without a tag are linked to the object, even where the settings do not act on it.
// It reads no more than this one object needs.
func (x *explainer) addLinks(ctx context.Context) {
	w := x.world
	var untagged []inventory.CFSSession
	for _, c := range w.Snapshot.UntaggedCFS {
		wanted := x.Object.Kind != policy.CFSSession || c.Name == x.Object.Name
		if wanted && c.Start.Known() && c.Fault == "" && inventory.NotBatcherMade(c) == "" {
			untagged = append(untagged, c)
		}
	}
	switch id := x.Object.Session; {
	case x.Object.Kind == policy.CFSSession && id != "":
		return // the tag is the link
	case id != "" && len(untagged) > 0:
		untagged = w.Linkable(ctx, x.clients, id, untagged)
	}
	if len(untagged) == 0 {
		return
	}
	links, err := w.LinksOf(ctx, x.clients, untagged)
	if err != nil {
		x.LinksError = err.Error()
	}
	for _, l := range links {
		wanted := slices.ContainsFunc(untagged, func(c inventory.CFSSession) bool { return c.Name == l.CFS })
		if wanted && (x.Object.Session == "" || slices.Contains(l.Sessions, x.Object.Session)) {
			x.Links = append(x.Links, l)
		}
	}
}

// readWholeLimit reads the whole Ansible limit of a CFS session with a tag, of which the list keeps one component.
func (x *explainer) readWholeLimit(ctx context.Context) {
	if x.Object.Kind != policy.CFSSession {
		return
	}
	for i := range x.world.Seen.CFS {
		c := &x.world.Seen.CFS[i]
		if c.Name != x.Object.Name || c.Tag == "" {
			continue
		}
		now, presence, err := x.clients.CFS.Session(ctx, c.Name)
		if err == nil && presence == inventory.Present {
			c.Limit = now.Limit
		} else if c.Limit != "" {
			c.Limit += ",…" // otherwise the part looks like the whole
		}
	}
}

// askForRecord reads a record that the plan does not need. It decides nothing, but a person may want to see it.
func askForRecord(ctx context.Context, clients collect.Clients, w *collect.World, id string) {
	g := w.Group(id)
	if g == nil || !w.HasBOSv1 || g.Record.Presence != inventory.Unknown || g.Record.Err != "" || !inventory.IsSessionID(id) {
		return
	}
	if record, err := clients.BOS.Get(ctx, id); err == nil && !record.Broken {
		w.Snapshot.Replace(g.WithRecord(record))
	}
}

// withV2 returns a session with what BOS v2 says of its ID, if v1 has no record of it: "bosgc clean" asks that first.
func withV2(ctx context.Context, clients collect.Clients, g *inventory.Group) *inventory.Group {
	if g == nil || g.Record.Presence == inventory.Present || g.V2 != inventory.Unknown || !inventory.IsSessionID(g.ID) {
		return g
	}
	presence, _ := clients.BOS.V2Session(ctx, g.ID) // without an answer "bosgc clean" refuses, and so it is said
	return g.WithV2(presence)
}
