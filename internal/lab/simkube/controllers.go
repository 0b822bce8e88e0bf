package simkube

import (
	"slices"
	"time"
)

// ControllerOptions say how a cluster lives.
type ControllerOptions struct {
	Sync    time.Duration // how often the controllers look
	Start   time.Duration // from a Pod's creation until it runs
	Grace   time.Duration // from a Pod's deletion until it has gone
	Backoff time.Duration // from a Job's first failed Pod until the next one; doubled each time, six minutes at most
	// Deployments names those whose Pods exist; others follow their spec at once, and have none.
	Deployments []string
	Namespace   string
}

// Controllers are what makes a cluster live: the controllers of Jobs and Deployments, and the kubelet.
// They move by Tick only.
type Controllers struct {
	kube    *Server
	options ControllerOptions

	now    time.Time
	next   time.Time
	jobs   map[string]*jobRecord // that get Pods, by UID
	starts map[key]time.Time     // Pods that are to run
	ends   map[key]time.Time     // Pods that are to go
	last   map[key]bool          // objects that go with their last dependent
}

// Control makes the cluster live. Pods that exist stay as they are until somebody deletes them.
func (s *Server) Control(options ControllerOptions, now time.Time) *Controllers {
	c := &Controllers{
		kube: s, options: options, now: now, jobs: map[string]*jobRecord{},
		starts: map[key]time.Time{}, ends: map[key]time.Time{}, last: map[key]bool{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = c
	for _, name := range options.Deployments {
		c.deployment(name, true)
	}
	return c
}

// Tick lets the cluster do what is due.
func (c *Controllers) Tick(now time.Time) {
	c.kube.mu.Lock()
	defer c.kube.mu.Unlock()
	c.now = now
	c.endPods()
	c.startPods()
	if now.Before(c.next) {
		return
	}
	c.next = now.Add(c.options.Sync)
	for _, k := range c.kube.keys("jobs") {
		c.job(k)
	}
	for _, name := range c.options.Deployments {
		c.deployment(name, false)
	}
}

// keys returns the keys of all objects of one resource, in order.
func (s *Server) keys(resource string) []key {
	var keys []key
	for k := range s.objects {
		if k.resource == resource {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, key.compare)
	return keys
}

// at finds what lies in an object under a path of names; nil if there is nothing.
func (o object) at(path ...string) any {
	var value any = map[string]any(o)
	for _, name := range path {
		fields, _ := value.(map[string]any)
		value = fields[name]
	}
	return value
}

func (o object) number(path ...string) int {
	n, _ := o.at(path...).(float64)
	return int(n)
}

func (o object) text(path ...string) string {
	text, _ := o.at(path...).(string)
	return text
}

func (o object) terminating() bool { return o.meta("deletionTimestamp") != "" }

// withField returns a copy with one field set.
func (o object) withField(name string, value any) object {
	changed := o.with(nil)
	changed[name] = value
	return changed
}

// withStatus returns a copy with some of its status set.
func (o object) withStatus(fields map[string]any) object {
	merged, _ := merge(o.at("status"), fields).(map[string]any)
	return o.withField("status", merged)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
