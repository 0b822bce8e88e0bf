package bos

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// V2Owners returns the sessions of BOS v2 as possible owners of CFS sessions. The configuration that a session set is
// never known: its template may have changed since. If BOS certainly has no v2, V2Owners returns none and no error.
func (c *Client) V2Owners(ctx context.Context) ([]inventory.Owner, error) {
	list, err := c.getV2List(ctx)
	if list == nil || err != nil {
		return nil, err
	}
	owners, err := decodeV2Owners(list)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", v2ListPath, err)
	}
	return owners, nil
}

// decodeV2Owners takes a missing field for unknown, so that the session counts as a possible owner.
func decodeV2Owners(data []byte) ([]inventory.Owner, error) {
	if _, err := decodeV2Names(data); err != nil {
		return nil, err
	}
	var list []struct {
		Name       string `json:"name"`
		Components string `json:"components"`
		Status     struct {
			Start json.RawMessage `json:"start_time"`
			End   json.RawMessage `json:"end_time"`
		} `json:"status"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("the list of BOS v2 sessions has another form than expected: %w", err)
	}
	owners := make([]inventory.Owner, 0, len(list))
	for _, session := range list {
		owner := inventory.Owner{
			ID: session.Name, V2: true, NodesKnown: session.Components != "",
			From:  transport.DecodeStamp(session.Status.Start).At(),
			Until: transport.DecodeStamp(session.Status.End).At(),
		}
		if owner.NodesKnown {
			owner.Nodes = strings.Split(session.Components, ",")
		}
		owners = append(owners, owner)
	}
	return owners, nil
}
