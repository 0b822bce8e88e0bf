package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bosgc/internal/margin"
)

// Owner is a session as far as it tells which CFS sessions can be of it.
type Owner struct {
	ID         string
	V2         bool // of BOS v2, which tags in the same way
	Nodes      []string
	NodesKnown bool
	// Configuration is what it set; empty if it set none.
	Configuration      string
	ConfigurationKnown bool
	// From and Until are when the batcher may have started CFS sessions for it. A zero From is not known, a
	// zero Until has not come yet.
	From, Until time.Time
}

// Link says which sessions a CFS session is of, and how that is known.
type Link struct {
	CFS      string   `json:"cfs"`
	Sessions []string `json:"sessions"` // by ID; with a veto those that it could be of
	Exact    bool     `json:"exact"`    // it names its session itself
	Score    int      `json:"score"`    // 0 to 100
	Evidence []string `json:"evidence"` // for a person
	Veto     string   `json:"veto"`     // why it must not be acted on; empty if nothing speaks against it
}

// strongScore is what configuration, nodes and time give together. One of them missing is never made
// up for by the rest.
const strongScore = 90

// Strong says whether a link may be acted on.
func (l Link) Strong() bool { return l.Veto == "" && len(l.Sessions) > 0 && l.Score >= strongScore }

// NotBatcherMade says what a CFS session has that the batcher never makes; empty if it may be the batcher's
// (docs/csm.md, "The batcher").
func NotBatcherMade(c CFSSession) string {
	id, batcher := strings.CutPrefix(c.Name, "batcher-")
	switch {
	case !batcher || !IsSessionID(id):
		return "its name is not one that the batcher gives"
	case c.Definition != "dynamic":
		return fmt.Sprintf("its target is %q: an image build, not nodes", c.Definition)
	case c.Limit == "":
		return "it has no Ansible limit; the batcher always sets one"
	}
	return ""
}

// Components gives the components of an Ansible limit, each once.
func (c CFSSession) Components() []string {
	var ids []string
	for id := range strings.SplitSeq(c.Limit, ",") {
		if id = strings.TrimSpace(id); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Started says whether the batcher may have started a CFS session for this session at that time. CFS
// cuts times to the second.
func (o Owner) Started(at time.Time) bool {
	return (o.From.IsZero() || at.Add(time.Second).After(o.From)) && (o.Until.IsZero() || !at.After(o.Until))
}

// Sets says whether it may have set any configuration at all.
func (o Owner) Sets() bool { return !o.ConfigurationKnown || o.Configuration != "" }

func (o Owner) mayHaveSet(configuration string) bool {
	return !o.ConfigurationKnown || o.Configuration == configuration
}

// Links says of each CFS session which sessions it is of. One with a tag is of the session that the
// tag names. The batcher leaves the tag out where a batch mixes nodes of several sessions (docs/csm.md,
// "Tags"); then each component of the limit is attributed to the session that had set its configuration
// when the CFS session began, and the CFS session is of all of those. One component that cannot be attributed
// for certain is a veto. The CFS sessions and the owners must be all that there are: what one of them says can be the
// proof, or the doubt, of another's link. The links are in the order of the tags, and of the names of the CFS sessions.
func Links(sessions []CFSSession, owners []Owner, components map[string]Component) []Link {
	sessions = slices.Clone(sessions)
	slices.SortStableFunc(sessions, func(a, b CFSSession) int {
		return cmp.Or(cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.Name, b.Name))
	})
	known := know(owners)
	for _, c := range sessions {
		known.worked[c.Tag] = true
	}
	for _, c := range components {
		known.worked[c.Tag] = true
	}
	links := make([]Link, 0, len(sessions))
	for _, c := range sessions {
		if c.Tag != "" {
			links = append(links, exact(c))
			continue
		}
		links = append(links, known.about(c).infer(components))
	}
	return links
}

// Undecided gives the components of those CFS sessions that may be linked, as far as can be said without what
// CFS knows of the components, sorted.
func Undecided(sessions []CFSSession, owners []Owner) []string {
	known := know(owners)
	ids := map[string]bool{}
	for _, c := range sessions {
		if limit := c.Components(); c.Tag == "" && known.about(c).promising(limit) {
			for _, id := range limit {
				ids[id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// knowledge is all sessions, as they are looked up here.
type knowledge struct {
	all    []candidate
	byID   map[string]Owner
	worked map[string]bool // by session, some component or CFS session has its tag
}

// candidate is a session that may have set some configuration on these nodes.
type candidate struct {
	Owner
	nodes map[string]bool
}

func know(owners []Owner) knowledge {
	k := knowledge{byID: make(map[string]Owner, len(owners)), worked: map[string]bool{}}
	for _, o := range owners {
		nodes := make(map[string]bool, len(o.Nodes))
		for _, node := range o.Nodes {
			nodes[node] = true
		}
		k.all, k.byID[o.ID] = append(k.all, candidate{o, nodes}), o
	}
	slices.SortStableFunc(k.all, func(a, b candidate) int { return cmp.Compare(a.ID, b.ID) })
	return k
}

func (k knowledge) about(c CFSSession) *attribution {
	a := &attribution{knowledge: k, c: c, of: map[string]int{}, link: Link{CFS: c.Name}}
	if !c.Start.Known() {
		return a
	}
	for _, o := range k.all {
		if o.Sets() && o.Started(c.Start.At()) && o.mayHaveSet(c.Configuration) {
			a.near = append(a.near, o)
		}
	}
	return a
}

func exact(c CFSSession) Link {
	return Link{
		CFS: c.Name, Sessions: []string{c.Tag}, Exact: true, Score: 100,
		Evidence: []string{"its tag names session " + c.Tag}, Veto: cmp.Or(c.Fault, NotBatcherMade(c)),
	}
}

// attribution finds out who had set the components of one CFS session.
type attribution struct {
	knowledge

	c    CFSSession
	near []candidate    // may have set this configuration, at about this time
	of   map[string]int // by session, of how many components it may be
	link Link
}

func (a *attribution) veto(why string, args ...any) {
	if a.link.Veto == "" { // the first says most
		a.link.Veto = fmt.Sprintf(why, args...)
	}
}

func (a *attribution) infer(components map[string]Component) Link {
	c := a.c
	if why := cmp.Or(c.Fault, NotBatcherMade(c)); why != "" {
		a.veto("%s", why)
		return a.link
	}
	if !c.Start.Known() {
		a.veto("it has no start time")
		return a.link
	}
	for _, o := range a.near {
		if !o.NodesKnown {
			a.veto("session %s was at work at that time, and its nodes are not known", o.ID)
		}
	}
	limit := c.Components()
	if len(limit) == 0 {
		a.veto("its Ansible limit %q names no component", c.Limit)
	}
	for _, id := range limit {
		if len(a.setters(id)) == 0 {
			a.veto("no session that is known can have set component %s: a person has, or a session that is gone", id)
		}
	}
	covered, named := 0, 0
	for _, id := range limit {
		setters := a.setters(id)
		if len(setters) > 0 {
			covered++
		}
		component, there := components[id]
		if slices.Contains(component.CFSSessions, c.Name) {
			named++
		}
		a.component(id, component, there, setters)
	}
	a.tell(len(limit), covered, named)
	if len(a.link.Sessions) == 1 {
		// The batcher drops a tag only if not all components of the batch have it.
		a.veto("session %s alone can have set its components, but then the batcher would have left it the tag", a.link.Sessions[0])
	}
	return a.link
}

// promising says whether only the components could speak against a link.
func (a *attribution) promising(limit []string) bool {
	if a.c.Fault != "" || NotBatcherMade(a.c) != "" || slices.ContainsFunc(a.near, func(o candidate) bool { return !o.NodesKnown }) {
		return false
	}
	for _, id := range limit {
		if !slices.ContainsFunc(a.setters(id), func(o candidate) bool { return !o.V2 }) {
			return false
		}
	}
	return true
}

// setters are those who can have set the configuration of a component.
func (a *attribution) setters(id string) []candidate {
	var setters []candidate
	for _, o := range a.near {
		if o.nodes[id] {
			setters = append(setters, o)
		}
	}
	return setters
}

// component attributes one component, or vetoes.
func (a *attribution) component(id string, component Component, there bool, setters []candidate) {
	if len(setters) == 0 {
		return // infer has vetoed
	}
	last := slices.MaxFunc(setters, func(x, y candidate) int { return x.From.Compare(y.From) })
	for _, o := range setters {
		switch {
		case o.V2:
			a.veto("component %s can have been set by session %s of BOS v2", id, o.ID)
		case !o.ConfigurationKnown, o.From.IsZero():
			a.veto("it is not known when session %s began, or which configuration it set", o.ID)
		}
	}
	several := func() {
		a.veto("component %s can have been set by %s and by %s", id, setters[0].ID, setters[1].ID)
	}
	switch {
	case !there:
		a.veto("CFS has no component %s any more, whose tag could tell", id)
	case component.Fault != "":
		a.veto("component %s: %s", id, component.Fault)
	case component.Tag == last.ID:
		// Nobody has set it since, and somebody else before only if that session had just begun.
		if len(setters) > 1 && a.c.Start.At().Before(last.From.Add(margin.StagingDelay)) {
			several()
			break
		}
		setters = []candidate{last}
	case len(setters) > 1:
		several()
	default:
		if why := a.unproven(id, component.Tag, last); why != "" {
			a.veto("component %s %s", id, why)
		}
	}
	for _, o := range setters {
		a.of[o.ID]++
	}
}

// unproven says why it is not certain that the only session that can have set a component has set it, where
// the component's tag does not name it; empty if it is. The tag may name one that has set the component since:
// then all that happened before must speak for the one. BOA sets tag and configuration in one request,
// which fails for all nodes or for none, and never notices when it does (docs/csm.md, "Tags"): then a person,
// or whoever came before, has set what was applied.
func (a *attribution) unproven(id, tag string, setter candidate) string {
	switch other, known := a.byID[tag]; {
	case tag == "":
		return "has no tag, and so was set by a person"
	case !known:
		return "has the tag of session " + tag + ", of which it is not known when it was"
	case !other.From.After(a.c.Start.At()):
		return "has the tag of session " + tag + ", which began before"
	case !a.worked[setter.ID]:
		return "was set again since, and nothing shows that session " + setter.ID + " ever set anything"
	case setter.Until.IsZero():
		return "was set again since, and it is not known when session " + setter.ID + " ended"
	case a.c.Start.At().Before(setter.From.Add(margin.StagingDelay)):
		return "was set again since, and session " + setter.ID + " had just begun"
	}
	for _, o := range a.all {
		between := o.From.IsZero() || o.From.After(setter.From) && !o.From.After(a.c.Start.At().Add(time.Second))
		if o.ID != setter.ID && between && o.Sets() && (o.nodes[id] || !o.NodesKnown) {
			return "was set again since, and session " + o.ID + " may have set it before, after " + setter.ID
		}
	}
	return ""
}

// tell works out the score, and what a person is to know of it.
func (a *attribution) tell(limit, covered, named int) {
	for _, id := range slices.Sorted(maps.Keys(a.of)) {
		if !a.byID[id].V2 {
			a.link.Sessions = append(a.link.Sessions, id)
		}
	}
	if len(a.link.Sessions) == 0 {
		return
	}
	a.link.Score = 40 + 30*covered/limit + 20 + 10*named/limit
	of := make([]string, 0, len(a.link.Sessions))
	for _, id := range a.link.Sessions {
		of = append(of, fmt.Sprintf("%d of %s", a.of[id], id))
	}
	a.link.Evidence = []string{
		fmt.Sprintf("of the %d components in its limit %d are nodes of sessions that set its configuration %s at that time: %s", limit, covered, a.c.Configuration, strings.Join(of, ", ")),
		fmt.Sprintf("it started at %s, when the batcher could start it for them", a.c.Start.At().Format(time.RFC3339)),
	}
	if named > 0 {
		a.link.Evidence = append(a.link.Evidence, fmt.Sprintf("the state of %d of the components still names it", named))
	}
}
