package cfs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"bosgc/inventory"
	"bosgc/transport"
)

// sessionTag is where a component says which session of BOS has configured it last.
const sessionTag = "bos_session"

// ErrClaimed says that a component is no longer as it was left, and was not touched.
var ErrClaimed = errors.New("it was left alone")

// Desired is the configuration that a component is to have.
type Desired struct {
	ID     string
	Config string // empty: none is wanted
	Tags   map[string]string
}

// Free says why a session's configuration must not be set again: nil if none is set, and no other
// session has had the component since. Otherwise it is ErrClaimed.
func (d Desired) Free(session string) error {
	if d.Config != "" {
		return fmt.Errorf("%w: its desired configuration is %q now", ErrClaimed, transport.Printable(d.Config, 80))
	}
	if tag := d.Tags[sessionTag]; tag != "" && session != "" && tag != session {
		return fmt.Errorf("%w: session %s has configured it since", ErrClaimed, transport.Printable(tag, 80))
	}
	return nil
}

// Desired reads one component. Absent means that CFS itself says so about this name; Unknown comes
// with an error.
func (c *Client) Desired(ctx context.Context, id string) (Desired, inventory.Presence, error) {
	path, version, err := c.componentPath(ctx, id)
	if err != nil {
		return Desired{}, inventory.Unknown, err
	}
	answer, err := c.get(ctx, transport.Request{Path: path})
	if transport.NotFoundTitle(err) != "" {
		return Desired{}, inventory.Absent, nil
	}
	if err != nil {
		return Desired{}, inventory.Unknown, err
	}
	found, err := decodeDesired(answer.Body, version)
	if err == nil && found.ID != id {
		err = fmt.Errorf("the answer is about component %q", transport.Printable(found.ID, 80))
	}
	if err != nil {
		return Desired{}, inventory.Unknown, fmt.Errorf("GET %s: %w", path, err)
	}
	return found, inventory.Present, nil
}

// decodeDesired reads a component. That the configuration is missing or null does not pass for
// unset: it would be set over one that is there under another name.
func decodeDesired(data []byte, version string) (Desired, error) {
	var r struct {
		ID   string            `json:"id"`
		V2   *string           `json:"desiredConfig"`
		V3   *string           `json:"desired_config"`
		Tags map[string]string `json:"tags"`
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return Desired{}, fmt.Errorf("component: %w", err)
	}
	config := r.V2
	if version == "/v3" {
		config = r.V3
	}
	if config == nil {
		return Desired{}, errors.New("component: it does not say which configuration is desired")
	}
	return Desired{ID: r.ID, Config: *config, Tags: r.Tags}, nil
}

// Patch sends one PATCH with a JSON body to a path below the base URL of CFS, once.
type Patch func(ctx context.Context, path string, body []byte) error

// SetDesired sets the desired configuration of one component again, if it is still free for that
// session (empty: of any), and makes sure that it is set. Nothing else of the component is
// sent, and no list and no filter: CFS takes an empty filter for the whole machine. CFS
// configures a component that is enabled as soon as one is set. The error is ErrClaimed if
// nothing was sent because somebody else has the component.
func (c *Client) SetDesired(ctx context.Context, patch Patch, id, config, session string) error {
	if config == "" {
		return errors.New("no configuration is given")
	}
	path, version, err := c.componentPath(ctx, id)
	if err != nil {
		return err
	}
	before, presence, err := c.Desired(ctx, id)
	switch {
	case err != nil:
		return err
	case presence == inventory.Absent:
		return fmt.Errorf("%w: CFS has no such component any more", ErrClaimed)
	}
	if err := before.Free(session); err != nil {
		return err
	}
	key := "desiredConfig"
	if version == "/v3" {
		key = "desired_config"
	}
	body, err := json.Marshal(map[string]string{key: config})
	if err != nil {
		return err
	}
	sent := patch(ctx, path, body)
	// CFS reads, changes and writes a component without a lock, and an answer can
	// be lost: only what is read afterwards counts.
	after, _, err := c.Desired(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("whether it is set is not known: %w", errors.Join(sent, err))
	case after.Config == config:
		return nil
	case sent != nil:
		return sent
	}
	return fmt.Errorf("CFS has accepted it, and its desired configuration is %q all the same", transport.Printable(after.Config, 80))
}

func (c *Client) componentPath(ctx context.Context, id string) (path, version string, err error) {
	element, err := transport.PathElement("component", id)
	if err != nil {
		return "", "", err
	}
	version, err = c.base(ctx)
	return version + "/components/" + element, version, err
}

// Patcher gives what sends a PATCH to CFS below the URL base: package transport sends no bodies.
// It has no retries, and follows no redirect. It sends nothing yet.
func Patcher(base string, o transport.Options) (Patch, error) {
	if _, err := transport.New(base, o); err != nil {
		return nil, err // the same checks as for everything else that is sent there
	}
	client, err := authorized(o)
	if err != nil {
		return nil, err
	}
	base = strings.TrimRight(base, "/")
	return func(ctx context.Context, path string, body []byte) error {
		ctx, cancel := context.WithTimeout(ctx, o.RequestTimeout)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodPatch, base+path, bytes.NewReader(body))
		if err != nil {
			return fmt.Errorf("PATCH %s: %w", path, err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Accept", "application/json")
		request.Header.Set("User-Agent", o.UserAgent)
		response, err := client.Do(request)
		if err != nil {
			return fmt.Errorf("PATCH %s: %w", path, err)
		}
		defer response.Body.Close()
		_, _ = io.CopyN(io.Discard, response.Body, 1<<20) // what it says is read again anyway
		if response.StatusCode/100 != 2 {
			return fmt.Errorf("PATCH %s: HTTP %d %s", path, response.StatusCode, http.StatusText(response.StatusCode))
		}
		return nil
	}, nil
}

// authorized gives a client that trusts and logs in as transport.Client does.
func authorized(o transport.Options) (*http.Client, error) {
	wire := http.DefaultTransport.(*http.Transport).Clone()
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("CA file: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool() // a minimal image has none
		}
		pool.AppendCertsFromPEM(pem)
		wire.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	client := &http.Client{Transport: wire}
	if o.TokenURL != "" {
		login := clientcredentials.Config{
			ClientID: o.ClientID, ClientSecret: o.ClientSecret, TokenURL: o.TokenURL, AuthStyle: oauth2.AuthStyleInParams,
		}
		client = login.Client(context.WithValue(context.Background(), oauth2.HTTPClient, client))
	}
	// A gateway's redirect to its login page is no answer of CFS.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client, nil
}
