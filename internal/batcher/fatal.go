package batcher

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bosgc/internal/cfs"
)

// FatalSessions returns the CFS sessions that would end the batcher for good when it starts, each
// with the components that are missing. The batcher reads every component of its sessions that are
// not complete, and does not survive one that CFS no longer has (docs/csm.md, "The batcher").
func FatalSessions(ctx context.Context, c *cfs.Client) (map[string][]string, error) {
	sessions, err := c.Sessions(ctx)
	if err != nil {
		return nil, err
	}
	limits := map[string][]string{}
	var all []string
	for _, s := range sessions {
		if s.Status == "complete" || !cfs.IsBatcher(s) {
			continue
		}
		ids := s.Components()
		limits[s.Name] = ids
		all = append(all, ids...)
	}
	if len(all) == 0 {
		return nil, nil
	}
	known, err := c.Components(ctx, all)
	if err != nil {
		return nil, err
	}
	fatal := map[string][]string{}
	for name, ids := range limits {
		for _, id := range ids {
			if _, ok := known[id]; !ok {
				fatal[name] = append(fatal[name], id)
			}
		}
	}
	return fatal, nil
}

// Refusal returns an error that says why the Deployment name is not restarted, and the way out. It
// returns nil if fatal is empty.
func Refusal(fatal map[string][]string, name string) error {
	if len(fatal) == 0 {
		return nil
	}
	var each []string
	for session, missing := range fatal {
		each = append(each, fmt.Sprintf("CFS session %s is not complete and names %s, which CFS no longer has",
			session, strings.Join(missing, ", ")))
	}
	slices.Sort(each)
	return fmt.Errorf("%s would not survive a restart, and no node would be configured any more: %s; "+
		"delete these CFS sessions if they do nothing any more (cray cfs sessions delete NAME), "+
		"or put the components back, and try again", name, strings.Join(each, "; "))
}
