// Package transport sends HTTP requests to CSM's services. It provides TLS, tokens, retries, deadlines, bounded bodies
// and errors that callers can tell apart. It knows nothing about the resources of any service.
//
// No request ever carries the header Cray-Tenant-Name: BOS v1 refuses every call that does (docs/csm.md, "Tenants").
package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/sync/semaphore"
)

// defaultLimit is the limit of a body in bytes. Real records have a few thousand.
const defaultLimit = 1 << 20

// Options configures a Client. TokenURL, ClientID and ClientSecret are set together or not at all. Without them no
// token is sent, as is usual inside the mesh (docs/csm.md, "Tokens").
type Options struct {
	CAFile         string // PEM bundle, trusted in addition to the system's own
	TokenURL       string // OAuth2 token endpoint, for client credentials
	ClientID       string
	ClientSecret   string
	RequestTimeout time.Duration // of one request with all its tries; must be positive
	Concurrency    int           // requests under way at once; at least 1
	RetryWait      time.Duration // before the second try, doubling from there; 0 means half a second
	UserAgent      string
	Log            *slog.Logger // logs retries at debug level; may be nil

	// Observe is called after every try with its status (0 if there was no answer) and the time until the answer's
	// header arrived. It may be called from several goroutines at once.
	Observe func(method string, status int, took time.Duration)
}

// Client sends requests to one system. It is safe for concurrent use.
type Client struct {
	base     string
	options  Options
	http     *http.Client
	tokens   *tokenSource // nil: no token is sent
	slots    *semaphore.Weighted
	requests atomic.Int64
}

// Request is one request. Path is appended to the base URL unchanged: parts of it that come from outside must have
// gone through PathElement.
type Request struct {
	Method   string // GET, DELETE or PATCH; a PATCH is never retried
	Path     string // begins with "/", escaped
	Query    url.Values
	Body     []byte        // JSON; nil: no body
	Timeout  time.Duration // 0: Options.RequestTimeout
	Limit    int64         // bytes of the answer's body that are accepted; 0: 1 MiB
	NoRetry  bool          // for requests that hurt the server when repeated
	Retry5xx bool          // for GETs of a service whose 500 and 504 are temporary

	// Gate is called when the request has its slot, directly before it is sent. If Gate returns an error, nothing is
	// sent. Without it, requests queued behind a server that went silent would each wait out their own deadline.
	Gate func() error

	// Decode, if set, reads the body of a 2xx answer while it arrives, and Response.Body stays empty. What Decode
	// leaves unread is read to the end: a body that was cut short is an error, whatever Decode made of it.
	Decode func(io.Reader) error
}

// Response is an answer with a 2xx status.
type Response struct {
	Status      int
	ContentType string
	Body        []byte
}

// New returns a Client for the service below baseURL, such as http://cray-bos or
// https://api-gw-service-nmn.local/apis/bos. It sends nothing.
func New(baseURL string, o Options) (*Client, error) {
	address, err := checkURL("base URL", baseURL)
	if err != nil {
		return nil, err
	}
	if o.RequestTimeout <= 0 {
		return nil, fmt.Errorf("request timeout is %v: it must be more than 0, "+
			"as a server without an answer would hold the run for ever", o.RequestTimeout)
	}
	if o.Concurrency < 1 {
		return nil, fmt.Errorf("concurrency is %d: it must be at least 1", o.Concurrency)
	}
	if o.RetryWait <= 0 {
		o.RetryWait = 500 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	// BOS and CFS run under uWSGI, which closes each connection after its answer without announcing it
	// (docs/csm.md, "Connections"). A DELETE sent on such a connection fails, and net/http never repeats a DELETE:
	// without this line a third of all deletes failed.
	base.DisableKeepAlives = true
	base.MaxResponseHeaderBytes = 64 << 10
	if o.CAFile != "" {
		pool, err := loadCAs(o.CAFile)
		if err != nil {
			return nil, err
		}
		base.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	c := &Client{base: address, options: o, slots: semaphore.NewWeighted(int64(o.Concurrency))}
	c.http = newHTTPClient(countingTransport{c, base})
	c.tokens, err = newTokenSource(o, newHTTPClient(base))
	return c, err
}

// newHTTPClient returns a client that follows no redirects.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: RefuseRedirect}
}

// RefuseRedirect has a client take a redirect for the answer. An API gateway redirects a request that it does not let
// through to its login page, whose 200 is not the service's answer; and a request that is sent to another host takes
// its token or secret there.
func RefuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Requests returns the number of requests sent so far. It counts every try, but not the requests for a token.
func (c *Client) Requests() int { return int(c.requests.Load()) }

// Do sends a request, and sends it again where that is harmless. A status other than 2xx is a *StatusError. An answer
// that is not JSON is ErrNotJSON, a body over the limit is ErrTooLarge, and no complete answer in time is ErrTimeout.
// If ctx ends, the error is that of ctx: the end of a run says nothing about the server.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	if !strings.HasPrefix(r.Path, "/") {
		return nil, fmt.Errorf("%s %q: a path must begin with /", r.Method, r.Path)
	}
	if r.Timeout <= 0 {
		r.Timeout = c.options.RequestTimeout
	}
	if r.Limit <= 0 {
		r.Limit = defaultLimit
	}
	// The deadline starts after the slot is had, and after the token: time spent in our own queue or at the login must
	// not look like a silent server.
	if err := c.slots.Acquire(ctx, 1); err != nil {
		return nil, c.connectionError(ctx, r, err)
	}
	defer c.slots.Release(1)
	if r.Gate != nil {
		if err := r.Gate(); err != nil {
			return nil, fmt.Errorf("%s %s: not asked: %w", r.Method, r.Path, err)
		}
	}
	if c.tokens == nil {
		return c.send(ctx, r, nil)
	}
	token, err := c.tokens.validToken(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	answer, err := c.send(ctx, r, token)
	if !hasStatus(err, http.StatusUnauthorized) {
		return answer, err
	}
	if token, err = c.tokens.validToken(ctx, token.AccessToken); err != nil {
		return nil, fmt.Errorf("%s %s: refused with HTTP 401, then: %w", r.Method, r.Path, err)
	}
	return c.send(ctx, r, token)
}

func (c *Client) send(ctx context.Context, r Request, token *oauth2.Token) (*Response, error) {
	timed, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	address := c.base + r.Path
	if len(r.Query) > 0 {
		address += "?" + r.Query.Encode()
	}
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(timed, r.Method, address, body)
	if err != nil {
		return nil, c.connectionError(ctx, r, err)
	}
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	if c.options.UserAgent != "" {
		req.Header.Set("User-Agent", c.options.UserAgent)
	}
	if token != nil {
		token.SetAuthHeader(req)
	}
	retries := newRetries(timed, c.options, r.repeatable)
	resp, err := retries.do(c.http, req)
	if err != nil {
		return nil, retries.explain(c.connectionError(ctx, r, err))
	}
	// A body that is neither drained nor closed keeps its connection open in the mesh proxy. Over a run they would pile
	// up there (docs/csm.md, "Mesh").
	defer func() {
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
		_ = resp.Body.Close()
	}()
	answer, err := c.readAnswer(ctx, r, resp)
	return answer, retries.explain(err)
}

// countingTransport counts and times every try. It works below the retries.
type countingTransport struct {
	client *Client
	next   http.RoundTripper
}

func (t countingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	t.client.requests.Add(1)
	start := time.Now()
	resp, err := t.next.RoundTrip(req)
	if observe := t.client.options.Observe; observe != nil {
		status := 0
		if err == nil {
			status = resp.StatusCode
		}
		observe(req.Method, status, time.Since(start))
	}
	return resp, err
}

func loadCAs(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a minimal image has no CAs of its own
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no certificate: PEM blocks of type CERTIFICATE are expected", file)
	}
	return pool, nil
}

// checkURL accepts http(s)://host[:port][/prefix] and returns it without a trailing slash. It refuses an @ before it
// parses anything, and does not repeat the value: a password may stand before the @, and the error goes to a log.
func checkURL(name, raw string) (string, error) {
	const want = "expected http://host[:port][/prefix] or the same with https"
	if strings.Contains(raw, "@") {
		const text = "%s contains an @ (its value is not shown, as it may hold a password): %s; " +
			"credentials do not belong into a URL, use the OAuth2 client"
		return "", fmt.Errorf(text, name, want)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s %q is no URL: %s", name, raw, want)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return "", fmt.Errorf("%s %q has no host or another scheme: %s", name, raw, want)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", fmt.Errorf("%s %q has a query or a fragment: %s", name, raw, want)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// PathElement checks and escapes a name that becomes one element of a path. The error says of which kind the named
// object is.
//
// An empty name, "." or ".." would turn the request for one object into a request for its collection. So would a
// slash, or a character that a proxy on the way decodes to one. A DELETE of a collection deletes everything in it
// (docs/csm.md, "Deleting CFS sessions").
func PathElement(kind, name string) (string, error) {
	const want = "expected 1 to 253 printable ASCII characters without space / \\ ? # % ; and not . or .."
	problem := ""
	switch {
	case name == "":
		problem = "is empty"
	case name == ".", name == "..":
		problem = "is a step in a path"
	case len(name) > 253:
		problem = fmt.Sprintf("has %d characters", len(name))
	case strings.ContainsFunc(name, unfitForPath):
		problem = "has a character that cannot stand in a URL's path"
	default:
		return url.PathEscape(name), nil
	}
	const text = "%s %q %s: %s; it is not asked for, leave it to the owner of the record"
	return "", fmt.Errorf(text, kind, Printable(name, maxText), problem, want)
}

func unfitForPath(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`/\?#%;`, c) }

func hasStatus(err error, status int) bool {
	var answer *StatusError
	return errors.As(err, &answer) && answer.Status == status
}
