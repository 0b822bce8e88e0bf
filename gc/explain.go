package gc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
	Object Object `json:"object"`
	Facts  []Fact `json:"facts"` // what it is
	Linked []Tied `json:"linked"`
	// Links are of CFS sessions that have no tag.
	Links      []inventory.Link `json:"links"`
	LinksError string           `json:"linksError,omitempty"` // why the links could not be worked out
	Rules      []Rule           `json:"rules"`                // those that have something to say about it, in order
	Owner      *Owner           `json:"owner,omitempty"`      // what it goes or stays with
	// Eligible says whether it goes now, when it will, or what else has to change first.
	Eligible string             `json:"eligible"`
	Changes  []Change           `json:"changes"` // what would change the verdict
	Sources  []inventory.Source `json:"sources"`
	ExitCode int                `json:"exitCode"`
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

// Rule is what one rule says of an object.
type Rule struct {
	Name       string         `json:"name"`
	Verdict    policy.Verdict `json:"verdict"`
	Reason     policy.Reason  `json:"reason"`
	Detail     string         `json:"detail"`
	EligibleAt Moment         `json:"eligibleAt,omitzero"` // when it will not say so any more
	Settings   []string       `json:"settings,omitempty"`  // that it hangs on
	Decides    bool           `json:"decides"`
}

// Owner is what an object goes or stays with, and what the rules say of that.
type Owner struct {
	Kind  policy.Kind `json:"kind"`
	Name  string      `json:"name"`
	Rules []Rule      `json:"rules"`
}

// Unheard says that nothing of a name is there.
type Unheard struct {
	Kind    policy.Kind
	Name    string
	Nearest []string // known names that are like it, with their kinds, the likest first
	Missing []string // sources that were not read completely, where it may be all the same
}

func (u *Unheard) Error() string {
	text := fmt.Sprintf("there is no %s %.80q that bosgc judges", u.Kind, u.Name)
	if len(u.Missing) > 0 {
		text += "; it may be there all the same, because this was not read completely: " + strings.Join(u.Missing, ", ")
	}
	if len(u.Nearest) == 0 {
		return text + "; all that it does: bosgc plan"
	}
	return text + "; did you mean one of these?\n  " + strings.Join(u.Nearest, "\n  ")
}

// Explain reads everything, as a plan does, and says all that is known about one object. Nothing is changed. The
// error is *Unheard, or that of the context.
func Explain(ctx context.Context, systems Systems, r Run, kind policy.Kind, name string) (*Explanation, error) {
	now := r.Clock().UTC()
	r.AskAll = r.Settings.KeepLast > 0 // what place among the newest it will have once it is old enough hangs on all others
	w, err := systems.collect(ctx, r, now)
	if err != nil {
		return nil, err
	}
	d, said, there := w.judge.Explain(w.snapshot, kind, name)
	if w.ask(ctx, systems, d.Session); there {
		d, said, _ = w.judge.Explain(w.snapshot, kind, name)
	}
	g := w.group(d.Session)
	if !there && kind == policy.Session {
		// What BOS does not list may have left something all the same, and that is what is asked for.
		if g = w.group(name); g != nil {
			d = policy.Decision{Kind: kind, Name: name, Session: name, Detail: "BOS does not list it; something of it is left"}
			if g.Listed == inventory.Unknown {
				d.Detail = "whether BOS lists it is not known"
			}
			there = true
		}
	}
	if !there {
		return nil, w.unheard(kind, name)
	}
	e := &Explanation{
		APIVersion: APIVersion, Kind: "Explanation", Run: r.ID, CreatedAt: now, Cluster: r.Cluster, Namespace: r.Namespace,
		Object: object(d), Facts: []Fact{}, Linked: []Tied{}, Links: []inventory.Link{}, Rules: rules(said, now), Changes: []Change{}, Sources: w.sources,
	}
	x := &explaining{Explanation: e, world: w, group: g, run: r}
	w.limit(ctx, systems, d)
	x.facts()
	x.tied()
	x.owner()
	x.links(ctx, systems)
	x.eligible()
	x.changes()
	e.ExitCode = (&Document{Sources: w.sources}).exitCode()
	return e, context.Cause(ctx)
}

// group gives what is known of a session; nil if nothing is.
func (w *world) group(id string) *inventory.Group {
	for _, g := range w.snapshot.Groups {
		if g.ID == id && id != "" {
			return g
		}
	}
	return nil
}

func rules(said []policy.Finding, now time.Time) []Rule {
	all := make([]Rule, 0, len(said))
	for _, s := range said {
		r := Rule{Name: s.Rule, Verdict: s.Verdict, Reason: s.Reason, Detail: s.Detail, Settings: s.Settings, Decides: s.Decides}
		// An orphan's time is when it had become old enough: what it waits for is something else.
		if s.Verdict != policy.Delete && s.EligibleAt.After(now) && !s.Reason.LooksOrphaned() {
			r.EligibleAt = MomentOf(s.EligibleAt)
		}
		all = append(all, r)
	}
	return all
}

// explaining is an explanation in the making.
type explaining struct {
	*Explanation

	world *world
	group *inventory.Group // of its session; nil if it has none
	run   Run
}

// tied lists all that belongs to the same session, and how that is known.
func (x *explaining) tied() {
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
	for _, d := range x.world.judge.Group(x.group) {
		if d.Kind != x.Object.Kind || d.Name != x.Object.Name {
			x.Linked = append(x.Linked, Tied{d.Kind.String(), d.Name, evidence[d.Kind](d.Name), d.Verdict, d.Reason})
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

// owner finds out what it goes or stays with, and asks the rules about that.
func (x *explaining) owner() {
	tied := slices.ContainsFunc(x.Rules, func(r Rule) bool {
		return r.Reason == policy.OwnerKept || r.Reason == policy.OwnerCollected
	})
	if x.group == nil || !tied {
		return
	}
	for _, kind := range []policy.Kind{policy.Session, policy.Job} {
		for _, d := range x.world.judge.Group(x.group) {
			if d.Kind == kind && kind != x.Object.Kind {
				_, said, _ := x.world.judge.Explain(x.world.snapshot, kind, d.Name)
				x.Owner = &Owner{kind, d.Name, rules(said, x.CreatedAt)}
				return
			}
		}
	}
}

// links finds out how CFS sessions without a tag are linked to it, whether that is acted on or not. No more is asked for
// than this one object needs.
func (x *explaining) links(ctx context.Context, systems Systems) {
	w := x.world
	var loose []inventory.CFSSession
	for _, c := range w.snapshot.Loose {
		mine := x.Object.Kind != policy.CFSSession || c.Name == x.Object.Name
		if mine && c.Start.Known() && c.Fault == "" && inventory.NotBatcherMade(c) == "" {
			loose = append(loose, c)
		}
	}
	c := &collection{systems: systems, seen: w.seen}
	switch id := x.Object.Session; {
	case x.Object.Kind == policy.CFSSession && id != "":
		return // its tag says it
	case id != "" && len(loose) > 0:
		_, loose = c.touched(ctx, id, loose)
	}
	if len(loose) == 0 {
		return
	}
	links, err := w.linksOf(ctx, systems, loose)
	if err != nil {
		x.LinksError = err.Error()
	}
	for _, l := range links {
		touched := slices.ContainsFunc(loose, func(c inventory.CFSSession) bool { return c.Name == l.CFS })
		if touched && (x.Object.Session == "" || slices.Contains(l.Sessions, x.Object.Session)) {
			x.Links = append(x.Links, l)
		}
	}
}

// linksOf gives the links of some CFS sessions without a tag, and of others.
func (w *world) linksOf(ctx context.Context, systems Systems, loose []inventory.CFSSession) ([]inventory.Link, error) {
	if w.links != nil {
		return w.links, nil
	}
	if w.seen.Unlisted != inventory.Absent {
		return nil, errors.New("not all sessions of BOS are known, and one of the others could be meant")
	}
	owners, err := systems.owners(ctx, w.snapshot.Groups, loose)
	if err != nil {
		return nil, err
	}
	components, _, err := systems.components(ctx, loose, owners)
	if err != nil {
		return nil, err
	}
	return inventory.Links(w.seen.CFS, owners, components), nil
}

// limit has CFS give the whole Ansible limit of a CFS session with a tag, of which the list keeps one component.
func (w *world) limit(ctx context.Context, systems Systems, d policy.Decision) {
	for i := range w.seen.CFS {
		if c := &w.seen.CFS[i]; d.Kind == policy.CFSSession && c.Name == d.Name && c.Tag != "" {
			now, presence, err := systems.CFS.Session(ctx, c.Name)
			if err == nil && presence == inventory.Present {
				c.Limit = now.Limit
			} else if c.Limit != "" {
				c.Limit += ",…" // or the part would pass for the whole
			}
		}
	}
}

// ask has BOS say what it knows of a session that the plan needs no record of. It decides nothing, but a person asks.
func (w *world) ask(ctx context.Context, systems Systems, id string) {
	g := w.group(id)
	if g == nil || !w.hasBOSv1 || g.Record.Presence != inventory.Unknown || g.Record.Err != "" || !inventory.IsSessionID(id) {
		return
	}
	if record, err := systems.BOS.Get(ctx, id); err == nil && !record.Broken {
		g.Record = record
	}
}
