package collect

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
	"bosgc/internal/margin"
)

// owners returns every session that is listed, of BOS v1 and v2, as far as it tells which of the CFS sessions belong
// to it. More than its times is asked for only of those that were at work when one of these began. The error is that
// BOS v2 could not be asked.
func (clients Clients) owners(
	ctx context.Context, groups []*inventory.Group, candidates []inventory.CFSSession,
) ([]inventory.Owner, error) {
	owners, err := clients.BOS.V2Owners(ctx)
	if err != nil {
		return nil, err
	}
	for i := range owners {
		if !owners[i].Until.IsZero() {
			owners[i].Until = owners[i].Until.Add(margin.CFSStartDelay)
		}
	}
	var mu sync.Mutex
	var all errgroup.Group
	all.SetLimit(clients.BOSConcurrency)
	task := clients.StartTask("asking which CFS sessions are whose", len(groups))
	defer task.End()
	for _, g := range groups {
		if g.Listed != inventory.Present {
			task.Step()
			continue
		}
		all.Go(func() error {
			defer task.Step()
			if o, found := clients.owner(ctx, g, candidates); found {
				mu.Lock()
				owners = append(owners, o)
				mu.Unlock()
			}
			return nil
		})
	}
	_ = all.Wait() // what could not be asked is not known of its session
	slices.SortFunc(owners, func(a, b inventory.Owner) int { return strings.Compare(a.ID, b.ID) })
	return owners, nil
}

// owner asks for what a session set, and on which nodes. It returns false for a ghost: nobody can tell what that set,
// and nothing of it is left that a link could do harm to.
func (clients Clients) owner(
	ctx context.Context, g *inventory.Group, candidates []inventory.CFSSession,
) (o inventory.Owner, found bool) {
	startedOne := func() bool {
		return slices.ContainsFunc(candidates, func(c inventory.CFSSession) bool {
			return o.Sets() && o.Started(c.Start.At())
		})
	}
	record := g.Record
	o.ID = g.ID
	o.From, o.Until = startWindow(g, record)
	if !startedOne() {
		return o, record.Presence != inventory.Absent
	}
	if record.Presence == inventory.Unknown && record.Err == "" {
		// Its Jobs alone decide what becomes of it, so it was not asked for. An error says as little as no answer.
		record, _ = clients.BOS.Get(ctx, g.ID)
		o.From, o.Until = startWindow(g, record)
	}
	if record.Presence == inventory.Absent || !startedOne() {
		return o, record.Presence != inventory.Absent
	}
	template, presence, err := clients.Kube.ReadTemplate(ctx, g.ID)
	if err != nil || presence != inventory.Present {
		return o, true // neither its boot sets nor its configuration are known
	}
	if record.Presence == inventory.Present && !template.Generated {
		o.ConfigurationKnown = true
		if template.Configures(record.Operation) {
			o.Configuration = template.Configuration
		}
	}
	if !startedOne() || len(template.BootSets) == 0 {
		return o, true
	}
	o.NodesKnown = true
	for _, set := range template.BootSets {
		nodes, presence, err := clients.BOS.Nodes(ctx, g.ID, set)
		o.NodesKnown = o.NodesKnown && err == nil && presence == inventory.Present
		o.Nodes = append(o.Nodes, nodes...)
	}
	return o, true
}

// startWindow is when the batcher may have started CFS sessions for a session, as wide as anything that is known of
// the session allows.
func startWindow(g *inventory.Group, record inventory.Record) (from, until time.Time) {
	from, until = record.Start.At(), record.Stop.At()
	widen := func(s inventory.Stamp) {
		if s.Known() && (from.IsZero() || s.At().Before(from)) {
			from = s.At()
		}
	}
	cms, _ := g.ConfigMaps()
	for _, cm := range cms {
		widen(cm.Created)
	}
	open := record.Stop.Bad()
	jobs, complete := g.Jobs()
	for _, job := range jobs {
		widen(job.Created)
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
	return from, until.Add(margin.CFSStartDelay)
}

// components reads those components of the CFS sessions that can be linked by everything else. Nothing is asked if
// there are none.
func (clients Clients) components(
	ctx context.Context, candidates []inventory.CFSSession, owners []inventory.Owner,
) (map[string]inventory.Component, int, error) {
	ids := inventory.UndecidedComponents(candidates, owners)
	if len(ids) == 0 {
		return nil, 0, nil
	}
	before := clients.CFS.Requests()
	components, err := clients.CFS.Components(ctx, ids)
	return components, max(1, clients.CFS.Requests()-before), err
}
