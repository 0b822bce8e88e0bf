package cleanup

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"bosgc/gc"
	"bosgc/internal/cfs"
	"bosgc/internal/inventory"
	"bosgc/internal/journal"
	"bosgc/policy"
)

// unsetConfiguration takes the desired configuration from exactly those components on which this session has set it,
// and nobody anything else since.
func (r *runner) unsetConfiguration(ctx context.Context, proc *procedure) error {
	tagged, err := r.clients.CFS.TaggedComponents(ctx, proc.Session)
	if err != nil {
		return err
	}
	var failed error
	selected, left := proc.selectComponents(tagged)
	for _, o := range left {
		r.recordOutcome(o)
	}
	for configuration, ids := range selected {
		r.say(proc, "unsetting configuration %s of %s", configuration, countOf(len(ids), "component"))
		journal := func(before []inventory.Component) error { return r.journalComponents(ctx, proc, before) }
		for id, result := range r.clients.CFS.Unset(ctx, proc.Session, configuration, ids, journal) {
			switch result.Outcome {
			case cfs.Unset:
				r.recordComponent(proc, id, gc.Deleted, fmt.Sprintf("its desired configuration %q was unset", configuration), nil)
			case cfs.UnsetClaimed:
				r.recordComponent(proc, id, gc.Skipped, result.Detail, nil)
			case cfs.UnsetGone:
				r.recordComponent(proc, id, gc.Gone, "CFS has no such component any more", nil)
			default:
				r.recordComponent(proc, id, gc.Failed, result.Detail, result.Err)
				failed = fmt.Errorf("component %s: %w", id, result.Err)
			}
		}
	}
	for _, o := range r.report.Objects {
		if o.Kind == policy.Component && o.Session == proc.Session && o.Outcome == "" {
			r.recordComponent(proc, o.Name, gc.Skipped, "its tag no longer names this session", nil)
		}
	}
	return failed
}

// selectComponents returns the IDs of the components to unset, by their configuration, and those that are left alone.
func (proc *procedure) selectComponents(tagged []inventory.Component) (map[string][]string, []gc.Object) {
	var ids []string
	for _, component := range tagged {
		ids = append(ids, component.ID)
	}
	unlisted := proc.unlistedNodes(ids)
	selected := map[string][]string{}
	var left []gc.Object
	for _, component := range tagged {
		o := proc.component(component.ID)
		switch {
		case component.Fault != "":
			// It ends nothing: otherwise one broken record would keep a session from ever being cancelled.
			o.Outcome, o.Error = gc.Failed, component.Fault
			o.Detail = "what it is to be configured with cannot be read"
		case component.Desired == "":
			continue
		case slices.Contains(unlisted, component.ID):
			o.Outcome, o.Detail = gc.Skipped, "the tag names this session, but it is not one of its nodes"
		case !slices.Contains(proc.Configurations, component.Desired):
			o.Outcome = gc.Skipped
			o.Detail = fmt.Sprintf("its desired configuration %q is not the one that this session has set", component.Desired)
		default:
			selected[component.Desired] = append(selected[component.Desired], component.ID)
			continue
		}
		left = append(left, o)
	}
	return selected, left
}

// planUnset adds the components whose configuration is to be unset to what is shown.
func (p *Plan) planUnset(proc *procedure) {
	selected, left := proc.selectComponents(proc.tagged)
	proc.leftAlone = len(left)
	for _, configuration := range slices.Sorted(maps.Keys(selected)) {
		for _, id := range selected[configuration] {
			o := proc.component(id)
			o.Detail = fmt.Sprintf("its desired configuration %q is to be unset", configuration)
			p.Objects = append(p.Objects, o)
		}
	}
}

// journalComponents writes what components had into the journal, from which it can be put back.
func (r *runner) journalComponents(ctx context.Context, proc *procedure, before []inventory.Component) error {
	entries := make([]journal.Entry, 0, len(before))
	for _, component := range before {
		was, err := json.Marshal(map[string]string{"desiredConfig": component.Desired})
		if err != nil {
			return err
		}
		entries = append(entries, journal.Entry{
			At: time.Now().UTC(), Kind: journal.Component, Name: component.ID, Session: proc.Session,
			Reason: string(policy.Requested), Detail: "its desired configuration was unset", Object: was,
		})
	}
	r.report.Changed = true
	return r.limits.Journal.Write(ctx, entries)
}

func (proc *procedure) component(id string) gc.Object {
	return gc.Object{
		Kind: policy.Component, Name: id, Session: proc.Session, Verdict: policy.Delete, Reason: policy.Requested,
	}
}

func (r *runner) recordComponent(proc *procedure, id string, outcome gc.Outcome, detail string, err error) {
	o := proc.component(id)
	o.Outcome, o.Detail = outcome, detail
	if err != nil {
		o.Error = err.Error()
	}
	r.recordOutcome(o)
}

func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
