package bos

import "sync"

// answered is a set of IDs, for several goroutines. A sync.Map takes five times the memory for each, and there are as
// many as sessions.
type answered struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

func (a *answered) add(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ids == nil {
		a.ids = map[string]struct{}{}
	}
	a.ids[id] = struct{}{}
}

func (a *answered) has(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, there := a.ids[id]
	return there
}
