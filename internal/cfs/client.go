// Package cfs reads and deletes sessions of the Configuration Framework Service (CFS) over HTTP,
// and reads and changes the desired configuration of its components. It speaks version 3 of the
// API, or version 2 where the CSM release has no other.
//
// Sessions are deleted one by one, by name. The service's bulk delete removes every completed
// session of the system when its filter is mistyped (docs/csm.md, "Deleting CFS sessions"), so no
// function here can send it.
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

// pageLimit is the maximum size of one page, in bytes. Before CSM 1.5 the whole list is one page;
// a session takes one or two thousand bytes.
const pageLimit = 128 << 20

// maxListed is the number of records in the longest list that is read. One that fills a page has fewer; records of a
// few bytes each would take many times their size in memory.
const maxListed = 200_000

// Client is a client of one CFS. It is safe for concurrent use.
type Client struct {
	http        *transport.Client
	listTimeout time.Duration

	mu         sync.Mutex
	apiVersion string // "/v2" or "/v3"; empty until CFS has answered
}

// New returns a Client. listTimeout is the deadline of a list with all its pages; every other
// request has the timeout of c.
func New(c *transport.Client, listTimeout time.Duration) *Client {
	return &Client{http: c, listTimeout: listTimeout}
}

// Requests returns the number of requests sent so far, counting every try.
func (c *Client) Requests() int { return c.http.Requests() }

// get sends a GET and tries again after a 500: CFS answers 500 when a record is deleted while it
// makes a list, and the next answer is right (docs/csm.md, "CFS lists").
func (c *Client) get(ctx context.Context, r transport.Request) (*transport.Response, error) {
	r.Method, r.Retry5xx = http.MethodGet, true
	return c.http.Do(ctx, r)
}

// getObject reads one object. Absent means that CFS itself says that there is no such object; the
// 404 of a gateway or of a missing route is an error.
func (c *Client) getObject(ctx context.Context, path string) (json.RawMessage, inventory.Presence, error) {
	answer, err := c.get(ctx, transport.Request{Path: path})
	switch {
	case transport.NotFoundTitle(err) != "":
		return nil, inventory.Absent, nil
	case err != nil:
		return nil, inventory.Unknown, err
	}
	return answer.Body, inventory.Present, nil
}

// version returns the API version to use, and asks CFS for it once. Version 3 is preferred,
// because a CFS that has it refuses long lists in version 2. Version 2 is used only if version 3
// is not found and version 2 has answered, so that a wrong URL never looks like an old CFS.
func (c *Client) version(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.apiVersion != "" {
		return c.apiVersion, nil
	}
	_, errV3 := c.options(ctx, "/v3")
	if errV3 == nil {
		c.apiVersion = "/v3"
		return c.apiVersion, nil
	}
	if status(errV3) != http.StatusNotFound {
		return "", fmt.Errorf("which API version CFS has: %w", errV3)
	}
	if _, errV2 := c.options(ctx, "/v2"); errV2 != nil {
		return "", fmt.Errorf("which API version CFS has: neither 3 nor 2 answers, "+
			"the CFS URL is probably wrong: %w; %w", errV3, errV2)
	}
	c.apiVersion = "/v2"
	return c.apiVersion, nil
}

// options reads the options of CFS, which every version of the API has.
func (c *Client) options(ctx context.Context, version string) (map[string]json.RawMessage, error) {
	path := version + "/options"
	answer, err := c.get(ctx, transport.Request{Path: path})
	if err != nil {
		return nil, err
	}
	var options map[string]json.RawMessage
	if err := json.Unmarshal(answer.Body, &options); err != nil || options == nil {
		return nil, fmt.Errorf("GET %s: the answer is no JSON object but begins %q",
			path, transport.Printable(string(answer.Body), 80))
	}
	return options, nil
}

// Sessions returns all CFS sessions, sorted by name, without duplicates. The result is complete
// or an error: a page that is missing, cut short or malformed fails the whole list.
func (c *Client) Sessions(ctx context.Context) ([]inventory.CFSSession, error) {
	return c.listSessions(ctx, func(*inventory.CFSSession) {})
}

// Overview is like Sessions, but cuts the Ansible limit of a session that has a tag down to its
// first component. Only sessions without a tag are linked by their limits, and a system with ten
// thousand sessions has limits of up to a hundred components.
func (c *Client) Overview(ctx context.Context) ([]inventory.CFSSession, error) {
	return c.listSessions(ctx, func(s *inventory.CFSSession) {
		if s.Tag != "" {
			first, _, _ := strings.Cut(s.Limit, ",")
			s.Limit = strings.Clone(first) // a substring would keep the whole limit in memory
		}
	})
}

func (c *Client) listSessions(
	ctx context.Context, trim func(*inventory.CFSSession),
) ([]inventory.CFSSession, error) {
	var all []inventory.CFSSession
	err := c.list(ctx, sessionListing(func(s inventory.CFSSession) {
		trim(&s)
		all = append(all, s)
	}), nil)
	if err != nil {
		return nil, err
	}
	// A session that is deleted and created again between two pages is on both.
	slices.SortStableFunc(all, func(a, b inventory.CFSSession) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b inventory.CFSSession) bool { return a.Name == b.Name }), nil
}

// list passes each record of a list to l.add. The list was complete if it returns nil.
func (c *Client) list(ctx context.Context, l listing, query url.Values) error {
	listed, add := 0, l.add
	l.add = func(data json.RawMessage) error {
		if listed++; listed > maxListed {
			return fmt.Errorf("%w: it has more than %d %s", transport.ErrTooLarge, maxListed, l.what)
		}
		return add(data)
	}
	version, err := c.version(ctx)
	switch {
	case err != nil:
		return err
	case version == "/v3":
		return c.listPages(ctx, l, query)
	}
	return c.listOnePage(ctx, l, query)
}

func (c *Client) listOnePage(ctx context.Context, l listing, query url.Values) error {
	_, err := c.get(ctx, transport.Request{
		Path: "/v2/" + l.key, Query: query, Timeout: c.listTimeout, Limit: pageLimit,
		Decode: l.decodeList,
	})
	var answer *transport.StatusError
	if errors.As(err, &answer) && answer.Status == http.StatusBadRequest &&
		answer.Title == "The response size is too large" {
		return fmt.Errorf("%w; CFS has more %s than its option default_page_size lets version 2 of its API return: "+
			"version 3 is needed, which this CFS says it has not; raise default_page_size", err, l.what)
	}
	return err
}

// listPages follows next from page to page and sends back all parameters in it. The original query
// is repeated on every page, whatever next has made of it: without its filter, a page would list
// objects that were not asked for.
func (c *Client) listPages(ctx context.Context, l listing, query url.Values) error {
	path, first := "/v3/"+l.key, query
	end := time.Now().Add(c.listTimeout)
	for {
		var next url.Values
		left := time.Until(end)
		if left <= 0 {
			return fmt.Errorf("GET %s: %w: the list with all its pages took longer than %s",
				path, transport.ErrTimeout, c.listTimeout)
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
		// Pages are sorted by name. A next that does not move on would be followed for ever, at
		// the service's cost.
		last, id := query.Get("after_id"), next.Get("after_id")
		if id <= last {
			return fmt.Errorf("GET %s: the page after %q is to begin after %q, which is not further on; "+
				"the list cannot be completed", path, transport.Printable(last, 80), transport.Printable(id, 80))
		}
		maps.Copy(next, first)
		query = next
	}
}

// Session returns one CFS session. Absent means that CFS itself says that it has no session of
// this name; Unknown comes with an error.
func (c *Client) Session(ctx context.Context, name string) (inventory.CFSSession, inventory.Presence, error) {
	session, _, presence, err := c.RawSession(ctx, name)
	return session, presence, err
}

// RawSession is like Session and also returns the answer of CFS, byte for byte.
func (c *Client) RawSession(
	ctx context.Context, name string,
) (inventory.CFSSession, json.RawMessage, inventory.Presence, error) {
	none := inventory.CFSSession{}
	path, err := c.sessionPath(ctx, name)
	if err != nil {
		return none, nil, inventory.Unknown, err
	}
	body, presence, err := c.getObject(ctx, path)
	if presence != inventory.Present {
		return none, nil, presence, err
	}
	session, err := decodeSession(body)
	if err == nil && session.Name != name {
		// Judging one session by the state of another would delete the wrong one.
		err = fmt.Errorf("the answer is about CFS session %q", transport.Printable(session.Name, 80))
	}
	if err != nil {
		return none, nil, inventory.Unknown, fmt.Errorf("GET %s: %w", path, err)
	}
	return session, body, inventory.Present, nil
}

// Delete deletes one CFS session and reports whether it existed; one that is gone already is not
// an error. Delete does not check what the session is doing: deleting one that runs kills its
// Ansible on live nodes (docs/csm.md, "Deleting CFS sessions").
func (c *Client) Delete(ctx context.Context, name string) (existed bool, err error) {
	path, err := c.sessionPath(ctx, name)
	if err != nil {
		return false, err
	}
	answer, err := c.http.Do(ctx, transport.Request{Method: http.MethodDelete, Path: path})
	switch {
	case transport.NotFoundTitle(err) != "":
		return false, nil
	case err == nil && answer.Status != http.StatusNoContent:
		return false, fmt.Errorf("DELETE %s: HTTP %d is not how CFS says that it has deleted a session (204 is), "+
			"so it may exist: check the CFS URL", path, answer.Status)
	}
	return err == nil, err
}

// sessionPath checks the name before any request: an empty one would be the path of the bulk delete.
func (c *Client) sessionPath(ctx context.Context, name string) (string, error) {
	element, err := transport.PathElement("CFS session", name)
	if err != nil {
		return "", err
	}
	version, err := c.version(ctx)
	return version + "/sessions/" + element, err
}

// status returns the HTTP status of an answer that is an error, or 0.
func status(err error) int {
	var e *transport.StatusError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}
