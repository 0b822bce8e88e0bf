package simkube

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"reflect"
)

func deepEqual(a, b any) bool { return reflect.DeepEqual(a, b) }

// syncDeployment does for one Deployment what its controller and its ReplicaSet's do. After a change of the template it
// first creates Pods of the new form, and ends an old one for each new one that runs: for a while there are both. With
// ready, Pods run at once, as on a system that has been up for long.
func (c *Controllers) syncDeployment(name string, ready bool) {
	k := key{"deployments", c.options.Namespace, name}
	o, ok := c.kube.objects[k]
	if !ok || o.terminating() {
		return
	}
	replicas := 1
	if o.lookup("spec", "replicas") != nil {
		replicas = o.intAt("spec", "replicas")
	}
	hash := templateHash(o)
	var old, current, running []key
	for _, pod := range c.kube.podsOf(c.options.Namespace, o) {
		p := c.kube.objects[pod]
		switch {
		case p.terminating():
		case p.labels()["pod-template-hash"] != hash:
			old = append(old, pod)
		default:
			current = append(current, pod)
			if p.textAt("status", "phase") == "Running" {
				running = append(running, pod)
			}
		}
	}
	for len(current) < replicas {
		pod := c.createPod(name+"-"+hash, k.namespace, podTemplate(o), map[string]any{
			"labels": podLabels(o, hash),
			"ownerReferences": []any{map[string]any{
				"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name + "-" + hash, "uid": hash, "controller": true,
			}},
		})
		current = append(current, pod)
		if ready {
			delete(c.podStarts, pod)
			c.runPod(pod)
			running = append(running, pod)
		}
	}
	for len(current) > replicas {
		c.deletePod(current[0], c.options.Grace)
		current = current[1:]
		running = running[min(1, len(running)):]
	}
	for len(old) > max(0, replicas-len(running)) {
		c.deletePod(old[0], c.options.Grace)
		old = old[1:]
	}
	available := len(running) + len(old)
	c.setStatus(k, map[string]any{
		"observedGeneration": o.metadata()["generation"], "replicas": orNil(len(current) + len(old)),
		"updatedReplicas": orNil(len(current)), "readyReplicas": orNil(available), "availableReplicas": orNil(available),
		"unavailableReplicas": orNil(max(0, replicas-available)),
	})
}

func templateHash(deployment object) string {
	text, _ := json.Marshal(deployment.lookup("spec", "template"))
	hash := fnv.New32a()
	_, _ = hash.Write(text)
	return fmt.Sprintf("%08x", hash.Sum32())
}

func podLabels(deployment object, hash string) map[string]any {
	labels := map[string]any{"pod-template-hash": hash}
	given, _ := deployment.lookup("spec", "template", "metadata", "labels").(map[string]any)
	for name, value := range given {
		labels[name] = value
	}
	return labels
}
