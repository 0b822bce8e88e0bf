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

// ownerIndex is all sessions, as an attribution looks them up.
type ownerIndex struct {
	all    []candidate // by ID
	byID   map[string]Owner
	tagged map[string]bool // sessions whose tag some component or CFS session has
}

// candidate is a session that may have set some configuration on these nodes.
type candidate struct {
	Owner
	nodes map[string]bool
}

func newOwnerIndex(owners []Owner) ownerIndex {
	index := ownerIndex{byID: make(map[string]Owner, len(owners)), tagged: map[string]bool{}}
	for _, o := range owners {
		nodes := make(map[string]bool, len(o.Nodes))
		for _, node := range o.Nodes {
			nodes[node] = true
		}
		index.all, index.byID[o.ID] = append(index.all, candidate{o, nodes}), o
	}
	slices.SortStableFunc(index.all, func(a, b candidate) int { return cmp.Compare(a.ID, b.ID) })
	return index
}

// attribution finds out who had set the components of one CFS session.
type attribution struct {
	ownerIndex

	c          CFSSession
	candidates []candidate    // that may have set this configuration, at about this time
	attributed map[string]int // by session: the number of components attributed to it
	link       Link
}

func newAttribution(index ownerIndex, c CFSSession) *attribution {
	a := &attribution{ownerIndex: index, c: c, attributed: map[string]int{}, link: Link{CFS: c.Name}}
	if !c.Start.Known() {
		return a
	}
	for _, o := range index.all {
		if o.Sets() && o.Started(c.Start.At()) && o.mayHaveSet(c.Configuration) {
			a.candidates = append(a.candidates, o)
		}
	}
	return a
}

func (a *attribution) veto(why string, args ...any) {
	if a.link.Veto == "" { // the first one says most
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
	for _, o := range a.candidates {
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
		component, known := components[id]
		if slices.Contains(component.CFSSessions, c.Name) {
			named++
		}
		a.attribute(id, component, known, setters)
	}
	a.score(len(limit), covered, named)
	if len(a.link.Sessions) == 1 {
		// The batcher drops a tag only if not all components of the batch have it.
		a.veto("session %s alone can have set its components, but then the batcher would have left it the tag",
			a.link.Sessions[0])
	}
	return a.link
}

// mayLink reports whether only the components could speak against a link.
func (a *attribution) mayLink(limit []string) bool {
	nodesUnknown := slices.ContainsFunc(a.candidates, func(o candidate) bool { return !o.NodesKnown })
	if a.c.Fault != "" || NotBatcherMade(a.c) != "" || nodesUnknown {
		return false
	}
	for _, id := range limit {
		if !slices.ContainsFunc(a.setters(id), func(o candidate) bool { return !o.V2 }) {
			return false
		}
	}
	return true
}

// setters returns those who can have set the configuration of a component.
func (a *attribution) setters(id string) []candidate {
	var setters []candidate
	for _, o := range a.candidates {
		if o.nodes[id] {
			setters = append(setters, o)
		}
	}
	return setters
}

// attribute attributes one component to who has set it, or vetoes. known says whether CFS still has the component.
func (a *attribution) attribute(id string, component Component, known bool, setters []candidate) {
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
	ambiguous := func() {
		a.veto("component %s can have been set by %s and by %s", id, setters[0].ID, setters[1].ID)
	}
	switch {
	case !known:
		a.veto("CFS has no component %s any more, whose tag could tell", id)
	case component.Fault != "":
		a.veto("component %s: %s", id, component.Fault)
	case component.Tag == last.ID:
		// Nobody has set it since. Somebody else can have set what was applied only if that session had just begun.
		if len(setters) > 1 && a.c.Start.At().Before(last.From.Add(margin.StagingDelay)) {
			ambiguous()
			break
		}
		setters = []candidate{last}
	case len(setters) > 1:
		ambiguous()
	default:
		if why := a.unproven(id, component.Tag, last); why != "" {
			a.veto("component %s %s", id, why)
		}
	}
	for _, o := range setters {
		a.attributed[o.ID]++
	}
}

// unproven says why it is not certain that the only session that can have set a component did set it, where
// the component's tag does not name that session; empty if it is certain. The tag may name a session that has set the
// component since: then everything before must speak for the setter. BOA sets tag and configuration in one request,
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
	case !a.tagged[setter.ID]:
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

// score fills in the sessions of the link, its score, and the evidence for a person.
func (a *attribution) score(limit, covered, named int) {
	for _, id := range slices.Sorted(maps.Keys(a.attributed)) {
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
		of = append(of, fmt.Sprintf("%d of %s", a.attributed[id], id))
	}
	a.link.Evidence = []string{
		fmt.Sprintf("of the %d components in its limit %d are nodes of sessions that set its configuration %s at that "+
			"time: %s", limit, covered, a.c.Configuration, strings.Join(of, ", ")),
		fmt.Sprintf("it started at %s, when the batcher could start it for them", a.c.Start.At().Format(time.RFC3339)),
	}
	if named > 0 {
		text := fmt.Sprintf("the state of %d of the components still names it", named)
		a.link.Evidence = append(a.link.Evidence, text)
	}
}
