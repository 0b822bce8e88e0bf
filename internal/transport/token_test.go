package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const secret = "hunter2+/ü&"

func login(tokenURL string) Options {
	o := options()
	o.TokenURL, o.ClientID, o.ClientSecret = tokenURL, "admin-client", secret
	return o
}

// issuer starts a server that issues the tokens t1, t2, ... and returns its URL.
func issuer(t *testing.T, issued *atomic.Int32) string {
	want := url.Values{"client_secret": {secret}, "client_id": {"admin-client"}, "grant_type": {"client_credentials"}}
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || !reflect.DeepEqual(r.Form, want) {
			t.Errorf("form %v, error %v", r.Form, err)
		}
		const token = `{"access_token":"t%d","token_type":"bearer","expires_in":3600}`
		answer(w, 200, "application/json", fmt.Sprintf(token, issued.Add(1)))
	}).URL
}

func TestTokenIsReusedAndRefreshedOnceAfter401(t *testing.T) {
	var issued, valid atomic.Int32
	valid.Store(1)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != fmt.Sprintf("Bearer t%d", valid.Load()) {
			answer(w, 401, "application/json", "{}")
			return
		}
		answer(w, 200, "application/json", "{}")
	})
	c := client(t, server.URL, login(issuer(t, &issued)))
	for range 3 {
		if _, err := c.Do(t.Context(), get("/x")); err != nil {
			t.Fatal(err)
		}
	}
	if issued.Load() != 1 || c.Requests() != 3 {
		t.Errorf("%d tokens for %d requests", issued.Load(), c.Requests())
	}
	valid.Store(2)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := c.Do(t.Context(), get("/x")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if issued.Load() != 2 {
		t.Errorf("%d tokens; the second was valid for all", issued.Load())
	}
	valid.Store(99)
	before := c.Requests()
	if _, err := c.Do(t.Context(), get("/x")); !hasStatus(err, 401) || c.Requests() != before+2 {
		t.Errorf("%v after %d requests", err, c.Requests()-before)
	}
}

func TestExpiredTokenIsReplaced(t *testing.T) {
	var issued atomic.Int32
	tokens := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		issued.Add(1)
		answer(w, 200, "application/json", `{"access_token":"t","expires_in":1}`)
	})
	server := serve(t, answering(200, "application/json", "{}"))
	c := client(t, server.URL, login(tokens.URL))
	for range 2 {
		if _, err := c.Do(t.Context(), get("/x")); err != nil {
			t.Fatal(err)
		}
	}
	if issued.Load() != 2 {
		t.Errorf("%d tokens", issued.Load())
	}
}

func TestNoSecretInErrorsOrLogs(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	echo := func(status int, contentType string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			said := r.FormValue("client_secret") + " " + r.PostForm.Encode() + " " + r.Header.Get("Authorization")
			if contentType == "application/json" {
				said = fmt.Sprintf(`{"error":"invalid_client","error_description":%q}`, said)
			}
			answer(w, status, contentType, said)
		}
	}
	tests := map[string]string{
		"wrong secret, echoed":         serve(t, echo(401, "application/json")).URL,
		"wrong secret, echoed as text": serve(t, echo(401, "text/plain")).URL,
		"wrong secret, echoed as HTML": serve(t, echo(403, "text/html")).URL,
		"200 with an error":            serve(t, echo(200, "application/json")).URL,
		"200 with nonsense":            serve(t, echo(200, "text/html")).URL,
		"503":                          serve(t, echo(503, "text/plain")).URL,
		"redirect": serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/?s="+r.FormValue("client_secret"), http.StatusFound)
		}).URL,
		"refused connection":            "http://" + closed.Addr().String(),
		"refused connection, by prefix": "http://" + closed.Addr().String() + "/keycloak/realms/shasta",
	}
	for name, url := range tests {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			o := login(url)
			o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			c := client(t, "http://127.0.0.1:1", o)
			_, err := c.Do(t.Context(), get("/x"))
			if err == nil || !strings.Contains(err.Error(), "token from http://") {
				t.Fatalf("%v", err)
			}
			for _, text := range []string{fmt.Sprintf("%v %+v %#v", err, err, err), log.String()} {
				if strings.Contains(text, "hunter2") {
					t.Errorf("the secret is in %q", text)
				}
			}
			for inner := err; inner != nil; inner = errors.Unwrap(inner) {
				if strings.Contains(fmt.Sprintf("%v %+v", inner, inner), "hunter2") {
					t.Errorf("the secret is in the cause %q", inner)
				}
			}
			if c.Requests() != 0 {
				t.Errorf("%d requests without a token", c.Requests())
			}
		})
	}
}

func TestServerThatEchoesTheTokenIsNotQuoted(t *testing.T) {
	tokens := serve(t, answering(200, "application/json", `{"access_token":"hunter2token","expires_in":3600}`))
	for _, status := range []int{200, 401, 403, 302} {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://"+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")+"/")
			answer(w, status, "text/plain", r.Header.Get("Authorization"))
		})
		_, err := client(t, server.URL, login(tokens.URL)).Do(t.Context(), get("/x"))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("HTTP %d: %v", status, err)
		}
	}
}

func TestRefusedLoginIsNotRepeatedForEveryRequest(t *testing.T) {
	var logins atomic.Int32
	tokens := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		logins.Add(1)
		answer(w, 401, "application/json", `{"error":"unauthorized_client"}`)
	})
	c := client(t, "http://127.0.0.1:1", login(tokens.URL))
	for range 5 {
		if _, err := c.Do(t.Context(), get("/x")); err == nil || !strings.Contains(err.Error(), "unauthorized_client") {
			t.Fatal(err)
		}
	}
	if logins.Load() != 1 {
		t.Errorf("%d logins", logins.Load())
	}
}

func TestSilentIssuerIsNotASilentServer(t *testing.T) {
	asked := make(chan struct{}, 2)
	tokens := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice that the client leaves
		<-r.Context().Done()
	})
	o := login(tokens.URL)
	o.RequestTimeout = 50 * time.Millisecond
	c := client(t, "http://127.0.0.1:1", o)
	_, err := c.Do(t.Context(), get("/x"))
	if err == nil || errors.Is(err, ErrTimeout) {
		t.Fatalf("error %v, want one that is not ErrTimeout", err)
	}
	for _, want := range []string{"token from", "within 50ms"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	<-asked
	o.RequestTimeout = time.Minute
	c = client(t, "http://127.0.0.1:1", o)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, err := c.Do(ctx, get("/x")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
