package simkube

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"reflect"
)

func same(a, b any) bool { return reflect.DeepEqual(a, b) }

// deployment does for one Deployment what its controller and its ReplicaSet's do. A change of its
// template first makes a Pod of the new form, and ends one of the old for each that runs: for a while
// there are both. ready makes its Pods run at once, as those of a system that has been up for long.
func (c *Controllers) deployment(name string, ready bool) {
	k := key{"deployments", c.options.Namespace, name}
	o, ok := c.kube.objects[k]
	if !ok || o.terminating() {
		return
	}
	replicas := 1
	if o.at("spec", "replicas") != nil {
		replicas = o.number("spec", "replicas")
	}
	hash := templateHash(o)
	var old, current, running []key
	for _, pod := range c.podsOf(o) {
		p := c.kube.objects[pod]
		switch {
		case p.terminating():
		case p.labels()["pod-template-hash"] != hash:
			old = append(old, pod)
		default:
			current = append(current, pod)
			if p.text("status", "phase") == "Running" {
				running = append(running, pod)
			}
		}
	}
	for len(current) < replicas {
		pod := c.createPod(name+"-"+hash, k.namespace, template(o), map[string]any{
			"labels":          labelsOf(o, hash),
			"ownerReferences": []any{map[string]any{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name + "-" + hash, "uid": hash, "controller": true}},
		})
		current = append(current, pod)
		if ready {
			delete(c.starts, pod)
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
		"observedGeneration": o.metadata()["generation"], "replicas": count(len(current) + len(old)),
		"updatedReplicas": count(len(current)), "readyReplicas": count(available), "availableReplicas": count(available),
		"unavailableReplicas": count(max(0, replicas-available)),
	})
}

// podsOf finds a Deployment's Pods by its labels.
func (c *Controllers) podsOf(deployment object) []key {
	var pods []key
	wanted, _ := deployment.at("spec", "selector", "matchLabels").(map[string]any)
	for _, k := range c.kube.keys("pods") {
		if k.namespace != c.options.Namespace {
			continue
		}
		labels, fits := c.kube.objects[k].labels(), len(wanted) > 0
		for name, value := range wanted {
			fits = fits && labels[name] == value
		}
		if fits {
			pods = append(pods, k)
		}
	}
	return pods
}

func templateHash(deployment object) string {
	text, _ := json.Marshal(deployment.at("spec", "template"))
	hash := fnv.New32a()
	_, _ = hash.Write(text)
	return fmt.Sprintf("%08x", hash.Sum32())
}

func labelsOf(deployment object, hash string) map[string]any {
	labels := map[string]any{"pod-template-hash": hash}
	given, _ := deployment.at("spec", "template", "metadata", "labels").(map[string]any)
	for name, value := range given {
		labels[name] = value
	}
	return labels
}
