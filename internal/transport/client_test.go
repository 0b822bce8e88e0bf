package transport

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const problemRoute = `{"detail":"The requested URL was not found on the server. If you entered the URL manually ` +
	`please check your spelling and try again.","status":404,"title":"Not Found","type":"about:blank"}`

func options() Options {
	return Options{RequestTimeout: 10 * time.Second, Concurrency: 2, RetryWait: time.Millisecond}
}

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func client(t *testing.T, base string, o Options) *Client {
	t.Helper()
	c, err := New(base, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(path string) Request { return Request{Method: http.MethodGet, Path: path} }

func answer(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// answering returns a handler that gives every request the same answer.
func answering(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, status, contentType, body) }
}

func TestNewRefusesBadOptions(t *testing.T) {
	tests := []struct {
		name, base string
		change     func(*Options)
		want       string
	}{
		{"no scheme", "cray-bos", nil, `"cray-bos"`},
		{"another scheme", "ftp://cray-bos", nil, "expected http"},
		{"no host", "http:///v1", nil, "has no host"},
		{"a port alone", "http://:80", nil, "has no host"},
		{"a query", "http://cray-bos?x=1", nil, "query"},
		{"a fragment", "http://cray-bos#x", nil, "fragment"},
		{"not a URL", "http://cray bos", nil, "no URL"},
		{"a password", "https://me:hunter2@cray-bos", nil, "credentials"},
		{"a password with a slash", "https://me:hun/hunter2@cray-bos", nil, "credentials"},
		{"a password in a broken URL", "https://me:hunter2 @cray-bos:x", nil, "credentials"},
		{"no timeout", "http://cray-bos", func(o *Options) { o.RequestTimeout = 0 }, "request timeout"},
		{"no concurrency", "http://cray-bos", func(o *Options) { o.Concurrency = 0 }, "concurrency"},
		{"no CA file", "http://cray-bos", func(o *Options) { o.CAFile = "/nonexistent/ca.crt" }, "/nonexistent/ca.crt"},
		{"half a login", "http://cray-bos", func(o *Options) {
			o.TokenURL, o.ClientSecret = "http://k/token", "hunter2"
		}, "client ID"},
		{"a password in the token URL", "http://cray-bos", func(o *Options) {
			o.TokenURL, o.ClientID, o.ClientSecret = "http://me:hunter2@k/token", "id", "hunter2"
		}, "token URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := options()
			if tt.change != nil {
				tt.change(&o)
			}
			_, err := New(tt.base, o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("the password is in the error: %v", err)
			}
		})
	}
}

func TestPrefixQueryAndHeaders(t *testing.T) {
	var seen *http.Request
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r
		answer(w, 200, "application/json", "[]")
	})
	o := options()
	o.UserAgent = "bosgc/test"
	c := client(t, server.URL+"/apis/bos/", o)
	r := get("/v1/session")
	r.Query = url.Values{"after_id": {"a b&c"}}
	got, err := c.Do(t.Context(), r)
	if err != nil || string(got.Body) != "[]" || got.Status != 200 {
		t.Fatalf("%+v, %v", got, err)
	}
	if seen.RequestURI != "/apis/bos/v1/session?after_id=a+b%26c" {
		t.Errorf("requested %s", seen.RequestURI)
	}
	if seen.UserAgent() != "bosgc/test" || seen.Header.Get("Accept") != "application/json" {
		t.Errorf("headers %v", seen.Header)
	}
	for _, h := range []string{"Cray-Tenant-Name", "Authorization"} {
		if _, found := seen.Header[h]; found {
			t.Errorf("header %s was sent", h)
		}
	}
	if c.Requests() != 1 {
		t.Errorf("%d requests counted", c.Requests())
	}
}

func TestPathElement(t *testing.T) {
	for _, name := range []string{
		"", ".", "..", "a/b", `a\b`, "?x", "a#b", "%2e%2e", "a;b", "a\x00b", "a\nb", " ", "a b", "é", "a\x7f", "\xff",
		strings.Repeat("a", 254),
	} {
		if got, err := PathElement("BOS session", name); err == nil || got != "" {
			t.Errorf("%q became %q, %v", name, got, err)
		} else if !strings.Contains(err.Error(), "BOS session") || strings.ContainsAny(err.Error(), "\x00\n") {
			t.Errorf("%q: unfit error %q", name, err)
		}
	}
	longest := strings.Repeat("a", 253)
	for name, want := range map[string]string{
		"5a0d-b": "5a0d-b", "...": "...", "a:b": "a:b", `a"b`: "a%22b", longest: longest,
	} {
		if got, err := PathElement("BOS session", name); err != nil || got != want {
			t.Errorf("%q became %q, %v", name, got, err)
		}
	}
}

func TestBodies(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    error // nil: an answer
		text    string
	}{
		{"exactly the limit", answering(200, "application/json", strings.Repeat("1", 100)), nil, ""},
		{"one byte more", answering(200, "application/json", strings.Repeat("1", 101)), ErrTooLarge, "more than 100 bytes"},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, ErrTooLarge, ""},
		{"shorter than announced", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "50")
			answer(w, 200, "application/json", "[]")
		}, io.ErrUnexpectedEOF, "too early"},
		{"chunks cut off after a whole value", func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, "application/json", "[]")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, io.ErrUnexpectedEOF, ""},
		{"an error answer cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "50")
			answer(w, 404, "application/json", "{}")
		}, io.ErrUnexpectedEOF, ""},
		{
			"a login page", answering(200, "text/html; charset=utf-8", "<html>\x1b[31m"+strings.Repeat("x", 500)),
			ErrNotJSON, `"text/html; charset=utf-8", beginning "<html>` + "\uFFFD[31m",
		},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://login.local/auth?state=hunter2", http.StatusFound)
		}, ErrRedirect, "HTTP 302 to login.local"},
	}
	for _, tt := range tests {
		for _, streamed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, streamed %v", tt.name, streamed), func(t *testing.T) {
				checkBody(t, tt.handler, streamed, tt.want, tt.text)
			})
		}
	}
}

// checkBody sends one request with a limit of 100 bytes.
func checkBody(t *testing.T, handler http.HandlerFunc, streamed bool, want error, text string) {
	c := client(t, serve(t, handler).URL, options())
	r := get("/x")
	r.Limit = 100
	if streamed { // a decoder that accepts anything
		r.Decode = func(in io.Reader) error {
			_, _ = in.Read(make([]byte, 2))
			return nil
		}
	}
	_, err := c.Do(t.Context(), r)
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	if err != nil && (!strings.Contains(err.Error(), text) || len(err.Error()) > 400) {
		t.Errorf("error %q, want at most 400 bytes with %q", err, text)
	}
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the secret is in the error %q", err)
	}
	if c.Requests() != 1 {
		t.Errorf("%d requests", c.Requests())
	}
}

func TestDecodersErrorIsReturned(t *testing.T) {
	c := client(t, serve(t, answering(200, "application/json", "[]")).URL, options())
	r, mine := get("/x"), errors.New("mine")
	r.Decode = func(io.Reader) error { return mine }
	if _, err := c.Do(t.Context(), r); !errors.Is(err, mine) {
		t.Fatal(err)
	}
}

func TestStatusErrors(t *testing.T) {
	const problemJSON = "application/problem+json"
	tests := []struct {
		name, contentType, body, title, notFound string
		missing                                  bool
	}{
		{"the framework's own", problemJSON, problemRoute, "Not Found", "", true},
		{
			"a service's", problemJSON, `{"title":"Session not found.","detail":"Session x could not be found"}`,
			"Session not found.", "Session not found.", false,
		},
		{
			"another text under the framework's title", problemJSON, `{"title":"Not Found","detail":"no"}`,
			"Not Found", "", false,
		},
		{
			"the framework's text under another title", problemJSON,
			strings.Replace(problemRoute, `"Not Found"`, `"No session"`, 1), "No session", "No session", false,
		},
		{"an empty object", "application/json", "{}", "", "", false},
		{"a string", "application/json", `"gone"`, "", "", false},
		{"a page", "text/html", "<html>", "", "", false},
		{"titles of another kind", "application/json", `{"title":{"a":1},"detail":[2]}`, "", "", false},
		{
			"hostile", "application/json", `{"title":"a\u001b[2Jb\nc","detail":"` + strings.Repeat("y", 5000) + `"}`,
			"a\uFFFD[2Jb\uFFFDc", "a\uFFFD[2Jb\uFFFDc", false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := client(t, serve(t, answering(404, tt.contentType, tt.body)).URL, options())
			_, err := c.Do(t.Context(), get("/x"))
			var e *StatusError
			if !errors.As(err, &e) || e.Status != 404 || e.Title != tt.title || string(e.Body) != tt.body {
				t.Fatalf("%#v", err)
			}
			if RouteMissing(err) != tt.missing || NotFoundTitle(err) != tt.notFound {
				t.Errorf("missing %v, title %q", RouteMissing(err), NotFoundTitle(err))
			}
			if len([]rune(err.Error())) > 450 || strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("unfit for a log: %q", err)
			}
		})
	}
}

func TestConcurrencyIsBoundedAndWaitingEndsWithTheContext(t *testing.T) {
	var now, most atomic.Int32
	entered, release := make(chan struct{}, 20), make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		most.Store(max(most.Load(), now.Add(1)))
		entered <- struct{}{}
		<-release
		now.Add(-1)
		answer(w, 200, "application/json", "{}")
	})
	c := client(t, server.URL, options()) // two at once
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if _, err := c.Do(t.Context(), get("/x")); err != nil {
				t.Error(err)
			}
		})
	}
	<-entered
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Do(ctx, get("/x")); !errors.Is(err, context.Canceled) || errors.Is(err, ErrTimeout) {
		t.Errorf("waiting for a slot: %v", err)
	}
	close(release)
	group.Wait()
	if most.Load() != 2 || c.Requests() != 10 {
		t.Errorf("%d at once, %d in all", most.Load(), c.Requests())
	}
}

func TestTimeInTheQueueIsNotTheServersSilence(t *testing.T) {
	started := make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(started)
			slow, cancel := context.WithTimeout(r.Context(), 400*time.Millisecond)
			defer cancel()
			<-slow.Done()
		}
		answer(w, 200, "application/json", "{}")
	})
	o := options()
	o.Concurrency = 1
	c := client(t, server.URL, o)
	var group sync.WaitGroup
	group.Go(func() { _, _ = c.Do(t.Context(), get("/slow")) })
	<-started
	quick := get("/quick")
	quick.Timeout = 200 * time.Millisecond
	if _, err := c.Do(t.Context(), quick); err != nil {
		t.Error(err)
	}
	group.Wait()
}

func TestClosedGateSendsNothing(t *testing.T) {
	c := client(t, serve(t, func(http.ResponseWriter, *http.Request) {}).URL, options())
	r, shut := get("/x"), errors.New("shut")
	r.Gate = func() error { return shut }
	if _, err := c.Do(t.Context(), r); !errors.Is(err, shut) || c.Requests() != 0 {
		t.Errorf("%v, %d requests", err, c.Requests())
	}
}

func TestExtraCA(t *testing.T) {
	server := httptest.NewTLSServer(answering(200, "application/json", "{}"))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = nil
	file := filepath.Join(t.TempDir(), "ca.crt")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	o := options()
	_, err := client(t, server.URL, o).Do(t.Context(), get("/x"))
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without the CA: %v", err)
	}
	o.CAFile = file
	if _, err := client(t, server.URL, o).Do(t.Context(), get("/x")); err != nil {
		t.Errorf("with the CA: %v", err)
	}
	if err := os.WriteFile(file, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(server.URL, o); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("with a CA file without one: %v", err)
	}
}

func TestSafeErrorsOfTheConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	c := client(t, "http://"+address, options())
	_, err = c.Do(t.Context(), get("/v1/session"))
	for _, want := range []string{syscall.ECONNREFUSED.Error(), "4 tries"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if c.Requests() != 4 {
		t.Errorf("%d requests", c.Requests())
	}
	if got := textWithoutURL(errors.New("proxy http://me:hunter2@proxy:3128 is bad")); strings.Contains(got, "hunter2") {
		t.Error(got)
	}
}

func FuzzParseProblem(f *testing.F) {
	for _, s := range []string{problemRoute, "{}", "null", `"x"`, `{"title":1,"detail":null}`, "", "<html>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		title, detail := parseProblem(data)
		for _, s := range []string{Printable(title, maxText), Printable(detail, maxText)} {
			if len([]rune(s)) > maxText+1 || strings.ContainsAny(s, "\n\r\x00\x1b") {
				t.Fatalf("%q is unfit for a log", s)
			}
		}
	})
}
