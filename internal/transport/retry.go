package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"syscall"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	maxTries = 4
	maxWait  = 8 * time.Second // between two tries, unless the server asks for more
)

// repeatable says whether sending the request again can neither do harm nor be in vain. A
// timeout is never among it: BOS goes on working for a client that has hung up, and each
// repetition costs it another worker (docs/csm.md, "The list that hangs"). A DELETE is
// repeated only where nothing has been done yet. A PATCH is left to whoever can read first what
// the one before has changed.
func (r Request) repeatable(resp *http.Response, err error) bool {
	get := r.Method == http.MethodGet
	switch {
	case !get && r.Method != http.MethodDelete:
		return false
	case refused(err): // nothing has reached the server: a proxy or a Pod that is just starting
		return true
	case r.NoRetry:
		return false
	case err != nil:
		return get && dropped(err)
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return true
	case http.StatusBadGateway:
		return get
	case http.StatusInternalServerError, http.StatusGatewayTimeout:
		return get && r.Retry5xx // a 504 is a timeout too, the gateway's
	}
	return false
}

func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// dropped: the connection ended before an answer began.
func dropped(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// tries is the state of one request across its tries.
type tries struct {
	repeatable func(*http.Response, error) bool
	log        *slog.Logger
	first      time.Duration
	deadline   time.Time
	half       time.Duration
	sent       int
	wait       time.Duration
	note       string // why there is no further try
}

// newTries begins the tries of one request; ctx has its deadline.
func newTries(ctx context.Context, o Options, repeatable func(*http.Response, error) bool) *tries {
	t := &tries{repeatable: repeatable, log: o.Log, first: o.RetryWait}
	t.deadline, _ = ctx.Deadline()
	t.half = time.Until(t.deadline) / 2
	return t
}

// client is made anew for each request, because it carries that request's state; the
// connections are those of the client below it.
func (t *tries) client(below *http.Client) *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient:   below,
		RetryMax:     maxTries - 1,
		CheckRetry:   t.check,
		Backoff:      func(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return t.wait },
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
}

func (t *tries) do(below *http.Client, req *http.Request) (*http.Response, error) {
	wrapped, err := retryablehttp.FromRequest(req)
	if err != nil {
		return nil, err
	}
	return t.client(below).Do(wrapped)
}

func (t *tries) check(_ context.Context, resp *http.Response, err error) (bool, error) {
	if !t.repeatable(resp, err) {
		return false, nil
	}
	t.sent++
	if t.sent == maxTries {
		t.note = fmt.Sprintf("given up after %d tries", t.sent)
		return false, nil
	}
	t.wait = pause(t.first, t.sent-1, resp)
	// A try that begins shortly before the deadline ends as a timeout, and a timeout is
	// what callers take for a server gone silent. So each try gets at least half of the
	// request's time, or is not made.
	if left := time.Until(t.deadline); left-t.wait < t.half {
		t.note = fmt.Sprintf("not tried again: the next try would be due in %v, and only %v are left for the request",
			t.wait.Round(time.Millisecond), left.Round(time.Millisecond))
		return false, nil
	}
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	t.log.Debug("request is tried again", "try", t.sent+1, "status", status, "wait", t.wait)
	return true, nil
}

// explain adds to an error why there was no further try.
func (t *tries) explain(err error) error {
	if err == nil || t.note == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, t.note)
}

// pause is the time before try n+2: doubling and jittered, so that clients that failed
// together do not come back together, or as long as the server's Retry-After asks.
func pause(first time.Duration, n int, resp *http.Response) time.Duration {
	wait := retryablehttp.DefaultBackoff(first, maxWait, n, nil)
	wait = wait/2 + rand.N(wait/2+1)
	if resp != nil && resp.Header.Get("Retry-After") != "" {
		wait = max(wait, retryablehttp.DefaultBackoff(first, maxWait, n, resp))
	}
	return wait
}
