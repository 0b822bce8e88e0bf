package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/state"
	"bosgc/policy"
)

// link finds out to which sessions CFS sessions without a tag belong, if that is acted on and there are any.
func (c *collector) link(ctx context.Context, w *World) {
	candidates := w.Judge.Linkable(w.Snapshot)
	if len(candidates) == 0 || w.Seen.Unlisted != inventory.Absent {
		return // a session that is not listed could be the one that is meant
	}
	owners, err := c.clients.owners(ctx, w.Snapshot.Groups, candidates)
	c.countBOSRequests()
	if err != nil {
		c.markIncomplete(inventory.SourceSessions, err.Error())
		return
	}
	components, requests, err := c.clients.components(ctx, candidates, owners)
	if requests > 0 {
		source := &inventory.Source{
			Name: inventory.SourceCFSComponents, Complete: err == nil, Listed: err == nil,
			Count: len(components), Requests: requests,
		}
		if err != nil {
			source.Error = err.Error()
		}
		c.sources[source.Name] = source
	}
	if err == nil {
		w.Links = inventory.Links(w.Seen.CFS, owners, components)
		w.Judge.Link(w.Snapshot, w.Links)
	}
}

// InferredLinks returns the links that rest on more than a tag, by CFS session.
func (w *World) InferredLinks() map[string]*inventory.Link {
	links := map[string]*inventory.Link{}
	for i := range w.Links {
		if l := &w.Links[i]; !l.Exact {
			links[l.CFS] = l
		}
	}
	return links
}

// Linked returns every link that names one of the sessions of a World that Sessions has collected: of the CFS sessions
// that have its tag, and of those without one that may belong to it, vetoed ones and CFS sessions that still run
// included. Other sessions are read only where inferred links are acted on and one of them could be meant: for that
// BOS's list is asked for, which no second call in a run can have. The error is that the CFS sessions could not be
// listed; where something else could not be read, that is the veto.
func (w *World) Linked(ctx context.Context, clients Clients, o Options) ([]inventory.Link, error) {
	c := newCollector(clients, o.Settings, time.Now())
	c.seen = w.Seen
	for _, source := range w.Sources {
		c.sources[source.Name] = &source
	}
	if source := c.sources[inventory.SourceCFSSessions]; !source.Complete {
		return nil, fmt.Errorf("CFS sessions: %s", source.Error)
	}
	var untagged []inventory.CFSSession
	for _, session := range c.seen.CFS {
		if session.Tag == "" && session.Start.Known() && session.Fault == "" && inventory.NotBatcherMade(session) == "" {
			untagged = append(untagged, session)
		}
	}
	var owners []inventory.Owner
	var candidates []inventory.CFSSession
	for _, g := range w.Snapshot.Groups {
		own, possible := clients.linkable(ctx, g, untagged)
		owners, candidates = append(owners, own), append(candidates, possible...)
	}
	var components map[string]inventory.Component
	veto := ""
	switch {
	case len(candidates) == 0:
	case o.Settings.CFSLink != policy.LinkInferred:
		veto = "it has no tag, and other sessions were not read: inferred links are not acted on (BOSGC_CFS_LINK)"
	default:
		owners, components, veto = c.readRivals(ctx, owners, candidates, o.List)
	}
	links := inventory.Links(c.seen.CFS, owners, components)
	links = slices.DeleteFunc(links, func(l inventory.Link) bool {
		return !slices.ContainsFunc(l.Sessions, func(id string) bool { return w.Named[id] != nil })
	})
	for i := range links {
		if !links[i].Exact && veto != "" {
			links[i].Veto = veto
		}
	}
	return links, context.Cause(ctx)
}

// Linkable returns those of some CFS sessions without a tag that may belong to a session of this World.
func (w *World) Linkable(
	ctx context.Context, clients Clients, id string, untagged []inventory.CFSSession,
) []inventory.CFSSession {
	seen := w.Seen
	seen.SessionIDs = []string{id}
	groups := inventory.Join(seen).Groups
	i := slices.IndexFunc(groups, func(g *inventory.Group) bool { return g.ID == id })
	_, untagged = clients.linkable(ctx, groups[i], untagged)
	return untagged
}

// linkable returns a session as an owner, and those CFS sessions that may belong to it.
func (clients Clients) linkable(
	ctx context.Context, g *inventory.Group, untagged []inventory.CFSSession,
) (own inventory.Owner, possible []inventory.CFSSession) {
	own, _ = clients.owner(ctx, g, untagged)
	for _, session := range untagged {
		links := inventory.Links([]inventory.CFSSession{session}, []inventory.Owner{own}, nil)
		if slices.ContainsFunc(links, func(l inventory.Link) bool { return len(l.Sessions) > 0 }) {
			possible = append(possible, session)
		}
	}
	return own, possible
}

// readRivals returns all sessions and all components that decide to which session some CFS sessions belong, or why
// they are not known. It returns the named ones in any case.
func (c *collector) readRivals(
	ctx context.Context, named []inventory.Owner, untagged []inventory.CFSSession, memory state.SessionList,
) (owners []inventory.Owner, components map[string]inventory.Component, veto string) {
	c.readKeys(ctx)
	newSessionFinder(&recordReader{collector: c}, memory, nil).find(ctx, ctx)
	c.distrustNamespace()
	if c.seen.Unlisted != inventory.Absent {
		return named, nil, "not all sessions of BOS are known: " + c.sources[inventory.SourceSessions].Error
	}
	for _, name := range []string{inventory.SourceJobs, inventory.SourceConfigMaps} {
		if source := c.sources[name]; !source.Complete {
			return named, nil, "not read completely: " + name + ": " + source.Error
		}
	}
	owners, err := c.clients.owners(ctx, inventory.Join(c.seen).Groups, untagged)
	if err != nil {
		return named, nil, "BOS v2 could not be asked: " + err.Error()
	}
	components, _, err = c.clients.components(ctx, untagged, owners)
	if err != nil {
		return owners, nil, "the components could not be read: " + err.Error()
	}
	return owners, components, ""
}

// LinksOf returns the links of some CFS sessions without a tag, and of others.
func (w *World) LinksOf(
	ctx context.Context, clients Clients, untagged []inventory.CFSSession,
) ([]inventory.Link, error) {
	if w.Links != nil {
		return w.Links, nil
	}
	if w.Seen.Unlisted != inventory.Absent {
		return nil, errors.New("not all sessions of BOS are known, and one of the others could be meant")
	}
	owners, err := clients.owners(ctx, w.Snapshot.Groups, untagged)
	if err != nil {
		return nil, err
	}
	components, _, err := clients.components(ctx, untagged, owners)
	if err != nil {
		return nil, err
	}
	return inventory.Links(w.Seen.CFS, owners, components), nil
}
