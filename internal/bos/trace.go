package bos

import (
	"context"
	"net/http"
)

// HasStatus reports whether BOS v1 has a status record of a session, also one that it cannot read. It is all that is
// left of a ghost, which has no record any more (docs/csm.md, "Ghosts").
func (c *Client) HasStatus(ctx context.Context, session string) (bool, error) {
	path, err := sessionPath(session)
	if err != nil {
		return false, err
	}
	data, err := c.getStatus(ctx, session, path+"/status")
	if statusCode(err) == http.StatusInternalServerError {
		return true, nil
	}
	return data != nil, err
}
