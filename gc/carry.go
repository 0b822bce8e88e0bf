package gc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bosgc/internal/batcher"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// rounds is how often what is still there is deleted again: a CFS session that runs changes between being written
// down and being deleted, and is then left for the next round.
const rounds = 4

// errCapped ends a procedure for this run: the sweep that goes on with it has deleted as much as it may.
var errCapped = errors.New("the rest is left for the next sweep (BOSGC_MAX_DELETES)")

// carrying is one procedure being carried out, for all sessions at once, so that the batcher restarts once.
type carrying struct {
	*Clean

	limits Limits
	report *Report
	known  map[string]bool // CFS sessions that there were when the batcher had restarted
	purged time.Time       // when it had; zero if it was not
}

// Carry carries the procedure out, phase by phase. Each phase is noted on the sessions' Jobs before it begins. A
// session with which something goes wrong keeps its note, and what is left of it; so whoever comes next goes
// on from there: "bosgc clean" again, or a sweep. When the context ends, the phase under way ends too.
func (p *Clean) Carry(ctx context.Context, limits Limits) (*Report, error) {
	if p.systems == nil {
		return nil, errors.New("this procedure has been carried out already")
	}
	if err := p.Refusal(); err != nil {
		return nil, err
	}
	if limits.Journal == nil {
		return nil, errors.New("there is no journal to write to before something is deleted")
	}
	c := &carrying{Clean: p, limits: limits, report: &Report{Document: p.Document, harmless: true}}
	c.report.Kind = "Report"
	work := map[Phase]func(context.Context, *Procedure) error{
		PhaseStop: c.stop, PhaseUnset: c.unset, PhaseDelete: c.delete, PhaseVerify: c.verify, PhaseFinish: c.finish,
	}
	for _, phase := range phases {
		switch phase {
		case PhasePurge:
			c.purge(ctx)
			continue
		case PhaseDelete:
			if err := c.shared(ctx); err != nil {
				c.systems.Log.Warn("CFS sessions without a tag were left", "error", err.Error())
			}
		default:
		}
		for _, procedure := range c.Procedures {
			c.step(ctx, phase, procedure, func(ctx context.Context) error { return work[phase](ctx, procedure) })
		}
	}
	c.end(ctx)
	p.systems = nil
	return c.report, nil
}

// wants says whether a phase is a part of a procedure, and still to be done.
func (c *carrying) wants(phase Phase, procedure *Procedure) bool {
	for _, s := range procedure.Steps {
		if s.Phase == phase {
			return !procedure.failed && !procedure.waits
		}
	}
	return false
}

// step notes a phase, and carries it out for one session.
func (c *carrying) step(ctx context.Context, phase Phase, procedure *Procedure, work func(context.Context) error) {
	if !c.wants(phase, procedure) {
		return
	}
	// A request under way is not torn off when the run is told to stop: nobody would know then
	// whether it was carried out.
	bounded, cancel := graceful(ctx, c.limits.Grace)
	defer cancel()
	err := context.Cause(ctx)
	if err == nil {
		err = c.note(bounded, phase, procedure)
	}
	if err == nil {
		err = work(bounded)
	}
	c.ended(ctx, phase, procedure, err)
}

func (c *carrying) ended(ctx context.Context, phase Phase, procedure *Procedure, err error) {
	for i := range procedure.Steps {
		s := &procedure.Steps[i]
		switch {
		case s.Phase != phase:
		case err == nil:
			s.Outcome = Done
		case errors.Is(err, errCapped):
			s.Outcome, s.Error, procedure.waits = Waiting, err.Error(), true
		case ctx.Err() != nil:
			s.Outcome, s.Error, procedure.failed = Waiting, err.Error(), true
		default:
			s.Outcome, s.Error, procedure.failed = Failed, err.Error(), true
			c.systems.Log.Warn("a phase failed; what is left of the session stays for the next try", "session", procedure.Session, "phase", phase, "error", err.Error())
		}
	}
}

// note writes a phase, and what later ones need, on the session's Jobs.
func (c *carrying) note(ctx context.Context, phase Phase, procedure *Procedure) error {
	jobs, _ := procedure.group.Jobs()
	m := procedure.mark
	m.Phase, m.Run, m.At = phase, c.Run, c.since()
	for _, job := range jobs {
		if job.Fault != "" {
			continue
		}
		annotations, err := m.annotations(job.UID, procedure.remembered)
		if err != nil {
			return err
		}
		_, err = c.systems.Kube.MarkJob(ctx, job.Name, job.UID, annotations)
		if err == nil {
			continue
		}
		now, presence, unread := c.systems.Kube.Job(ctx, job.Name)
		if unread == nil && (presence == inventory.Absent || now.UID != job.UID) {
			continue // it has gone: Kyverno ends Jobs on its own (docs/csm.md, "Kyverno removes Jobs")
		}
		return fmt.Errorf("it could not be noted how far this is: %w", err)
	}
	procedure.mark.Phase = phase
	return nil
}

// purge restarts the batcher once for all sessions of which it may have gathered something.
func (c *carrying) purge(ctx context.Context) {
	var of []*Procedure
	bounded, cancel := graceful(ctx, c.limits.Grace)
	defer cancel()
	for _, procedure := range c.Procedures {
		if !c.wants(PhasePurge, procedure) {
			continue
		}
		if !procedure.mark.Purge {
			c.ended(ctx, PhasePurge, procedure, nil) // a restart takes the batcher's time from everybody
			continue
		}
		err := context.Cause(ctx)
		if err == nil {
			err = c.note(bounded, PhasePurge, procedure)
		}
		if err != nil {
			c.ended(ctx, PhasePurge, procedure, err)
			continue
		}
		of = append(of, procedure)
	}
	if len(of) == 0 {
		return
	}
	err := c.restart(ctx)
	for _, procedure := range of {
		c.ended(ctx, PhasePurge, procedure, err)
	}
}

func (c *carrying) restart(ctx context.Context) error {
	if err := c.survives(ctx); err != nil {
		return err
	}
	b := batcher.Batcher{Kube: c.systems.Kube, Name: c.want.Batcher, Log: c.systems.Log, Say: c.want.Say}
	if err := b.Restart(ctx, c.Run); err != nil {
		return err
	}
	sessions, err := c.systems.CFS.Sessions(ctx)
	if err != nil {
		return err
	}
	c.purged, c.known = time.Now(), map[string]bool{}
	for _, s := range sessions {
		c.known[s.Name] = true
	}
	return nil
}

// survives makes sure that the batcher will start again. What of the sessions that are taken apart would keep it from
// that is deleted first: it goes anyway.
func (c *carrying) survives(ctx context.Context) error {
	fatal, err := batcher.FatalSessions(ctx, c.systems.CFS)
	if err != nil {
		return fmt.Errorf("whether %s would survive a restart is not known: %w", c.want.Batcher, err)
	}
	for _, procedure := range c.Procedures {
		ours := false
		for _, s := range procedure.group.CFS {
			ours = ours || fatal[s.Name] != nil
		}
		if !ours {
			continue
		}
		if err := c.remove(ctx, procedure, policy.CFSSession); err != nil {
			return err
		}
		// Not all that has its tag goes: one that a person made stays.
		if fatal, err = batcher.FatalSessions(ctx, c.systems.CFS); err != nil {
			return fmt.Errorf("whether %s would survive a restart is not known: %w", c.want.Batcher, err)
		}
	}
	return batcher.Refusal(fatal, c.want.Batcher)
}

// delete takes away everything but the Jobs.
func (c *carrying) delete(ctx context.Context, procedure *Procedure) error {
	return c.remove(ctx, procedure, policy.ConfigMap, policy.Session, policy.CFSSession)
}

// finish takes away the Jobs, and with them the note of how far this is.
func (c *carrying) finish(ctx context.Context, procedure *Procedure) error {
	return c.remove(ctx, procedure, policy.Job)
}

// remove deletes what there is of some kinds, as a sweep does: read anew, judged, written to the journal, looked at
// again, and deleted.
func (c *carrying) remove(ctx context.Context, procedure *Procedure, kinds ...policy.Kind) error {
	for n := 0; ; n++ {
		done, err := c.round(ctx, procedure, kinds)
		if err != nil {
			return err
		}
		left := 0
		for _, o := range done {
			switch {
			case o.Verdict == policy.Delete && o.Outcome != Deleted && o.Outcome != Gone:
				left++
				err = fmt.Errorf("%s %s: %s", o.Kind, o.Name, because(o))
			case o.Verdict != policy.Delete && o.Reason != policy.NotOurs && o.Reason != policy.Foreign:
				left++
				err = fmt.Errorf("%s %s stays: %s", o.Kind, o.Name, o.Detail)
			}
		}
		if left == 0 {
			return nil
		}
		if c.limits.MaxDeletes <= 0 {
			return errCapped
		}
		if n >= rounds || ctx.Err() != nil {
			return err
		}
		wait(ctx, time.Second)
	}
}

func because(o Object) string {
	for _, text := range []string{o.Error, o.Detail} {
		if text != "" {
			return o.Outcome.String() + ": " + text
		}
	}
	return o.Outcome.String()
}

// round reads, judges and deletes once.
func (c *carrying) round(ctx context.Context, procedure *Procedure, kinds []policy.Kind) ([]Object, error) {
	w, err := c.now(ctx, procedure.Session)
	if err != nil {
		return nil, err
	}
	// What could not be read is not what is not there.
	for _, source := range w.sources {
		if !source.Complete {
			c.report.Sources = w.sources
			return nil, fmt.Errorf("%s could not be read completely: %s", source.Name, source.Error)
		}
	}
	once := &Plan{systems: c.systems, world: w, Document: Document{Run: c.Run, Sources: w.sources}}
	for _, g := range w.snapshot.Groups {
		for _, d := range inOrder(w.judge.Group(g), procedure.mark.Cancel) {
			if wanted(d, kinds, w.hasBOSv1) {
				once.Objects = append(once.Objects, object(d))
				once.Summary.add(d.Verdict)
			}
		}
	}
	err = c.execute(ctx, once)
	return once.Objects, err
}

// execute carries out one round's plan.
func (c *carrying) execute(ctx context.Context, once *Plan) error {
	report, err := once.Execute(ctx, c.limits)
	if err != nil {
		return err
	}
	c.limits.MaxDeletes -= report.sent
	c.report.sent += report.sent
	c.report.harmless = c.report.harmless && report.harmless
	once.Objects = report.Objects
	for _, o := range report.Objects {
		c.book(o)
	}
	return nil
}

// now reads sessions as they are.
func (c *carrying) now(ctx context.Context, ids ...string) (*world, error) {
	return c.systems.named(ctx, c.run, ids, func(g *inventory.Group) (policy.Request, *inventory.Group) {
		for _, procedure := range c.Procedures {
			if procedure.Session == g.ID && procedure.mark.Cancel {
				return policy.Cancel, g
			}
		}
		return policy.Clean, g
	})
}

func wanted(d policy.Decision, kinds []policy.Kind, hasBOSv1 bool) bool {
	if d.Kind == policy.Session && !hasBOSv1 {
		return false
	}
	for _, kind := range kinds {
		if kind == d.Kind {
			return true
		}
	}
	return false
}

// book writes into the report what became of an object; a later round has the last word.
func (c *carrying) book(o Object) {
	for i := range c.report.Objects {
		before := &c.report.Objects[i]
		if before.Kind == o.Kind && before.Name == o.Name {
			if o.Outcome != Gone || before.Outcome != Deleted {
				*before = o
			}
			return
		}
	}
	c.report.Objects = append(c.report.Objects, o)
}

// end counts, and works out the exit code.
func (c *carrying) end(ctx context.Context) {
	c.report.Procedures = c.Procedures
	failed := slices.ContainsFunc(c.Procedures, func(p *Procedure) bool { return p.failed })
	for i := range c.report.Objects {
		if o := &c.report.Objects[i]; o.Verdict == policy.Delete && o.Outcome == 0 {
			o.Outcome = Waiting
		}
	}
	if failed && ctx.Err() != nil {
		c.report.Stopped = context.Cause(ctx).Error()
	}
	c.report.Summary = Summary{}
	for _, o := range c.report.Objects {
		c.report.Summary.add(o.Verdict)
	}
	c.report.finish(c.run.Clock().UTC())
}

// wait is a pause, unless the run is told to stop.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
