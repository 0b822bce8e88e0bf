package gc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bosgc/internal/inventory"
	"bosgc/policy"
)

// Cleaning is what a person asks for by name.
type Cleaning struct {
	Sessions []string // IDs
	Unset    bool     // also the desired configuration that they set
	Cancel   bool     // also if they still run; with it the configuration is unset, too
	Batcher  string   // name of its Deployment
	// Say tells a person what is being done, while it is being done; nil tells nobody.
	Say func(string)
}

// Clean is the procedure that takes named sessions apart. It can be carried out once.
type Clean struct {
	Document

	run     Run
	want    Cleaning
	systems *Systems // nil once it has been carried out
	world   *world
}

// Procedure is what is known of one session that was named, and what is done about it.
type Procedure struct {
	Session        string           `json:"session"`
	Mode           string           `json:"mode"`              // clean, unset-config, cancel
	Resumed        Phase            `json:"resumed,omitempty"` // where an earlier run stopped, from which this one goes on
	Template       string           `json:"template,omitempty"`
	Operation      string           `json:"operation,omitempty"`
	Started        string           `json:"started,omitempty"` // as BOS has it
	Stopped        string           `json:"stopped,omitempty"` // as BOS has it; empty if it records no end
	Running        string           `json:"running,omitempty"` // what runs for it
	Configurations []string         `json:"configurations,omitempty"`
	BootSets       []BootSet        `json:"bootSets,omitempty"`
	Components     int              `json:"components"` // whose tag names this session
	Links          []inventory.Link `json:"links,omitempty"`
	Refused        string           `json:"refused,omitempty"` // why nothing is done about it
	Steps          []Step           `json:"steps"`

	mark       mark
	remembered memory
	failed     bool
	waits      bool // for another run
	group      *inventory.Group
}

// BootSet is a part of the session's nodes.
type BootSet struct {
	Name  string   `json:"name"`
	Nodes []string `json:"nodes"`
	Error string   `json:"error,omitempty"` // why they are not known
}

// Step is one phase of a procedure.
type Step struct {
	Phase   Phase   `json:"phase"`
	Detail  string  `json:"detail"`            // one sentence for a person
	Outcome Outcome `json:"outcome,omitempty"` // done, failed, waiting
	Error   string  `json:"error,omitempty"`
}

// PlanClean reads all about the named sessions. Nothing is changed. The error is that of the context:
// everything else that goes wrong is in the plan.
func PlanClean(ctx context.Context, systems Systems, r Run, want Cleaning) (*Clean, error) {
	// Who names a session means its CFS sessions too, and no age counts.
	r.Settings.CFS = policy.CFSLinked
	p := &Clean{run: r, want: want, systems: &systems}
	if want.Say == nil {
		p.want.Say = func(string) {}
	}
	err := p.read(ctx)
	return p, err
}

// read makes the plan, anew each time.
func (p *Clean) read(ctx context.Context) error {
	procedures := map[string]*Procedure{}
	w, err := p.systems.named(ctx, p.run, p.want.Sessions, func(g *inventory.Group) (policy.Request, *inventory.Group) {
		procedure := p.procedure(g)
		procedures[g.ID] = procedure
		if procedure.mark.Cancel {
			procedure.group = stopped(g)
			return policy.Cancel, procedure.group
		}
		return policy.Clean, g
	})
	if err != nil {
		return err
	}
	p.world = w
	p.Document = Document{
		APIVersion: APIVersion, Kind: "Plan", Run: p.run.ID, CreatedAt: p.run.Clock().UTC(), PolicyHash: hash(p.run.Settings),
		Cluster: p.run.Cluster, Sources: w.sources, Objects: []Object{},
	}
	for _, g := range w.snapshot.Groups { // their bodies have been read since
		procedures[g.ID].group = g
	}
	for _, id := range p.want.Sessions {
		procedure := procedures[id]
		p.Procedures = append(p.Procedures, procedure)
		p.judge(procedure)
		for _, source := range w.sources {
			if source.Name == inventory.SourceCFSSessions && !source.Complete && procedure.Refused == "" {
				procedure.Refused = "which CFS sessions it has is not known: " + source.Error
			}
		}
		p.facts(ctx, procedure)
		p.steps(procedure)
	}
	for _, o := range p.Objects {
		p.Summary.add(o.Verdict)
	}
	p.ExitCode = p.exitCode()
	if p.ExitCode == ExitDone && p.Refusal() != nil {
		p.ExitCode = ExitFailed
	}
	return context.Cause(ctx)
}

// procedure begins with what was asked for now, and what an earlier run has left undone.
func (p *Clean) procedure(g *inventory.Group) *Procedure {
	jobs, _ := g.Jobs()
	procedure := &Procedure{Session: g.ID, group: g, Operation: g.Record.Operation, Template: g.Record.Template, Started: g.Record.Start.Raw, Stopped: g.Record.Stop.Raw}
	m, remembered, found, err := readMark(jobs)
	if err != nil {
		procedure.Refused = err.Error()
	}
	if found {
		procedure.Resumed, procedure.remembered = m.Phase, remembered
	}
	m.Phase = p.begin(m, found, jobs)
	m.Cancel = m.Cancel || p.want.Cancel
	m.Unset = m.Unset || p.want.Unset || m.Cancel
	procedure.mark = m
	switch {
	case m.Cancel:
		procedure.Mode = "cancel"
	case m.Unset:
		procedure.Mode = "unset-config"
	default:
		procedure.Mode = "clean"
	}
	for _, job := range jobs {
		procedure.Template = cmp.Or(job.Template, procedure.Template)
	}
	return procedure
}

// begin says from which phase on a procedure is carried out. Each can be done twice.
func (p *Clean) begin(m mark, found bool, jobs []inventory.Job) Phase {
	works := slices.ContainsFunc(jobs, func(j inventory.Job) bool { return j.Fault == "" && !j.Terminal && !j.Stopped })
	switch {
	case !found, p.want.Cancel && !m.Cancel, m.Cancel && works: // somebody has let its Job work again
		return PhaseStop
	case p.want.Unset && !m.Unset && PhaseUnset.before(m.Phase):
		return PhaseUnset
	case PhaseDelete.before(m.Phase):
		return PhaseDelete // something may have come since, and deleting again what has gone costs a look
	}
	return m.Phase
}

// judge asks the rules about every object of a session, and notes why it cannot be taken apart.
func (p *Clean) judge(procedure *Procedure) {
	procedure.Running = p.world.judge.Running(p.world.found[procedure.Session])
	for _, d := range inOrder(p.world.judge.Group(procedure.group), procedure.mark.Cancel) {
		if d.Kind != policy.Session || p.world.hasBOSv1 { // else there is no BOS v1 to delete it from
			p.Objects = append(p.Objects, object(d))
		}
		if procedure.Refused == "" && blocks(d) {
			procedure.Refused = d.Detail
			if d.Kind != policy.Session {
				procedure.Refused = fmt.Sprintf("%s %s: %s", d.Kind, d.Name, d.Detail)
			}
			if d.Reason == policy.Running && !procedure.mark.Cancel {
				procedure.Refused += fmt.Sprintf("; to stop it: bosgc clean --cancel %s", procedure.Session)
			}
		}
	}
}

// blocks says that a session cannot be taken apart because something of it has to stay, or is not known. What
// only has its name, and is somebody else's, is no part of it.
func blocks(d policy.Decision) bool {
	if d.Kind == policy.Session && d.Verdict != policy.Delete {
		return true
	}
	return d.Verdict != policy.Delete && d.Reason != policy.NotOurs && d.Reason != policy.Foreign && d.Reason != policy.OwnerKept
}

// inOrder is the one that CSM documents: ConfigMap, session, CFS sessions, Job. In a cancel the CFS sessions go first,
// because they may be at work.
func inOrder(decisions []policy.Decision, cancel bool) []policy.Decision {
	rank := map[policy.Kind]int{policy.ConfigMap: 1, policy.Session: 2, policy.CFSSession: 3, policy.Job: 4}
	if cancel {
		rank[policy.CFSSession] = 0
	}
	slices.SortStableFunc(decisions, func(a, b policy.Decision) int { return cmp.Compare(rank[a.Kind], rank[b.Kind]) })
	return decisions
}

// Refusal says why nothing is done at all; nil if everything can be done. Of several sessions either all are
// taken apart or none, so that what happens is what was shown.
func (p *Clean) Refusal() error {
	var all []error
	for _, procedure := range p.Procedures {
		if procedure.Refused != "" {
			all = append(all, fmt.Errorf("session %s: %s", procedure.Session, procedure.Refused))
		}
	}
	for _, source := range p.Sources {
		if !source.Complete && len(all) > 0 {
			all = append(all, fmt.Errorf("%s: %s", source.Name, source.Error))
		}
	}
	return errors.Join(all...)
}

// steps says what will be done about a session.
func (p *Clean) steps(procedure *Procedure) {
	add := func(phase Phase, format string, args ...any) {
		if !phase.before(procedure.mark.Phase) {
			procedure.Steps = append(procedure.Steps, Step{Phase: phase, Detail: fmt.Sprintf(format, args...)})
		}
	}
	procedure.Steps = []Step{}
	if procedure.mark.Cancel {
		add(PhaseStop, "stop its Job, and wait until its Pods have gone")
	}
	if procedure.mark.Unset {
		add(PhaseUnset, "unset the configuration that it has set, where nobody has set another")
	}
	if procedure.mark.Cancel {
		add(PhasePurge, "restart %s, if it may have gathered something of it", p.want.Batcher)
	}
	add(PhaseDelete, "delete its ConfigMap, its session in BOS and its CFS sessions")
	if procedure.mark.Cancel {
		add(PhaseVerify, "verify that no Pod, no CFS session and no ghost of it comes back")
	}
	add(PhaseFinish, "delete its Job")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// since is the time of a run, to whoever reads an annotation.
func (p *Clean) since() time.Time { return p.run.Clock().UTC().Truncate(time.Second) }
