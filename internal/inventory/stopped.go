package inventory

import "slices"

// WithJobsStopped returns a copy of a group as it will be when the Jobs that BOS made for it have been stopped. What
// else works for the session goes on working.
func (g *Group) WithJobsStopped() *Group {
	jobs, _ := g.Jobs()
	pods, _ := g.Pods()
	stopped := map[string]bool{}
	jobs = slices.Clone(jobs)
	for i, job := range jobs {
		if job.Fault == "" {
			stopped[job.Name] = true
			jobs[i].Stopped = true
		}
	}
	pods = slices.DeleteFunc(slices.Clone(pods), func(p Pod) bool { return stopped[p.Job] })
	return g.WithLive(jobs, pods, g.Record)
}
