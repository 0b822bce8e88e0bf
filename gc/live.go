package gc

import (
	"context"
	"log/slog"
	"slices"

	"bosgc/inventory"
)

// live reads once more what the verdict on a session rests on: its Jobs and, unless those have
// ended for good, their Pods; and its record. ConfigMaps need no second look: they are
// deleted with the UID and the resource version that were judged, and the API server refuses
// if anything has changed, an annotation included.
func (x *execution) live(ctx context.Context, g *inventory.Group) (*inventory.Group, error) {
	seenJobs, _ := g.Jobs()
	seenPods, _ := g.Pods()
	if g.Listed != inventory.Present && len(seenJobs) == 0 {
		return g, nil // only CFS sessions name it; each is read again by itself
	}
	names := []string{inventory.JobName(g.ID)}
	for _, job := range seenJobs {
		if !slices.Contains(names, job.Name) {
			names = append(names, job.Name)
		}
	}
	var jobs []inventory.Job
	var pods []inventory.Pod
	for _, name := range names {
		job, presence, err := x.systems.Kube.Job(ctx, name)
		if err != nil {
			return nil, err
		}
		if presence == inventory.Present {
			jobs = append(jobs, job)
		}
		if presence == inventory.Present && job.Terminal {
			pods = append(pods, podsNamed(seenPods, name)...)
			continue
		}
		listing, err := x.systems.Kube.PodsOf(ctx, name)
		if err != nil {
			return nil, err
		}
		pods = append(pods, listing.Pods...)
	}
	record := g.Record
	if x.world.hasBOSv1 {
		var err error
		if record, err = x.systems.BOS.Get(ctx, g.ID); err != nil {
			return nil, err
		}
	}
	return g.WithLive(jobs, pods, record), nil
}

func podsNamed(pods []inventory.Pod, job string) []inventory.Pod {
	var own []inventory.Pod
	for _, pod := range pods {
		if pod.Job == job {
			own = append(own, pod)
		}
	}
	return own
}

func (x *execution) log(ctx context.Context, o *Object) {
	level := slog.LevelInfo
	if o.Outcome == Failed {
		level = slog.LevelWarn
	}
	x.systems.Log.LogAttrs(ctx, level, string(o.Outcome),
		slog.String("kind", string(o.Kind)), slog.String("name", o.Name), slog.String("session", o.Session),
		slog.String("reason", string(o.Reason)), slog.String("error", o.Error))
}
