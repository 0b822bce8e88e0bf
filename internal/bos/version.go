package bos

import (
	"context"
	"errors"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// V1 reports whether this BOS has a v1 API. Unlike the list, this request costs BOS nothing and needs no database.
// Absent is a proof; Unknown comes with an error.
func (c *Client) V1(ctx context.Context) (inventory.Presence, error) {
	err := c.checkVersion(ctx, "/v1/version")
	if err == nil {
		return inventory.Present, nil
	}
	if transport.RouteMissing(err) {
		if err = c.explainMissingList(ctx, err); errors.Is(err, ErrNoV1) {
			return inventory.Absent, nil
		}
	}
	return inventory.Unknown, err
}
