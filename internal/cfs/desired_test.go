package cfs_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bosgc/internal/cfs"
	"bosgc/internal/inventory"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
	"bosgc/internal/transport"
)

const node = "x1000c0s0b0n0"

var options = transport.Options{
	RequestTimeout: 5 * time.Second, Concurrency: 2, RetryWait: time.Millisecond, UserAgent: "bosgc/test",
}

func client(t *testing.T, base string, o transport.Options) *cfs.Client {
	t.Helper()
	toCFS, err := transport.New(base, o)
	if err != nil {
		t.Fatal(err)
	}
	return cfs.New(toCFS, 5*time.Second)
}

// startLab starts a simulated system with one component more, which has no desired configuration.
func startLab(t *testing.T, csm string, serve lab.ServerOptions) *lab.Server {
	t.Helper()
	world, err := lab.NewWorld(lab.Options{CSM: csm, Seed: 3, Sessions: 3})
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.Start(world, serve)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	server.CFS.AddComponent(simcfs.Component{ID: node, Enabled: true, ErrorCount: 2, Tags: tagged("s1")})
	return server
}

func TestSetDesiredOnEveryRelease(t *testing.T) {
	for _, csm := range lab.Profiles() {
		t.Run(csm, func(t *testing.T) {
			t.Parallel()
			server := startLab(t, csm, lab.ServerOptions{})
			c := client(t, server.URL("cfs"), options)
			d, presence, err := c.Component(t.Context(), node)
			if err != nil || presence != inventory.Present || d.ID != node || d.Desired != "" || d.Tag != "s1" ||
				!d.Enabled || d.Fault != "" {
				t.Fatalf("%+v, %v, %v", d, presence, err)
			}
			if _, presence, err := c.Component(t.Context(), "x9"); err != nil || presence != inventory.Absent {
				t.Errorf("%v, %v", presence, err)
			}
			if err := c.SetDesired(t.Context(), node, "compute-1", "s1"); err != nil {
				t.Fatal(err)
			}
			now, _ := server.CFS.Component(node)
			if now.DesiredConfig != "compute-1" || !now.Enabled || len(now.Tags) != 2 ||
				now.Tags["bos_session"] != "s1" {
				t.Errorf("%+v", now)
			}
			if err := c.SetDesired(t.Context(), node, "compute-2", "s1"); !errors.Is(err, cfs.ErrClaimed) {
				t.Errorf("set over another: %v", err)
			}
			for _, request := range server.Danger() {
				t.Errorf("dangerous: %s", request)
			}
		})
	}
}

func TestSetDesiredLeavesClaimedComponentsAlone(t *testing.T) {
	server := startLab(t, "1.5", lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if r.Method == http.MethodPatch {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
	}})
	server.CFS.AddComponent(simcfs.Component{ID: "x1", DesiredConfig: "other"})
	c := client(t, server.URL("cfs"), options)
	for _, tt := range []struct {
		id, config, session, want string
		claimed                   bool
	}{
		{"x1", "compute", "", `"other"`, true},
		{node, "compute", "s2", "session s1 has configured it since", true},
		{"x9", "compute", "s1", "no such component", true},
		{node, "", "s1", "no configuration is given", false},
		{"", "compute", "s1", "empty", false},
		{"..", "compute", "s1", "step in a path", false},
		{"x1/../x2", "compute", "s1", "cannot stand", false},
		{"x1?ids=", "compute", "s1", "cannot stand", false},
	} {
		err := c.SetDesired(t.Context(), tt.id, tt.config, tt.session)
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, cfs.ErrClaimed) != tt.claimed {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestSetDesiredThroughTheGateway(t *testing.T) {
	server := startLab(t, "1.4", lab.ServerOptions{Gateway: true})
	o, base := options, ""
	for _, line := range server.Env() {
		name, value, _ := strings.Cut(line, "=")
		switch name {
		case "BOSGC_CFS_URL":
			base = value
		case "BOSGC_TOKEN_URL":
			o.TokenURL = value
		case "BOSGC_CLIENT_ID":
			o.ClientID = value
		case "BOSGC_CLIENT_SECRET":
			o.ClientSecret = value
		case "BOSGC_CA_FILE":
			o.CAFile = value
		}
	}
	c := client(t, base+"/", o)
	if err := c.SetDesired(t.Context(), node, "compute-1", "s1"); err != nil {
		t.Fatal(err)
	}
	if now, _ := server.CFS.Component(node); now.DesiredConfig != "compute-1" {
		t.Errorf("%+v", now)
	}
	server.CFS.AddComponent(simcfs.Component{ID: node})
	o.TokenURL, o.ClientID, o.ClientSecret = "", "", ""
	if err := client(t, base, o).SetDesired(t.Context(), node, "compute-1", "s1"); err == nil ||
		!strings.Contains(err.Error(), "302") {
		t.Errorf("a login page is no answer: %v", err)
	}
}

func TestSetDesiredTrustsOnlyWhatItReadsBack(t *testing.T) {
	for fault, want := range map[string]string{
		"lose-answer,system=cfs,method=PATCH":                     "", // carried out
		"refuse,system=cfs,method=PATCH":                          "PATCH /v3/components/" + node,
		"status=500,system=cfs,method=PATCH":                      "HTTP 500",
		"html,system=cfs,method=PATCH":                            "not JSON",
		"null,system=cfs,method=PATCH":                            "accepted it",
		"status=503,system=cfs,method=GET,path=/v3/components/x1": "HTTP 503",
		"null,system=cfs,method=GET,path=/v3/components/x1":       "has no ID",
	} {
		t.Run(fault, func(t *testing.T) {
			server := startLab(t, "1.5", lab.ServerOptions{})
			c := client(t, server.URL("cfs"), options)
			f, err := lab.ParseFault(fault)
			if err == nil {
				err = server.AddFault(f)
			}
			if err != nil {
				t.Fatal(err)
			}
			err = c.SetDesired(t.Context(), node, "compute-1", "s1")
			if (err == nil) != (want == "") ||
				err != nil && (!strings.Contains(err.Error(), want) || errors.Is(err, cfs.ErrClaimed)) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}

// The body has one field. Another one would switch a node on or off, or give it to another session.
func TestSetDesiredSendsOneField(t *testing.T) {
	var mu sync.Mutex
	var sent []string
	config := ""
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method == http.MethodPatch:
			body, _ := io.ReadAll(r.Body)
			sent = append(sent, r.RequestURI+" "+r.Header.Get("Content-Type")+" "+string(body))
			config = "c"
		case r.URL.Path == "/v2/options":
			_, _ = io.WriteString(w, "{}")
			return
		case r.URL.Path == "/v3/options":
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, `{"id":"x1","desiredConfig":"`+config+`","enabled":true,"tags":{}}`)
	}))
	defer h.Close()
	c := client(t, h.URL, options)
	if err := c.SetDesired(t.Context(), "x1", "c", ""); err != nil {
		t.Fatal(err)
	}
	if want := []string{`/v2/components/x1 application/json {"desiredConfig":"c"}`}; !slices.Equal(sent, want) {
		t.Errorf("%q", sent)
	}
}

func TestMissingDesiredConfigurationIsNotUnset(t *testing.T) {
	for body, want := range map[string]string{
		`{"id":"x1","desired_config":"a"}`:                             "does not say", // version 3's name in version 2
		`{"id":"x1","desiredConfig":null}`:                             "does not say",
		`{"id":"x1"}`:                                                  "does not say",
		`{"id":"x2","desiredConfig":""}`:                               `about component "x2"`,
		`{"id":"x1","desiredConfig":["a"]}`:                            "cannot unmarshal",
		`{"id":"x1","desiredConfig":"","tags":{"bos_session":7}}`:      "cannot unmarshal",
		`[{"id":"x1","desiredConfig":""}]`:                             "cannot unmarshal",
		`{"id":"x1","desiredConfig":"","tags":null,"enabled":"often"}`: "",
	} {
		h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			switch r.URL.Path {
			case "/v2/options":
				body := "{}"
				_, _ = io.WriteString(w, body)
			case "/v2/components/x1":
				_, _ = io.WriteString(w, body)
			default:
				w.WriteHeader(http.StatusNotFound)
			}
		}))
		c := client(t, h.URL, options)
		_, presence, err := c.Component(context.Background(), "x1")
		if want == "" && (err != nil || presence != inventory.Present) ||
			want != "" && (err == nil || presence != inventory.Unknown || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, %v", body, presence, err)
		}
		h.Close()
	}
}

// What other tests conclude from Danger holds only if the simulator notices.
func TestSimulatorNoticesOtherFields(t *testing.T) {
	server := startLab(t, "1.5", lab.ServerOptions{})
	patch := func(body string) error {
		url := server.URL("cfs") + "/v3/components/" + node
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, url, strings.NewReader(body))
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	for _, body := range []string{`{"desired_config":"c","enabled":false}`, `{"tags":{}}`} {
		before := len(server.Danger())
		if err := patch(body); err != nil || len(server.Danger()) != before+1 {
			t.Errorf("%s: %v, %q", body, err, server.Danger())
		}
	}
	if err := patch(`{"desiredConfig":"v2-name"}`); err != nil {
		t.Error(err)
	}
	if now, _ := server.CFS.Component(node); now.DesiredConfig != "c" || now.Enabled {
		t.Errorf("%+v", now)
	}
}
