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
	ErrNotJSON  = errors.New("the answer is not JSON")              // a login page, or a proxy's error page
	ErrTooLarge = errors.New("the answer is too large")             // more bytes than the request's limit
	ErrRedirect = errors.New("the answer points to somewhere else") // a gateway's login
	ErrLost     = errors.New("the connection ended before an answer")
)

const (
	maxText    = 200      // characters of a server's text in an error
	maxQuote   = 80       // characters of a body that is quoted because it was not understood
	maxProblem = 64 << 10 // bytes read of an error answer's body
)

// StatusError is an answer with a status other than 2xx.
type StatusError struct {
	Method, Path  string
	Status        int
	Title, Detail string // of a problem+json body, fit for a log; empty for any other body
	ContentType   string
	Body          []byte // at most 64 KiB; not part of the error text

	message string // what the error text quotes of the body
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s %s: HTTP %d %s", e.Method, e.Path, e.Status, http.StatusText(e.Status))
	if e.message != "" {
		text += ": " + e.message
	}
	return text
}

// RouteMissing reports whether err is how CSM's web framework answers a path that it does not serve. It must never
// be taken for "this object is gone": where BOS v1 has been removed, or the URL has the wrong prefix, every path is
// answered like this (docs/csm.md, "Two kinds of 404").
func RouteMissing(err error) bool {
	var e *StatusError
	return errors.As(err, &e) && e.Status == http.StatusNotFound && e.Title == "Not Found" &&
		strings.HasPrefix(e.Detail, "The requested URL was not found on the server")
}

// NotFoundTitle returns the title of a problem+json 404 that a service wrote about one object. It is empty for every
// other error, including a missing route.
func NotFoundTitle(err error) string {
	var e *StatusError
	if !errors.As(err, &e) || e.Status != http.StatusNotFound || e.Title == http.StatusText(http.StatusNotFound) {
		return ""
	}
	return e.Title
}

// errorRecorder remembers the first error of the connection. A decoder may hide or reword that error, and a timeout
// must not turn into bad data.
type errorRecorder struct {
	io.Reader
	err error
}

func (r *errorRecorder) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && r.err == nil {
		r.err = err
	}
	return n, err
}

func (c *Client) readAnswer(ctx context.Context, r Request, resp *http.Response) (*Response, error) {
	contentType := resp.Header.Get("Content-Type")
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return nil, c.redirectError(r, resp)
	case resp.StatusCode/100 != 2:
		return nil, c.statusError(ctx, r, resp)
	}
	body := &errorRecorder{Reader: http.MaxBytesReader(nil, resp.Body, r.Limit)}
	// A login page with status 200 does not confirm a delete either. Services answer a delete with nothing or with
	// JSON.
	empty := resp.StatusCode == http.StatusNoContent || r.Method == http.MethodDelete && resp.ContentLength == 0
	if !empty && !isJSON(contentType) {
		start, _ := io.ReadAll(io.LimitReader(body, 1<<10))
		const text = "%s %s: %w: HTTP %d with content type %q, beginning %q; check the URL, and whether it needs a token"
		return nil, fmt.Errorf(text, r.Method, r.Path, ErrNotJSON, resp.StatusCode,
			Printable(contentType, maxQuote), c.tokens.redact(string(start), maxQuote))
	}
	answer := &Response{Status: resp.StatusCode, ContentType: contentType}
	var err error
	if r.Decode == nil {
		answer.Body, err = io.ReadAll(body)
	} else if err = r.Decode(body); err == nil {
		_, err = io.Copy(io.Discard, body)
	}
	switch {
	case body.err != nil:
		return nil, c.connectionError(ctx, r, body.err)
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	return answer, nil
}

func (c *Client) redirectError(r Request, resp *http.Response) error {
	target := "nowhere"
	// Only the host: the rest of a login's address holds the state of that login.
	if location, err := resp.Location(); err == nil && location.Host != "" {
		target = location.Host
	}
	const text = "%s %s: %w: HTTP %d to %s, as an API gateway does to show its login page; " +
		"check the URL and the token settings"
	return fmt.Errorf(text, r.Method, r.Path, ErrRedirect, resp.StatusCode, c.tokens.redact(target, maxQuote))
}

func (c *Client) statusError(ctx context.Context, r Request, resp *http.Response) error {
	body := &errorRecorder{Reader: io.LimitReader(resp.Body, maxProblem)}
	data, _ := io.ReadAll(body)
	if body.err != nil {
		return c.connectionError(ctx, r, body.err)
	}
	e := &StatusError{
		Method: r.Method, Path: r.Path, Status: resp.StatusCode,
		ContentType: resp.Header.Get("Content-Type"), Body: data,
	}
	title, detail := parseProblem(data)
	e.Title, e.Detail = c.tokens.redact(title, maxText), c.tokens.redact(detail, maxText)
	e.message = strings.Trim(e.Title+": "+e.Detail, ": ")
	if e.message == "" {
		e.message = c.tokens.redact(string(data), maxQuote)
	}
	return e
}

// parseProblem returns title and detail of a problem+json body. Both are empty for any other body.
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
	mediaType, _, _ := mime.ParseMediaType(contentType)
	return contentType == "" || mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

// connectionError describes a request that got no complete answer. It takes over only the text of err, without the
// URL: err itself may hold secrets.
func (c *Client) connectionError(ctx context.Context, r Request, err error) error {
	var (
		tooLarge *http.MaxBytesError
		slow     net.Error
	)
	request := r.Method + " " + r.Path
	if ended := contextError(ctx); ended != nil {
		return fmt.Errorf("%s: given up before an answer: %w", request, ended)
	}
	switch {
	case errors.As(err, &tooLarge):
		return fmt.Errorf("%s: %w: more than %d bytes", request, ErrTooLarge, tooLarge.Limit)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return fmt.Errorf("%s: %w: no complete answer within %v", request, ErrTimeout, r.Timeout)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: the answer ends too early: %w", request, io.ErrUnexpectedEOF)
	}
	message := c.tokens.redact(textWithoutURL(err), maxText) + advice(err)
	if dialFailed(err) {
		return fmt.Errorf("%s: %s", request, message)
	}
	return fmt.Errorf("%s: %w: %s", request, ErrLost, message)
}

// dialFailed reports whether there was no connection, so that the request cannot have had any effect.
func dialFailed(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial"
}

// contextError returns the error of a context that is over, also if only its deadline has passed: a connection may
// notice the deadline an instant before the context does, and the end of a run must not look like a silent server.
func contextError(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

var userinfo = regexp.MustCompile(`//[^/\s]*@`)

// textWithoutURL returns the text of an error without the URL that net/http puts around it, and without the user and
// password of any other URL, such as a proxy's.
func textWithoutURL(err error) string {
	for {
		var u *url.Error
		if !errors.As(err, &u) {
			return userinfo.ReplaceAllString(err.Error(), "//[secret]@")
		}
		err = u.Err
	}
}

// Printable makes a text from outside fit for one line of a log: it replaces unprintable characters and cuts the
// text after limit characters.
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

// DecodeStamp decodes a time from a JSON value. Null and "" are an unknown time. A value of any other type than a
// string is a bad time, whatever it might mean (docs/csm.md, "Times").
func DecodeStamp(value json.RawMessage) inventory.Stamp {
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
