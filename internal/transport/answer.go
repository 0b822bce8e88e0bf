package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	"bosgc/internal/inventory"
)

// Kinds of failure, for errors.Is.
var (
	ErrTimeout  = errors.New("the server is silent")                // no complete answer before the request's own deadline
	ErrNotJSON  = errors.New("the answer is not JSON")              // a login page, an error page of a proxy
	ErrTooLarge = errors.New("the answer is too large")             // more bytes than the request's limit
	ErrRedirect = errors.New("the answer points to somewhere else") // a gateway's login
	ErrLost     = errors.New("the connection ended before an answer")
)

const (
	maxText    = 200      // characters of a server's text in an error
	maxProblem = 64 << 10 // bytes of an error answer's body that are read
)

// StatusError is an answer with another status than 2xx. Title and Detail are those of a
// problem+json body, cleaned for a log; empty if the body is none. Body is what was sent,
// up to 64 KiB, and is not part of the text.
type StatusError struct {
	Method, Path  string
	Status        int
	Title, Detail string
	ContentType   string
	Body          []byte

	said string
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s %s: HTTP %d %s", e.Method, e.Path, e.Status, http.StatusText(e.Status))
	if e.said != "" {
		text += ": " + e.said
	}
	return text
}

// RouteMissing says whether err is the answer of CSM's web framework to a path that it
// does not serve. It must never be taken for "this object is gone": where BOS v1 has been
// removed, or the URL has the wrong prefix, every path answers so (docs/csm.md, "Two kinds
// of 404").
func RouteMissing(err error) bool {
	var e *StatusError
	return errors.As(err, &e) && e.Status == http.StatusNotFound && e.Title == "Not Found" &&
		strings.HasPrefix(e.Detail, "The requested URL was not found on the server")
}

// NotFoundTitle returns the title of a problem+json 404 that a service wrote about one
// object. It is empty for every other error, a missing route among them.
func NotFoundTitle(err error) string {
	var e *StatusError
	if !errors.As(err, &e) || e.Status != http.StatusNotFound || e.Title == http.StatusText(http.StatusNotFound) {
		return ""
	}
	return e.Title
}

// watched remembers the first error of the connection, so that a decoder which hides or
// rewords it does not turn a timeout into bad data.
type watched struct {
	io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && w.err == nil {
		w.err = err
	}
	return n, err
}

func (c *Client) read(ctx context.Context, r Request, resp *http.Response) (*Response, error) {
	kind := resp.Header.Get("Content-Type")
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return nil, c.redirected(r, resp)
	case resp.StatusCode/100 != 2:
		return nil, c.refusedWith(ctx, r, resp)
	}
	body := &watched{Reader: http.MaxBytesReader(nil, resp.Body, r.Limit)}
	// A login page with the status 200 is no answer to a delete either. Services answer one
	// with nothing, or with JSON.
	empty := resp.StatusCode == http.StatusNoContent || r.Method == http.MethodDelete && resp.ContentLength == 0
	if !empty && !isJSON(kind) {
		start, _ := io.ReadAll(io.LimitReader(body, 1<<10))
		return nil, fmt.Errorf("%s %s: %w: HTTP %d with content type %q, beginning %q; check the URL, and whether it needs a token",
			r.Method, r.Path, ErrNotJSON, resp.StatusCode, Printable(kind, 80), c.tokens.hide(string(start), 80))
	}
	answer := &Response{Status: resp.StatusCode, ContentType: kind}
	var err error
	if r.Decode == nil {
		answer.Body, err = io.ReadAll(body)
	} else if err = r.Decode(body); err == nil {
		_, err = io.Copy(io.Discard, body)
	}
	switch {
	case body.err != nil:
		return nil, c.failed(ctx, r, body.err)
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	return answer, nil
}

func (c *Client) redirected(r Request, resp *http.Response) error {
	to := "nowhere"
	// The host alone: the rest of a login's address holds the state of that login.
	if target, err := resp.Location(); err == nil && target.Host != "" {
		to = target.Host
	}
	return fmt.Errorf("%s %s: %w: HTTP %d to %s, as an API gateway does to show its login page; check the URL and the token settings",
		r.Method, r.Path, ErrRedirect, resp.StatusCode, c.tokens.hide(to, 80))
}

func (c *Client) refusedWith(ctx context.Context, r Request, resp *http.Response) error {
	body := &watched{Reader: io.LimitReader(resp.Body, maxProblem)}
	data, _ := io.ReadAll(body)
	if body.err != nil {
		return c.failed(ctx, r, body.err)
	}
	e := &StatusError{
		Method: r.Method, Path: r.Path, Status: resp.StatusCode,
		ContentType: resp.Header.Get("Content-Type"), Body: data,
	}
	title, detail := parseProblem(data)
	e.Title, e.Detail = c.tokens.hide(title, maxText), c.tokens.hide(detail, maxText)
	e.said = strings.Trim(e.Title+": "+e.Detail, ": ")
	if e.said == "" {
		e.said = c.tokens.hide(string(data), 80)
	}
	return e
}

// parseProblem reads title and detail of a problem+json body; both are empty if it is
// none.
func parseProblem(data []byte) (title, detail string) {
	var problem struct{ Title, Detail any }
	if json.Unmarshal(data, &problem) != nil {
		return "", ""
	}
	title, _ = problem.Title.(string)
	detail, _ = problem.Detail.(string)
	return title, detail
}

func isJSON(contentType string) bool {
	kind, _, _ := mime.ParseMediaType(contentType)
	return contentType == "" || kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// failed turns the failure of a connection into an error that says what happened and
// holds nothing secret: of the original only its text is taken over, without the URL.
func (c *Client) failed(ctx context.Context, r Request, err error) error {
	var (
		large *http.MaxBytesError
		slow  net.Error
	)
	what := r.Method + " " + r.Path
	if ended := ended(ctx); ended != nil {
		return fmt.Errorf("%s: given up before an answer: %w", what, ended)
	}
	switch {
	case errors.As(err, &large):
		return fmt.Errorf("%s: %w: more than %d bytes", what, ErrTooLarge, large.Limit)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return fmt.Errorf("%s: %w: no complete answer within %v", what, ErrTimeout, r.Timeout)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: the answer ends too early: %w", what, io.ErrUnexpectedEOF)
	}
	said := c.tokens.hide(reason(err), maxText) + advice(err)
	if unsent(err) {
		return fmt.Errorf("%s: %s", what, said)
	}
	return fmt.Errorf("%s: %w: %s", what, ErrLost, said)
}

// unsent: there was no connection, so that nothing can have been done.
func unsent(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial"
}

// ended is the error of a caller's context that is over, by its clock too: a connection
// may notice the deadline an instant before the context does, and the end of a run must
// not look like a silent server.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

var userinfo = regexp.MustCompile(`//[^/\s]*@`)

// reason is the text of an error without the URL that net/http puts around it, and without
// the user and password of any other, such as a proxy's.
func reason(err error) string {
	for {
		var u *url.Error
		if !errors.As(err, &u) {
			return userinfo.ReplaceAllString(err.Error(), "//[secret]@")
		}
		err = u.Err
	}
}

// Printable makes a text from outside fit for one line of a log: at most max characters,
// each unprintable one replaced.
func Printable(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, c := range s {
		if n++; n > limit {
			b.WriteString("…")
			break
		}
		if !unicode.IsPrint(c) {
			c = '\uFFFD'
		}
		b.WriteRune(c)
	}
	return b.String()
}

// Stamp reads a time from a JSON value: null and "" are unknown, and what is neither text
// nor null is bad, whatever it might mean (docs/csm.md, "Times").
func Stamp(value json.RawMessage) inventory.Stamp {
	value = bytes.TrimSpace(value)
	if len(value) == 0 || bytes.Equal(value, []byte("null")) {
		return inventory.Stamp{}
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return inventory.Stamp{Raw: Printable(string(value), maxText)}
	}
	stamp := inventory.ParseStamp(text)
	if stamp.Bad() {
		stamp.Raw = Printable(stamp.Raw, maxText)
	}
	return stamp
}
