package bos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"unique"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// recordFields are those by which a record is one of BOS: each release gives most of them with every record.
var recordFields = []string{"start_time", "stop_time", "operation", "status_link", "templateName", "templateUuid", "job", "boa_job_name"}

// DecodeRecord reads the fields of a session one by one, because any of them may be "",
// null, a bool or a number, depending on the CSM release and on how far BOA came
// (docs/csm.md, "Session records"); one odd field must not hide the others.
func DecodeRecord(data []byte) (inventory.Record, error) {
	fields, err := object(data)
	if err != nil {
		return inventory.Record{}, err
	}
	// Another service that answers {"status": "ok"} to everything would give each session a record by
	// which it never ended.
	if !slices.ContainsFunc(recordFields, func(name string) bool { return len(fields[name]) > 0 }) {
		return inventory.Record{}, fmt.Errorf("the answer is no record of a session, it begins %q; check the BOS URL", transport.Printable(string(data), 80))
	}
	return inventory.Record{
		Presence: inventory.Present,
		// Thousands of records share these two.
		Template:  unique.Make(first(fields, "templateName", "templateUuid")).Value(),
		Operation: unique.Make(first(fields, "operation")).Value(),
		Start:     transport.DecodeStamp(fields["start_time"]),
		Stop:      transport.DecodeStamp(fields["stop_time"]),
	}, nil
}

// first is the first of the named fields that holds a text. A value of another kind counts
// as none: taken over as text, a template of null would be one of that name.
func first(fields map[string]json.RawMessage, names ...string) string {
	for _, name := range names {
		var text string
		if json.Unmarshal(fields[name], &text) == nil && text != "" {
			return text
		}
	}
	return ""
}

// SessionStatus is what BOS says of a session's progress.
type SessionStatus struct {
	BootSets []string // usually none: the names are in the session's ConfigMap (docs/csm.md, "Boot set status")
}

// BootSetStatus is how far the nodes of one boot set came. Phases are shutdown, boot and
// configure, as the operation needs them.
type BootSetStatus struct {
	Name   string
	Phases []Phase
}

// Phase is one step of an operation.
type Phase struct {
	Name       string
	Categories []Category
}

// Category holds the nodes that are equally far in a phase: not_started, in_progress,
// succeeded, failed, excluded.
type Category struct {
	Name  string
	Nodes []string
}

// Nodes is the union of all node lists, the excluded nodes' too, sorted.
func (b BootSetStatus) Nodes() []string {
	var nodes []string
	for _, phase := range b.Phases {
		for _, category := range phase.Categories {
			nodes = append(nodes, category.Nodes...)
		}
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// Status returns the status of a session; empty if BOS has recorded none.
func (c *Client) Status(ctx context.Context, id string) (SessionStatus, error) {
	path, err := sessionPath(id)
	if err != nil {
		return SessionStatus{}, err
	}
	data, err := c.statusBody(ctx, id, path+"/status")
	if data == nil || err != nil {
		return SessionStatus{}, err
	}
	status, err := decodeStatus(data)
	if err != nil {
		return SessionStatus{}, fmt.Errorf("GET %s/status: %w", path, err)
	}
	return status, nil
}

// BootSetStatus returns the status of one boot set of a session; empty if BOS has recorded
// none. It is the best list of the session's nodes, and is gone with the session.
func (c *Client) BootSetStatus(ctx context.Context, id, bootSet string) (BootSetStatus, error) {
	path, err := sessionPath(id)
	if err != nil {
		return BootSetStatus{}, err
	}
	// A boot set's name is the author's of the session template; a slash in it would make
	// another path of it.
	name, err := transport.PathElement("boot set", bootSet)
	if err != nil {
		return BootSetStatus{}, err
	}
	path += "/status/" + name
	data, err := c.statusBody(ctx, id, path)
	if data == nil || err != nil {
		return BootSetStatus{}, err
	}
	status, err := decodeBootSet(data)
	if err != nil {
		return BootSetStatus{}, fmt.Errorf("GET %s: %w", path, err)
	}
	return status, nil
}

// statusBody is nil without an error if BOS has no status: it then answers 404 with null,
// with nothing, or with a problem of its own.
func (c *Client) statusBody(ctx context.Context, id, path string) ([]byte, error) {
	if err := c.worthAsking(id); err != nil {
		return nil, err
	}
	answer, err := c.ask(ctx, transport.Request{Method: http.MethodGet, Path: path, Limit: statusLimit})
	if status(err) == http.StatusNotFound {
		said := bytes.TrimSpace(body(err))
		if len(said) == 0 || bytes.Equal(said, []byte("null")) || transport.NotFoundTitle(err) != "" {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

func decodeStatus(data []byte) (SessionStatus, error) {
	if _, err := object(data); err != nil {
		return SessionStatus{}, err
	}
	var wire struct {
		BootSets []string `json:"boot_sets"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return SessionStatus{}, fmt.Errorf("the status has another form than expected: %w", err)
	}
	return SessionStatus{BootSets: wire.BootSets}, nil
}

func decodeBootSet(data []byte) (BootSetStatus, error) {
	if _, err := object(data); err != nil {
		return BootSetStatus{}, err
	}
	var wire struct {
		Name   string `json:"name"`
		Phases []struct {
			Name       string `json:"name"`
			Categories []struct {
				Name  string   `json:"name"`
				Nodes []string `json:"node_list"`
			} `json:"categories"`
		} `json:"phases"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return BootSetStatus{}, fmt.Errorf("the boot set's status has another form than expected: %w", err)
	}
	status := BootSetStatus{Name: wire.Name}
	for _, p := range wire.Phases {
		phase := Phase{Name: p.Name}
		for _, category := range p.Categories {
			phase.Categories = append(phase.Categories, Category(category))
		}
		status.Phases = append(status.Phases, phase)
	}
	return status, nil
}
