// Package bos reads and deletes BOS v1 sessions over HTTP, and hides the ways in which the
// CSM releases differ. BOS v1 is fragile: whatever would hurt it (a second list, a retry
// after silence) is not possible through this package.
package bos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

var (
	// ErrNoV1: this BOS is positively known to have no v1 API any more (CSM 1.6). Every
	// other kind of failing list is another error, and says nothing about sessions.
	ErrNoV1 = errors.New("BOS has no v1 API any more")

	// ErrSilent: a request got no answer in time, BOS is not well by its own word either,
	// and nothing is asked after that. With etcd down every call of BOS v1 waits for ever
	// and holds a worker; asking on would take the run's whole time and BOS's last workers
	// (docs/csm.md, "Silence").
	ErrSilent = errors.New("BOS has stopped answering, it is not asked again in this run")

	// ErrFailing: so many requests in a row have failed that asking on would only take the
	// run's time.
	ErrFailing = errors.New("BOS fails again and again, it is not asked again in this run")

	// ErrStuck: a request about one session got no answer, although BOS and its database are well. That
	// session is not asked for again in this run.
	ErrStuck = errors.New("BOS is well, but does not answer this request")

	errProbing = errors.New("waiting to hear whether BOS is well")

	// ErrListHangs: the list was not answered, although BOS and its database are well. It goes on
	// hanging inside BOS (docs/csm.md, "The list that hangs").
	ErrListHangs = errors.New("BOS is well, but does not answer its list of sessions")

	// ErrListed: the list has been asked for before. Where it hangs, each request for it
	// costs BOS a worker until it is restarted (docs/csm.md, "The list that hangs").
	ErrListed = errors.New("the session list is asked for once in a run")
)

const (
	listPath    = "/v1/session"
	healthPath  = "/v1/healthz"
	statusLimit = 8 << 20 // bytes; node lists of several thousand nodes, in each phase

	maxStuck   = 3  // sessions that hang, before no others are tried in this run
	maxFailing = 10 // failed requests in a row, each after its own tries
)

// Client asks one BOS, for one run: it remembers that the list was asked for, that BOS has
// gone silent, and whether BOS v2 exists. It is safe for concurrent use.
type Client struct {
	http        *transport.Client
	listTimeout time.Duration
	listed      atomic.Bool
	silent      atomic.Bool
	failing     atomic.Int32
	answered    answered        // IDs whose record was read in this run
	health      sync.Mutex      // one question after BOS's health at a time; guards stuck
	stuck       map[string]bool // by session: whatever of it hangs costs a worker, and the same session counts once
	probing     atomic.Bool

	v2      sync.Mutex // guards what follows
	v2Asked bool
	v2Names map[string]bool
	v2Err   error
}

// New makes a Client; listTimeout is the deadline of the session list, every other request
// has the one of c.
func New(c *transport.Client, listTimeout time.Duration) *Client {
	return &Client{http: c, listTimeout: listTimeout}
}

// Answers says why BOS is not asked any more in this run: ErrSilent or ErrFailing; nil while it is.
func (c *Client) Answers() error { return c.gate() }

func (c *Client) gate() error {
	if c.silent.Load() {
		return ErrSilent
	}
	if c.failing.Load() >= maxFailing {
		return ErrFailing
	}
	return nil
}

// ask sends any request but the list. A list that hangs does not make BOS silent: single
// sessions are still answered then, and that is how a backlog is drained.
func (c *Client) ask(ctx context.Context, r transport.Request) (*transport.Response, error) {
	if err := c.gate(); err != nil {
		return nil, fmt.Errorf("%s %s: not asked: %w", r.Method, r.Path, err)
	}
	r.Gate = func() error {
		if c.probing.Load() {
			return errProbing
		}
		return c.gate()
	}
	answer, err := c.http.Do(ctx, r)
	for errors.Is(err, errProbing) {
		c.health.Lock()   // until it is known how BOS is
		c.health.Unlock() //nolint:staticcheck // SA2001: the waiting is all that is wanted
		answer, err = c.http.Do(ctx, r)
	}
	// A gateway's 504 is the same silence, seen by a gateway less patient than we are.
	if errors.Is(err, transport.ErrTimeout) || status(err) == http.StatusGatewayTimeout {
		return nil, c.silence(ctx, r.Path, err)
	}
	switch code := status(err); {
	case err == nil, code == http.StatusNotFound, code == http.StatusInternalServerError:
		c.failing.Store(0)
	case ctx.Err() == nil && c.gate() == nil:
		c.failing.Add(1)
	}
	return answer, err
}

// silence finds out whether BOS is silent altogether or stuck on one session: /v1/healthz
// writes to its database and reads back, and waits like everything else if that is down.
// Without this one session that cannot be read would keep every run from all others, and
// it costs at most one more worker.
func (c *Client) silence(ctx context.Context, path string, err error) error {
	c.health.Lock()
	defer c.health.Unlock()
	if c.silent.Load() {
		return fmt.Errorf("%w: %w", ErrSilent, err)
	}
	c.probing.Store(true)
	defer c.probing.Store(false)
	ill := err // what would tell how BOS is does not answer itself
	if path != healthPath {
		_, ill = c.http.Do(ctx, transport.Request{Method: http.MethodGet, Path: healthPath, NoRetry: true})
	}
	if ill == nil {
		if c.stuck == nil {
			c.stuck = map[string]bool{}
		}
		c.stuck[ofSession(path)] = true
		return fmt.Errorf("%w: %w", ErrStuck, err)
	}
	if ctx.Err() != nil {
		return err // the run's time is up; that says nothing about BOS
	}
	c.silent.Store(true)
	return fmt.Errorf("%w: %w", ErrSilent, err)
}

func (c *Client) get(ctx context.Context, path string) (*transport.Response, error) {
	return c.ask(ctx, transport.Request{Method: http.MethodGet, Path: path})
}

func status(err error) int {
	var e *transport.StatusError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// Well asks whether BOS and its database answer. If they do not, nothing more is asked in this run.
func (c *Client) Well(ctx context.Context) error {
	_, err := c.ask(ctx, transport.Request{Method: http.MethodGet, Path: healthPath, NoRetry: true})
	if transport.RouteMissing(err) {
		return nil // BOS has answered; whether there is a v1 is another question
	}
	return err
}

// Get returns what BOS records of one session. Present and Absent are proofs; a session
// whose record BOS cannot read (HTTP 500, or silence while BOS is well) is Unknown and
// Broken, and is no error, because it says nothing about other sessions. An error means that BOS did not answer.
func (c *Client) Get(ctx context.Context, id string) (inventory.Record, error) {
	record, _, err := c.Whole(ctx, id)
	return record, err
}

// Whole is Get, and gives what BOS answered, word for word; nothing if it has no record.
func (c *Client) Whole(ctx context.Context, id string) (inventory.Record, json.RawMessage, error) {
	path, err := sessionPath(id)
	if err != nil {
		return inventory.Record{}, nil, err
	}
	var answer *transport.Response
	if err = c.worthAsking(id); err == nil {
		answer, err = c.get(ctx, path)
	}
	switch status(err) {
	case http.StatusNotFound:
		// Only {} is what BOS answers for a session that it does not have; any other 404
		// is about the path, or from something in between.
		if fields, bad := object(body(err)); bad == nil && len(fields) == 0 {
			c.answered.add(id)
			return inventory.Record{Presence: inventory.Absent}, nil, nil
		}
		return inventory.Record{}, nil, fmt.Errorf("%w; this is not how BOS v1 says that it has no such session ({} is), so the session may exist: check the BOS URL", err)
	case http.StatusInternalServerError:
		return inventory.Record{Err: err.Error(), Broken: true}, nil, nil
	}
	if errors.Is(err, ErrStuck) {
		return inventory.Record{Err: err.Error(), Broken: true}, nil, nil
	}
	if err != nil {
		return inventory.Record{}, nil, err
	}
	record, err := DecodeRecord(answer.Body)
	if err != nil {
		return inventory.Record{}, nil, fmt.Errorf("GET %s: %w", path, err)
	}
	c.answered.add(id)
	return record, answer.Body, nil
}

// worthAsking refuses to try further sessions once some hang: each costs BOS a worker, and
// there may be many more. Those that have answered in this run are collected all the same.
func (c *Client) worthAsking(id string) error {
	path, err := sessionPath(id)
	if err != nil {
		return err
	}
	c.health.Lock()
	hanging, hangs := len(c.stuck), c.stuck[path]
	c.health.Unlock()
	if hangs {
		return fmt.Errorf("session %q is not asked for again in this run: %w", transport.Printable(id, 80), ErrStuck)
	}
	if hanging < maxStuck || c.answered.has(id) {
		return nil
	}
	return fmt.Errorf("session %q is not asked for: %d others hang in BOS", transport.Printable(id, 80), hanging)
}

// Delete removes the record of one session, and says whether there was one. Gone already
// is no error: a proxy's own retry turns a delete that worked into a 404 (docs/csm.md,
// "Deleting sessions").
func (c *Client) Delete(ctx context.Context, id string) (existed bool, err error) {
	path, err := sessionPath(id)
	if err != nil {
		return false, err
	}
	answer, err := c.ask(ctx, transport.Request{Method: http.MethodDelete, Path: path})
	switch {
	case err == nil && answer.Status != http.StatusNoContent:
		return false, fmt.Errorf("DELETE %s: HTTP %d is not how BOS v1 says that it has deleted a session (204 is), so it may exist: check the BOS URL", path, answer.Status)
	case err == nil:
		return true, nil
	}
	if status(err) != http.StatusNotFound {
		return false, err
	}
	// BOS answers with a plain sentence that names the session. A 404 that does not name it
	// is a proxy's or another service's, and the record may still be there.
	said := string(body(err))
	var text string
	if json.Unmarshal([]byte(said), &text) != nil {
		text = strings.TrimSpace(said)
		if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "<") {
			text = ""
		}
	}
	if strings.Contains(text, id) {
		return false, nil
	}
	return false, fmt.Errorf("%w; this is not how BOS v1 says that it has no such session, so it may exist: check the BOS URL", err)
}

// sessionPath fails on an ID that could make the path one of the collection.
func sessionPath(id string) (string, error) {
	name, err := transport.PathElement("BOS session", id)
	return "/v1/session/" + name, err
}

// ofSession gives the path of the session that a path is about, and the path itself if it is about none.
func ofSession(path string) string {
	id, found := strings.CutPrefix(path, listPath+"/")
	if !found {
		return path
	}
	id, _, _ = strings.Cut(id, "/")
	return listPath + "/" + id
}

func body(err error) []byte {
	var e *transport.StatusError
	if errors.As(err, &e) {
		return e.Body
	}
	return nil
}

// object reads a JSON object field by field, and fails on everything else, null too.
func object(data []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("the answer is no JSON object: %w", err)
	}
	if fields == nil {
		return nil, errors.New("the answer is null where a JSON object is expected")
	}
	return fields, nil
}
