package sweep

import (
	"context"
	"fmt"
	"slices"

	"bosgc/internal/explain"
	"bosgc/internal/journal"
	"bosgc/internal/restore"
	"bosgc/internal/transport"
	"bosgc/policy"
)

// findDeletion looks an object up in the journal, in the newest run first. It returns nil if no run has deleted it, and
// its session. A run whose journal is damaged is searched as far as it can be read.
func (r *Run) findDeletion(ctx context.Context, kind policy.Kind, name string) (_ *explain.Deletion, session string, err error) {
	runs, err := journal.Runs(ctx, r.own, r.Settings.StateName)
	if err != nil {
		return nil, "", err
	}
	for _, info := range runs {
		entries, _, err := r.readJournal(ctx, info.Run, true)
		if err != nil {
			return nil, "", err
		}
		i := slices.IndexFunc(entries, func(e journal.Entry) bool { return e.Kind == string(kind) && e.Name == name })
		if i < 0 {
			continue
		}
		found := entries[i]
		d, err := r.newDeletion(ctx, found, slices.DeleteFunc(entries, func(e journal.Entry) bool {
			same := e.Kind == found.Kind && e.Name == found.Name
			return !same && (e.Session != found.Session || e.Session == "")
		}))
		return d, found.Session, err
	}
	return nil, "", nil
}

// newDeletion asks of each object whether a restore would put it back. Nothing is changed.
func (r *Run) newDeletion(ctx context.Context, found journal.Entry, entries []journal.Entry) (*explain.Deletion, error) {
	plan, err := restore.MakePlan(ctx, r.clients, restore.Request{
		Run: found.Run, Entries: entries, Cluster: r.cluster, Namespace: r.Settings.Namespace, Now: r.options.Now().UTC(),
	})
	if err != nil {
		return nil, err
	}
	d := &explain.Deletion{Run: found.Run, At: found.At, Reason: found.Reason, Detail: found.Detail, With: []explain.Gone{}}
	for _, s := range plan.Steps {
		verb := "no: " + s.Detail
		if s.Action == restore.Create || s.Action == restore.Set {
			verb = "yes"
			d.Command = fmt.Sprintf("bosgc restore %s --dry-run", transport.Printable(found.Run, 80))
		}
		if s.Kind == found.Kind && s.Name == found.Name {
			d.Restore = verb
			continue
		}
		d.With = append(d.With, explain.Gone{Kind: s.Kind, Name: s.Name, Restore: verb})
	}
	return d, nil
}
