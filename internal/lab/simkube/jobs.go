package simkube

import (
	"maps"
	"time"
)

// jobRecord is what the Job controller remembers of a Job that it creates Pods for.
type jobRecord struct {
	failed  int
	nextPod time.Time // no Pod is created before
}

// longestBackoff is Kubernetes' limit of the delay after a failed Pod.
const longestBackoff = 6 * time.Minute

// AddJob makes the controller create Pods for a Job in the store. It creates none for Jobs from before the controllers
// were started: nothing would run in them.
func (c *Controllers) AddJob(namespace, name string) {
	c.kube.mu.Lock()
	defer c.kube.mu.Unlock()
	if job, ok := c.kube.objects[key{"jobs", namespace, name}]; ok {
		c.jobs[job.metaText("uid")] = &jobRecord{}
		c.syncJob(key{"jobs", namespace, name})
	}
}

// syncJob creates or ends Pods of one Job as its spec wants, and sets its status. A terminating Pod no longer counts as
// active, though its process still works.
func (c *Controllers) syncJob(k key) {
	job := c.kube.objects[k]
	if jobFinished(job) || job.terminating() {
		return
	}
	record := c.jobs[job.metaText("uid")]
	wanted := 1
	if job.lookup("spec", "parallelism") != nil {
		wanted = job.intAt("spec", "parallelism")
	}
	if suspended, _ := job.lookup("spec", "suspend").(bool); suspended {
		wanted = 0
	}
	if record == nil && wanted > 0 {
		return
	}
	var active []key
	failed, succeeded := 0, 0
	for _, pod := range c.kube.dependents(job.metaText("uid")) {
		o := c.kube.objects[pod]
		switch {
		case pod.resource != "pods":
		case o.textAt("status", "phase") == "Succeeded":
			succeeded++
		case o.textAt("status", "phase") == "Failed":
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
		status["completionTime"] = timestamp(c.now)
		status["conditions"] = []any{c.condition("Complete", "")}
	case failed > job.intAt("spec", "backoffLimit"):
		status["conditions"] = []any{c.condition("Failed", "BackoffLimitExceeded")}
	case record != nil && len(active) < wanted && record.mayCreatePod(c, failed):
		active = append(active, c.createPod(k.name, k.namespace, podTemplate(job), map[string]any{
			"ownerReferences": []any{map[string]any{
				"apiVersion": "batch/v1", "kind": "Job", "name": k.name, "uid": job.metaText("uid"),
				"controller": true, "blockOwnerDeletion": true,
			}},
		}))
	}
	status["active"], status["failed"], status["succeeded"] = orNil(len(active)), orNil(failed), orNil(succeeded)
	c.setStatus(k, status)
}

// mayCreatePod reports whether the delay after the last failure is over. It doubles with each failure.
func (r *jobRecord) mayCreatePod(c *Controllers, failed int) bool {
	if failed > r.failed {
		delay := c.options.Backoff
		for n := 1; n < failed && delay < longestBackoff; n++ {
			delay *= 2
		}
		r.nextPod = c.now.Add(min(delay, longestBackoff))
	}
	r.failed = failed
	return !c.now.Before(r.nextPod)
}

// orNil returns nil for zero: the API leaves such fields out.
func orNil(n int) any {
	if n == 0 {
		return nil
	}
	return float64(n)
}

func podTemplate(o object) object {
	fields, _ := o.lookup("spec", "template").(map[string]any)
	return fields
}

// jobFinished reports whether a Job is complete or has failed, after which its controller leaves it alone.
func jobFinished(job object) bool {
	conditions, _ := job.lookup("status", "conditions").([]any)
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
		"lastProbeTime": timestamp(c.now), "lastTransitionTime": timestamp(c.now),
	}
}

// setStatus writes a status only if it differs: a resource version must not change without a change.
func (c *Controllers) setStatus(k key, status map[string]any) {
	o := c.kube.objects[k]
	old, _ := o.lookup("status").(map[string]any)
	changed := o.withStatus(status)
	fields, _ := changed["status"].(map[string]any)
	if !maps.EqualFunc(old, fields, deepEqual) {
		c.kube.put(k, changed)
	}
}
