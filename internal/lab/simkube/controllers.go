package simkube

import (
	"slices"
	"time"
)

// ControllerOptions are the timing of the controllers, and what they control.
type ControllerOptions struct {
	Sync    time.Duration // between two rounds of the controllers
	Start   time.Duration // from a Pod's creation until it runs
	Grace   time.Duration // from a Pod's deletion until it is gone
	Backoff time.Duration // from a Job's first failed Pod until the next one; doubled each time, at most longestBackoff
	// Deployments names those that have Pods. The status of any other follows its spec at once.
	Deployments []string
	Namespace   string
}

// Controllers play the controllers of Jobs and Deployments, and the kubelet. Time passes for them in Tick alone.
type Controllers struct {
	kube    *Server
	options ControllerOptions

	now        time.Time
	nextSync   time.Time
	jobs       map[string]*jobRecord // those that get Pods, by UID
	podStarts  map[key]time.Time     // when pending Pods may run
	podEnds    map[key]time.Time     // when terminating Pods are gone
	foreground map[key]bool          // objects that are removed with their last dependent
}

// StartControllers starts the controllers. Pods that exist stay as they are until they are deleted.
func (s *Server) StartControllers(options ControllerOptions, now time.Time) *Controllers {
	c := &Controllers{
		kube: s, options: options, now: now, jobs: map[string]*jobRecord{},
		podStarts: map[key]time.Time{}, podEnds: map[key]time.Time{}, foreground: map[key]bool{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.controllers = c
	for _, name := range options.Deployments {
		c.syncDeployment(name, true)
	}
	return c
}

// Tick does what is due by now.
func (c *Controllers) Tick(now time.Time) {
	c.kube.mu.Lock()
	defer c.kube.mu.Unlock()
	c.now = now
	c.endPods()
	c.startPods()
	if now.Before(c.nextSync) {
		return
	}
	c.nextSync = now.Add(c.options.Sync)
	for _, k := range c.kube.keysOf("jobs") {
		c.syncJob(k)
	}
	for _, name := range c.options.Deployments {
		c.syncDeployment(name, false)
	}
}

// keysOf returns the keys of all objects of one resource, in order.
func (s *Server) keysOf(resource string) []key {
	var keys []key
	for k := range s.objects {
		if k.resource == resource {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, key.compare)
	return keys
}

// lookup returns the value at a path of field names; nil if there is none.
func (o object) lookup(path ...string) any {
	var value any = map[string]any(o)
	for _, name := range path {
		fields, _ := value.(map[string]any)
		value = fields[name]
	}
	return value
}

func (o object) intAt(path ...string) int {
	n, _ := o.lookup(path...).(float64)
	return int(n)
}

func (o object) textAt(path ...string) string {
	text, _ := o.lookup(path...).(string)
	return text
}

func (o object) terminating() bool { return o.metaText("deletionTimestamp") != "" }

// withField returns a copy with a field set.
func (o object) withField(name string, value any) object {
	changed := o.withMetadata(nil)
	changed[name] = value
	return changed
}

// withStatus returns a copy with some fields of its status set. A nil value removes the field.
func (o object) withStatus(fields map[string]any) object {
	merged, _ := mergePatch(o.lookup("status"), fields).(map[string]any)
	return o.withField("status", merged)
}

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
