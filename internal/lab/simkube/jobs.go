package simkube

import (
	"maps"
	"time"
)

// jobRecord is what the Job controller remembers of a Job that it makes Pods for.
type jobRecord struct {
	failed int
	retry  time.Time // no other Pod before
}

// longestBackoff is the most that the Job controller waits after a failed Pod.
const longestBackoff = 6 * time.Minute

// AddJob makes the controller make Pods for a Job that is in the store. The Jobs of a world that did not
// live get no new ones: there is nobody who would run in them.
func (c *Controllers) AddJob(namespace, name string) {
	c.kube.mu.Lock()
	defer c.kube.mu.Unlock()
	if job, ok := c.kube.objects[key{"jobs", namespace, name}]; ok {
		c.jobs[job.meta("uid")] = &jobRecord{}
		c.job(key{"jobs", namespace, name})
	}
}

// job does for one Job what is to be done: no Pod where none is wanted, another one where one is, and
// the status of what there is. A Pod that is to end no longer counts as active, though it still works.
func (c *Controllers) job(k key) {
	job := c.kube.objects[k]
	if over(job) || job.terminating() {
		return
	}
	record := c.jobs[job.meta("uid")]
	wanted := 1
	if job.at("spec", "parallelism") != nil {
		wanted = job.number("spec", "parallelism")
	}
	if suspended, _ := job.at("spec", "suspend").(bool); suspended {
		wanted = 0
	}
	if record == nil && wanted > 0 {
		return
	}
	var active []key
	failed, succeeded := 0, 0
	for _, pod := range c.kube.dependents(job.meta("uid")) {
		o := c.kube.objects[pod]
		switch {
		case pod.resource != "pods":
		case o.text("status", "phase") == "Succeeded":
			succeeded++
		case o.text("status", "phase") == "Failed":
			failed++
		case !o.terminating():
			active = append(active, pod)
		}
	}
	for len(active) > wanted {
		c.deletePod(active[len(active)-1], c.options.Grace)
		active = active[:len(active)-1]
	}
	status := map[string]any{}
	switch {
	case succeeded > 0:
		status["completionTime"] = stamp(c.now)
		status["conditions"] = []any{c.condition("Complete", "")}
	case failed > job.number("spec", "backoffLimit"):
		status["conditions"] = []any{c.condition("Failed", "BackoffLimitExceeded")}
	case record != nil && len(active) < wanted && record.due(c, failed):
		active = append(active, c.createPod(k.name, k.namespace, template(job), map[string]any{
			"ownerReferences": []any{map[string]any{
				"apiVersion": "batch/v1", "kind": "Job", "name": k.name, "uid": job.meta("uid"),
				"controller": true, "blockOwnerDeletion": true,
			}},
		}))
	}
	status["active"], status["failed"], status["succeeded"] = count(len(active)), count(failed), count(succeeded)
	c.setStatus(k, status)
}

// due says whether a Job may have another Pod by now: the more have failed, the longer it waits.
func (r *jobRecord) due(c *Controllers, failed int) bool {
	if failed > r.failed {
		wait := c.options.Backoff
		for n := 1; n < failed && wait < longestBackoff; n++ {
			wait *= 2
		}
		r.retry = c.now.Add(min(wait, longestBackoff))
	}
	r.failed = failed
	return !c.now.Before(r.retry)
}

// count leaves out what is nothing, as the API does.
func count(n int) any {
	if n == 0 {
		return nil
	}
	return float64(n)
}

func template(o object) object {
	fields, _ := o.at("spec", "template").(map[string]any)
	return fields
}

// over says whether a Job has come to its end, after which nothing happens to it.
func over(job object) bool {
	conditions, _ := job.at("status", "conditions").([]any)
	for _, condition := range conditions {
		fields, _ := condition.(map[string]any)
		if (fields["type"] == "Complete" || fields["type"] == "Failed") && fields["status"] == "True" {
			return true
		}
	}
	return false
}

func (c *Controllers) condition(kind, reason string) map[string]any {
	return map[string]any{
		"type": kind, "status": "True", "reason": reason,
		"lastProbeTime": stamp(c.now), "lastTransitionTime": stamp(c.now),
	}
}

// setStatus writes a status, but only if it says something new: what does not change keeps its version.
func (c *Controllers) setStatus(k key, status map[string]any) {
	o := c.kube.objects[k]
	old, _ := o.at("status").(map[string]any)
	changed := o.withStatus(status)
	fields, _ := changed["status"].(map[string]any)
	if !maps.EqualFunc(old, fields, same) {
		c.kube.put(k, changed)
	}
}
