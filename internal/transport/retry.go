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
	maxDelay = 8 * time.Second // between two tries, unless the server asks for more
)

// repeatable reports whether sending the request again is harmless and may help. A timeout never is: BOS goes on
// working for a client that has hung up, and each repetition costs it another worker (docs/csm.md, "The list that
// hangs"). A DELETE is repeated only if the first has certainly had no effect. A PATCH is never repeated here: only
// the caller can first read what it changed.
func (r Request) repeatable(resp *http.Response, err error) bool {
	isGet := r.Method == http.MethodGet
	switch {
	case !isGet && r.Method != http.MethodDelete:
		return false
	case connectionRefused(err): // nothing has reached the server: a proxy or a Pod is just starting
		return true
	case r.NoRetry:
		return false
	case err != nil:
		return isGet && connectionDropped(err)
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return true
	case http.StatusBadGateway:
		return isGet
	case http.StatusInternalServerError, http.StatusGatewayTimeout:
		return isGet && r.Retry5xx // a 504 is a timeout too: the gateway's
	}
	return false
}

func connectionRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// connectionDropped reports whether the connection ended before the answer began.
func connectionDropped(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// retries decides about the tries of one request.
type retries struct {
	repeatable func(*http.Response, error) bool
	log        *slog.Logger
	firstDelay time.Duration
	deadline   time.Time
	minLeft    time.Duration // that each try needs before the deadline
	sent       int
	delay      time.Duration // before the next try
	gaveUp     string        // why there is no further try
}

// newRetries returns the state for the tries of one request. ctx must have the request's deadline.
func newRetries(ctx context.Context, o Options, repeatable func(*http.Response, error) bool) *retries {
	r := &retries{repeatable: repeatable, log: o.Log, firstDelay: o.RetryWait}
	r.deadline, _ = ctx.Deadline()
	r.minLeft = time.Until(r.deadline) / 2
	return r
}

// client returns a client for this one request, because it carries the request's state. The connections are those of
// below.
func (r *retries) client(below *http.Client) *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient:   below,
		RetryMax:     maxTries - 1,
		CheckRetry:   r.shouldRetry,
		Backoff:      func(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return r.delay },
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
}

func (r *retries) do(below *http.Client, req *http.Request) (*http.Response, error) {
	wrapped, err := retryablehttp.FromRequest(req)
	if err != nil {
		return nil, err
	}
	return r.client(below).Do(wrapped)
}

func (r *retries) shouldRetry(_ context.Context, resp *http.Response, err error) (bool, error) {
	if !r.repeatable(resp, err) {
		return false, nil
	}
	r.sent++
	if r.sent == maxTries {
		r.gaveUp = fmt.Sprintf("given up after %d tries", r.sent)
		return false, nil
	}
	r.delay = retryDelay(r.firstDelay, r.sent-1, resp)
	// A try that begins shortly before the deadline ends as a timeout, and callers take a timeout for a server that
	// has gone silent. So each try gets at least half of the request's time, or is not made.
	if left := time.Until(r.deadline); left-r.delay < r.minLeft {
		r.gaveUp = fmt.Sprintf("not tried again: the next try would be due in %v, and only %v are left for the request",
			r.delay.Round(time.Millisecond), left.Round(time.Millisecond))
		return false, nil
	}
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	r.log.Debug("request is tried again", "try", r.sent+1, "status", status, "wait", r.delay)
	return true, nil
}

// explain adds to an error why there was no further try.
func (r *retries) explain(err error) error {
	if err == nil || r.gaveUp == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, r.gaveUp)
}

// retryDelay returns the time to wait before retry n, counted from 0. It doubles with each retry, with jitter, so that
// clients that failed together do not come back together. It is never shorter than the server's Retry-After.
func retryDelay(first time.Duration, n int, resp *http.Response) time.Duration {
	delay := retryablehttp.DefaultBackoff(first, maxDelay, n, nil)
	delay = delay/2 + rand.N(delay/2+1)
	if resp != nil && resp.Header.Get("Retry-After") != "" {
		delay = max(delay, retryablehttp.DefaultBackoff(first, maxDelay, n, resp))
	}
	return delay
}
