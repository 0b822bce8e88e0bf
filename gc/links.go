package gc

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
	"bosgc/internal/state"
	"bosgc/policy"
)

// startsFor is how long after the end of a session the batcher may still start a CFS session for it. BOA
// waits 1800 s at most for the nodes to be configured and then gives up on them; a node that comes up
// later is still configured. The batcher looks every 10 s, and collects for 60 s (docs/csm.md, "The batcher").
const startsFor = 1800*time.Second + 60*time.Second + 10*time.Second

// links finds out to which sessions CFS sessions without a tag belong, if that is acted on and there are any.
func (c *collection) links(ctx context.Context, w *world) {
	candidates := w.judge.Linkable(w.snapshot)
	if len(candidates) == 0 || w.seen.Unlisted != inventory.Absent {
		return // a session that is not listed could be the one that is meant
	}
	owners, err := c.systems.owners(ctx, w.snapshot.Groups, candidates)
	c.countBOS()
	if err != nil {
		c.failed(inventory.SourceSessions, err.Error())
		return
	}
	components, requests, err := c.systems.components(ctx, candidates, owners)
	if requests > 0 {
		source := &inventory.Source{Name: inventory.SourceCFSComponents, Complete: err == nil, Listed: err == nil, Count: len(components), Requests: requests}
		if err != nil {
			source.Error = err.Error()
		}
		c.sources[source.Name] = source
	}
	if err == nil {
		w.links = inventory.Links(w.seen.CFS, owners, components)
		w.judge.Link(w.snapshot, w.links)
	}
}

// Linked gives every link that names a session: of the CFS sessions that have its tag, and of those without
// one that it can be of, vetoed ones too, and of CFS sessions that still run. Everything is read anew, and no
// more than is needed: all other sessions only if one without a tag can be of this one. The error is that the CFS sessions
// could not be listed; where something else could not be read, that is the veto.
func (s Systems) Linked(ctx context.Context, id string, memory state.SessionList) ([]inventory.Link, error) {
	c := s.collection(policy.Settings{}, time.Now())
	if c.listCFS(ctx); !c.sources[inventory.SourceCFSSessions].Complete {
		return nil, fmt.Errorf("CFS sessions: %s", c.sources[inventory.SourceCFSSessions].Error)
	}
	var loose []inventory.CFSSession
	for _, one := range c.seen.CFS {
		if one.Tag == "" && one.Start.Known() && one.Fault == "" && inventory.NotBatcherMade(one) == "" {
			loose = append(loose, one)
		}
	}
	veto := ""
	var owners []inventory.Owner
	var components map[string]inventory.Component
	if len(loose) > 0 {
		c.listKube(ctx)
		var mine inventory.Owner
		mine, loose = c.touched(ctx, id, loose)
		owners = []inventory.Owner{mine}
	}
	if len(loose) > 0 {
		owners, components, veto = c.everything(ctx, owners[0], loose, memory)
	}
	links := inventory.Links(c.seen.CFS, owners, components)
	links = slices.DeleteFunc(links, func(l inventory.Link) bool { return !slices.Contains(l.Sessions, id) })
	for i := range links {
		if !links[i].Exact && veto != "" {
			links[i].Veto = veto
		}
	}
	return links, context.Cause(ctx)
}

// touched gives a session, and those CFS sessions that can be of it.
func (c *collection) touched(ctx context.Context, id string, loose []inventory.CFSSession) (inventory.Owner, []inventory.CFSSession) {
	seen := c.seen
	seen.SessionIDs = []string{id}
	groups := inventory.Join(seen).Groups
	i := slices.IndexFunc(groups, func(g *inventory.Group) bool { return g.ID == id })
	mine, _ := c.systems.owner(ctx, groups[i], loose)
	return mine, slices.DeleteFunc(loose, func(one inventory.CFSSession) bool {
		return !slices.ContainsFunc(inventory.Links([]inventory.CFSSession{one}, []inventory.Owner{mine}, nil), func(l inventory.Link) bool {
			return len(l.Sessions) > 0
		})
	})
}

// everything gives all sessions and all components that have a say about some CFS sessions, or why not. It gives the
// one session in any case.
func (c *collection) everything(ctx context.Context, mine inventory.Owner, loose []inventory.CFSSession, memory state.SessionList) ([]inventory.Owner, map[string]inventory.Component, string) {
	only := []inventory.Owner{mine}
	c.readKeys(ctx)
	c.sessions(ctx, ctx, memory)
	c.doubt()
	if c.seen.Unlisted != inventory.Absent {
		return only, nil, "not all sessions of BOS are known: " + c.sources[inventory.SourceSessions].Error
	}
	for _, name := range []string{inventory.SourceJobs, inventory.SourceConfigMaps} {
		if source := c.sources[name]; !source.Complete {
			return only, nil, "not read completely: " + name + ": " + source.Error
		}
	}
	owners, err := c.systems.owners(ctx, inventory.Join(c.seen).Groups, loose)
	if err != nil {
		return only, nil, "BOS v2 could not be asked: " + err.Error()
	}
	components, _, err := c.systems.components(ctx, loose, owners)
	if err != nil {
		return owners, nil, "the components could not be read: " + err.Error()
	}
	return owners, components, ""
}

// components reads those of the CFS sessions that can be linked by everything else. Nothing is asked if
// there are none.
func (s Systems) components(ctx context.Context, candidates []inventory.CFSSession, owners []inventory.Owner) (map[string]inventory.Component, int, error) {
	ids := inventory.Undecided(candidates, owners)
	if len(ids) == 0 {
		return nil, 0, nil
	}
	before := s.CFS.Requests()
	components, err := s.CFS.Components(ctx, ids)
	return components, max(1, s.CFS.Requests()-before), err
}

// owners gives every session that is listed, of BOS v1 and v2, as far as it tells which of the CFS sessions
// are of it. Only of those that were at work when one of these began more than their times is asked for. The
// error is that BOS v2 could not be asked.
func (s Systems) owners(ctx context.Context, groups []*inventory.Group, candidates []inventory.CFSSession) ([]inventory.Owner, error) {
	v2, err := s.BOS.V2Owners(ctx)
	if err != nil {
		return nil, err
	}
	for i := range v2 {
		if !v2[i].Until.IsZero() {
			v2[i].Until = v2[i].Until.Add(startsFor)
		}
	}
	var mu sync.Mutex
	owners := v2
	var all errgroup.Group
	all.SetLimit(s.BOSConcurrency)
	looked := s.pace("asking which CFS sessions are whose", len(groups))
	defer looked.end()
	for _, g := range groups {
		if g.Listed != inventory.Present {
			looked.step()
			continue
		}
		all.Go(func() error {
			defer looked.step()
			if o, there := s.owner(ctx, g, candidates); there {
				mu.Lock()
				owners = append(owners, o)
				mu.Unlock()
			}
			return nil
		})
	}
	_ = all.Wait() // what could not be asked is not known of its session
	slices.SortFunc(owners, func(a, b inventory.Owner) int { return slices.Compare([]string{a.ID}, []string{b.ID}) })
	return owners, nil
}

// owner asks for what a session set, and where. It is not there if it is a ghost: nobody can say what
// that was, and nothing of it is left that a link could do harm to.
func (s Systems) owner(ctx context.Context, g *inventory.Group, candidates []inventory.CFSSession) (o inventory.Owner, there bool) {
	meets := func() bool {
		return slices.ContainsFunc(candidates, func(c inventory.CFSSession) bool {
			return o.Sets() && o.Started(c.Start.At())
		})
	}
	record := g.Record
	o.ID = g.ID
	o.From, o.Until = window(g, record)
	if !meets() {
		return o, record.Presence != inventory.Absent
	}
	if record.Presence == inventory.Unknown && record.Err == "" {
		// Its Jobs alone tell what becomes of it, so it was not asked for. An error says as
		// little as no answer.
		record, _ = s.BOS.Get(ctx, g.ID)
		o.From, o.Until = window(g, record)
	}
	if record.Presence == inventory.Absent || !meets() {
		return o, record.Presence != inventory.Absent
	}
	template, presence, err := s.Kube.ReadTemplate(ctx, g.ID)
	if err != nil || presence != inventory.Present {
		return o, true // neither its boot sets nor its configuration are known
	}
	if record.Presence == inventory.Present && !template.Generated {
		o.ConfigurationKnown = true
		if template.Configures(record.Operation) {
			o.Configuration = template.Configuration
		}
	}
	if !meets() || len(template.BootSets) == 0 {
		return o, true
	}
	o.NodesKnown = true
	for _, set := range template.BootSets {
		nodes, presence, err := s.BOS.Nodes(ctx, g.ID, set)
		o.NodesKnown = o.NodesKnown && err == nil && presence == inventory.Present
		o.Nodes = append(o.Nodes, nodes...)
	}
	return o, true
}

// window is when the batcher may have started CFS sessions for a session, as wide as anything that is known of
// it says.
func window(g *inventory.Group, record inventory.Record) (from, until time.Time) {
	from, until = record.Start.At(), record.Stop.At()
	earlier := func(s inventory.Stamp) {
		if s.Known() && (from.IsZero() || s.At().Before(from)) {
			from = s.At()
		}
	}
	cms, _ := g.ConfigMaps()
	for _, cm := range cms {
		earlier(cm.Created)
	}
	open := record.Stop.Bad()
	jobs, complete := g.Jobs()
	for _, job := range jobs {
		earlier(job.Created)
		// The end that BOS has is that of the first try; the Job may have tried again.
		open = open || !job.Terminal || !job.Finished.Known()
		if job.Finished.At().After(until) {
			until = job.Finished.At()
		}
	}
	if record.Start.Bad() {
		from = time.Time{}
	}
	if until.IsZero() || open || !complete {
		return from, time.Time{}
	}
	return from, until.Add(startsFor)
}

// sharedCFS looks once more at all sessions that a CFS session is linked to, then at itself, and deletes it.
func (x *execution) sharedCFS(ctx context.Context, u *unit, o *Object, owners []string) {
	groups := map[string]*inventory.Group{}
	for _, id := range owners {
		owner := &unit{bundle: bundle{id: id}}
		x.world.begin(owner)
		g, err := x.live.again(ctx, owner, o)
		if err != nil {
			x.notTried(o, err)
			return
		}
		groups[id] = g
	}
	x.cfsSession(ctx, u, o, func(c inventory.CFSSession) policy.Decision { return x.world.judge.SharedCFS(groups, c) })
}

// shared says whether an object is a CFS session of several sessions.
func (x *execution) shared(o *Object) bool {
	return o.Kind == policy.CFSSession && len(x.world.judge.Owners(o.Name)) > 0
}

// inferred gives the links that rest on more than a tag, by CFS session.
func (w *world) inferred() map[string]*inventory.Link {
	links := map[string]*inventory.Link{}
	for i := range w.links {
		if l := &w.links[i]; !l.Exact {
			links[l.CFS] = l
		}
	}
	return links
}
