package simkube

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

func finished(pod object) bool {
	phase := pod.text("status", "phase")
	return phase == "Succeeded" || phase == "Failed"
}

// createPod makes a Pod from a template. It is pending until its volumes are there and it had the time
// to start.
func (c *Controllers) createPod(prefix, namespace string, template object, meta map[string]any) key {
	k := key{"pods", namespace, prefix + "-" + uuid.NewString()[:5]}
	pod := object{"metadata": template.at("metadata"), "spec": template.at("spec")}
	pod = pod.with(meta).with(map[string]any{"creationTimestamp": stamp(c.now)})
	waiting := map[string]any{"waiting": map[string]any{"reason": "ContainerCreating"}}
	pod["status"] = map[string]any{"phase": "Pending", "startTime": stamp(c.now), "containerStatuses": states(pod, false, waiting)}
	c.kube.put(k, pod)
	c.starts[k] = c.now.Add(c.options.Start)
	return k
}

// states gives each container of a Pod the same state.
func states(pod object, ready bool, state any) []any {
	var list []any
	containers, _ := pod.at("spec", "containers").([]any)
	for _, container := range containers {
		fields, _ := container.(map[string]any)
		list = append(list, map[string]any{
			"name": fields["name"], "image": fields["image"], "imageID": "", "restartCount": float64(0), "ready": ready, "state": state,
		})
	}
	return list
}

// startPods lets Pods run that are due. One whose ConfigMap has gone cannot, and waits for ever.
func (c *Controllers) startPods() {
	for _, k := range slices.SortedFunc(maps.Keys(c.starts), key.compare) {
		pod, ok := c.kube.objects[k]
		switch {
		case !ok || pod.terminating():
			delete(c.starts, k)
		case !c.now.Before(c.starts[k]) && c.mounted(pod):
			delete(c.starts, k)
			c.runPod(k)
		}
	}
}

func (c *Controllers) runPod(k key) {
	pod := c.kube.objects[k]
	running := map[string]any{"running": map[string]any{"startedAt": stamp(c.now)}}
	c.kube.put(k, pod.withStatus(map[string]any{
		"phase": "Running", "containerStatuses": states(pod, true, running),
		"conditions": []any{map[string]any{"type": "Ready", "status": "True", "lastTransitionTime": stamp(c.now)}},
	}))
}

func (c *Controllers) mounted(pod object) bool {
	volumes, _ := pod.at("spec", "volumes").([]any)
	for _, volume := range volumes {
		fields, _ := volume.(map[string]any)
		name := object(fields).text("configMap", "name")
		if name == "" {
			continue
		}
		if _, ok := c.kube.objects[key{"configmaps", pod.meta("namespace"), name}]; !ok {
			return false
		}
	}
	return true
}

// endPods takes away the Pods whose grace is over, and then what was waiting for the last of them.
func (c *Controllers) endPods() {
	for k, due := range c.ends {
		if _, ok := c.kube.objects[k]; !ok || !c.now.Before(due) {
			c.kube.drop(k)
			delete(c.ends, k)
		}
	}
	for k := range c.last {
		if o, ok := c.kube.objects[k]; !ok || len(c.kube.dependents(o.meta("uid"))) == 0 {
			c.kube.drop(k)
			delete(c.last, k)
		}
	}
}

// deletePod begins to end a Pod that works, and takes away any other at once.
func (c *Controllers) deletePod(k key, grace time.Duration) {
	pod := c.kube.objects[k]
	if finished(pod) || grace <= 0 || pod.text("status", "phase") == "Pending" {
		c.kube.drop(k)
		return
	}
	if pod.terminating() {
		return
	}
	c.ends[k] = c.now.Add(grace)
	c.kube.put(k, pod.with(map[string]any{
		"deletionTimestamp": stamp(c.now.Add(grace)), "deletionGracePeriodSeconds": float64(int(grace / time.Second)),
	}))
}

// FinishPod is the end of what runs in a Pod, with an exit code.
func (c *Controllers) FinishPod(namespace, name string, exit int) {
	c.kube.mu.Lock()
	defer c.kube.mu.Unlock()
	k := key{"pods", namespace, name}
	pod, ok := c.kube.objects[k]
	if !ok || finished(pod) {
		return
	}
	phase, reason := "Succeeded", "Completed"
	if exit != 0 {
		phase, reason = "Failed", "Error"
	}
	over := map[string]any{"terminated": map[string]any{
		"exitCode": float64(exit), "reason": reason, "startedAt": pod.text("status", "startTime"), "finishedAt": stamp(c.now),
	}}
	c.kube.put(k, pod.withStatus(map[string]any{
		"phase": phase, "containerStatuses": states(pod, false, over), "conditions": nil,
	}))
}

// PodState is what a Pod is about.
type PodState struct {
	Name, Phase string
	Terminating bool
	Labels      map[string]string
	Created     time.Time
}

// Works says whether the process in the Pod exists: until its grace is over, even if it is to end.
func (p PodState) Works() bool { return p.Phase == "Running" }

// Pods lists the Pods of a namespace that have a label, by name.
func (s *Server) Pods(namespace, label, value string) []PodState {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []PodState
	for k, o := range s.objects {
		if k.resource != "pods" || k.namespace != namespace {
			continue
		}
		labels := o.labels()
		if have, ok := labels[label]; !ok || have != value {
			continue
		}
		created, _ := time.Parse(time.RFC3339, o.meta("creationTimestamp"))
		list = append(list, PodState{k.name, o.text("status", "phase"), o.terminating(), labels, created})
	}
	slices.SortFunc(list, func(a, b PodState) int { return key{name: a.Name}.compare(key{name: b.Name}) })
	return list
}
