// Package cleanup takes sessions apart that a person has named: the manual procedure that CSM documents, in phases that
// another run can go on from.
package cleanup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bosgc/gc"
	"bosgc/internal/checkpoint"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/state"
	"bosgc/policy"
)

// Request is what a person asks for by name.
type Request struct {
	Sessions []string // IDs
	Unset    bool     // also the desired configuration that they set
	Cancel   bool     // also if they still run; with it the configuration is unset, too
	Batcher  string   // name of its Deployment
	// Links are those of an earlier Plan for the same sessions; nil if they are to be read. BOS's list, which they take,
	// is asked for once in a run.
	Links []inventory.Link
	// Say tells a person what is being done, while it is being done; nil tells nobody.
	Say func(string)
}

// Plan is the procedure for named sessions. It can be carried out once.
type Plan struct {
	gc.Document

	run        gc.Run
	request    Request
	clients    collect.Clients
	world      *collect.World
	procedures []*procedure
	links      []inventory.Link // of all of them
	executed   bool
}

// procedure is one session's part of a Plan.
type procedure struct {
	*gc.Procedure

	checkpoint checkpoint.Checkpoint
	facts      checkpoint.Facts
	group      *inventory.Group
	tagged     []inventory.Component // with its tag; none unless the configuration is to be unset
	leftAlone  int                   // of tagged, those whose configuration is not unset
	capped     bool                  // the rest is left for the next sweep
}

// MakePlan reads all about the named sessions. Nothing is changed. The error is that of the context: everything else
// that goes wrong is in the plan.
func MakePlan(ctx context.Context, clients collect.Clients, run gc.Run, request Request) (*Plan, error) {
	// A person who names a session means its CFS sessions too, and no age counts.
	run.Settings.CFS = policy.CFSLinked
	p := &Plan{run: run, request: request, clients: clients}
	if request.Say == nil {
		p.request.Say = func(string) {}
	}
	err := p.read(ctx)
	return p, err
}

func (p *Plan) read(ctx context.Context) error {
	procedures := map[string]*procedure{}
	start := func(g *inventory.Group) (policy.Request, *inventory.Group) {
		proc := p.startProcedure(g)
		procedures[g.ID] = proc
		if proc.checkpoint.Cancel {
			proc.group = g.WithJobsStopped()
			return policy.Cancel, proc.group
		}
		return policy.Clean, g
	}
	w, err := p.clients.Sessions(ctx, p.run.Options, p.request.Sessions, start)
	if err != nil {
		return err
	}
	p.world = w
	p.Document = gc.NewPlan(w, p.clients, p.run, p.run.Clock().UTC()).Document
	for _, g := range w.Snapshot.Groups { // their ConfigMaps have been read since
		procedures[g.ID].group = g
	}
	for _, id := range p.request.Sessions {
		proc := procedures[id]
		p.procedures = append(p.procedures, proc)
		p.Procedures = append(p.Procedures, proc.Procedure)
		p.judge(proc)
		for _, source := range w.Sources {
			if source.Name == inventory.SourceCFSSessions && !source.Complete && proc.Refused == "" {
				proc.Refused = "which CFS sessions it has is not known: " + source.Error
			}
		}
		p.readFacts(ctx, proc)
		p.planUnset(proc)
		p.refuseUnknown(ctx, proc)
		p.describeSteps(proc)
	}
	p.readLinks(ctx)
	p.CountVerdicts()
	p.ExitCode = p.ComputeExitCode()
	if p.ExitCode == gc.ExitDone && p.Refusal() != nil {
		p.ExitCode = gc.ExitFailed
	}
	return context.Cause(ctx)
}

// startProcedure begins with what was asked for now, and with what an earlier run has left undone.
func (p *Plan) startProcedure(g *inventory.Group) *procedure {
	jobs, _ := g.Jobs()
	proc := &procedure{group: g, Procedure: &gc.Procedure{
		Session: g.ID, Operation: g.Record.Operation, Template: g.Record.Template,
		Started: g.Record.Start.Raw, Stopped: g.Record.Stop.Raw,
	}}
	note, err := checkpoint.Read(jobs, p.run.Procedures.Know)
	if err != nil {
		proc.Refused = err.Error()
	}
	noted := note.Checkpoint
	switch {
	case note.Known:
		proc.Resumed, proc.facts = noted.Phase, note.Facts
	case note.Found:
		// Only a person's command counts. The facts are used: they select among what bears the session's tag, and
		// without them a procedure whose state was lost could never end.
		proc.Ignored, proc.facts = noted.Run, note.Facts
		noted = checkpoint.Checkpoint{Purge: noted.Purge}
	}
	noted.Phase = p.firstPhase(noted, note.Known, jobs)
	if !note.Known || p.request.Cancel && !noted.Cancel || p.request.Unset && !noted.Unset && !noted.Cancel {
		noted.Run = p.run.ID
	}
	noted.Cancel = noted.Cancel || p.request.Cancel
	noted.Unset = noted.Unset || p.request.Unset || noted.Cancel
	proc.checkpoint = noted
	switch {
	case noted.Cancel:
		proc.Mode = "cancel"
	case noted.Unset:
		proc.Mode = "unset-config"
	default:
		proc.Mode = "clean"
	}
	for _, job := range jobs {
		proc.Template = cmp.Or(job.Template, proc.Template)
	}
	return proc
}

// firstPhase returns the phase from which on a procedure is carried out. Each can be done twice.
func (p *Plan) firstPhase(noted checkpoint.Checkpoint, found bool, jobs []inventory.Job) checkpoint.Phase {
	running := slices.ContainsFunc(jobs, func(j inventory.Job) bool { return j.Fault == "" && !j.Terminal && !j.Stopped })
	switch {
	case !found, p.request.Cancel && !noted.Cancel, noted.Cancel && running: // somebody has let its Job run again
		return checkpoint.PhaseStop
	case p.request.Unset && !noted.Unset && checkpoint.PhaseUnset.Before(noted.Phase):
		return checkpoint.PhaseUnset
	case checkpoint.PhaseDelete.Before(noted.Phase):
		// Something may have come since, and deleting again what has gone costs one read.
		return checkpoint.PhaseDelete
	}
	return noted.Phase
}

// judge asks the rules about every object of a session, and notes why it cannot be taken apart.
func (p *Plan) judge(proc *procedure) {
	proc.Running = p.world.Judge.Running(p.world.Named[proc.Session])
	for _, d := range sortForDelete(p.world.Judge.Group(proc.group), proc.checkpoint.Cancel) {
		if d.Kind != policy.Session || p.world.HasBOSv1 { // otherwise there is no BOS v1 to delete it from
			p.Objects = append(p.Objects, gc.NewObject(d))
		}
		if proc.Refused == "" && d.PreventsCleanup() {
			proc.Refused = d.Detail
			if d.Kind != policy.Session {
				proc.Refused = fmt.Sprintf("%s %s: %s", d.Kind, d.Name, d.Detail)
			}
			if d.Reason == policy.Running && !proc.checkpoint.Cancel {
				proc.Refused += fmt.Sprintf("; to stop it: bosgc clean --cancel %s", proc.Session)
			}
		}
	}
}

// sortForDelete sorts decisions into the order that CSM documents: ConfigMap, session, CFS sessions, Job. In a cancel
// the CFS sessions go first, because they may be at work.
func sortForDelete(decisions []policy.Decision, cancel bool) []policy.Decision {
	rank := map[policy.Kind]int{policy.ConfigMap: 1, policy.Session: 2, policy.CFSSession: 3, policy.Job: 4}
	if cancel {
		rank[policy.CFSSession] = 0
	}
	slices.SortStableFunc(decisions, func(a, b policy.Decision) int { return cmp.Compare(rank[a.Kind], rank[b.Kind]) })
	return decisions
}

// Again returns the request for another Plan of the same sessions, which acts on what this one has shown.
func (p *Plan) Again(say func(string)) Request {
	request := p.request
	request.Say, request.Links = say, slices.Concat([]inventory.Link{}, p.links)
	return request
}

// Refusal returns why nothing is done at all; nil if everything can be done. Of several sessions either all are taken
// apart or none, so that what happens is what was shown.
func (p *Plan) Refusal() error {
	var all []error
	for _, proc := range p.procedures {
		if proc.Refused != "" {
			all = append(all, fmt.Errorf("session %s: %s", proc.Session, proc.Refused))
		}
	}
	for _, source := range p.Sources {
		if !source.Complete && len(all) > 0 {
			all = append(all, fmt.Errorf("%s: %s", source.Name, source.Error))
		}
	}
	return errors.Join(all...)
}

// Begun returns what the state has to know before the plan is carried out: what is noted on Jobs counts only then.
func (p *Plan) Begun() []state.Procedure {
	var all []state.Procedure
	for _, proc := range p.procedures {
		c := proc.checkpoint
		jobs, _ := proc.group.Jobs()
		if c.Run != p.run.ID || len(jobs) == 0 {
			continue // an earlier run has begun it, or there is nothing to write a note on
		}
		i := slices.IndexFunc(all, func(one state.Procedure) bool { return one.Cancel == c.Cancel && one.Unset == c.Unset })
		if i < 0 {
			i, all = len(all), append(all, state.Procedure{Run: c.Run, At: p.now(), Cancel: c.Cancel, Unset: c.Unset})
		}
		all[i].Sessions = append(all[i].Sessions, proc.Session)
	}
	return all
}

// describeSteps says what will be done about a session.
func (p *Plan) describeSteps(proc *procedure) {
	add := func(phase checkpoint.Phase, format string, args ...any) {
		if !phase.Before(proc.checkpoint.Phase) {
			proc.Steps = append(proc.Steps, gc.Step{Phase: phase, Detail: fmt.Sprintf(format, args...)})
		}
	}
	proc.Steps = []gc.Step{}
	if proc.checkpoint.Cancel {
		add(checkpoint.PhaseStop, "stop its Job, and wait until its Pods have gone")
	}
	if proc.checkpoint.Unset {
		add(checkpoint.PhaseUnset, "unset the configuration that it has set, where nobody has set another%s", p.describeUnset(proc))
	}
	if proc.checkpoint.Cancel {
		add(checkpoint.PhasePurge, "restart %s, if it may have gathered something of it", p.request.Batcher)
	}
	add(checkpoint.PhaseDelete, "delete its ConfigMap, its session in BOS and its CFS sessions")
	if proc.checkpoint.Cancel {
		add(checkpoint.PhaseVerify, "verify that no Pod, no CFS session and no ghost of it comes back")
	}
	add(checkpoint.PhaseFinish, "delete its Job")
}

// describeUnset returns how many components are unset and left alone. It is empty for a session that still runs and is
// to be stopped: what it sets until then is not known.
func (p *Plan) describeUnset(proc *procedure) string {
	if proc.Running != "" {
		return ""
	}
	n := 0
	for _, o := range p.Objects {
		if o.Kind == policy.Component && o.Session == proc.Session {
			n++
		}
	}
	text := ": of " + countOf(n, "component")
	if proc.leftAlone > 0 {
		text += fmt.Sprintf("; %d with its tag are left alone", proc.leftAlone)
	}
	return text
}

// now returns the time of the run, as an annotation has it.
func (p *Plan) now() time.Time { return p.run.Clock().UTC().Truncate(time.Second) }
