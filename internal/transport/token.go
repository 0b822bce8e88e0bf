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

	"github.com/hashicorp/go-retryablehttp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/sync/semaphore"
)

// refusalHolds is how long a refused login is not tried again. A sweep asks for thousands
// of objects; as many failed logins lock the account that other tools use too.
const refusalHolds = time.Minute

// tokens gets the token of an API gateway and keeps it until it expires or is refused.
type tokens struct {
	config  clientcredentials.Config
	options Options
	http    *http.Client
	lock    *semaphore.Weighted // a mutex that honours a context
	token   atomic.Pointer[oauth2.Token]

	mu        sync.Mutex
	refused   error
	refusedAt time.Time
}

func newTokens(o Options, client *http.Client) (*tokens, error) {
	if o.TokenURL == "" && o.ClientID == "" && o.ClientSecret == "" {
		return nil, nil
	}
	if o.TokenURL == "" || o.ClientID == "" || o.ClientSecret == "" {
		return nil, errors.New("token URL, client ID and client secret: some are set and some are empty; set all of them, or none to send no token")
	}
	address, err := checkURL("token URL", o.TokenURL)
	if err != nil {
		return nil, err
	}
	return &tokens{
		config: clientcredentials.Config{
			ClientID: o.ClientID, ClientSecret: o.ClientSecret, TokenURL: address,
			// Left to find out by itself, the library sends each refused login twice.
			AuthStyle: oauth2.AuthStyleInParams,
		},
		options: o,
		http:    client,
		lock:    semaphore.NewWeighted(1),
	}, nil
}

// get returns a token that is valid and is not the one that a server has just rejected
// (empty: none was). Of many requests rejected at once only the first fetches a new one.
func (t *tokens) get(ctx context.Context, rejected string) (*oauth2.Token, error) {
	if err := t.lock.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("waiting for a token: %w", err)
	}
	defer t.lock.Release(1)
	if token := t.token.Load(); token.Valid() && token.AccessToken != rejected {
		return token, nil
	}
	if err := t.refusal(); err != nil {
		return nil, err
	}
	token, err := t.fetch(ctx)
	if err != nil {
		return nil, err
	}
	t.token.Store(token)
	return token, nil
}

func (t *tokens) fetch(ctx context.Context) (*oauth2.Token, error) {
	timed, cancel := context.WithTimeout(ctx, t.options.RequestTimeout)
	defer cancel()
	tries := newTries(timed, t.options, func(resp *http.Response, err error) bool {
		if err != nil {
			return refused(err)
		}
		return resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable
	})
	client := plainClient(&retryablehttp.RoundTripper{Client: tries.client(t.http)})
	token, err := t.config.Token(context.WithValue(timed, oauth2.HTTPClient, client))
	if err == nil {
		return token, nil
	}
	if ended := ended(ctx); ended != nil {
		return nil, fmt.Errorf("token from %s: %w", t.config.TokenURL, ended)
	}
	if timed.Err() != nil {
		return nil, fmt.Errorf("token from %s: no answer within %v", t.config.TokenURL, t.options.RequestTimeout)
	}
	return nil, tries.explain(t.explain(err))
}

// explain tells why there is no token. The library's own error repeats the server's
// answer, which may repeat the secret; only its code and description are taken over, and
// the secret is cut out of those too.
func (t *tokens) explain(err error) error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		return fmt.Errorf("token from %s: %s", t.config.TokenURL, t.hide(reason(err), maxText)+advice(err))
	}
	status := answer.Response.StatusCode
	text := fmt.Sprintf("HTTP %d", status)
	for _, part := range []string{answer.ErrorCode, answer.ErrorDescription} {
		if part != "" {
			text += ": " + t.hide(part, maxText)
		}
	}
	err = fmt.Errorf("token from %s: %s; check the token URL, the client ID and the client secret", t.config.TokenURL, text)
	if status == http.StatusBadRequest || status == http.StatusUnauthorized || status == http.StatusForbidden {
		t.mu.Lock()
		t.refused, t.refusedAt = err, time.Now()
		t.mu.Unlock()
	}
	return err
}

func (t *tokens) refusal() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refused == nil || time.Since(t.refusedAt) > refusalHolds {
		return nil
	}
	return t.refused
}

// hide makes a text of a server fit for a log: without the secret and the token, in one
// line, at most max characters. It works on a nil receiver: then there is no secret.
func (t *tokens) hide(text string, limit int) string {
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
