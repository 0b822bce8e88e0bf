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

// sessionTag is the tag of a component that names the session of BOS which configured it last.
const sessionTag = "bos_session"

// chunkSize and chunkSize3 are the numbers of component IDs in one request of versions 2 and 3: the front of CFS
// refuses URLs of more than 4,096 bytes up to CSM 1.3, and of more than 16,384 later (docs/csm.md, "Components").
const (
	chunkSize  = 25
	chunkSize3 = 400
)

// taggedPage is the number of components in a page of version 3, which has no limit of its own. From CSM 1.5
// each page makes CFS read every component of the machine (docs/csm.md, "Components").
const taggedPage = "5000"

// TaggedComponents returns the components whose tag names a session of BOS, sorted by ID, in version 3
// of the API without their CFSSessions. The result is complete or an error. It is not the list of the session's nodes: a newer session
// changes the tag of the components that it configures.
func (c *Client) TaggedComponents(ctx context.Context, session string) ([]inventory.Component, error) {
	if err := checkFilter("BOS session", session); err != nil {
		return nil, err
	}
	tag := sessionTag + "=" + session
	found, err := c.listComponents(ctx, "tags", tag, "limit", taggedPage, func(component inventory.Component) error {
		// A CFS that ignores the filter returns all components of the machine.
		if component.Tag != session {
			return fmt.Errorf("component %q has the tag %s %q, and %q was asked for: CFS has not heeded the filter",
				transport.Printable(component.ID, 80), sessionTag, transport.Printable(component.Tag, 80),
				transport.Printable(session, 80))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	all := make([]inventory.Component, 0, len(found))
	for _, component := range found {
		all = append(all, component)
	}
	slices.SortFunc(all, func(a, b inventory.Component) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// Components returns components by their IDs. The map lacks those that CFS does not have. The
// result is complete or an error.
func (c *Client) Components(ctx context.Context, ids []string) (map[string]inventory.Component, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for _, id := range ids {
		if err := checkFilter("component", id); err != nil {
			return nil, err
		}
	}
	all := map[string]inventory.Component{}
	if len(ids) == 0 {
		return all, nil
	}
	version, err := c.version(ctx)
	if err != nil {
		return nil, err
	}
	size := chunkSize
	if version == "/v3" {
		size = chunkSize3
	}
	for chunk := range slices.Chunk(ids, size) {
		found, err := c.readChunk(ctx, chunk)
		if err != nil {
			return nil, err
		}
		for id, component := range found {
			all[id] = component
		}
	}
	return all, nil
}

// readChunk reads at least one component and at most those of one request: an empty filter would be for all
// components of the machine.
func (c *Client) readChunk(ctx context.Context, ids []string) (map[string]inventory.Component, error) {
	list := strings.Join(ids, ",")
	return c.listComponents(ctx, "ids", list, "state_details", "true", func(component inventory.Component) error {
		if !slices.Contains(ids, component.ID) {
			return fmt.Errorf("component %q was not asked for: CFS has not heeded the filter",
				transport.Printable(component.ID, 80))
		}
		return nil
	})
}

// listComponents lists the components that match one filter and checks each of them. Version 3 has a second parameter.
func (c *Client) listComponents(
	ctx context.Context, filter, value, parameter3, value3 string, check func(inventory.Component) error,
) (map[string]inventory.Component, error) {
	version, err := c.version(ctx)
	if err != nil {
		return nil, err
	}
	query := url.Values{filter: {value}}
	if version == "/v3" {
		query.Set(parameter3, value3)
	}
	found := map[string]inventory.Component{}
	return found, c.list(ctx, listing{"components", "components", func(data json.RawMessage) error {
		component, err := decodeComponent(data, version)
		if err == nil {
			err = check(component)
		}
		if _, twice := found[component.ID]; err == nil && twice {
			err = fmt.Errorf("component %q is listed twice, and only one of both is true",
				transport.Printable(component.ID, 80))
		}
		found[component.ID] = component
		return err
	}}, query)
}

// Component returns one component, in version 3 of the API without its CFSSessions. Absent means
// that CFS itself says that it has no component of this ID; Unknown comes with an error.
func (c *Client) Component(ctx context.Context, id string) (inventory.Component, inventory.Presence, error) {
	path, version, err := c.componentPath(ctx, id)
	if err != nil {
		return inventory.Component{}, inventory.Unknown, err
	}
	body, presence, err := c.getObject(ctx, path)
	if presence != inventory.Present {
		return inventory.Component{}, presence, err
	}
	component, err := decodeComponent(body, version)
	switch {
	case err != nil:
	case component.ID != id:
		err = fmt.Errorf("the answer is about component %q", transport.Printable(component.ID, 80))
	case component.Fault != "":
		err = errors.New("component: " + component.Fault)
	}
	if err != nil {
		return inventory.Component{}, inventory.Unknown, fmt.Errorf("GET %s: %w", path, err)
	}
	return component, inventory.Present, nil
}

func (c *Client) componentPath(ctx context.Context, id string) (path, version string, err error) {
	element, err := transport.PathElement("component", id)
	if err != nil {
		return "", "", err
	}
	version, err = c.version(ctx)
	return version + "/components/" + element, version, err
}

// componentRecord is a component on the wire, in either version of the API. Each field is decoded
// by itself, so that one that cannot be understood hides nothing else.
type componentRecord struct {
	ID        string          `json:"id"`
	DesiredV2 json.RawMessage `json:"desiredConfig"`
	DesiredV3 json.RawMessage `json:"desired_config"`
	StatusV2  json.RawMessage `json:"configurationStatus"`
	StatusV3  json.RawMessage `json:"configuration_status"`
	Enabled   json.RawMessage `json:"enabled"`
	Tags      json.RawMessage `json:"tags"`
	State     json.RawMessage `json:"state"`
}

// decodeComponent decodes a component. What cannot be understood becomes its Fault, so that one
// component does not hide all others. A desired configuration that is missing or null does not pass
// for unset: it has another name, or nobody knows it.
func decodeComponent(data []byte, version string) (inventory.Component, error) {
	var r componentRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return inventory.Component{}, fmt.Errorf("component: %w", err)
	}
	if r.ID == "" {
		return inventory.Component{}, errors.New("a component has no ID")
	}
	wantedConfig, status := r.DesiredV2, r.StatusV2
	if version == "/v3" {
		wantedConfig, status = r.DesiredV3, r.StatusV3
	}
	component := inventory.Component{ID: r.ID, Enabled: string(r.Enabled) == "true"}
	var desired *string
	var tags map[string]json.RawMessage
	var state []layer
	decode := func(field string, value json.RawMessage, into any) {
		if len(value) == 0 {
			return
		}
		if err := json.Unmarshal(value, into); err != nil && component.Fault == "" {
			component.Fault = fmt.Sprintf("its %s cannot be understood: %s",
				field, transport.Printable(err.Error(), 200))
		}
	}
	decode("tags", r.Tags, &tags)
	decode("tag "+sessionTag, tags[sessionTag], &component.Tag)
	decode("desired configuration", wantedConfig, &desired)
	decode("status", status, &component.Status)
	decode("state", r.State, &state)
	switch {
	case desired != nil:
		component.Desired = *desired
	case component.Fault == "":
		component.Fault = "it does not say which configuration is desired"
	}
	component.CFSSessions = sessionsOf(state)
	return component, nil
}

// layer is a layer of a configuration that was applied to a component. A version of the API has
// one of the two names.
type layer struct {
	SessionV2 string `json:"sessionName"`
	SessionV3 string `json:"session_name"`
}

// sessionsOf returns the CFS sessions that applied some layers, sorted, without duplicates.
func sessionsOf(layers []layer) []string {
	var names []string
	for _, l := range layers {
		if name := l.SessionV2 + l.SessionV3; name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// checkFilter fails on a name that does not mean exactly one thing in a filter of CFS: an empty one
// matches everything, and a comma begins another name.
func checkFilter(kind, name string) error {
	if _, err := transport.PathElement(kind, name); err != nil {
		return err
	}
	if strings.ContainsAny(name, ",=") {
		return fmt.Errorf("%s %q has a comma or an equals sign, by which CFS would read more than one name; "+
			"it is not asked for", kind, transport.Printable(name, 80))
	}
	return nil
}
