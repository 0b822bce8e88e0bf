package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bosgc/internal/margin"

	"github.com/hashicorp/go-retryablehttp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/sync/semaphore"
)

// tokenSource fetches the token of an API gateway and reuses it until it expires or is rejected.
type tokenSource struct {
	config  clientcredentials.Config
	options Options
	http    *http.Client
	lock    *semaphore.Weighted // a mutex that honours a context
	token   atomic.Pointer[oauth2.Token]

	mu        sync.Mutex // guards the fields below
	refused   error
	refusedAt time.Time
}

// newTokenSource returns nil if no token is to be sent.
func newTokenSource(o Options, client *http.Client) (*tokenSource, error) {
	if o.TokenURL == "" && o.ClientID == "" && o.ClientSecret == "" {
		return nil, nil
	}
	if o.TokenURL == "" || o.ClientID == "" || o.ClientSecret == "" {
		return nil, errors.New("token URL, client ID and client secret: some are set and some are empty; " +
			"set all of them, or none to send no token")
	}
	address, err := checkURL("token URL", o.TokenURL)
	if err != nil {
		return nil, err
	}
	return &tokenSource{
		config: clientcredentials.Config{
			ClientID: o.ClientID, ClientSecret: o.ClientSecret, TokenURL: address,
			// Without a fixed style the library tries both, and so sends each refused login twice.
			AuthStyle: oauth2.AuthStyleInParams,
		},
		options: o,
		http:    client,
		lock:    semaphore.NewWeighted(1),
	}, nil
}

// validToken returns a token that has not expired and is not the one that a server has just rejected ("" if none
// was). Of many requests that are rejected at once only the first fetches a new token.
func (t *tokenSource) validToken(ctx context.Context, rejected string) (*oauth2.Token, error) {
	if err := t.lock.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("waiting for a token: %w", err)
	}
	defer t.lock.Release(1)
	if token := t.token.Load(); token.Valid() && token.AccessToken != rejected {
		return token, nil
	}
	if err := t.recentRefusal(); err != nil {
		return nil, err
	}
	token, err := t.fetch(ctx)
	if err != nil {
		return nil, err
	}
	t.token.Store(token)
	return token, nil
}

func (t *tokenSource) fetch(ctx context.Context) (*oauth2.Token, error) {
	timed, cancel := context.WithTimeout(ctx, t.options.RequestTimeout)
	defer cancel()
	retries := newRetries(timed, t.options, func(resp *http.Response, err error) bool {
		if err != nil {
			return connectionRefused(err)
		}
		return resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable
	})
	client := newHTTPClient(&retryablehttp.RoundTripper{Client: retries.client(t.http)})
	token, err := t.config.Token(context.WithValue(timed, oauth2.HTTPClient, client))
	if err == nil {
		return token, nil
	}
	if ended := contextError(ctx); ended != nil {
		return nil, fmt.Errorf("token from %s: %w", t.config.TokenURL, ended)
	}
	if timed.Err() != nil {
		return nil, fmt.Errorf("token from %s: no answer within %v", t.config.TokenURL, t.options.RequestTimeout)
	}
	return nil, retries.explain(t.loginError(err))
}

// loginError describes why there is no token, and remembers a refusal. The library's error repeats the server's
// answer, which may repeat the secret. So only the code and the description are taken over, and the secret is removed
// from those too.
func (t *tokenSource) loginError(err error) error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		return fmt.Errorf("token from %s: %s", t.config.TokenURL, t.redact(textWithoutURL(err), maxText)+advice(err))
	}
	status := answer.Response.StatusCode
	text := fmt.Sprintf("HTTP %d", status)
	for _, part := range []string{answer.ErrorCode, answer.ErrorDescription} {
		if part != "" {
			text += ": " + t.redact(part, maxText)
		}
	}
	err = fmt.Errorf("token from %s: %s; check the token URL, the client ID and the client secret",
		t.config.TokenURL, text)
	if status == http.StatusBadRequest || status == http.StatusUnauthorized || status == http.StatusForbidden {
		t.mu.Lock()
		t.refused, t.refusedAt = err, time.Now()
		t.mu.Unlock()
	}
	return err
}

// recentRefusal returns the error of the last login if it was refused less than margin.LoginRefusal ago.
func (t *tokenSource) recentRefusal() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refused == nil || time.Since(t.refusedAt) > margin.LoginRefusal {
		return nil
	}
	return t.refused
}

// redact makes a server's text fit for a log: it removes the secret and the token and then calls Printable. It works
// on a nil receiver, which has no secret.
func (t *tokenSource) redact(text string, limit int) string {
	if t != nil {
		secrets := []string{t.config.ClientSecret, url.QueryEscape(t.config.ClientSecret)}
		if token := t.token.Load(); token != nil {
			secrets = append(secrets, token.AccessToken)
		}
		for _, secret := range secrets {
			text = strings.ReplaceAll(text, secret, "[secret]")
		}
	}
	return Printable(text, limit)
}
