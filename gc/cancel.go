package gc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bosgc/internal/cfs"
	"bosgc/internal/inventory"
	"bosgc/internal/journal"
	"bosgc/policy"
)

const (
	// podsEnd bounds the wait for the Pods of a Job that was stopped: Kubernetes gives each 30 seconds to end,
	// and a kubelet may be slow to say so.
	podsEnd = 5 * time.Minute
	// lookEvery is how often it is looked for them.
	lookEvery = 500 * time.Millisecond
	// afterWindow is added to what the batcher may still take: its own clock, and ours.
	afterWindow = 2 * time.Second
)

// stop lets the session's Jobs have no Pods any more, and waits until there are none. The Jobs stay: they are what
// the rest of the procedure is noted on, and what leads to the ConfigMap.
func (c *carrying) stop(ctx context.Context, procedure *Procedure) error {
	jobs, _ := procedure.group.Jobs()
	for _, job := range jobs {
		if job.Fault != "" || job.Terminal {
			continue
		}
		if _, err := c.systems.Kube.StopJob(ctx, job.Name, job.UID); err != nil {
			return err
		}
		c.say(procedure, "Job %s is stopped; waiting for the end of its Pods", job.Name)
	}
	for _, job := range jobs {
		if err := c.podsGone(ctx, job.Name); err != nil {
			return err
		}
	}
	return c.again(ctx, procedure)
}

func (c *carrying) podsGone(ctx context.Context, job string) error {
	ctx, cancel := context.WithTimeout(ctx, podsEnd)
	defer cancel()
	for {
		pods, err := c.systems.Kube.PodsOf(ctx, job)
		var left []string
		for _, pod := range pods.Pods {
			if !pod.Over {
				left = append(left, pod.Name)
			}
		}
		if err == nil && len(left) == 0 {
			return nil
		}
		if !wait(ctx, lookEvery) {
			return errors.Join(err, fmt.Errorf("the Pods of Job %s have not ended: %s; if their node is lost and will not come back: kubectl delete pod --force NAME; then try again", job, strings.Join(left, ", ")))
		}
	}
}

// again reads what the session has done up to the moment at which it was stopped.
func (c *carrying) again(ctx context.Context, procedure *Procedure) error {
	w, err := c.now(ctx, procedure.Session)
	if err != nil {
		return err
	}
	procedure.group = w.found[procedure.Session]
	if running := w.judge.Running(procedure.group); running != "" {
		return fmt.Errorf("%s works for it all the same", running)
	}
	c.facts(ctx, procedure)
	if procedure.Refused != "" {
		return errors.New(procedure.Refused)
	}
	return nil
}

// unset takes the desired configuration from exactly those components on which this session has set it, and nobody
// anything else since.
func (c *carrying) unset(ctx context.Context, procedure *Procedure) error {
	tagged, err := c.systems.CFS.TaggedComponents(ctx, procedure.Session)
	if err != nil {
		return err
	}
	var ids []string
	for _, component := range tagged {
		ids = append(ids, component.ID)
	}
	outside := procedure.outside(ids)
	byConfiguration := map[string][]string{}
	var failed error
	for _, component := range tagged {
		switch {
		case component.Fault != "":
			// It ends nothing: else one broken record would keep a session from ever being cancelled.
			c.component(procedure, component.ID, Failed, "what it is to be configured with cannot be read", errors.New(component.Fault))
		case component.Desired == "":
		case slices.Contains(outside, component.ID):
			c.component(procedure, component.ID, Skipped, "the tag names this session, but it is not one of its nodes", nil)
		case !slices.Contains(procedure.Configurations, component.Desired):
			c.component(procedure, component.ID, Skipped, fmt.Sprintf("its desired configuration %q is not the one that this session has set", component.Desired), nil)
		default:
			byConfiguration[component.Desired] = append(byConfiguration[component.Desired], component.ID)
		}
	}
	for configuration, ids := range byConfiguration {
		c.say(procedure, "unsetting configuration %s of %s", configuration, counted(len(ids), "component"))
		record := func(before []inventory.Component) error { return c.record(ctx, procedure, before) }
		for id, result := range c.systems.CFS.Unset(ctx, procedure.Session, configuration, ids, record) {
			switch result.Outcome {
			case cfs.Unset:
				c.component(procedure, id, Deleted, fmt.Sprintf("its desired configuration %q was unset", configuration), nil)
			case cfs.UnsetClaimed:
				c.component(procedure, id, Skipped, result.Detail, nil)
			case cfs.UnsetGone:
				c.component(procedure, id, Gone, "CFS has no such component any more", nil)
			default:
				c.component(procedure, id, Failed, result.Detail, result.Err)
				failed = fmt.Errorf("component %s: %w", id, result.Err)
			}
		}
	}
	return failed
}

// record writes what components had into the journal, from which it can be put back.
func (c *carrying) record(ctx context.Context, procedure *Procedure, before []inventory.Component) error {
	entries := make([]journal.Entry, 0, len(before))
	for _, component := range before {
		was, err := json.Marshal(map[string]string{"desiredConfig": component.Desired})
		if err != nil {
			return err
		}
		entries = append(entries, journal.Entry{
			At: time.Now().UTC(), Kind: journal.Component, Name: component.ID, Session: procedure.Session,
			Reason: policy.Requested.String(), Detail: "its desired configuration was unset", Object: was,
		})
	}
	c.report.harmless = false
	return c.limits.Journal.Write(ctx, entries)
}

func (c *carrying) component(procedure *Procedure, id string, outcome Outcome, detail string, err error) {
	o := Object{Kind: policy.Component, Name: id, Session: procedure.Session, Verdict: policy.Delete, Reason: policy.Requested, Detail: detail, Outcome: outcome}
	if err != nil {
		o.Error = err.Error()
	}
	c.book(o)
}

// verify makes sure that nothing of the session comes back: the batcher could have started a CFS session for it, and a
// write of its agent that was under way could have made a ghost of it.
func (c *carrying) verify(ctx context.Context, procedure *Procedure) error {
	if err := c.nothingStarts(ctx, procedure); err != nil {
		return err
	}
	if err := c.others(ctx, procedure); err != nil {
		return err
	}
	jobs, _ := procedure.group.Jobs()
	for _, job := range jobs {
		if err := c.podsGone(ctx, job.Name); err != nil {
			return err
		}
	}
	if !c.world.hasBOSv1 {
		return nil
	}
	record, err := c.systems.BOS.Get(ctx, procedure.Session)
	if err != nil {
		return err
	}
	if record.Presence != inventory.Absent {
		return errors.New("BOS has a record of it again")
	}
	// A ghost has no record, so only a delete tells; one of nothing does nothing.
	ghost, err := c.systems.BOS.Delete(ctx, procedure.Session)
	if err == nil && ghost {
		c.say(procedure, "a ghost of it had come back, and was deleted")
	}
	return err
}

// nothingStarts watches for as long as the batcher could still start something that it had gathered.
func (c *carrying) nothingStarts(ctx context.Context, procedure *Procedure) error {
	if !procedure.mark.Purge {
		return nil
	}
	timing, err := c.systems.CFS.Timing(ctx)
	if err != nil {
		return fmt.Errorf("how long the batcher may take is not known: %w", err)
	}
	from := c.purged
	if from.IsZero() { // an earlier run has restarted it
		from = time.Now()
	}
	end := from.Add(timing.Window + timing.Interval + afterWindow)
	if left := time.Until(end).Round(time.Second); left > 0 {
		c.say(procedure, "watching for %s that no CFS session of it starts again", left)
	}
	for {
		late := time.Now().After(end)
		if err := c.noneStarted(ctx, procedure); err != nil {
			return err
		}
		if late {
			return nil
		}
		if !wait(ctx, min(max(timing.Interval, time.Second), max(time.Until(end), 0)+10*time.Millisecond)) {
			return context.Cause(ctx)
		}
	}
}

// noneStarted deletes what has the session's tag, and fails for what only may be its.
func (c *carrying) noneStarted(ctx context.Context, procedure *Procedure) error {
	sessions, err := c.systems.CFS.Sessions(ctx)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		switch {
		case s.Tag == procedure.Session:
			c.say(procedure, "CFS session %s was started for it", s.Name)
			if err := c.remove(ctx, procedure, policy.CFSSession); err != nil {
				return err
			}
		case c.mayBeOf(procedure, s):
			return fmt.Errorf("CFS session %s was started afterwards for nodes of this session, with its configuration; it is not deleted, because it names no session: look whose it is", s.Name)
		}
	}
	return nil
}

// others tells of CFS sessions that are still at work on nodes of this session because they share a batch with nodes of
// others. To delete one would end the configuration of those too.
func (c *carrying) others(ctx context.Context, procedure *Procedure) error {
	sessions, err := c.systems.CFS.Sessions(ctx)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		if s.Status == "complete" || !c.shares(procedure, s) {
			continue
		}
		text := fmt.Sprintf("CFS session %s, which it shares with others, still configures nodes of it, and is left to its end", s.Name)
		c.say(procedure, "%s", text)
		i := slices.IndexFunc(procedure.Steps, func(s Step) bool { return s.Phase == PhaseVerify })
		procedure.Steps[i].Detail += "; " + text
	}
	return nil
}

func (c *carrying) mayBeOf(procedure *Procedure, s inventory.CFSSession) bool {
	return c.known != nil && !c.known[s.Name] && c.shares(procedure, s)
}

// shares says whether a CFS session that names no session works with this one's configuration on nodes of it.
func (c *carrying) shares(procedure *Procedure, s inventory.CFSSession) bool {
	if s.Tag != "" || !cfs.IsBatcher(s) || !slices.Contains(procedure.Configurations, s.Configuration) {
		return false
	}
	return slices.ContainsFunc(inventory.Limit(s.Limit), func(id string) bool {
		_, ours := slices.BinarySearch(procedure.remembered.Nodes, id)
		return ours
	})
}
