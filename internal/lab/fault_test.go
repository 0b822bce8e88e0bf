package lab_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bosgc/internal/lab"
)

func addFault(t *testing.T, server *lab.Server, text string) {
	t.Helper()
	f, err := lab.ParseFault(text)
	if err == nil {
		err = server.AddFault(f)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestFaults(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 20}, lab.ServerOptions{})
	list := server.URL("bos") + "/v1/session"
	whole := len(mustAsk(t, "GET", list).text)
	for text, check := range map[string]func(a answer, err error) bool{
		"refuse":   func(_ answer, err error) bool { return errors.Is(err, io.EOF) },
		"bos-down": func(_ answer, err error) bool { return errors.Is(err, io.EOF) },
		"hang":     func(_ answer, err error) bool { return errors.Is(err, context.DeadlineExceeded) },
		"status=503,body=upstream down": func(a answer, err error) bool {
			return err == nil && a.status == 503 && a.text == "upstream down"
		},
		"html": func(a answer, _ error) bool { return a.status == 200 && strings.HasPrefix(a.kind, "text/html") },
		"truncate,path=session": func(a answer, err error) bool {
			return errors.Is(err, io.ErrUnexpectedEOF) && a.status == 200
		},
		"malformed": func(a answer, _ error) bool {
			return a.status == 200 && !json.Valid([]byte(a.text))
		},
		"null,system=bos,method=GET|HEAD":     func(a answer, _ error) bool { return a.text == "null" },
		"lose-answer":                         func(_ answer, err error) bool { return errors.Is(err, io.EOF) },
		`{"kind":"delay","delay":"20ms"}`:     func(a answer, _ error) bool { return len(a.text) == whole },
		"status=500,path=^/v1/session/.+":     func(a answer, _ error) bool { return len(a.text) == whole },
		"status=500,system=cfs":               func(a answer, _ error) bool { return len(a.text) == whole },
		"status=500,method=DELETE,count=3":    func(a answer, _ error) bool { return len(a.text) == whole },
		"status=429,Retry-After=1,system=bos": func(a answer, _ error) bool { return a.status == 429 },
	} {
		server.ClearFaults()
		addFault(t, server, text)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		a, err := ask(ctx, "GET", list, "")
		cancel()
		if !check(a, err) {
			t.Errorf("%s: %d %s %.40q, %v", text, a.status, a.kind, a.text, err)
		}
	}
}

func TestFaultCount(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 5}, lab.ServerOptions{})
	addFault(t, server, "status=503,count=2")
	for i, want := range []int{503, 503, 200} {
		if got := mustAsk(t, "GET", server.URL("cfs")+"/v2/sessions"); got.status != want {
			t.Errorf("request %d: %d", i, got.status)
		}
	}
}

func TestBadFaults(t *testing.T) {
	for _, text := range []string{"nonsense", "status=many", `{"kind":`, "hang,path=("} {
		f, err := lab.ParseFault(text)
		if err == nil {
			err = start(t, lab.Options{CSM: "1.4"}, lab.ServerOptions{}).AddFault(f)
		}
		if err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func TestControl(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 20}, lab.ServerOptions{})
	url := server.URL("lab")
	for _, body := range []string{`{"name":"cfs-down"}`, `{"kind":"status","status":418,"system":"bos"}`} {
		if a, err := ask(t.Context(), "POST", url+"/lab/faults", body); err != nil || a.status != http.StatusNoContent {
			t.Fatalf("%+v, %v", a, err)
		}
	}
	if a, err := ask(t.Context(), "POST", url+"/lab/faults", `{"knd":"hang"}`); err != nil || a.status != 400 {
		t.Errorf("%+v, %v", a, err)
	}
	if got := mustAsk(t, "GET", server.URL("bos")+"/"); got.status != 418 {
		t.Errorf("%+v", got)
	}
	if _, err := ask(t.Context(), "GET", server.URL("cfs")+"/v2/sessions", ""); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	mustAsk(t, "DELETE", url+"/lab/faults")
	if got := mustAsk(t, "GET", server.URL("bos")+"/"); got.status != 200 {
		t.Errorf("%+v", got)
	}
	var state struct{ Objects []lab.Object }
	text := mustAsk(t, "GET", url+"/lab/state").text
	if err := json.Unmarshal([]byte(text), &state); err != nil || len(state.Objects) != len(server.Objects()) {
		t.Errorf("%d objects, %v", len(state.Objects), err)
	}
	var requests struct {
		Total  int
		Counts []lab.Count
	}
	text = mustAsk(t, "GET", url+"/lab/requests").text
	if err := json.Unmarshal([]byte(text), &requests); err != nil || requests.Total != 3 {
		t.Errorf("%+v, %v", requests, err)
	}
	want := lab.Count{System: "bos", Method: "GET", Path: "/", Count: 2}
	if len(requests.Counts) != 2 || requests.Counts[0] != want {
		t.Errorf("%+v", requests.Counts)
	}
}

func TestOnRequest(t *testing.T) {
	var last atomic.Int64
	server := start(t, lab.Options{CSM: "1.4", Seed: 1}, lab.ServerOptions{
		OnRequest: func(n int, _ *http.Request) { last.Store(int64(n)) },
	})
	mustAsk(t, "GET", server.URL("bos")+"/")
	mustAsk(t, "GET", server.URL("cfs")+"/v2/sessions")
	if last.Load() != 2 || len(server.Requests()) != 2 || server.Requests()[1].Status != 200 {
		t.Errorf("%d, %+v", last.Load(), server.Requests())
	}
}

func TestListen(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1}, lab.ServerOptions{
		Listen: func(ctx context.Context) (net.Listener, error) {
			var config net.ListenConfig
			return config.Listen(ctx, "tcp", "127.0.0.2:0")
		},
	})
	for system, host := range map[string]string{
		"bos": "127.0.0.2", "cfs": "127.0.0.2", "gateway": "127.0.0.1", "kube": "127.0.0.1", "lab": "127.0.0.1",
	} {
		if url := server.URL(system); !strings.Contains(url, "//"+host+":") {
			t.Errorf("%s is on %s, not on %s", system, url, host)
		}
	}
	mustAsk(t, "GET", server.URL("bos")+"/")
}

func TestGateway(t *testing.T) {
	server := start(t, lab.Options{CSM: "1.4", Seed: 1, Sessions: 5}, lab.ServerOptions{
		Gateway: true, TokenLife: time.Minute,
	})
	env := map[string]string{}
	for _, line := range server.Env() {
		key, value, _ := strings.Cut(line, "=")
		env[key] = value
	}
	for _, key := range []string{
		"BOSGC_TOKEN_URL", "BOSGC_CLIENT_ID", "BOSGC_CLIENT_SECRET", "BOSGC_CA_FILE", "KUBECONFIG", "LAB_URL",
	} {
		if env[key] == "" {
			t.Errorf("no %s", key)
		}
	}
	client := clientTrusting(t, env["BOSGC_CA_FILE"])
	get := func(token string) (*http.Response, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, env["BOSGC_BOS_URL"]+"/v1/session", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		return roundTrip(t, client, request)
	}
	if response, text := get("wrong"); !strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
		t.Errorf("without a token: %s", text)
	}
	form := "grant_type=client_credentials&client_id=" + env["BOSGC_CLIENT_ID"] + "&client_secret="
	token := func(secret string) (int, map[string]any) {
		content := strings.NewReader(form + secret)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, env["BOSGC_TOKEN_URL"], content)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, text := roundTrip(t, client, request)
		var body map[string]any
		if err := json.Unmarshal([]byte(text), &body); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, body
	}
	if status, body := token("wrong"); status != http.StatusUnauthorized || body["access_token"] != nil {
		t.Errorf("%d %v", status, body)
	}
	_, body := token(env["BOSGC_CLIENT_SECRET"])
	good, _ := body["access_token"].(string)
	response, text := get(good)
	if response.StatusCode != 200 || !strings.HasPrefix(text, "[") || body["expires_in"] != 60.0 {
		t.Errorf("%d %s, %v", response.StatusCode, text, body)
	}
	server.RevokeTokens()
	if response, _ := get(good); !strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
		t.Error("a revoked token was good")
	}
	_ = server.Close()
	if _, err := os.Stat(env["BOSGC_CA_FILE"]); !errors.Is(err, os.ErrNotExist) {
		t.Error("Close left files behind")
	}
}

func clientTrusting(t *testing.T, caFile string) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in the CA file")
	}
	config := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
}

func roundTrip(t *testing.T, client *http.Client, request *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}
