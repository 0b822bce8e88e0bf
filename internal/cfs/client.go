// Package cfs reads and deletes sessions of the Configuration Framework Service over HTTP,
// in whichever of its API versions 2 and 3 the CSM release has. It deletes by name alone:
// the service's bulk delete takes every complete session of the system when its filter is
// mistyped (docs/csm.md, "Deleting CFS sessions"), and cannot be reached from here.
package cfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// pageLimit is what one page may weigh, in bytes. Before CSM 1.5 the one page is the whole
// list; its sessions weigh one or two thousand bytes each.
const pageLimit = 128 << 20

// Client asks one CFS. It is safe for concurrent use.
type Client struct {
	http        *transport.Client
	listTimeout time.Duration

	mu      sync.Mutex
	version string // "/v2" or "/v3"; empty until CFS has said so
}

// New makes a Client; listTimeout is the deadline of each page of the session list, every
// other request has the one of c.
func New(c *transport.Client, listTimeout time.Duration) *Client {
	return &Client{http: c, listTimeout: listTimeout}
}

// get asks again after a 500: CFS gives it when a record vanishes while the list is being
// read, and the next answer is right (docs/csm.md, "CFS lists").
func (c *Client) get(ctx context.Context, r transport.Request) (*transport.Response, error) {
	r.Method, r.Retry5xx = http.MethodGet, true
	return c.http.Do(ctx, r)
}

// base finds out once which API version there is. Version 3 is preferred, because with it
// version 2 refuses long lists; version 2 is used only if version 3 is not found and
// version 2 has answered, so that a wrong URL never looks like an old CFS.
func (c *Client) base(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version != "" {
		return c.version, nil
	}
	v3 := c.hasOptions(ctx, "/v3")
	if v3 == nil {
		c.version = "/v3"
		return c.version, nil
	}
	if status(v3) != http.StatusNotFound {
		return "", fmt.Errorf("which API version CFS has: %w", v3)
	}
	if v2 := c.hasOptions(ctx, "/v2"); v2 != nil {
		return "", fmt.Errorf("which API version CFS has: neither 3 nor 2 answers, the CFS URL is probably wrong: %w; %w", v3, v2)
	}
	c.version = "/v2"
	return c.version, nil
}

func (c *Client) hasOptions(ctx context.Context, version string) error {
	path := version + "/options"
	answer, err := c.get(ctx, transport.Request{Path: path})
	if err != nil {
		return err
	}
	var options map[string]json.RawMessage
	if err := json.Unmarshal(answer.Body, &options); err != nil || options == nil {
		return fmt.Errorf("GET %s: the answer is no JSON object but begins %q", path, transport.Printable(string(answer.Body), 80))
	}
	return nil
}

// Sessions returns all CFS sessions, by name, each once. It is complete or an error: a
// page that is missing, cut short or of another form makes all of it one.
func (c *Client) Sessions(ctx context.Context) ([]inventory.CFSSession, error) {
	return c.sessions(ctx, func(*inventory.CFSSession) {})
}

// Overview is Sessions without what only those without a tag are looked at for: of the Ansible limit of one that has a tag it
// has the first component alone. A limit names up to a hundred, and a system has ten thousand of them.
func (c *Client) Overview(ctx context.Context) ([]inventory.CFSSession, error) {
	return c.sessions(ctx, func(s *inventory.CFSSession) {
		if s.Tag != "" {
			first, _, _ := strings.Cut(s.Limit, ",")
			s.Limit = strings.Clone(first)
		}
	})
}

func (c *Client) sessions(ctx context.Context, trim func(*inventory.CFSSession)) ([]inventory.CFSSession, error) {
	var all []inventory.CFSSession
	err := c.list(ctx, sessions(func(s inventory.CFSSession) { trim(&s); all = append(all, s) }), nil)
	if err != nil {
		return nil, err
	}
	// A session that is deleted and made anew between two pages is on both.
	byName := func(a, b inventory.CFSSession) int { return strings.Compare(a.Name, b.Name) }
	slices.SortStableFunc(all, byName)
	all = slices.CompactFunc(all, func(a, b inventory.CFSSession) bool { return a.Name == b.Name })
	return append(make([]inventory.CFSSession, 0, len(all)), all...), nil // a list that has grown has room for more
}

// list gives each record of a list to l.keep. Without an error it was complete.
func (c *Client) list(ctx context.Context, l listing, query url.Values) error {
	version, err := c.base(ctx)
	switch {
	case err != nil:
		return err
	case version == "/v3":
		return c.pages(ctx, l, query)
	}
	return c.onePage(ctx, l, query)
}

func (c *Client) onePage(ctx context.Context, l listing, query url.Values) error {
	_, err := c.get(ctx, transport.Request{
		Path: "/v2/" + l.key, Query: query, Timeout: c.listTimeout, Limit: pageLimit,
		Decode: l.decodeList,
	})
	var answer *transport.StatusError
	if errors.As(err, &answer) && answer.Status == http.StatusBadRequest && answer.Title == "The response size is too large" {
		return fmt.Errorf("%w; CFS has more %s than its option default_page_size lets version 2 of its API return: version 3 is needed, which this CFS says it has not; raise default_page_size", err, l.what)
	}
	return err
}

// pages follows next from page to page, and sends back all that it holds. What was asked for
// first is asked for on every page, whatever next has made of it.
func (c *Client) pages(ctx context.Context, l listing, query url.Values) error {
	path, first := "/v3/"+l.key, query
	end := time.Now().Add(c.listTimeout)
	for {
		var next url.Values
		left := time.Until(end)
		if left <= 0 {
			return fmt.Errorf("GET %s: %w: the list with all its pages took longer than %s", path, transport.ErrTimeout, c.listTimeout)
		}
		_, err := c.get(ctx, transport.Request{
			Path: path, Query: query, Timeout: left, Limit: pageLimit,
			Decode: func(r io.Reader) (err error) {
				next, err = l.decodePage(r)
				return err
			},
		})
		if err != nil || next == nil {
			return err
		}
		// Pages are in the order of names; a next that does not move on would be followed
		// for ever, at the service's cost.
		last, id := query.Get("after_id"), next.Get("after_id")
		if id <= last {
			return fmt.Errorf("GET %s: the page after %q is to begin after %q, which is not further on; the list cannot be completed",
				path, transport.Printable(last, 80), transport.Printable(id, 80))
		}
		maps.Copy(next, first)
		query = next
	}
}

// Session returns one CFS session. Absent means that CFS itself says so about this name;
// Unknown comes with an error.
func (c *Client) Session(ctx context.Context, name string) (inventory.CFSSession, inventory.Presence, error) {
	session, _, presence, err := c.Whole(ctx, name)
	return session, presence, err
}

// Whole is Session, and gives what CFS answered, word for word.
func (c *Client) Whole(ctx context.Context, name string) (inventory.CFSSession, json.RawMessage, inventory.Presence, error) {
	none := inventory.CFSSession{}
	path, err := c.path(ctx, name)
	if err != nil {
		return none, nil, inventory.Unknown, err
	}
	answer, err := c.get(ctx, transport.Request{Path: path})
	if transport.NotFoundTitle(err) != "" {
		return none, nil, inventory.Absent, nil
	}
	if err != nil {
		return none, nil, inventory.Unknown, err
	}
	session, err := decodeSession(answer.Body)
	if err == nil && session.Name != name {
		// Judging one session by the state of another would delete the wrong one.
		err = fmt.Errorf("the answer is about CFS session %q", transport.Printable(session.Name, 80))
	}
	if err != nil {
		return none, nil, inventory.Unknown, fmt.Errorf("GET %s: %w", path, err)
	}
	return session, answer.Body, inventory.Present, nil
}

// Delete removes one CFS session, and says whether there was one; gone already is no
// error. It does not look at what the session is doing: deleting one that runs kills its
// Ansible on live nodes (docs/csm.md, "Deleting CFS sessions").
func (c *Client) Delete(ctx context.Context, name string) (existed bool, err error) {
	path, err := c.path(ctx, name)
	if err != nil {
		return false, err
	}
	answer, err := c.http.Do(ctx, transport.Request{Method: http.MethodDelete, Path: path})
	switch {
	case transport.NotFoundTitle(err) != "":
		return false, nil
	case err == nil && answer.Status != http.StatusNoContent:
		return false, fmt.Errorf("DELETE %s: HTTP %d is not how CFS says that it has deleted a session (204 is), so it may exist: check the CFS URL", path, answer.Status)
	}
	return err == nil, err
}

// path checks the name before anything is asked.
func (c *Client) path(ctx context.Context, name string) (string, error) {
	element, err := transport.PathElement("CFS session", name)
	if err != nil {
		return "", err
	}
	version, err := c.base(ctx)
	return version + "/sessions/" + element, err
}

func status(err error) int {
	var e *transport.StatusError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}
