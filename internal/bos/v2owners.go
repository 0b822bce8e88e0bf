package bos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// V2Owners returns what tells which CFS sessions can be of sessions of BOS v2. Which configuration each
// set is never known: its template may have been changed since. None, without an error, is a
// BOS that is known to have no v2.
func (c *Client) V2Owners(ctx context.Context) ([]inventory.Owner, error) {
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
	owners, err := decodeV2Owners(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	return owners, nil
}

// decodeV2Owners takes what is missing for not known, so that the session counts as one that may be meant.
func decodeV2Owners(data []byte) ([]inventory.Owner, error) {
	if _, err := decodeV2(data); err != nil {
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
		o := inventory.Owner{
			ID: session.Name, V2: true, NodesKnown: session.Components != "",
			From: transport.DecodeStamp(session.Status.Start).At(), Until: transport.DecodeStamp(session.Status.End).At(),
		}
		if o.NodesKnown {
			o.Nodes = strings.Split(session.Components, ",")
		}
		owners = append(owners, o)
	}
	return owners, nil
}
