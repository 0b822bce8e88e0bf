package bos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"bosgc/internal/margin"
	"bosgc/internal/transport"
)

// MaxList is how many bytes of keys and values BOS's etcd client accepts in one answer. A list that needs more hangs
// (docs/csm.md, "The list that hangs").
const MaxList = 4 << 20

const (
	listLimit = 8 << 20 // bytes; etcd lets BOS read 4 MiB, and the IDs are a part of that

)

// List returns the IDs of all sessions, sorted and without duplicates. It returns them exactly as BOS does, also IDs of
// older forms and of sessions that have lost their record (docs/csm.md, "The list that hangs", "Ghosts"). It returns
// the complete list or an error.
//
// List sends one request in a Client's life, and never retries it. ErrNoV1 means that there is nothing to list.
func (c *Client) List(ctx context.Context) ([]string, error) {
	if c.listed.Swap(true) {
		return nil, ErrAlreadyListed
	}
	begun := time.Now()
	answer, err := c.http.Do(ctx, transport.Request{
		Method: http.MethodGet, Path: listPath,
		Timeout: c.listTimeout, Limit: listLimit, NoRetry: true, Gate: c.Err,
	})
	if statusCode(err) == http.StatusNotFound {
		return nil, c.explainMissingList(ctx, err)
	}
	if listHung(err, time.Since(begun)) {
		return nil, c.diagnoseListSilence(ctx, err)
	}
	if err != nil {
		return nil, err
	}
	ids, err := decodeIDs(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("GET /v1/session: %w", err)
	}
	return ids, nil
}

// listHung reports whether BOS worked on the list and did not answer.
func listHung(err error, took time.Duration) bool {
	status := statusCode(err)
	switch {
	case errors.Is(err, transport.ErrTimeout), status == http.StatusGatewayTimeout:
		return true
	case errors.Is(err, transport.ErrLost), status == http.StatusBadGateway, status == http.StatusServiceUnavailable:
		return took >= margin.ListHangs
	}
	return false
}

// diagnoseListSilence finds out whether only the list hangs, or BOS is silent altogether. The list does not count as a
// session that hangs, so it does not keep BOS from being asked about sessions.
func (c *Client) diagnoseListSilence(ctx context.Context, err error) error {
	err = c.diagnoseSilence(ctx, listPath, err)
	if !errors.Is(err, ErrStuck) {
		return err
	}
	c.health.Lock()
	delete(c.stuck, listPath)
	c.health.Unlock()
	return fmt.Errorf("%w: %w", ErrListHangs, err)
}

// explainMissingList tells a BOS without v1 from a wrong URL. Both answer 404 to everything. Taken for "no sessions", a
// wrong URL would make every Job and ConfigMap an orphan. So v1 counts as removed only if v2 identifies itself as BOS,
// and the rest of v1 is missing too.
func (c *Client) explainMissingList(ctx context.Context, list error) error {
	wrong := func(why error) error {
		return fmt.Errorf("%w; the BOS URL is probably wrong (%w): /v1/session and /v2 are appended to it", list, why)
	}
	if !transport.RouteMissing(list) {
		return wrong(errors.New("this 404 is not BOS's own"))
	}
	version := c.checkVersion(ctx, "/v2")
	if transport.RouteMissing(version) {
		version = c.checkVersion(ctx, "/v2/version")
	}
	if version != nil {
		return wrong(version)
	}
	if err := c.checkMissing(ctx, "/v1/version"); err != nil {
		return wrong(err)
	}
	return fmt.Errorf("%w: it answers at /v2, and both /v1/session and /v1/version are unknown to it", ErrNoV1)
}

// checkVersion returns nil if BOS describes a version of its API at path.
func (c *Client) checkVersion(ctx context.Context, path string) error {
	answer, err := c.get(ctx, path)
	if err != nil {
		return err
	}
	fields, err := decodeObject(answer.Body)
	if err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	if len(fields["major"]) == 0 {
		return fmt.Errorf("GET %s: the answer has no field major, so it is no version of BOS", path)
	}
	return nil
}

// checkMissing returns nil if BOS itself says that it has no such path.
func (c *Client) checkMissing(ctx context.Context, path string) error {
	_, err := c.get(ctx, path)
	switch {
	case err == nil:
		return fmt.Errorf("GET %s: it is answered, although other paths of this version are not", path)
	case transport.RouteMissing(err):
		return nil
	}
	return err
}

// decodeIDs accepts only an array of strings. Any other answer must not become an empty list, which would mean that all
// sessions are gone.
func decodeIDs(data []byte) ([]string, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		return nil, fmt.Errorf("the session list is no JSON array but begins %q", transport.Printable(string(data), 80))
	}
	var elements []*string
	if err := json.Unmarshal(data, &elements); err != nil {
		return nil, fmt.Errorf("the session list is no JSON array of strings: %w", err)
	}
	ids := make([]string, 0, len(elements))
	for i, id := range elements {
		if id == nil {
			return nil, fmt.Errorf("the session list has null as element %d of %d, where an ID is expected",
				i+1, len(elements))
		}
		ids = append(ids, *id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
