package sweep

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"bosgc/internal/bos"
	"bosgc/internal/bosetcd"
	"bosgc/internal/cfs"
	"bosgc/internal/kube"
	"bosgc/internal/metrics"
	"bosgc/internal/transport"
)

// redirecting returns a server that sends every request to another one, and what that one has got.
func redirecting(t *testing.T, status int) (url string, got func() string) {
	t.Helper()
	var mu sync.Mutex
	var all strings.Builder
	both := new(http.Protocols)
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true) // etcd's client speaks nothing else
	serve := func(handler http.HandlerFunc) string {
		server := httptest.NewUnstartedServer(handler)
		server.Config.Protocols = both
		server.Start()
		t.Cleanup(server.Close)
		return server.URL
	}
	thief := serve(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		all.WriteString(r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization") + " " + string(body) + "\n")
		w.WriteHeader(http.StatusOK)
	})
	// Another name is another host, as well as another port.
	thief = strings.Replace(thief, "127.0.0.1", "localhost", 1)
	url = serve(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, thief+r.URL.Path, status) })
	return url, func() string {
		mu.Lock()
		defer mu.Unlock()
		return all.String()
	}
}

// Every client meets a server that sends it elsewhere: a gateway that has been replaced, or somebody who answers in
// place of the service. Nothing may arrive there, least of all a token.
func TestNoClientFollowsARedirect(t *testing.T) {
	token := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"the-token","token_type":"bearer","expires_in":60}`)
	}))
	t.Cleanup(token.Close)
	services := func(t *testing.T, url, tokenURL string) *transport.Client {
		t.Helper()
		client, err := transport.New(url, transport.Options{
			TokenURL: tokenURL, ClientID: "c", ClientSecret: "the-secret", RequestTimeout: 2 * time.Second, Concurrency: 1,
			RetryWait: time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	cluster := func(t *testing.T, url string) *kube.Client {
		t.Helper()
		client, err := kube.New(&rest.Config{Host: url, BearerToken: "the-token"}, kube.Options{
			Namespace: "services", Concurrency: 1, RequestTimeout: 2 * time.Second, ListTimeout: 2 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	const id = "5a0df9d1-2c3b-4f5e-8a9b-0123456789ab"
	for name, ask := range map[string]func(context.Context, *testing.T, string) error{
		"BOS, list": func(ctx context.Context, t *testing.T, url string) error {
			_, err := bos.New(services(t, url, token.URL), time.Second).List(ctx)
			return err
		},
		"BOS, delete": func(ctx context.Context, t *testing.T, url string) error {
			_, err := bos.New(services(t, url, token.URL), time.Second).Delete(ctx, id)
			return err
		},
		"CFS, list": func(ctx context.Context, t *testing.T, url string) error {
			_, err := cfs.New(services(t, url, token.URL), time.Second).Sessions(ctx)
			return err
		},
		"CFS, patch": func(ctx context.Context, t *testing.T, url string) error {
			return cfs.New(services(t, url, token.URL), time.Second).SetDesired(ctx, "x1", "c", id)
		},
		"token": func(ctx context.Context, t *testing.T, url string) error {
			_, err := bos.New(services(t, token.URL, url), time.Second).List(ctx)
			return err
		},
		"Kubernetes, list": func(ctx context.Context, t *testing.T, url string) error {
			_, err := cluster(t, url).ListJobs(ctx)
			return err
		},
		"Kubernetes, delete": func(ctx context.Context, t *testing.T, url string) error {
			_, err := cluster(t, url).DeleteJob(ctx, "boa-"+id, "uid", "1")
			return err
		},
		"Kubernetes, write": func(ctx context.Context, t *testing.T, url string) error {
			_, err := cluster(t, url).Store("services").Put(ctx, kube.StoredConfigMap{Name: "bosgc-state"})
			return err
		},
		"etcd": func(ctx context.Context, t *testing.T, url string) error {
			_, err := bosetcd.New(bosetcd.Options{Endpoints: []string{url}, Timeout: time.Second}).Read(ctx)
			return err
		},
		"metrics": func(ctx context.Context, _ *testing.T, url string) error {
			return metrics.Push(ctx, strings.Replace(url, "http://", "http://user:the-secret@", 1), "i", prometheus.NewRegistry(), true)
		},
		"mesh": func(ctx context.Context, _ *testing.T, url string) error {
			log := slog.New(slog.DiscardHandler)
			waitForMesh(ctx, url+"/quitquitquit", time.Millisecond, log)
			QuitMesh(url+"/quitquitquit", log)
			return context.Canceled // it is never fatal
		},
	} {
		for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
			t.Run(name+" "+http.StatusText(status), func(t *testing.T) {
				t.Parallel()
				url, got := redirecting(t, status)
				if err := ask(t.Context(), t, url); err == nil {
					t.Error("the redirect passed for an answer")
				}
				if requests := got(); requests != "" {
					t.Errorf("the other host got:\n%s", requests)
				}
			})
		}
	}
}
