package cfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// sessionTag is where a component says which session of BOS has configured it last.
const sessionTag = "bos_session"

// chunkSize is how many IDs stand in one question: the front of CFS takes no longer URLs on
// older releases (docs/csm.md, "Components").
const chunkSize = 25

// Tagged returns the components that a session of BOS has configured last, by ID. It is complete
// or an error. It is no list of the session's nodes: a newer session takes its components away.
func (c *Client) Tagged(ctx context.Context, session string) ([]inventory.Component, error) {
	if err := filterable("BOS session", session); err != nil {
		return nil, err
	}
	found, err := c.find(ctx, "tags", sessionTag+"="+session, func(one inventory.Component) error {
		// A CFS that leaves out the filter gives all components of the machine.
		if one.Tag != session {
			return fmt.Errorf("component %q has the tag %s %q, and %q was asked for: CFS has not heeded the filter",
				transport.Printable(one.ID, 80), sessionTag, transport.Printable(one.Tag, 80), transport.Printable(session, 80))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	all := make([]inventory.Component, 0, len(found))
	for _, one := range found {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b inventory.Component) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// Components returns components by their IDs. Those that CFS does not have are missing from the
// map. It is complete or an error.
func (c *Client) Components(ctx context.Context, ids []string) (map[string]inventory.Component, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for _, id := range ids {
		if err := filterable("component", id); err != nil {
			return nil, err
		}
	}
	all := map[string]inventory.Component{}
	for chunk := range slices.Chunk(ids, chunkSize) {
		found, err := c.chunk(ctx, chunk)
		if err != nil {
			return nil, err
		}
		for id, one := range found {
			all[id] = one
		}
	}
	return all, nil
}

// chunk reads at least one component and at most chunkSize of them.
func (c *Client) chunk(ctx context.Context, ids []string) (map[string]inventory.Component, error) {
	return c.find(ctx, "ids", strings.Join(ids, ","), func(one inventory.Component) error {
		if !slices.Contains(ids, one.ID) {
			return fmt.Errorf("component %q was not asked for: CFS has not heeded the filter", transport.Printable(one.ID, 80))
		}
		return nil
	})
}

// find lists the components that fit one filter, and checks each.
func (c *Client) find(ctx context.Context, filter, value string, check func(inventory.Component) error) (map[string]inventory.Component, error) {
	version, err := c.base(ctx)
	if err != nil {
		return nil, err
	}
	query := url.Values{filter: {value}}
	if version == "/v3" {
		query.Set("state_details", "true")
	}
	found := map[string]inventory.Component{}
	return found, c.list(ctx, listing{"components", "components", func(data json.RawMessage) error {
		one, err := decodeComponent(data, version)
		if err == nil {
			err = check(one)
		}
		if _, twice := found[one.ID]; err == nil && twice {
			err = fmt.Errorf("component %q is listed twice, and only one of both is true", transport.Printable(one.ID, 80))
		}
		found[one.ID] = one
		return err
	}}, query)
}

// Component reads one component; version 3 does not say then which CFS sessions it has had. Absent
// means that CFS itself says so about this name; Unknown comes with an error.
func (c *Client) Component(ctx context.Context, id string) (inventory.Component, inventory.Presence, error) {
	path, version, err := c.componentPath(ctx, id)
	if err != nil {
		return inventory.Component{}, inventory.Unknown, err
	}
	answer, err := c.get(ctx, transport.Request{Path: path})
	if transport.NotFoundTitle(err) != "" {
		return inventory.Component{}, inventory.Absent, nil
	}
	if err != nil {
		return inventory.Component{}, inventory.Unknown, err
	}
	found, err := decodeComponent(answer.Body, version)
	switch {
	case err != nil:
	case found.ID != id:
		err = fmt.Errorf("the answer is about component %q", transport.Printable(found.ID, 80))
	case found.Fault != "":
		err = errors.New("component: " + found.Fault)
	}
	if err != nil {
		return inventory.Component{}, inventory.Unknown, fmt.Errorf("GET %s: %w", path, err)
	}
	return found, inventory.Present, nil
}

func (c *Client) componentPath(ctx context.Context, id string) (path, version string, err error) {
	element, err := transport.PathElement("component", id)
	if err != nil {
		return "", "", err
	}
	version, err = c.base(ctx)
	return version + "/components/" + element, version, err
}

// decodeComponent reads a component. What of it cannot be understood becomes its Fault, so that one
// does not hide all others. That the desired configuration is missing or null does not pass for
// unset: it is there under another name, or nobody knows.
func decodeComponent(data []byte, version string) (inventory.Component, error) {
	var r struct {
		ID        string          `json:"id"`
		DesiredV2 json.RawMessage `json:"desiredConfig"`
		DesiredV3 json.RawMessage `json:"desired_config"`
		StatusV2  json.RawMessage `json:"configurationStatus"`
		StatusV3  json.RawMessage `json:"configuration_status"`
		Enabled   json.RawMessage `json:"enabled"`
		Tags      json.RawMessage `json:"tags"`
		State     json.RawMessage `json:"state"`
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return inventory.Component{}, fmt.Errorf("component: %w", err)
	}
	if r.ID == "" {
		return inventory.Component{}, errors.New("a component has no ID")
	}
	if version == "/v3" {
		r.DesiredV2, r.StatusV2 = r.DesiredV3, r.StatusV3
	}
	one := inventory.Component{ID: r.ID, Enabled: string(r.Enabled) == "true"}
	var desired *string
	var tags map[string]json.RawMessage
	var state []struct {
		V2 string `json:"sessionName"`
		V3 string `json:"session_name"`
	}
	read := func(field string, value json.RawMessage, into any) {
		if len(value) == 0 {
			return
		}
		if err := json.Unmarshal(value, into); err != nil && one.Fault == "" {
			one.Fault = fmt.Sprintf("its %s cannot be understood: %s", field, transport.Printable(err.Error(), 200))
		}
	}
	read("tags", r.Tags, &tags)
	read("tag "+sessionTag, tags[sessionTag], &one.Tag)
	read("desired configuration", r.DesiredV2, &desired)
	read("status", r.StatusV2, &one.Status)
	read("state", r.State, &state)
	switch {
	case desired != nil:
		one.Desired = *desired
	case one.Fault == "":
		one.Fault = "it does not say which configuration is desired"
	}
	for _, layer := range state {
		if name := layer.V2 + layer.V3; name != "" { // a version has one of them
			one.CFSSessions = append(one.CFSSessions, name)
		}
	}
	slices.Sort(one.CFSSessions)
	one.CFSSessions = slices.Compact(one.CFSSessions)
	return one, nil
}

// filterable fails on a name that does not stand for exactly one thing in a filter of CFS: an empty
// one matches everything, and a comma begins another.
func filterable(kind, name string) error {
	if _, err := transport.PathElement(kind, name); err != nil {
		return err
	}
	if strings.ContainsAny(name, ",=") {
		return fmt.Errorf("%s %q has a comma or an equals sign, by which CFS would read more than one name; it is not asked for", kind, transport.Printable(name, 80))
	}
	return nil
}
