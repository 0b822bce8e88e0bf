// Package transport carries the HTTP requests to CSM's services: TLS, token, retries,
// deadlines, bounded bodies and errors that can be told apart. It knows no resource of
// any service.
//
// No request ever carries the header Cray-Tenant-Name: with it BOS v1 refuses every call
// (docs/csm.md, "Tenants").
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

// defaultLimit is what one record may weigh, in bytes. Real ones have a few thousand.
const defaultLimit = 1 << 20

// Options is how a Client asks. TokenURL, ClientID and ClientSecret are given together or
// not at all; without them no token is sent, as is usual inside the mesh (docs/csm.md,
// "Tokens").
type Options struct {
	CAFile         string // PEM bundle trusted besides the system's own
	TokenURL       string // OAuth2 token endpoint, for client credentials
	ClientID       string
	ClientSecret   string
	RequestTimeout time.Duration // for one request with all its tries; must be positive
	Concurrency    int           // requests under way at once; at least 1
	RetryWait      time.Duration // before the second try, doubling from there; 0 is half a second
	UserAgent      string
	Log            *slog.Logger // retries, at debug level; nil is silence

	// Observe is told of every try: its status (0 if there was no answer) and the time
	// until the answer's header. It may be called from several goroutines at once.
	Observe func(method string, status int, took time.Duration)
}

// Client asks one system. It is safe for concurrent use.
type Client struct {
	base     string
	options  Options
	http     *http.Client
	tokens   *tokens // nil: no token is sent
	slots    *semaphore.Weighted
	requests atomic.Int64
}

// Request is one question. Path is appended to the base URL as it is: parts of it that
// come from outside must have gone through PathElement.
type Request struct {
	Method   string // GET, DELETE or PATCH; a PATCH is never retried
	Path     string // begins with "/", escaped
	Query    url.Values
	Body     []byte        // JSON; nil: none is sent
	Timeout  time.Duration // 0: Options.RequestTimeout
	Limit    int64         // bytes of body that are accepted; 0: 1 MiB
	NoRetry  bool          // for requests whose repetition hurts the server
	Retry5xx bool          // for GETs of a service whose 500 and 504 pass

	// Gate is asked when the request has got its slot, directly before it is sent; an
	// error of it is returned and nothing is sent. Without it, requests that queue
	// behind a server gone silent would each wait out their own deadline.
	Gate func() error

	// Decode, if given, reads the body of a 2xx answer while it arrives; Response.Body
	// then stays empty. What it leaves unread is read to the end, so that a body cut
	// short is an error whatever Decode has made of it.
	Decode func(io.Reader) error
}

// Response is an answer with a 2xx status.
type Response struct {
	Status      int
	ContentType string
	Body        []byte
}

// New makes a Client for the service below the URL base, such as http://cray-bos or
// https://api-gw-service-nmn.local/apis/bos. It sends nothing. It fails on a URL that is
// none, on options that make no sense, and on a CA file without a certificate.
func New(base string, o Options) (*Client, error) {
	address, err := checkURL("base URL", base)
	if err != nil {
		return nil, err
	}
	if o.RequestTimeout <= 0 {
		return nil, fmt.Errorf("request timeout is %v: it must be more than 0, as a server without an answer would hold the run for ever", o.RequestTimeout)
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
	wire := http.DefaultTransport.(*http.Transport).Clone()
	// BOS and CFS run under uWSGI, which closes each connection after its answer without saying so
	// (docs/csm.md, "Connections"). A DELETE sent on such a connection fails, and net/http never
	// repeats one: without this line a third of all deletes failed.
	wire.DisableKeepAlives = true
	wire.MaxResponseHeaderBytes = 64 << 10
	if o.CAFile != "" {
		pool, err := roots(o.CAFile)
		if err != nil {
			return nil, err
		}
		wire.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	c := &Client{base: address, options: o, slots: semaphore.NewWeighted(int64(o.Concurrency))}
	c.http = plainClient(counted{c, wire})
	c.tokens, err = newTokens(o, plainClient(wire))
	return c, err
}

// plainClient follows no redirect: an API gateway answers a request it does not let
// through with a redirect to its login page, and that page's 200 is nobody's answer.
func plainClient(wire http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     wire,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Requests is the number of requests sent so far, every try counted; those for a token are
// not among them.
func (c *Client) Requests() int { return int(c.requests.Load()) }

// Do asks once, and again where that is harmless. A status other than 2xx is a
// *StatusError; a GET answered by something else than JSON is ErrNotJSON; a body over the
// limit is ErrTooLarge; no complete answer in time is ErrTimeout. If ctx ends, the error
// is that of ctx: the end of a run says nothing about the server.
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
	// The deadline starts after the slot is had, and after the token: time spent in our
	// own queue or at the login must not look like a silent server.
	if err := c.slots.Acquire(ctx, 1); err != nil {
		return nil, c.failed(ctx, r, err)
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
	token, err := c.tokens.get(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	answer, err := c.send(ctx, r, token)
	if !isStatus(err, http.StatusUnauthorized) {
		return answer, err
	}
	if token, err = c.tokens.get(ctx, token.AccessToken); err != nil {
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
		return nil, c.failed(ctx, r, err)
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
	t := newTries(timed, c.options, r.repeatable)
	resp, err := t.do(c.http, req)
	if err != nil {
		return nil, t.explain(c.failed(ctx, r, err))
	}
	// A body neither drained nor closed keeps its connection open in the mesh proxy;
	// over a run they pile up there (docs/csm.md, "Mesh").
	defer func() {
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
		_ = resp.Body.Close()
	}()
	answer, err := c.read(ctx, r, resp)
	return answer, t.explain(err)
}

// counted counts and times every try below the retries.
type counted struct {
	client *Client
	next   http.RoundTripper
}

func (t counted) RoundTrip(req *http.Request) (*http.Response, error) {
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

func roots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a minimal image has none; the given bundle is then all there is
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no certificate: PEM blocks of type CERTIFICATE are expected", file)
	}
	return pool, nil
}

// checkURL accepts http(s)://host[:port][/prefix] and returns it without a slash at its
// end. An @ is refused before anything is parsed, and the value is then not repeated: what
// stands before it may be a password, and this error goes to a log.
func checkURL(name, raw string) (string, error) {
	const want = "expected http://host[:port][/prefix] or the same with https"
	if strings.Contains(raw, "@") {
		return "", fmt.Errorf("%s contains an @ (its value is not shown, as it may hold a password): %s; credentials do not belong into a URL, use the OAuth2 client", name, want)
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

// PathElement checks and escapes a name that becomes one element of a path; kind is what
// it names, for the error. An empty name, "." or ".." would turn the request for one
// object into one for its collection, and so would a slash or what a proxy on the way
// decodes to one; a DELETE of a collection takes everything (docs/csm.md, "Deleting CFS
// sessions").
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
	case strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`/\?#%;`, c) }):
		problem = "has a character that cannot stand in a URL's path"
	default:
		return url.PathEscape(name), nil
	}
	return "", fmt.Errorf("%s %q %s: %s; it is not asked for, leave it to the owner of the record", kind, Printable(name, maxText), problem, want)
}

func isStatus(err error, status int) bool {
	var answer *StatusError
	return errors.As(err, &answer) && answer.Status == status
}
