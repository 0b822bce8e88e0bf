package gc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/cfs"
	"bosgc/internal/inventory"
	"bosgc/internal/journal"
	"bosgc/internal/transport"
	"bosgc/policy"
)

// RestoreAction is what a restore does about one object.
type RestoreAction string

// The values of RestoreAction.
const (
	RestoreCreate     RestoreAction = "create"
	RestoreSet        RestoreAction = "set"        // a desired configuration
	RestoreExists     RestoreAction = "exists"     // it is there as it was
	RestoreDiffers    RestoreAction = "differs"    // there is another of that name, which is left alone
	RestoreKept       RestoreAction = "kept"       // what is there now is somebody else's, or not known
	RestoreImpossible RestoreAction = "impossible" // nothing can bring it back
)

// RestoreStep is what is done about one object of a journal.
type RestoreStep struct {
	Kind    string        `json:"kind"`
	Name    string        `json:"name"`
	Session string        `json:"session,omitempty"`
	Action  RestoreAction `json:"action"`
	Detail  string        `json:"detail"`            // one sentence for a person
	Outcome Outcome       `json:"outcome,omitempty"` // restored, skipped, failed, waiting
	Error   string        `json:"error,omitempty"`

	manifest json.RawMessage
	config   string
}

// RestoreDocument is what a restore would do, or has done.
type RestoreDocument struct {
	APIVersion string                `json:"apiVersion"`
	Kind       string                `json:"kind"` // Restore
	Run        string                `json:"run"`  // whose journal it is
	DryRun     bool                  `json:"dryRun"`
	CreatedAt  time.Time             `json:"createdAt"`
	FinishedAt *time.Time            `json:"finishedAt,omitempty"`
	Cluster    string                `json:"cluster"`
	Damage     string                `json:"damage,omitempty"` // what of the journal could not be read
	Steps      []RestoreStep         `json:"steps"`
	Summary    map[RestoreAction]int `json:"summary"`
	Outcomes   map[Outcome]int       `json:"outcomes,omitempty"`
	Notes      []string              `json:"notes,omitempty"`
	Stopped    string                `json:"stopped,omitempty"` // why it ended early
	ExitCode   int                   `json:"exitCode"`
}

// Restoring is what one restore is made of.
type Restoring struct {
	Run       string
	Entries   []journal.Entry
	Cluster   string // where the API server is
	Namespace string // where its ConfigMaps go
	Now       time.Time
}

// Restore is what can be put back of a run's journal. It can be carried out once. It only ever
// adds: nothing that is there is written over or deleted.
type Restore struct {
	RestoreDocument

	systems *Systems // nil once it has been carried out
}

// why says of each kind that is never put back why not.
var why = map[string]string{
	policy.Job.String():        "a Job is never made again: it would boot nodes",
	policy.Session.String():    "BOS takes no session back: asked for one, it would start a new one",
	policy.CFSSession.String(): "CFS takes no session back: a new one would run its Ansible again",
}

// PlanRestore holds a journal against what there is now. Nothing is changed. What cannot be read now
// is kept, with the error. The error is that of the context.
func PlanRestore(ctx context.Context, systems Systems, r Restoring) (*Restore, error) {
	p := &Restore{systems: &systems, RestoreDocument: RestoreDocument{
		APIVersion: APIVersion, Kind: "Restore", Run: r.Run, DryRun: true, CreatedAt: r.Now, Cluster: r.Cluster, Steps: steps(r.Entries),
	}}
	var all errgroup.Group
	all.SetLimit(systems.KubeConcurrency)
	for i := range p.Steps {
		s := &p.Steps[i]
		all.Go(func() error {
			systems.look(ctx, s)
			return nil
		})
	}
	_ = all.Wait() // each step holds its own error
	p.Summary = map[RestoreAction]int{}
	for _, s := range p.Steps {
		p.Summary[s.Action]++
	}
	if p.Summary[RestoreCreate]+p.Summary[RestoreExists] > 0 {
		p.Notes = append(p.Notes, "A ConfigMap that is put back has no session, so that the next sweeps see an orphan and delete it "+
			"after BOSGC_ORPHAN_GRACE and BOSGC_ORPHAN_SIGHTINGS. To keep it: kubectl -n "+r.Namespace+" annotate configmap NAME bosgc/keep=true")
	}
	if p.Summary[RestoreSet] > 0 {
		p.Notes = append(p.Notes, "CFS configures a component that is enabled as soon as it has a desired configuration.")
	}
	p.finish()
	return p, context.Cause(ctx)
}

// steps makes one step of each object. One that is in the journal more than once was deleted, or
// left, as its last entry has it; but not a component, of which a second entry may have been made
// after the configuration had been unset.
func steps(entries []journal.Entry) []RestoreStep {
	all := []RestoreStep{}
	at := map[[2]string]int{}
	for _, e := range entries {
		s := RestoreStep{Kind: e.Kind, Name: e.Name, Session: e.Session, manifest: e.Object}
		if e.Kind == journal.Component {
			var was struct {
				Config string `json:"desiredConfig"`
			}
			if err := json.Unmarshal(e.Object, &was); err == nil {
				s.config = was.Config
			}
		}
		key := [2]string{e.Kind, e.Name}
		i, known := at[key]
		switch {
		case !known:
			at[key] = len(all)
			all = append(all, s)
		case s.Kind != journal.Component || s.config != "":
			all[i] = s
		}
	}
	return all
}

// look decides about one object.
func (systems *Systems) look(ctx context.Context, s *RestoreStep) {
	switch s.Kind {
	case policy.ConfigMap.String():
		systems.lookAtConfigMap(ctx, s)
	case journal.Component:
		systems.lookAtComponent(ctx, s)
	default:
		s.Action, s.Detail = RestoreImpossible, why[s.Kind]
		if s.Detail == "" {
			s.Detail = "this version does not know this kind of object"
		}
	}
}

func (systems *Systems) lookAtConfigMap(ctx context.Context, s *RestoreStep) {
	if err := systems.Kube.Restorable(s.Name, s.manifest); err != nil {
		s.Action, s.Detail = RestoreImpossible, err.Error()
		return
	}
	now, err := systems.Kube.CompareConfigMap(ctx, s.Name, s.manifest)
	switch {
	case err != nil:
		s.unread(err)
	case now.Presence == inventory.Absent:
		s.Action, s.Detail = RestoreCreate, "it is made again, with its data, labels and annotations"
	case !now.SameContent:
		s.Action, s.Detail = RestoreDiffers, "there is one of that name with another content, which is left alone"
	case !now.SameMarks:
		s.Action, s.Detail = RestoreExists, "it is there with the same content, and with other labels or annotations"
	default:
		s.Action, s.Detail = RestoreExists, "it is there as it was"
	}
}

func (systems *Systems) lookAtComponent(ctx context.Context, s *RestoreStep) {
	if s.config == "" {
		s.Action, s.Detail = RestoreImpossible, "the journal does not say which configuration was desired"
		return
	}
	now, presence, err := systems.CFS.Component(ctx, s.Name)
	switch {
	case err != nil:
		s.unread(err)
	case presence == inventory.Absent:
		s.Action, s.Detail = RestoreImpossible, "CFS has no such component any more"
	case now.Desired == s.config:
		s.Action, s.Detail = RestoreExists, fmt.Sprintf("its desired configuration is %q, as it was", transport.Printable(s.config, 80))
	default:
		if err := cfs.CheckUnclaimed(now, s.Session); err != nil {
			s.Action, s.Detail = RestoreKept, err.Error()
			return
		}
		s.Action, s.Detail = RestoreSet, fmt.Sprintf("its desired configuration becomes %q again", transport.Printable(s.config, 80))
	}
}

// unread leaves alone what cannot be read now.
func (s *RestoreStep) unread(err error) {
	s.Action, s.Detail = RestoreKept, "what is there now cannot be read, so nothing is done"
	s.Outcome, s.Error = Failed, err.Error()
}

// Carry puts back what can be put back, and looks whether it is there. When the context ends, the
// rest waits.
func (p *Restore) Carry(ctx context.Context, now func() time.Time) (*RestoreDocument, error) {
	if p.systems == nil {
		return nil, errors.New("this restore has been carried out already")
	}
	systems := *p.systems
	p.systems = nil
	d := p.RestoreDocument
	d.DryRun = false
	var all errgroup.Group
	all.SetLimit(systems.KubeConcurrency)
	var stopped atomic.Bool
	for i := range d.Steps {
		s := &d.Steps[i]
		if s.Action != RestoreCreate && s.Action != RestoreSet {
			continue
		}
		all.Go(func() error {
			switch {
			case ctx.Err() != nil:
				s.Outcome = Waiting
			case s.Action == RestoreCreate:
				systems.create(ctx, s)
			default:
				systems.set(ctx, s)
			}
			if ctx.Err() != nil && s.Outcome != Restored {
				stopped.Store(true)
			}
			return nil
		})
	}
	_ = all.Wait() // each step holds its own outcome
	if stopped.Load() {
		d.Stopped = context.Cause(ctx).Error()
	}
	end := now().UTC()
	d.FinishedAt = &end
	d.finish()
	return &d, nil
}

func (systems *Systems) create(ctx context.Context, s *RestoreStep) {
	there, err := systems.Kube.CreateConfigMap(ctx, s.Name, s.manifest)
	if err == nil && !there {
		s.Outcome, s.Detail = Skipped, "somebody has made one of that name meanwhile, which is left alone"
		return
	}
	// Also after an error: an answer can be lost on its way.
	found, unseen := systems.Kube.CompareConfigMap(ctx, s.Name, s.manifest)
	switch {
	case unseen != nil:
		s.Outcome, s.Error = Failed, errors.Join(err, unseen).Error()
	case found.SameContent && found.SameMarks:
		s.Outcome = Restored
	case err != nil:
		s.Outcome, s.Error = Failed, err.Error()
	default:
		s.Outcome, s.Error = Failed, "it was made, and what is there now is something else"
	}
}

func (systems *Systems) set(ctx context.Context, s *RestoreStep) {
	err := systems.CFS.SetDesired(ctx, s.Name, s.config, s.Session)
	switch {
	case err == nil:
		s.Outcome = Restored
	case errors.Is(err, cfs.ErrClaimed):
		s.Outcome, s.Detail = Skipped, err.Error()
	default:
		s.Outcome, s.Error = Failed, err.Error()
	}
}

// finish counts, and gives the exit code: stopped early comes before what failed.
func (d *RestoreDocument) finish() {
	d.Outcomes = map[Outcome]int{}
	for _, s := range d.Steps {
		if s.Outcome != 0 {
			d.Outcomes[s.Outcome]++
		}
	}
	switch {
	case d.Stopped != "":
		d.ExitCode = ExitFailed
	case d.Outcomes[Failed] > 0:
		d.ExitCode = ExitPartial
	default:
		d.ExitCode = ExitDone
	}
}
