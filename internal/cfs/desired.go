package cfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// ErrClaimed says that a component is no longer as it was left, and was not touched.
var ErrClaimed = errors.New("it was left alone")

// Free says why a session's configuration must not be set again: nil if none is set, and no other
// session has had the component since. Otherwise it is ErrClaimed.
func Free(c inventory.Component, session string) error {
	if c.Desired != "" {
		return fmt.Errorf("%w: its desired configuration is %q now", ErrClaimed, transport.Printable(c.Desired, 80))
	}
	if c.Tag != "" && session != "" && c.Tag != session {
		return fmt.Errorf("%w: session %s has configured it since", ErrClaimed, transport.Printable(c.Tag, 80))
	}
	return nil
}

// SetDesired sets the desired configuration of one component again, if it is still free for that
// session (empty: of any), and makes sure that it is set. Nothing else of the component is
// sent, and no list and no filter: CFS takes an empty filter for the whole machine. CFS
// configures a component that is enabled as soon as one is set. The error is ErrClaimed if
// nothing was sent because somebody else has the component.
func (c *Client) SetDesired(ctx context.Context, id, config, session string) error {
	if config == "" {
		return errors.New("no configuration is given")
	}
	path, version, err := c.componentPath(ctx, id)
	if err != nil {
		return err
	}
	before, presence, err := c.Component(ctx, id)
	switch {
	case err != nil:
		return err
	case presence == inventory.Absent:
		return fmt.Errorf("%w: CFS has no such component any more", ErrClaimed)
	}
	if err := Free(before, session); err != nil {
		return err
	}
	_, sent := c.patch(ctx, path, map[string]string{desiredKey(version): config})
	// CFS reads, changes and writes a component without a lock, and an answer can
	// be lost: only what is read afterwards counts.
	after, _, err := c.Component(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("whether it is set is not known: %w", errors.Join(sent, err))
	case after.Desired == config:
		return nil
	case sent != nil:
		return sent
	}
	return fmt.Errorf("CFS has accepted it, and its desired configuration is %q all the same", transport.Printable(after.Desired, 80))
}

// desiredKey is what a version of the API calls the desired configuration. CFS passes over the
// name of the other version without a word.
func desiredKey(version string) string {
	if version == "/v3" {
		return "desired_config"
	}
	return "desiredConfig"
}

// patch sends one PATCH, once. Its answer is no proof of anything.
func (c *Client) patch(ctx context.Context, path string, body any) (*transport.Response, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return c.http.Do(ctx, transport.Request{Method: http.MethodPatch, Path: path, Body: data, Limit: pageLimit})
}
