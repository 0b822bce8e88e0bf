package bos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// BootSetStatus is how far the nodes of one boot set came.
type BootSetStatus struct {
	Name   string  `json:"name"`
	Phases []Phase `json:"phases"` // shutdown, boot and configure, as the operation needs them
}

// Phase is one step of an operation.
type Phase struct {
	Name       string     `json:"name"`
	Categories []Category `json:"categories"`
}

// Category holds the nodes that came equally far in a phase.
type Category struct {
	Name  string   `json:"name"` // not_started, in_progress, succeeded, failed, excluded
	Nodes []string `json:"node_list"`
}

// excluded is the category of the nodes that the session was told to leave out.
const excluded = "excluded"

// BootSetStatus returns the status of one boot set of a session. It is empty if BOS has recorded none. This is the best
// list of the session's nodes, and it is deleted with the session.
func (c *Client) BootSetStatus(ctx context.Context, id, bootSet string) (BootSetStatus, error) {
	path, err := bootSetPath(id, bootSet)
	if err != nil {
		return BootSetStatus{}, err
	}
	data, err := c.getStatus(ctx, id, path)
	if data == nil || err != nil {
		return BootSetStatus{}, err
	}
	status, err := decodeBootSet(data)
	if err != nil {
		return BootSetStatus{}, fmt.Errorf("GET %s: %w", path, err)
	}
	return status, nil
}

// Nodes returns the nodes of one boot set that a session worked on, sorted and without duplicates: those of all
// categories of all phases, except the excluded ones (docs/csm.md, "Boot set status").
//
// Absent means that BOS has no status of that boot set, which says nothing about its nodes. Unknown comes with an
// error. The error is about this session alone unless it is ErrSilent or ErrFailing.
func (c *Client) Nodes(
	ctx context.Context, session, bootSet string,
) (nodes []string, presence inventory.Presence, err error) {
	path, err := bootSetPath(session, bootSet)
	if err != nil {
		return nil, inventory.Unknown, err
	}
	data, err := c.getStatus(ctx, session, path)
	switch {
	case err != nil:
		return nil, inventory.Unknown, err
	case data == nil:
		return nil, inventory.Absent, nil
	}
	if nodes, err = decodeNodes(data, session, bootSet); err != nil {
		return nil, inventory.Unknown, fmt.Errorf("%s %s: %w", http.MethodGet, path, err)
	}
	return nodes, inventory.Present, nil
}

func bootSetPath(session, bootSet string) (string, error) {
	path, err := sessionPath(session)
	if err != nil {
		return "", err
	}
	// The author of the session template chooses the name; a slash in it would turn the path into another one.
	name, err := transport.PathElement("boot set", bootSet)
	return path + "/status/" + name, err
}

// getStatus returns the body at path. It returns nil without an error if BOS has no status: BOS then answers 404 with
// nothing, or null, but as JSON. A proxy that knows no such path answers with nothing, too, but without a type.
func (c *Client) getStatus(ctx context.Context, id, path string) ([]byte, error) {
	if err := c.refuseStuck(id); err != nil {
		return nil, err
	}
	answer, err := c.do(ctx, transport.Request{Method: http.MethodGet, Path: path, Limit: statusLimit})
	var missing *transport.StatusError
	if errors.As(err, &missing) && missing.Status == http.StatusNotFound && missing.ContentType == "application/json" {
		if body := bytes.TrimSpace(missing.Body); len(body) == 0 || bytes.Equal(body, []byte("null")) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

func decodeBootSet(data []byte) (BootSetStatus, error) {
	var status BootSetStatus
	if _, err := decodeObject(data); err != nil {
		return status, err
	}
	if err := json.Unmarshal(data, &status); err != nil {
		return BootSetStatus{}, fmt.Errorf("the boot set's status has another form than expected: %w", err)
	}
	return status, nil
}

// decodeNodes accepts only a status of the given session and boot set. With the nodes of another session, that
// session's configuration would be unset.
func decodeNodes(data []byte, session, bootSet string) ([]string, error) {
	status, err := decodeBootSet(data)
	if err != nil {
		return nil, err
	}
	var about struct {
		Session string `json:"session"`
	}
	if err := json.Unmarshal(data, &about); err != nil {
		return nil, fmt.Errorf("the boot set's status has another form than expected: %w", err)
	}
	if status.Name != bootSet || about.Session != "" && about.Session != session {
		return nil, fmt.Errorf("the answer is about boot set %q of session %q",
			transport.Printable(status.Name, 80), transport.Printable(about.Session, 80))
	}
	if status.Phases == nil {
		return nil, errors.New("the boot set's status has no phases, so its nodes are not known")
	}
	nodes := []string{}
	for _, phase := range status.Phases {
		for _, category := range phase.Categories {
			if category.Name != excluded {
				nodes = append(nodes, category.Nodes...)
			}
		}
	}
	if slices.Contains(nodes, "") {
		return nil, errors.New("a node in the boot set's status has no name")
	}
	slices.Sort(nodes)
	return slices.Compact(nodes), nil
}
