package simkube

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

func podFinished(pod object) bool {
	phase := pod.textAt("status", "phase")
	return phase == "Succeeded" || phase == "Failed"
}

// createPod creates a Pod from a template. It is pending until its ConfigMaps exist and the time to start is over.
func (c *Controllers) createPod(prefix, namespace string, template object, meta map[string]any) key {
	k := key{"pods", namespace, prefix + "-" + uuid.NewString()[:5]}
	pod := object{"metadata": template.lookup("metadata"), "spec": template.lookup("spec")}
	pod = pod.withMetadata(meta).withMetadata(map[string]any{"creationTimestamp": timestamp(c.now)})
	waiting := map[string]any{"waiting": map[string]any{"reason": "ContainerCreating"}}
	pod["status"] = map[string]any{
		"phase": "Pending", "startTime": timestamp(c.now), "containerStatuses": containerStates(pod, false, waiting),
	}
	c.kube.put(k, pod)
	c.podStarts[k] = c.now.Add(c.options.Start)
	return k
}

// containerStates returns the same state for each container of a Pod.
func containerStates(pod object, ready bool, state any) []any {
	var list []any
	containers, _ := pod.lookup("spec", "containers").([]any)
	for _, container := range containers {
		fields, _ := container.(map[string]any)
		list = append(list, map[string]any{
			"name": fields["name"], "image": fields["image"], "imageID": "",
			"restartCount": float64(0), "ready": ready, "state": state,
		})
	}
	return list
}

// startPods runs the Pods that are due. One whose ConfigMap is gone stays pending.
func (c *Controllers) startPods() {
	for _, k := range slices.SortedFunc(maps.Keys(c.podStarts), key.compare) {
		pod, ok := c.kube.objects[k]
		switch {
		case !ok || pod.terminating():
			delete(c.podStarts, k)
		case !c.now.Before(c.podStarts[k]) && c.configMapsExist(pod):
			delete(c.podStarts, k)
			c.runPod(k)
		}
	}
}

func (c *Controllers) runPod(k key) {
	pod := c.kube.objects[k]
	running := map[string]any{"running": map[string]any{"startedAt": timestamp(c.now)}}
	c.kube.put(k, pod.withStatus(map[string]any{
		"phase": "Running", "containerStatuses": containerStates(pod, true, running),
		"conditions": []any{map[string]any{"type": "Ready", "status": "True", "lastTransitionTime": timestamp(c.now)}},
	}))
}

func (c *Controllers) configMapsExist(pod object) bool {
	volumes, _ := pod.lookup("spec", "volumes").([]any)
	for _, volume := range volumes {
		fields, _ := volume.(map[string]any)
		name := object(fields).textAt("configMap", "name")
		if name == "" {
			continue
		}
		if _, ok := c.kube.objects[key{"configmaps", pod.metaText("namespace"), name}]; !ok {
			return false
		}
	}
	return true
}

// endPods removes Pods whose grace period is over, and then the objects that waited for the last of them.
func (c *Controllers) endPods() {
	for k, due := range c.podEnds {
		if _, ok := c.kube.objects[k]; !ok || !c.now.Before(due) {
			c.kube.remove(k)
			delete(c.podEnds, k)
		}
	}
	for k := range c.foreground {
		if o, ok := c.kube.objects[k]; !ok || len(c.kube.dependents(o.metaText("uid"))) == 0 {
			c.kube.remove(k)
			delete(c.foreground, k)
		}
	}
}

// deletePod starts the grace period of a running Pod, and removes any other at once.
func (c *Controllers) deletePod(k key, grace time.Duration) {
	pod := c.kube.objects[k]
	if podFinished(pod) || grace <= 0 || pod.textAt("status", "phase") == "Pending" {
		c.kube.remove(k)
		return
	}
	if pod.terminating() {
		return
	}
	c.podEnds[k] = c.now.Add(grace)
	c.kube.put(k, pod.withMetadata(map[string]any{
		"deletionTimestamp": timestamp(c.now.Add(grace)), "deletionGracePeriodSeconds": float64(int(grace / time.Second)),
	}))
}

// FinishPod ends the process in a Pod with an exit code.
func (c *Controllers) FinishPod(namespace, name string, exit int) {
	c.kube.mu.Lock()
	defer c.kube.mu.Unlock()
	k := key{"pods", namespace, name}
	pod, ok := c.kube.objects[k]
	if !ok || podFinished(pod) {
		return
	}
	phase, reason := "Succeeded", "Completed"
	if exit != 0 {
		phase, reason = "Failed", "Error"
	}
	over := map[string]any{"terminated": map[string]any{
		"exitCode": float64(exit), "reason": reason,
		"startedAt": pod.textAt("status", "startTime"), "finishedAt": timestamp(c.now),
	}}
	c.kube.put(k, pod.withStatus(map[string]any{
		"phase": phase, "containerStatuses": containerStates(pod, false, over), "conditions": nil,
	}))
}

// PodState is the state of a Pod.
type PodState struct {
	Name, Phase string
	Terminating bool
	Labels      map[string]string
	Created     time.Time
}

// Works reports whether the process in the Pod exists. That of a terminating Pod does until its grace period is over.
func (p PodState) Works() bool { return p.Phase == "Running" }

// Pods returns the Pods of a namespace with this value of a label, by name.
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
		created, _ := time.Parse(time.RFC3339, o.metaText("creationTimestamp"))
		list = append(list, PodState{k.name, o.textAt("status", "phase"), o.terminating(), labels, created})
	}
	slices.SortFunc(list, func(a, b PodState) int { return key{name: a.Name}.compare(key{name: b.Name}) })
	return list
}
