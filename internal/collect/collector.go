package collect

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/bosetcd"
	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/progress"
	"bosgc/policy"
)

// collector is one collection under way.
type collector struct {
	clients  Clients
	settings policy.Settings
	now      time.Time
	listing  *progress.Task // of the lists; nil: nobody is told

	mu       sync.Mutex // guards what follows
	seen     inventory.Seen
	sources  map[string]*inventory.Source
	hasBOSv1 bool
	caSeen   bool // the ConfigMap with the system's CA was seen
	versions map[string]string
	// jobTemplateSeen reports whether the ConfigMap was seen that comes with BOS v1.
	jobTemplateSeen bool

	keys    *bosetcd.Keys // nil without an etcd that could be read
	keysErr error         // why BOS's etcd could not be read
	cached  *cache
}

func newCollector(clients Clients, settings policy.Settings, now time.Time) *collector {
	c := &collector{
		clients: clients, settings: settings, now: now, hasBOSv1: true,
		sources: map[string]*inventory.Source{}, versions: map[string]string{}, cached: new(cache),
	}
	for _, name := range SourceNames() {
		c.sources[name] = &inventory.Source{Name: name}
	}
	return c
}

// recordAnswer notes how a source did. The caller holds the lock.
func (c *collector) recordAnswer(name string, count, requests int, err error) {
	source := c.sources[name]
	source.Complete, source.Listed = err == nil, err == nil
	source.Requests += requests
	if err != nil {
		source.Error = err.Error()
		return
	}
	source.Count = count
}

// markIncomplete takes back that a source was complete: it could not answer for one object, or another source
// contradicts it.
func (c *collector) markIncomplete(name string, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	source := c.sources[name]
	if source.Complete {
		source.Complete, source.Error = false, reason
	}
}

func (c *collector) countBOSRequests() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sources[inventory.SourceSessions].Requests = c.clients.BOS.Requests()
}

// listAll asks for all lists but BOS's at once, and reads its etcd. Nothing is concluded from the order in which
// they answer: what was created while they were read is younger than any grace.
func (c *collector) listAll(ctx context.Context) {
	var all errgroup.Group
	for _, list := range []func(context.Context){c.listCFS, c.listKubernetes, c.readKeys} {
		all.Go(func() error { list(ctx); return nil })
	}
	_ = all.Wait() // each list has recorded its own error
}

func (c *collector) listKubernetes(ctx context.Context) {
	var all errgroup.Group
	evidence := &c.seen.Evidence
	for _, list := range []struct {
		source   string
		read     func(context.Context) (kube.Listing, error)
		complete *bool
	}{
		{inventory.SourceJobs, c.clients.Kube.ListJobs, &evidence.Jobs},
		{inventory.SourcePods, c.clients.Kube.ListPods, &evidence.Pods},
		{inventory.SourceConfigMaps, c.clients.Kube.ListConfigMaps, &evidence.ConfigMaps},
		{inventory.SourceCronJobs, c.clients.Kube.ListCronJobs, &evidence.CronJobs},
	} {
		all.Go(func() error {
			begun := time.Now()
			l, err := list.read(ctx)
			c.clients.Timings.Add("reading: "+list.source, begun, l.Count)
			c.listing.Step()
			c.mu.Lock()
			defer c.mu.Unlock()
			c.recordAnswer(list.source, l.Count, l.Requests, err)
			if err != nil {
				return nil
			}
			*list.complete, c.versions[list.source] = true, l.Version
			c.seen.Jobs = append(c.seen.Jobs, l.Jobs...)
			c.seen.Pods = append(c.seen.Pods, l.Pods...)
			c.seen.ConfigMaps = append(c.seen.ConfigMaps, l.ConfigMaps...)
			c.seen.References = append(c.seen.References, l.References...)
			c.caSeen = c.caSeen || l.CA
			c.jobTemplateSeen = c.jobTemplateSeen || l.JobTemplate
			return nil
		})
	}
	_ = all.Wait() // each list has recorded its own error
}

func (c *collector) listCFS(ctx context.Context) {
	begun := time.Now()
	sessions, err := c.clients.CFS.Overview(ctx)
	c.clients.Timings.Add("reading: "+inventory.SourceCFSSessions, begun, len(sessions))
	c.listing.Step()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recordAnswer(inventory.SourceCFSSessions, len(sessions), c.clients.CFS.Requests(), err)
	if err == nil {
		c.seen.CFS = sessions
	}
}

// readKeys reads BOS's etcd, if it can be reached.
func (c *collector) readKeys(ctx context.Context) {
	if c.clients.Etcd == nil {
		return
	}
	begun := time.Now()
	keys, err := c.clients.Etcd.Read(ctx)
	c.clients.Timings.Add("reading: BOS's etcd", begun, len(keys.Sessions))
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.clients.Log.Warn("BOS's etcd could not be read; going on without it", "error", err.Error())
		c.keysErr = err
		return
	}
	c.keys = &keys
}

// kubernetesSessions returns the sessions that Kubernetes names. BOS v1 creates a ConfigMap for each and never
// removes it.
func (c *collector) kubernetesSessions() map[string]bool {
	ids := map[string]bool{}
	for _, job := range c.seen.Jobs {
		ids[job.Session] = true
	}
	for _, cm := range c.seen.ConfigMaps {
		if cm.Fault == "" {
			ids[cm.Name] = true
		}
	}
	delete(ids, "")
	return ids
}
