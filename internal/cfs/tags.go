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

// TaggedSessions returns the sessions of BOS that the tags of components name, sorted, without
// duplicates. The result is complete or an error. BOS v2 writes the same tag (docs/csm.md, "Tags").
func (c *Client) TaggedSessions(ctx context.Context) ([]string, error) {
	sessions := map[string]bool{}
	err := c.list(ctx, listing{"components", "components", func(data json.RawMessage) error {
		tag, err := decodeTag(data)
		if tag != "" {
			sessions[tag] = true
		}
		return err
	}}, nil)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(sessions)), nil
}

// decodeTag returns the session that the tag of a component names, or "".
func decodeTag(data []byte) (string, error) {
	var component struct {
		ID   string                     `json:"id"`
		Tags map[string]json.RawMessage `json:"tags"`
	}
	if err := json.Unmarshal(data, &component); err != nil {
		return "", fmt.Errorf("component: %w", err)
	}
	if component.ID == "" {
		return "", errors.New("a component has no ID")
	}
	var tag string
	if err := decodeText(component.Tags[sessionTag], &tag); err != nil {
		return "", fmt.Errorf("component %q: its tag %s is no text: %w",
			transport.Printable(component.ID, 80), sessionTag, err)
	}
	return tag, nil
}
