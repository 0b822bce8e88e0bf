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

const (
	v2ListPath  = "/v2/sessions"
	v2ListLimit = 32 << 20 // bytes; a session has about 500, and BOS v2 removes its own sessions after a week
)

// V2Session reports whether BOS v2 has a session of this name. BOS v2 puts the same tag on CFS sessions as v1 does, so
// an ID unknown to v1 may be a live session of v2 (docs/csm.md, "BOS v2").
//
// The answer comes from the list of v2, which is requested only once. The list has the sessions of all tenants, while a
// request for a tenant's single session is answered with 404 unless it names the tenant. Unknown comes with an error.
func (c *Client) V2Session(ctx context.Context, name string) (inventory.Presence, error) {
	c.v2.Lock()
	defer c.v2.Unlock()
	if !c.v2Asked {
		c.v2Asked = true
		c.v2Names, c.v2Err = c.listV2Names(ctx)
	}
	switch {
	case c.v2Err != nil:
		return inventory.Unknown, c.v2Err
	case c.v2Names[name]:
		return inventory.Present, nil
	}
	return inventory.Absent, nil
}

func (c *Client) listV2Names(ctx context.Context) (map[string]bool, error) {
	list, err := c.getV2List(ctx)
	if list == nil || err != nil {
		return nil, err
	}
	names, err := decodeV2Names(list)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", v2ListPath, err)
	}
	return names, nil
}

// getV2List returns the body of the list of BOS v2 sessions. It returns nil without an error if BOS certainly has no
// v2.
func (c *Client) getV2List(ctx context.Context) ([]byte, error) {
	answer, err := c.do(ctx, transport.Request{
		Method: http.MethodGet, Path: v2ListPath, Timeout: c.listTimeout, Limit: v2ListLimit,
	})
	if transport.RouteMissing(err) {
		if doubt := c.confirmNoV2(ctx); doubt != nil {
			return nil, fmt.Errorf("%w; and it is not certain that this BOS has no v2 API: %w", err, doubt)
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// decodeV2Names accepts only an array in which every session has a name: without the name of one, a live session would
// look deleted.
func decodeV2Names(data []byte) (map[string]bool, error) {
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

// confirmNoV2 returns nil if this BOS certainly has only v1 (CSM 1.2 and before).
func (c *Client) confirmNoV2(ctx context.Context) error {
	if err := c.checkVersion(ctx, "/v1/version"); err != nil {
		return err
	}
	return c.checkMissing(ctx, "/v2")
}
