package cleanup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bosgc/gc"
	"bosgc/internal/cfs"
	"bosgc/internal/checkpoint"
	"bosgc/internal/inventory"
	"bosgc/internal/margin"
	"bosgc/policy"
)

// pollInterval is the time between two looks for Pods that have not ended yet.
const pollInterval = 500 * time.Millisecond

// stopJobs lets the session's Jobs have no Pods any more, and waits until there are none. The Jobs stay: the rest of
// the procedure is noted on them, and they lead to the ConfigMap.
func (r *runner) stopJobs(ctx context.Context, proc *procedure) error {
	jobs, _ := proc.group.Jobs()
	for _, job := range jobs {
		if job.Fault != "" || job.Terminal {
			continue
		}
		if _, err := r.clients.Kube.ScaleDownJob(ctx, job.Name, job.UID); err != nil {
			return err
		}
		r.say(proc, "Job %s is stopped; waiting for the end of its Pods", job.Name)
	}
	for _, job := range jobs {
		if err := r.waitForPods(ctx, job.Name); err != nil {
			return err
		}
	}
	return r.readAfterStop(ctx, proc)
}

func (r *runner) waitForPods(ctx context.Context, job string) error {
	ctx, cancel := context.WithTimeout(ctx, margin.PodsEnd)
	defer cancel()
	for {
		pods, err := r.clients.Kube.ListJobPods(ctx, job)
		var left []string
		for _, pod := range pods.Pods {
			if !pod.Over {
				left = append(left, pod.Name)
			}
		}
		if err == nil && len(left) == 0 {
			return nil
		}
		if !sleep(ctx, pollInterval) {
			return errors.Join(err, fmt.Errorf("the Pods of Job %s have not ended: %s; if their node is lost and will not "+
				"come back: kubectl delete pod --force NAME; then try again", job, strings.Join(left, ", ")))
		}
	}
}

// readAfterStop reads what the session has done up to the moment at which it was stopped.
func (r *runner) readAfterStop(ctx context.Context, proc *procedure) error {
	w, err := r.readCurrent(ctx, proc.Session)
	if err != nil {
		return err
	}
	proc.group = w.Named[proc.Session]
	if running := w.Judge.Running(proc.group); running != "" {
		return fmt.Errorf("%s works for it all the same", running)
	}
	r.readFacts(ctx, proc)
	if proc.Refused != "" {
		return errors.New(proc.Refused)
	}
	return nil
}

// verifyNothingComesBack makes sure that nothing of the session comes back: the batcher could have started a CFS
// session for it, and a write of its agent that was under way could have made a ghost of it.
func (r *runner) verifyNothingComesBack(ctx context.Context, proc *procedure) error {
	if err := r.watchForCFSSessions(ctx, proc); err != nil {
		return err
	}
	if err := r.reportSharedCFSSessions(ctx, proc); err != nil {
		return err
	}
	jobs, _ := proc.group.Jobs()
	for _, job := range jobs {
		if err := r.waitForPods(ctx, job.Name); err != nil {
			return err
		}
	}
	if !r.world.HasBOSv1 {
		return nil
	}
	record, err := r.clients.BOS.Get(ctx, proc.Session)
	if err != nil {
		return err
	}
	if record.Presence != inventory.Absent {
		return errors.New("BOS has a record of it again")
	}
	// A ghost has no record, so only a delete tells; deleting nothing does nothing.
	ghost, err := r.clients.BOS.Delete(ctx, proc.Session)
	if err == nil && ghost {
		r.say(proc, "a ghost of it had come back, and was deleted")
	}
	return err
}

// watchForCFSSessions watches for as long as the batcher could still start something that it had collected.
func (r *runner) watchForCFSSessions(ctx context.Context, proc *procedure) error {
	if !proc.checkpoint.Purge {
		return nil
	}
	timing, err := r.clients.CFS.Timing(ctx)
	if err != nil {
		return fmt.Errorf("how long the batcher may take is not known: %w", err)
	}
	from := r.restarted
	if from.IsZero() { // an earlier run has restarted it
		from = time.Now()
	}
	end := from.Add(timing.Window + timing.Interval + margin.BatcherSlack)
	if left := time.Until(end).Round(time.Second); left > 0 {
		r.say(proc, "watching for %s that no CFS session of it starts again", left)
	}
	for {
		late := time.Now().After(end)
		if err := r.deleteStarted(ctx, proc); err != nil {
			return err
		}
		if late {
			return nil
		}
		if !sleep(ctx, min(max(timing.Interval, time.Second), max(time.Until(end), 0)+10*time.Millisecond)) {
			return context.Cause(ctx)
		}
	}
}

// deleteStarted deletes the CFS sessions that have the session's tag, and fails for one that may only belong to it.
func (r *runner) deleteStarted(ctx context.Context, proc *procedure) error {
	sessions, err := r.clients.CFS.Sessions(ctx)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		switch {
		case s.Tag == proc.Session:
			r.say(proc, "CFS session %s was started for it", s.Name)
			if err := r.deleteKinds(ctx, proc, policy.CFSSession); err != nil {
				return err
			}
		case r.known != nil && !r.known[s.Name] && sharesNodes(proc, s):
			return fmt.Errorf("CFS session %s was started afterwards for nodes of this session, with its configuration; it "+
				"is not deleted, because it names no session: look whose it is", s.Name)
		}
	}
	return nil
}

// reportSharedCFSSessions tells of CFS sessions that are still at work on nodes of this session because they share a
// batch with nodes of others. Deleting one would end the configuration of those too.
func (r *runner) reportSharedCFSSessions(ctx context.Context, proc *procedure) error {
	sessions, err := r.clients.CFS.Sessions(ctx)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		if s.Status == "complete" || !sharesNodes(proc, s) {
			continue
		}
		text := fmt.Sprintf("CFS session %s, which it shares with others, still configures nodes of it, "+
			"and is left to its end", s.Name)
		r.say(proc, "%s", text)
		i := slices.IndexFunc(proc.Steps, func(s gc.Step) bool { return s.Phase == checkpoint.PhaseVerify })
		proc.Steps[i].Detail += "; " + text
	}
	return nil
}

// sharesNodes reports whether a CFS session that names no session works with this one's configuration on nodes of it.
func sharesNodes(proc *procedure, s inventory.CFSSession) bool {
	if s.Tag != "" || !cfs.IsBatcher(s) || !slices.Contains(proc.Configurations, s.Configuration) {
		return false
	}
	return slices.ContainsFunc(s.Components(), func(id string) bool {
		_, own := slices.BinarySearch(proc.facts.Nodes, id)
		return own
	})
}
