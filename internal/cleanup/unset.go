package cleanup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	for configuration, ids := range r.selectComponents(proc, tagged) {
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
	return failed
}

// selectComponents returns the components to unset, by their configuration, and records why others are left alone.
func (r *runner) selectComponents(proc *procedure, tagged []inventory.Component) map[string][]string {
	var ids []string
	for _, component := range tagged {
		ids = append(ids, component.ID)
	}
	unlisted := proc.unlistedNodes(ids)
	byConfiguration := map[string][]string{}
	for _, component := range tagged {
		switch {
		case component.Fault != "":
			// It ends nothing: otherwise one broken record would keep a session from ever being cancelled.
			r.recordComponent(proc, component.ID, gc.Failed,
				"what it is to be configured with cannot be read", errors.New(component.Fault))
		case component.Desired == "":
		case slices.Contains(unlisted, component.ID):
			r.recordComponent(proc, component.ID, gc.Skipped, "the tag names this session, but it is not one of its nodes", nil)
		case !slices.Contains(proc.Configurations, component.Desired):
			r.recordComponent(proc, component.ID, gc.Skipped,
				fmt.Sprintf("its desired configuration %q is not the one that this session has set", component.Desired), nil)
		default:
			byConfiguration[component.Desired] = append(byConfiguration[component.Desired], component.ID)
		}
	}
	return byConfiguration
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
			Reason: policy.Requested.String(), Detail: "its desired configuration was unset", Object: was,
		})
	}
	r.report.Changed = true
	return r.limits.Journal.Write(ctx, entries)
}

func (r *runner) recordComponent(proc *procedure, id string, outcome gc.Outcome, detail string, err error) {
	o := gc.Object{
		Kind: policy.Component, Name: id, Session: proc.Session, Verdict: policy.Delete, Reason: policy.Requested,
		Detail: detail, Outcome: outcome,
	}
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
