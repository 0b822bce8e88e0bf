package bos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// excluded is the category of the nodes that a session was to leave out.
const excluded = "excluded"

// Nodes returns the nodes of one boot set that a session worked on, sorted, each once: those of all
// categories of all phases, but not the excluded ones (docs/csm.md, "Boot set status"). Absent means that BOS has no status of that
// boot set, which says nothing of its nodes; Unknown comes with an error, which is about this
// session alone unless it is ErrSilent or ErrFailing.
func (c *Client) Nodes(ctx context.Context, session, bootSet string) (nodes []string, presence inventory.Presence, err error) {
	path, err := sessionPath(session)
	if err != nil {
		return nil, inventory.Unknown, err
	}
	name, err := transport.PathElement("boot set", bootSet)
	if err != nil {
		return nil, inventory.Unknown, err
	}
	path += "/status/" + name
	data, err := c.statusBody(ctx, session, path)
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

// decodeNodes accepts nothing that is not said to be this boot set's: by the nodes of another
// session, that one's configuration would be unset.
func decodeNodes(data []byte, session, bootSet string) ([]string, error) {
	status, err := decodeBootSet(data)
	if err != nil {
		return nil, err
	}
	var of struct {
		Session string          `json:"session"`
		Phases  json.RawMessage `json:"phases"`
	}
	if err := json.Unmarshal(data, &of); err != nil {
		return nil, fmt.Errorf("the boot set's status has another form than expected: %w", err)
	}
	if status.Name != bootSet || of.Session != "" && of.Session != session {
		return nil, fmt.Errorf("the answer is about boot set %q of session %q", transport.Printable(status.Name, 80), transport.Printable(of.Session, 80))
	}
	if len(of.Phases) == 0 || string(of.Phases) == "null" {
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
