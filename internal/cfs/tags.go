package cfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"bosgc/internal/transport"
)

// Tags returns the sessions of BOS that any component has its configuration from, each once, sorted. It is
// complete or an error. BOS v2 writes the same tag (docs/csm.md, "Tags").
func (c *Client) Tags(ctx context.Context) ([]string, error) {
	sessions := map[string]bool{}
	err := c.list(ctx, listing{"components", "components", func(data json.RawMessage) error {
		var one struct {
			ID   string                     `json:"id"`
			Tags map[string]json.RawMessage `json:"tags"`
		}
		if err := json.Unmarshal(data, &one); err != nil {
			return fmt.Errorf("component: %w", err)
		}
		if one.ID == "" {
			return errors.New("a component has no ID")
		}
		var tag string
		if text, ok := one.Tags[sessionTag]; ok {
			if err := json.Unmarshal(text, &tag); err != nil {
				return fmt.Errorf("component %q: its tag %s is no text: %w", transport.Printable(one.ID, 80), sessionTag, err)
			}
		}
		if tag != "" {
			sessions[tag] = true
		}
		return nil
	}}, nil)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(sessions)), nil
}
