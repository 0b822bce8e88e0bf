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

// ErrClaimed is returned for a component that is no longer as it was left. Nothing was sent for it.
var ErrClaimed = errors.New("it was left alone")

// CheckUnclaimed returns nil if a session's configuration may be set again on a component: none is
// desired, and no other session has configured it since. Otherwise the error is ErrClaimed.
func CheckUnclaimed(c inventory.Component, session string) error {
	if c.Desired != "" {
		return fmt.Errorf("%w: its desired configuration is %q now", ErrClaimed, transport.Printable(c.Desired, 80))
	}
	if c.Tag != "" && session != "" && c.Tag != session {
		return fmt.Errorf("%w: session %s has configured it since", ErrClaimed, transport.Printable(c.Tag, 80))
	}
	return nil
}

// SetDesired sets the desired configuration of one component again, if the component is still
// unclaimed by other sessions (an empty session is any), and reads it back. CFS configures an
// enabled component as soon as one is set.
//
// Nothing else is sent, no list and no filter: CFS applies an empty filter to the whole machine.
// The error is ErrClaimed if nothing was sent because somebody else has the component.
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
	if err := CheckUnclaimed(before, session); err != nil {
		return err
	}
	_, sendErr := c.patch(ctx, path, map[string]string{desiredKey(version): config})
	// CFS reads, changes and writes a component without a lock, and an answer can be lost: only
	// what is read afterwards counts.
	after, _, err := c.Component(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("whether it is set is not known: %w", errors.Join(sendErr, err))
	case after.Desired == config:
		return nil
	case sendErr != nil:
		return sendErr
	}
	return fmt.Errorf("CFS has accepted it, and its desired configuration is %q all the same",
		transport.Printable(after.Desired, 80))
}

// desiredKey returns the name of the desired configuration in a version of the API. The name of the other version is a
// 400.
func desiredKey(version string) string {
	if version == "/v3" {
		return "desired_config"
	}
	return "desiredConfig"
}

// patch sends one PATCH, once. Its answer proves nothing; read the object again.
func (c *Client) patch(ctx context.Context, path string, body any) (*transport.Response, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return c.http.Do(ctx, transport.Request{Method: http.MethodPatch, Path: path, Body: data, Limit: pageLimit})
}
