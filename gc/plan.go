// Package gc plans what a sweep deletes, and carries plans out. It is the only package that deletes a judged object.
package gc

import (
	"context"
	"slices"
	"time"

	"bosgc/internal/collect"
	"bosgc/internal/margin"
	"bosgc/policy"
)

// Run is what one plan is made for.
type Run struct {
	collect.Options

	ID        string // see NewRunID
	Cluster   string // where the API server is
	Namespace string // where Jobs and ConfigMaps are
	Batcher   string // name of the Deployment of CFS's batcher
	// SettingsByName are the settings as a person writes them, by the names of their variables.
	SettingsByName map[string]string
}

// Plan is what a sweep would do. It can be carried out once.
type Plan struct {
	Document

	clients  collect.Clients
	world    *collect.World
	executed bool
}

// MakePlan reads everything and judges it. It deletes nothing. The error is that of the context: everything else that
// goes wrong is in the plan.
func MakePlan(ctx context.Context, clients collect.Clients, run Run) (*Plan, error) {
	now := run.Clock().UTC()
	world, err := clients.World(ctx, run.Options, now)
	if err != nil {
		return nil, err
	}
	return judge(world, clients, run, now), nil
}

// judge makes a plan of what was read.
func judge(world *collect.World, clients collect.Clients, run Run, now time.Time) *Plan {
	p := NewPlan(world, clients, run, now)
	expires := now.Add(margin.PlanLife)
	p.ExpiresAt, p.Namespace, p.List = &expires, run.Namespace, world.List
	p.PodsWithoutJob = world.PodsWithoutJob
	p.Objects = make([]Object, 0, world.Snapshot.Size())
	judging := time.Now()
	guards := world.Judge.Guards()
	for _, kind := range policy.Kinds() {
		if g, some := guards[string(kind)]; some {
			p.Guards = append(p.Guards, Guard{kind, g})
		}
	}
	p.sessions = world.Judge.Remember(world.Snapshot, p.Complete())
	p.Notes = append(p.Notes, world.Notes...)
	links := world.InferredLinks()
	for d := range world.Judge.All(world.Snapshot) {
		o := NewObject(d)
		if d.Kind == policy.Session {
			unusual := false
			if o.FoundIn, unusual = world.List.FoundIn(o.Name); unusual {
				o.Detail += "; its ID is from " + string(o.FoundIn)
			}
		}
		if d.Kind == policy.CFSSession {
			o.Link = links[d.Name]
		}
		p.Add(o)
	}
	clients.Timings.Add("judging", judging, len(p.Objects))
	p.ExitCode = p.ComputeExitCode()
	return p
}

// NewPlan returns a plan without objects.
func NewPlan(world *collect.World, clients collect.Clients, run Run, now time.Time) *Plan {
	return &Plan{clients: clients, world: world, Document: Document{
		APIVersion: APIVersion, Kind: "Plan", Run: run.ID, CreatedAt: now, PolicyHash: PolicyHash(run.Settings),
		Cluster: run.Cluster, Sources: world.Sources, Objects: []Object{},
	}}
}

// Add adds an object to the plan.
func (p *Plan) Add(o Object) {
	p.Objects = append(p.Objects, o)
	p.Summary.Add(o.Verdict)
}

// World returns what the plan was made of.
func (p *Plan) World() *collect.World { return p.world }

// Restrict replaces the objects by those of a saved plan. A procedure that a person has begun is none of such a plan's
// business.
func (p *Plan) Restrict(objects []Object) {
	p.Objects, p.restricted = slices.Clip(objects), true
	p.CountVerdicts()
	p.world.Requested = nil
	p.ExitCode = p.ComputeExitCode()
}
