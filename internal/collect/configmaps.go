package collect

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
	"bosgc/policy"
)

// configMapReader reads the content of those ConfigMaps that it decides about. Each is read once.
type configMapReader struct {
	*collector

	mu   sync.Mutex // guards read
	read map[string]inventory.ConfigMap

	groups   chan *inventory.Group // to be prefetched
	prefetch errgroup.Group
}

func newConfigMapReader(c *collector) *configMapReader {
	return &configMapReader{collector: c, read: map[string]inventory.ConfigMap{}}
}

// startPrefetch begins to read ConfigMaps while BOS is asked for records, which takes longest of all: one system
// need not wait for the other. It has no consequence for verdicts: what is prefetched and not needed is dropped, and
// what is needed and was not prefetched is read later. The judge skips keep-last, so it selects a superset of what
// the final judge deletes.
func (r *configMapReader) startPrefetch(ctx context.Context, s *inventory.Snapshot, judge *policy.Judge) {
	r.groups = make(chan *inventory.Group, len(s.Groups)) // sending never blocks
	for range max(1, r.clients.KubeConcurrency) {
		r.prefetch.Go(func() error {
			for g := range r.groups {
				if ctx.Err() != nil {
					continue // the channel is emptied, and nothing is asked any more
				}
				names := judge.NeedsBody(g)
				cms, _ := g.ConfigMaps()
				for _, cm := range cms {
					if slices.Contains(names, cm.Name) {
						r.readContent(ctx, cm)
					}
				}
			}
			return nil
		})
	}
}

// enqueue has the ConfigMaps of a group prefetched of which BOS has told all, and which nobody changes until
// endPrefetch.
func (r *configMapReader) enqueue(g *inventory.Group) {
	if r != nil && r.groups != nil {
		r.groups <- g
	}
}

func (r *configMapReader) endPrefetch() {
	close(r.groups)
	_ = r.prefetch.Wait() // what could not be read is read again
}

// readContent reads the content of one ConfigMap, unless that was done before. It returns false if the ConfigMap has
// been deleted since it was listed.
func (r *configMapReader) readContent(ctx context.Context, cm inventory.ConfigMap) (inventory.ConfigMap, bool) {
	r.mu.Lock()
	known, done := r.read[cm.Name]
	r.mu.Unlock()
	if done {
		return known, true
	}
	r.collector.mu.Lock()
	r.sources[inventory.SourceConfigMaps].Requests++
	r.collector.mu.Unlock()
	fresh, manifest, found := r.clients.Kube.ReadBody(ctx, cm)
	if manifest != nil {
		r.cached.configMaps.put(versionKey(fresh.UID, fresh.ResourceVersion), manifest)
	}
	// That it has gone, or could not be read, is not remembered: it may have been created again since, with an
	// annotation that protects its session.
	if found && fresh.Body != inventory.BodyFailed {
		r.mu.Lock()
		r.read[cm.Name] = fresh
		r.mu.Unlock()
	}
	return fresh, found
}

// readNeeded reads the content of all ConfigMaps that it decides about.
func (r *configMapReader) readNeeded(ctx context.Context, s *inventory.Snapshot, judge *policy.Judge) {
	var all errgroup.Group
	all.SetLimit(r.clients.KubeConcurrency)
	needed := map[int][]string{}
	for i, g := range s.Groups {
		if names := judge.NeedsBody(g); len(names) > 0 {
			needed[i] = names
		}
	}
	task := r.clients.StartTask("reading ConfigMaps", len(needed))
	defer task.End()
	for i, names := range needed {
		g := s.Groups[i]
		all.Go(func() error {
			defer task.Step()
			s.Groups[i] = g.WithConfigMaps(r.withContent(ctx, g, names))
			return nil
		})
	}
	_ = all.Wait() // each ConfigMap holds its own error
}

// withContent returns the ConfigMaps of a group, the named ones with their content.
func (r *configMapReader) withContent(ctx context.Context, g *inventory.Group, names []string) []inventory.ConfigMap {
	listed, _ := g.ConfigMaps()
	cms := make([]inventory.ConfigMap, 0, len(listed))
	for _, cm := range listed {
		if slices.Contains(names, cm.Name) {
			found, exists := r.readContent(ctx, cm)
			if !exists {
				continue // somebody else deleted it first
			}
			if cm = found; cm.Body == inventory.BodyFailed {
				r.markIncomplete(inventory.SourceConfigMaps, cm.BodyFault)
			}
		}
		cms = append(cms, cm)
	}
	return cms
}
