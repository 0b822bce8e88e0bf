package gc

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"bosgc/internal/inventory"
	"bosgc/policy"
)

// ahead reads the content of ConfigMaps while BOS is asked for records, which takes longest of all: one system need not
// wait for the other. It is of no consequence: what was read ahead and is not needed is dropped, and what is needed and was
// not read ahead is read in its turn.
type ahead struct {
	groups chan *inventory.Group
	all    errgroup.Group
}

// readAhead begins. judge ranks no sessions, so that it would let go all that the one that counts lets go. It looks at
// each group that is given to it.
func (c *collection) readAhead(ctx context.Context, s *inventory.Snapshot, judge *policy.Judge) {
	c.ahead = &ahead{groups: make(chan *inventory.Group, len(s.Groups))} // nobody ever waits to give one
	for range max(1, c.systems.KubeConcurrency) {
		c.ahead.all.Go(func() error {
			for g := range c.ahead.groups {
				if ctx.Err() != nil {
					continue // the channel is emptied, and nothing is asked any more
				}
				names := judge.NeedsBody(g)
				cms, _ := g.ConfigMaps()
				for _, cm := range cms {
					if slices.Contains(names, cm.Name) {
						c.content(ctx, cm)
					}
				}
			}
			return nil
		})
	}
}

// look is given a group of which BOS has said all, and which nobody changes until the end.
func (a *ahead) look(g *inventory.Group) {
	if a != nil {
		a.groups <- g
	}
}

func (a *ahead) end() {
	close(a.groups)
	_ = a.all.Wait() // what could not be read is read again
}

// content reads the content of one ConfigMap, unless that was done ahead. If it has gone since it was listed, there is false.
func (c *collection) content(ctx context.Context, cm inventory.ConfigMap) (found inventory.ConfigMap, there bool) {
	c.mu.Lock()
	known, done := c.looked[cm.Name]
	if !done {
		c.sources[inventory.SourceConfigMaps].Requests++
	}
	c.mu.Unlock()
	if done {
		return known, true
	}
	fresh, manifest, there := c.systems.Kube.ReadBody(ctx, cm)
	if manifest != nil {
		c.kept.contents.put(fresh.UID+" "+fresh.ResourceVersion, manifest)
	}
	// That it has gone, or could not be read, is not remembered: it may have been made anew since, with an annotation that
	// protects its session.
	if there && fresh.Body != inventory.BodyFailed {
		c.mu.Lock()
		c.looked[cm.Name] = fresh
		c.mu.Unlock()
	}
	return fresh, there
}

// bodies reads the content of those ConfigMaps that it decides about.
func (c *collection) bodies(ctx context.Context, w *world) {
	var all errgroup.Group
	all.SetLimit(c.systems.KubeConcurrency)
	wanted := map[int][]string{}
	for i, g := range w.snapshot.Groups {
		if names := w.judge.NeedsBody(g); len(names) > 0 {
			wanted[i] = names
		}
	}
	reading := c.systems.pace("reading ConfigMaps", len(wanted))
	defer reading.end()
	for i, names := range wanted {
		g := w.snapshot.Groups[i]
		all.Go(func() error {
			defer reading.step()
			w.snapshot.Groups[i] = g.WithConfigMaps(c.contents(ctx, g, names))
			return nil
		})
	}
	_ = all.Wait() // each ConfigMap holds its own error
	c.looked = nil
}

func (c *collection) contents(ctx context.Context, g *inventory.Group, names []string) []inventory.ConfigMap {
	seen, _ := g.ConfigMaps()
	kept := seen[:0] // nobody else has them
	for _, cm := range seen {
		if slices.Contains(names, cm.Name) {
			found, there := c.content(ctx, cm)
			if !there {
				continue // somebody else was faster
			}
			if cm = found; cm.Body == inventory.BodyFailed {
				c.failed(inventory.SourceConfigMaps, cm.BodyFault)
			}
		}
		kept = append(kept, cm)
	}
	return kept
}
