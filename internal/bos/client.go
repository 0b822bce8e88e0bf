// Package bos reads and deletes BOS v1 sessions over HTTP, and hides how the CSM releases differ. BOS v1 is fragile:
// whatever would hurt it (a second list, a retry after silence) is not possible through this package.
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
	// ErrNoV1 means that this BOS certainly has no v1 API any more (CSM 1.6). A list that fails in any other way is
	// another error, and says nothing about sessions.
	ErrNoV1 = errors.New("BOS has no v1 API any more")

	// ErrSilent means that a request got no answer in time, that BOS's own health check failed too, and that nothing
	// more is asked in this run. With etcd down every call of BOS v1 waits for ever and holds a worker: asking on
	// would take the run's whole time and BOS's last workers (docs/csm.md, "Silence").
	ErrSilent = errors.New("BOS has stopped answering, it is not asked again in this run")

	// ErrFailing means that so many requests in a row have failed that asking on would only take the run's time.
	ErrFailing = errors.New("BOS fails again and again, it is not asked again in this run")

	// ErrStuck means that a request about one session got no answer, although BOS and its database are well. BOS is
	// not asked about that session again in this run.
	ErrStuck = errors.New("BOS is well, but does not answer this request")

	// ErrListHangs means that the list was not answered, although BOS and its database are well. It goes on hanging
	// inside BOS (docs/csm.md, "The list that hangs").
	ErrListHangs = errors.New("BOS is well, but does not answer its list of sessions")

	// ErrAlreadyListed means that the list has been requested before. Where it hangs, each request for it costs BOS a
	// worker until BOS is restarted (docs/csm.md, "The list that hangs").
	ErrAlreadyListed = errors.New("the session list is asked for once in a run")

	errHealthUnknown = errors.New("waiting to hear whether BOS is well")
)

const (
	listPath    = "/v1/session"
	healthPath  = "/v1/healthz"
	statusLimit = 8 << 20 // bytes; node lists of several thousand nodes in each phase

	maxStuck   = 3  // sessions that hang, before no untried ones are asked for
	maxFailing = 10 // failed requests in a row, each after its own tries
)

// Client sends requests to one BOS during one run. It remembers that the list was requested, that BOS has gone silent,
// and whether BOS v2 exists. It is safe for concurrent use.
type Client struct {
	http        *transport.Client
	listTimeout time.Duration
	listed      atomic.Bool
	silent      atomic.Bool
	failing     atomic.Int32
	answered    sync.Map // by ID: sessions that BOS has answered for in this run

	health         sync.Mutex      // held during a health check; guards stuck
	stuck          map[string]bool // by path of a session: several requests of one session that hang count once
	checkingHealth atomic.Bool

	v2      sync.Mutex // guards the fields below
	v2Asked bool
	v2Names map[string]bool
	v2Err   error
}

// New returns a Client. The session list has the deadline listTimeout, every other request that of c.
func New(c *transport.Client, listTimeout time.Duration) *Client {
	return &Client{http: c, listTimeout: listTimeout, stuck: map[string]bool{}}
}

// Requests returns the number of requests sent so far, counting every try.
func (c *Client) Requests() int { return c.http.Requests() }

// Err returns why BOS is not asked any more in this run: ErrSilent or ErrFailing. It is nil as long as BOS is asked.
func (c *Client) Err() error {
	if c.silent.Load() {
		return ErrSilent
	}
	if c.failing.Load() >= maxFailing {
		return ErrFailing
	}
	return nil
}

// do sends any request but the list. A list that hangs does not make BOS silent: BOS still answers for single
// sessions then, and that is how a backlog is drained.
func (c *Client) do(ctx context.Context, r transport.Request) (*transport.Response, error) {
	if err := c.Err(); err != nil {
		return nil, fmt.Errorf("%s %s: not asked: %w", r.Method, r.Path, err)
	}
	r.Gate = func() error {
		if c.checkingHealth.Load() {
			return errHealthUnknown
		}
		return c.Err()
	}
	answer, err := c.http.Do(ctx, r)
	for errors.Is(err, errHealthUnknown) {
		c.health.Lock()   // waits for the end of the health check
		c.health.Unlock() //nolint:staticcheck // SA2001: waiting is the only purpose
		answer, err = c.http.Do(ctx, r)
	}
	// A gateway's 504 is the same silence, seen by a gateway with less patience.
	if errors.Is(err, transport.ErrTimeout) || statusCode(err) == http.StatusGatewayTimeout {
		return nil, c.diagnoseSilence(ctx, r.Path, err)
	}
	switch status := statusCode(err); {
	case err == nil, status == http.StatusNotFound, status == http.StatusInternalServerError:
		c.failing.Store(0)
	case ctx.Err() == nil && c.Err() == nil:
		c.failing.Add(1)
	}
	return answer, err
}

// diagnoseSilence finds out whether BOS is silent altogether, or stuck on one session: /v1/healthz writes to BOS's
// database and reads back, and waits like everything else if the database is down. Without this, one session that
// cannot be read would keep every run from all others. The check costs BOS at most one more worker.
func (c *Client) diagnoseSilence(ctx context.Context, path string, err error) error {
	c.health.Lock()
	defer c.health.Unlock()
	if c.silent.Load() {
		return fmt.Errorf("%w: %w", ErrSilent, err)
	}
	c.checkingHealth.Store(true)
	defer c.checkingHealth.Store(false)
	healthErr := err // if it is the health check itself that got no answer
	if path != healthPath {
		_, healthErr = c.http.Do(ctx, transport.Request{Method: http.MethodGet, Path: healthPath, NoRetry: true})
	}
	if healthErr == nil {
		c.stuck[trimToSession(path)] = true
		return fmt.Errorf("%w: %w", ErrStuck, err)
	}
	if ctx.Err() != nil {
		return err // the run's time is up; that says nothing about BOS
	}
	c.silent.Store(true)
	return fmt.Errorf("%w: %w", ErrSilent, err)
}

func (c *Client) get(ctx context.Context, path string) (*transport.Response, error) {
	return c.do(ctx, transport.Request{Method: http.MethodGet, Path: path})
}

// CheckHealth asks whether BOS and its database are well. If they are not, nothing more is asked in this run.
func (c *Client) CheckHealth(ctx context.Context) error {
	_, err := c.do(ctx, transport.Request{Method: http.MethodGet, Path: healthPath, NoRetry: true})
	if transport.RouteMissing(err) {
		return nil // BOS has answered; whether it has a v1 API is another question
	}
	return err
}

// Get returns BOS's record of one session. Present and Absent are proofs. If BOS cannot read the record (HTTP 500, or
// silence while BOS is well), it is Unknown and Broken without an error, because that says nothing about other
// sessions. An error means that BOS did not answer.
func (c *Client) Get(ctx context.Context, id string) (inventory.Record, error) {
	record, _, err := c.GetRaw(ctx, id)
	return record, err
}

// GetRaw is like Get, and also returns the answer as BOS wrote it; nil if there is no record.
func (c *Client) GetRaw(ctx context.Context, id string) (inventory.Record, json.RawMessage, error) {
	path, err := sessionPath(id)
	if err != nil {
		return inventory.Record{}, nil, err
	}
	var answer *transport.Response
	if err = c.refuseStuck(id); err == nil {
		answer, err = c.get(ctx, path)
	}
	switch statusCode(err) {
	case http.StatusNotFound:
		// For a session that it does not have, BOS answers {}. Any other 404 is about the path, or comes from something
		// in between.
		if fields, invalid := decodeObject(errorBody(err)); invalid == nil && len(fields) == 0 {
			c.answered.Store(id, true)
			return inventory.Record{Presence: inventory.Absent}, nil, nil
		}
		return inventory.Record{}, nil, fmt.Errorf("%w; this is not how BOS v1 says that it has no such session "+
			"({} is), so the session may exist: check the BOS URL", err)
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
	c.answered.Store(id, true)
	return record, answer.Body, nil
}

// refuseStuck returns an error if BOS is not to be asked about a session: because it hung before, or because maxStuck
// others hang. Each costs BOS a worker, and there may be many more. Sessions that BOS has answered for in this run are
// asked about all the same.
func (c *Client) refuseStuck(id string) error {
	path, err := sessionPath(id)
	if err != nil {
		return err
	}
	c.health.Lock()
	stuck, count := c.stuck[path], len(c.stuck)
	c.health.Unlock()
	if stuck {
		return fmt.Errorf("session %q is not asked for again in this run: %w", transport.Printable(id, 80), ErrStuck)
	}
	if _, answered := c.answered.Load(id); answered || count < maxStuck {
		return nil
	}
	return fmt.Errorf("session %q is not asked for: %d others hang in BOS", transport.Printable(id, 80), count)
}

// Delete deletes the record of one session and reports whether there was one. It is no error if there was none: a
// proxy's own retry turns a delete that worked into a 404 (docs/csm.md, "Deleting sessions").
func (c *Client) Delete(ctx context.Context, id string) (existed bool, err error) {
	path, err := sessionPath(id)
	if err != nil {
		return false, err
	}
	answer, err := c.do(ctx, transport.Request{Method: http.MethodDelete, Path: path})
	switch {
	case err == nil && answer.Status != http.StatusNoContent:
		return false, fmt.Errorf("DELETE %s: HTTP %d is not how BOS v1 says that it has deleted a session (204 is), "+
			"so it may exist: check the BOS URL", path, answer.Status)
	case err == nil:
		return true, nil
	}
	if statusCode(err) != http.StatusNotFound {
		return false, err
	}
	// BOS answers with a plain sentence that names the session. A 404 that does not name it comes from a proxy or
	// another service, and the record may still be there.
	if strings.Contains(plainSentence(errorBody(err)), id) {
		return false, nil
	}
	return false, fmt.Errorf("%w; this is not how BOS v1 says that it has no such session, so it may exist: "+
		"check the BOS URL", err)
}

// plainSentence returns the text of a body that is a JSON string or plain text, and "" for a JSON object or a page.
func plainSentence(body []byte) string {
	var text string
	if json.Unmarshal(body, &text) == nil {
		return text
	}
	text = strings.TrimSpace(string(body))
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "<") {
		return ""
	}
	return text
}

// sessionPath returns an error for an ID that could turn the path into that of the collection.
func sessionPath(id string) (string, error) {
	name, err := transport.PathElement("BOS session", id)
	return listPath + "/" + name, err
}

// trimToSession returns the path of the session that path belongs to. A path of no session is returned unchanged.
func trimToSession(path string) string {
	id, found := strings.CutPrefix(path, listPath+"/")
	if !found {
		return path
	}
	id, _, _ = strings.Cut(id, "/")
	return listPath + "/" + id
}

// statusCode returns the HTTP status in err, or 0.
func statusCode(err error) int {
	var e *transport.StatusError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

func errorBody(err error) []byte {
	var e *transport.StatusError
	if errors.As(err, &e) {
		return e.Body
	}
	return nil
}

// decodeObject decodes a JSON object field by field. Anything else is an error, null too.
func decodeObject(data []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("the answer is no JSON object: %w", err)
	}
	if fields == nil {
		return nil, errors.New("the answer is null where a JSON object is expected")
	}
	return fields, nil
}
