package cfs

import (
	"context"
	"strings"
)

// API describes the API of a CFS, and what CFS deletes by itself.
type API struct {
	Version    string // v2 or v3
	SessionTTL string // age at which CFS deletes its finished sessions, as CFS has it; empty if it is not set
}

// API reads the version and the options.
func (c *Client) API(ctx context.Context) (API, error) {
	version, err := c.version(ctx)
	if err != nil {
		return API{}, err
	}
	options, err := c.options(ctx, version)
	if err != nil {
		return API{}, err
	}
	name := "sessionTTL"
	if version == "/v3" {
		name = "session_ttl"
	}
	api := API{Version: strings.TrimPrefix(version, "/")}
	return api, decodeText(options[name], &api.SessionTTL)
}
