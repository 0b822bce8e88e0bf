// Package restore puts back what can be put back from a run's journal. It only ever adds: nothing that exists is
// overwritten or deleted.
package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/gc"
	"bosgc/internal/cfs"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/journal"
	"bosgc/internal/transport"
	"bosgc/policy"
)

// Action is what a restore does about one object.
type Action string

// The values of Action.
const (
	Create     Action = "create"
	Set        Action = "set"        // a desired configuration
	Exists     Action = "exists"     // it is there as it was
	Differs    Action = "differs"    // there is another of that name, which is left alone
	Kept       Action = "kept"       // what is there now is somebody else's, or not known
	Impossible Action = "impossible" // nothing can bring it back
)

// Step is what is done about one object of a journal.
type Step struct {
	Kind    string     `json:"kind"`
	Name    string     `json:"name"`
	Session string     `json:"session,omitempty"`
	Action  Action     `json:"action"`
	Detail  string     `json:"detail"`            // one sentence for a person
	Outcome gc.Outcome `json:"outcome,omitempty"` // restored, skipped, failed, waiting
	Error   string     `json:"error,omitempty"`

	manifest json.RawMessage
	config   string
}

// Document is what a restore would do, or has done.
type Document struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"` // Restore
	Run        string             `json:"run"`  // whose journal it is
	DryRun     bool               `json:"dryRun"`
	CreatedAt  time.Time          `json:"createdAt"`
	FinishedAt *time.Time         `json:"finishedAt,omitempty"`
	Cluster    string             `json:"cluster"`
	Damage     string             `json:"damage,omitempty"` // what of the journal could not be read
	Steps      []Step             `json:"steps"`
	Summary    map[Action]int     `json:"summary"`
	Outcomes   map[gc.Outcome]int `json:"outcomes,omitempty"`
	Notes      []string           `json:"notes,omitempty"`
	Stopped    string             `json:"stopped,omitempty"` // why it ended early
	ExitCode   int                `json:"exitCode"`
}

// Request is what one restore is made of.
type Request struct {
	Run       string
	Entries   []journal.Entry
	Cluster   string // where the API server is
	Namespace string // where its ConfigMaps go
	Now       time.Time
}

// Plan is what can be put back of a run's journal. It can be carried out once. It only ever
// adds: nothing that is there is written over or deleted.
type Plan struct {
	Document

	clients  collect.Clients
	executed bool
}

// impossibleReasons says of each kind that is never put back why not.
var impossibleReasons = map[string]string{
	string(policy.Job):        "a Job is never made again: it would boot nodes",
	string(policy.Session):    "BOS takes no session back: asked for one, it would start a new one",
	string(policy.CFSSession): "CFS takes no session back: a new one would run its Ansible again",
}

// MakePlan holds a journal against what there is now. Nothing is changed. What cannot be read now
// is kept, with the error. The error is that of the context.
func MakePlan(ctx context.Context, clients collect.Clients, r Request) (*Plan, error) {
	p := &Plan{clients: clients, Document: Document{
		APIVersion: gc.APIVersion, Kind: "Restore", Run: r.Run, DryRun: true, CreatedAt: r.Now, Cluster: r.Cluster, Steps: newSteps(r.Entries),
	}}
	var all errgroup.Group
	all.SetLimit(clients.KubeConcurrency)
	for i := range p.Steps {
		s := &p.Steps[i]
		all.Go(func() error {
			decide(ctx, clients, s)
			return nil
		})
	}
	_ = all.Wait() // each step holds its own error
	p.Summary = map[Action]int{}
	for _, s := range p.Steps {
		p.Summary[s.Action]++
	}
	if p.Summary[Create]+p.Summary[Exists] > 0 {
		p.Notes = append(p.Notes, "A ConfigMap that is put back has no session, so that the next sweeps see an orphan and delete it "+
			"after BOSGC_ORPHAN_GRACE and BOSGC_ORPHAN_SIGHTINGS. To keep it: kubectl -n "+r.Namespace+" annotate configmap NAME bosgc/keep=true")
	}
	if p.Summary[Set] > 0 {
		p.Notes = append(p.Notes, "CFS configures a component that is enabled as soon as it has a desired configuration.")
	}
	p.finish()
	return p, context.Cause(ctx)
}

// newSteps returns one step for each object. One that is in the journal more than once was deleted, or
// left, as its last entry has it; but not a component, of which a second entry may have been made
// after the configuration had been unset.
func newSteps(entries []journal.Entry) []Step {
	all := []Step{}
	at := map[[2]string]int{}
	for _, e := range entries {
		s := Step{Kind: e.Kind, Name: e.Name, Session: e.Session, manifest: e.Object}
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

// decide sets what is done about one object.
func decide(ctx context.Context, clients collect.Clients, s *Step) {
	switch s.Kind {
	case string(policy.ConfigMap):
		decideConfigMap(ctx, clients, s)
	case journal.Component:
		decideComponent(ctx, clients, s)
	default:
		s.Action, s.Detail = Impossible, impossibleReasons[s.Kind]
		if s.Detail == "" {
			s.Detail = "this version does not know this kind of object"
		}
	}
}

func decideConfigMap(ctx context.Context, clients collect.Clients, s *Step) {
	content, err := clients.Kube.DescribeRestorable(s.Name, s.manifest)
	if err != nil {
		s.Action, s.Detail = Impossible, err.Error()
		return
	}
	now, err := clients.Kube.CompareConfigMap(ctx, s.Name, s.manifest)
	switch {
	case err != nil:
		s.keepUnread(err)
	case now.Presence == inventory.Absent:
		s.Action, s.Detail = Create, "created with "+content
	case !now.SameContent:
		s.Action, s.Detail = Differs, "there is one of that name with another content, which is left alone"
	case !now.SameMetadata:
		s.Action, s.Detail = Exists, "it is there with the same content, and with other annotations"
	default:
		s.Action, s.Detail = Exists, "it is there as it was"
	}
}

func decideComponent(ctx context.Context, clients collect.Clients, s *Step) {
	switch {
	case s.config == "":
		s.Action, s.Detail = Impossible, "the journal does not say which configuration was desired"
		return
	case !inventory.IsSessionID(s.Session):
		// Anybody may have written this entry, and whoever wrote it chose what the node is configured with.
		s.Action, s.Detail = Impossible, "the journal does not say which session it was unset for, so bosgc cannot have unset it"
		return
	}
	now, presence, err := clients.CFS.Component(ctx, s.Name)
	switch {
	case err != nil:
		s.keepUnread(err)
	case presence == inventory.Absent:
		s.Action, s.Detail = Impossible, "CFS has no such component any more"
	case now.Desired == s.config:
		s.Action, s.Detail = Exists, fmt.Sprintf("its desired configuration is %q, as it was", transport.Printable(s.config, 80))
	default:
		if err := cfs.CheckUnclaimed(now, s.Session); err != nil {
			s.Action, s.Detail = Kept, err.Error()
			return
		}
		s.Action, s.Detail = Set, fmt.Sprintf("its desired configuration becomes %q again", transport.Printable(s.config, 80))
	}
}

// keepUnread leaves alone what cannot be read now.
func (s *Step) keepUnread(err error) {
	s.Action, s.Detail = Kept, "what is there now cannot be read, so nothing is done"
	s.Outcome, s.Error = gc.Failed, err.Error()
}

// Execute puts back what can be put back, and looks whether it is there. When the context ends, the
// rest waits.
func (p *Plan) Execute(ctx context.Context, now func() time.Time) (*Document, error) {
	if p.executed {
		return nil, errors.New("this restore has been carried out already")
	}
	p.executed = true
	clients := p.clients
	d := p.Document
	d.DryRun = false
	var all errgroup.Group
	all.SetLimit(clients.KubeConcurrency)
	var stopped atomic.Bool
	for i := range d.Steps {
		s := &d.Steps[i]
		if s.Action != Create && s.Action != Set {
			continue
		}
		all.Go(func() error {
			switch {
			case ctx.Err() != nil:
				s.Outcome = gc.Waiting
			case s.Action == Create:
				createConfigMap(ctx, clients, s)
			default:
				setConfiguration(ctx, clients, s)
			}
			if ctx.Err() != nil && s.Outcome != gc.Restored {
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

func createConfigMap(ctx context.Context, clients collect.Clients, s *Step) {
	there, err := clients.Kube.CreateConfigMap(ctx, s.Name, s.manifest)
	if err == nil && !there {
		s.Outcome, s.Detail = gc.Skipped, "somebody has made one of that name meanwhile, which is left alone"
		return
	}
	// Also after an error: an answer can be lost on its way.
	found, unseen := clients.Kube.CompareConfigMap(ctx, s.Name, s.manifest)
	switch {
	case unseen != nil:
		s.Outcome, s.Error = gc.Failed, errors.Join(err, unseen).Error()
	case found.SameContent && found.SameMetadata:
		s.Outcome = gc.Restored
	case err != nil:
		s.Outcome, s.Error = gc.Failed, err.Error()
	default:
		s.Outcome, s.Error = gc.Failed, "it was made, and what is there now is something else"
	}
}

func setConfiguration(ctx context.Context, clients collect.Clients, s *Step) {
	err := clients.CFS.SetDesired(ctx, s.Name, s.config, s.Session)
	switch {
	case err == nil:
		s.Outcome = gc.Restored
	case errors.Is(err, cfs.ErrClaimed):
		s.Outcome, s.Detail = gc.Skipped, err.Error()
	default:
		s.Outcome, s.Error = gc.Failed, err.Error()
	}
}

// finish counts, and gives the exit code: stopped early comes before what failed.
func (d *Document) finish() {
	d.Outcomes = map[gc.Outcome]int{}
	for _, s := range d.Steps {
		if s.Outcome != "" {
			d.Outcomes[s.Outcome]++
		}
	}
	switch {
	case d.Stopped != "":
		d.ExitCode = gc.ExitFailed
	case d.Outcomes[gc.Failed] > 0:
		d.ExitCode = gc.ExitPartial
	default:
		d.ExitCode = gc.ExitDone
	}
}
