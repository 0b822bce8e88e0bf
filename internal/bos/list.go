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

	"bosgc/internal/transport"
)

// MaxList is how many bytes of keys and values BOS's client of etcd takes in one answer. A list that
// would take more hangs (docs/csm.md, "The list that hangs").
const MaxList = 4 << 20

const (
	listLimit = 16 << 20 // bytes; etcd lets BOS read 4 MiB, and IDs are a part of that

	// hangsAfter is how long a list was worked on whose connection breaks off because something ended the
	// worker: late releases of BOS do so after 30 seconds. A BOS that is being restarted, or a
	// proxy without one behind it, breaks it off at once.
	hangsAfter = 10 * time.Second
)

// List returns the IDs of all sessions, sorted, each once, exactly as BOS gives them: IDs
// of older forms, too, and those of sessions that have lost their record (docs/csm.md,
// "The list that hangs", "Ghosts"). It is complete or an error. It can be called once in a
// Client's life and is never retried. ErrNoV1 means that there is nothing to list.
func (c *Client) List(ctx context.Context) ([]string, error) {
	if c.listed.Swap(true) {
		return nil, ErrListed
	}
	begun := time.Now()
	answer, err := c.http.Do(ctx, transport.Request{
		Method: http.MethodGet, Path: listPath,
		Timeout: c.listTimeout, Limit: listLimit, NoRetry: true, Gate: c.gate,
	})
	if status(err) == http.StatusNotFound {
		return nil, c.whyNoList(ctx, err)
	}
	if hung(err, time.Since(begun)) {
		return nil, c.listSilence(ctx, err)
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

// hung says whether a list was worked on and not answered.
func hung(err error, took time.Duration) bool {
	code := status(err)
	switch {
	case errors.Is(err, transport.ErrTimeout), code == http.StatusGatewayTimeout:
		return true
	case errors.Is(err, transport.ErrLost), code == http.StatusBadGateway, code == http.StatusServiceUnavailable:
		return took >= hangsAfter
	}
	return false
}

// listSilence finds out whether the list alone hangs, or BOS is silent altogether. It is no session
// that hangs, so that others are still tried.
func (c *Client) listSilence(ctx context.Context, err error) error {
	err = c.silence(ctx, listPath, err)
	if !errors.Is(err, ErrStuck) {
		return err
	}
	c.health.Lock()
	delete(c.stuck, listPath)
	c.health.Unlock()
	return fmt.Errorf("%w: %w", ErrListHangs, err)
}

// whyNoList tells a BOS without v1 from a wrong URL. Both give 404 for everything; read as
// "no sessions", a wrong URL would make every Job and ConfigMap an orphan. So the removal
// is believed only if v2 says that it is BOS, and the rest of v1 is missing too.
func (c *Client) whyNoList(ctx context.Context, list error) error {
	wrong := func(why error) error {
		return fmt.Errorf("%w; the BOS URL is probably wrong (%w): /v1/session and /v2 are appended to it", list, why)
	}
	if !transport.RouteMissing(list) {
		return wrong(errors.New("this 404 is not BOS's own"))
	}
	version := c.isVersion(ctx, "/v2")
	if transport.RouteMissing(version) {
		version = c.isVersion(ctx, "/v2/version")
	}
	if version != nil {
		return wrong(version)
	}
	if err := c.isMissing(ctx, "/v1/version"); err != nil {
		return wrong(err)
	}
	return fmt.Errorf("%w: it answers at /v2, and both /v1/session and /v1/version are unknown to it", ErrNoV1)
}

// isVersion is nil if BOS describes a version of its API at path.
func (c *Client) isVersion(ctx context.Context, path string) error {
	answer, err := c.get(ctx, path)
	if err != nil {
		return err
	}
	fields, err := object(answer.Body)
	if err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	if len(fields["major"]) == 0 {
		return fmt.Errorf("GET %s: the answer has no field major, so it is no version of BOS", path)
	}
	return nil
}

// isMissing is nil if BOS itself says that it has no such path.
func (c *Client) isMissing(ctx context.Context, path string) error {
	_, err := c.get(ctx, path)
	switch {
	case err == nil:
		return fmt.Errorf("GET %s: it is answered, although other paths of this version are not", path)
	case transport.RouteMissing(err):
		return nil
	}
	return err
}

// decodeIDs accepts an array of strings and nothing else: an answer that is something else
// must not become an empty list, by which every session would be gone.
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
			return nil, fmt.Errorf("the session list has null as element %d of %d, where an ID is expected", i+1, len(elements))
		}
		ids = append(ids, *id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
