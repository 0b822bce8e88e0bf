package bos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

const v2Limit = 64 << 20 // bytes; a session of BOS v2 has about 500, and v2 removes its own after a week

// V2Session says whether BOS v2 has a session of this name. BOS v2 uses the same tag as v1
// on CFS sessions, so an ID unknown to v1 may be a live session of v2 (docs/csm.md, "BOS
// v2"). The answer comes from v2's list, which is asked for once: a single session of a
// tenant is answered with 404 to whoever does not name the tenant, and the list has them
// all. Unknown comes with an error.
func (c *Client) V2Session(ctx context.Context, name string) (inventory.Presence, error) {
	c.v2.Lock()
	defer c.v2.Unlock()
	if !c.v2Asked {
		c.v2Asked = true
		c.v2Names, c.v2Err = c.listV2(ctx)
	}
	switch {
	case c.v2Err != nil:
		return inventory.Unknown, c.v2Err
	case c.v2Names[name]:
		return inventory.Present, nil
	}
	return inventory.Absent, nil
}

func (c *Client) listV2(ctx context.Context) (map[string]bool, error) {
	const path = "/v2/sessions"
	answer, err := c.ask(ctx, transport.Request{Method: http.MethodGet, Path: path, Timeout: c.listTimeout, Limit: v2Limit})
	if transport.RouteMissing(err) {
		if why := c.withoutV2(ctx); why != nil {
			return nil, fmt.Errorf("%w; and it is not certain that this BOS has no v2 API: %w", err, why)
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names, err := decodeV2(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	return names, nil
}

// decodeV2 wants an array in which every element has a name: one that is left out would
// make a live session look gone.
func decodeV2(data []byte) (map[string]bool, error) {
	var list []struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("the list of BOS v2 sessions has another form than expected: %w", err)
	}
	if list == nil {
		return nil, errors.New("the list of BOS v2 sessions is null; expected an array")
	}
	names := make(map[string]bool, len(list))
	for _, session := range list {
		if session.Name == "" {
			return nil, errors.New("a session in the list of BOS v2 has no name")
		}
		names[session.Name] = true
	}
	return names, nil
}

// withoutV2 is nil if this BOS is positively known to have v1 alone (CSM 1.2 and before).
func (c *Client) withoutV2(ctx context.Context) error {
	if err := c.isVersion(ctx, "/v1/version"); err != nil {
		return err
	}
	return c.isMissing(ctx, "/v2")
}
