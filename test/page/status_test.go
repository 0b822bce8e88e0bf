package page

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bosgc/internal/cli"
	"bosgc/internal/lab"
	"bosgc/test/plane"
)

// serve runs a command that serves pages until the test ends, and returns its address.
func serve(t testing.TB, server *lab.Server, command string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var out bytes.Buffer
		cli.Run(ctx, []string{command, "--kubeconfig", server.Kubeconfig()}, environ(server, "BOSGC_METRICS_ADDR="+address), &out, &out)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return "http://" + address
}

func environ(server *lab.Server, more ...string) []string {
	return append(append(server.Env(), "BOSGC_LOG_LEVEL=error"), more...)
}

// fetch returns the page at an address, once there is one that has a text.
func fetch(t testing.TB, url, text string) (page string) {
	t.Helper()
	plane.Eventually(t, time.Minute, func() error {
		answer, err := http.Get(url)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		var body bytes.Buffer
		if _, err := body.ReadFrom(answer.Body); err != nil {
			return err
		}
		if page = body.String(); !strings.Contains(page, text) {
			return fmt.Errorf("%s has no %q", answer.Status, text)
		}
		return nil
	})
	return page
}

// frame returns a page that shows another one as wide as a telephone does: the browser's own window is wider.
func frame(t testing.TB, page string) string {
	t.Helper()
	inner, outer := filepath.Join(t.TempDir(), "inner.html"), filepath.Join(t.TempDir(), "outer.html")
	text := fmt.Sprintf(`<!doctype html><iframe src="file://%s" style="border:0;width:420px;height:2900px"></iframe>`, inner)
	for path, content := range map[string]string{inner: page, outer: text} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "file://" + outer
}

// What a person sees who opens the address of an exporter, or of serve.
func TestTheStatusPageInABrowser(t *testing.T) {
	server := startLab(t, small)
	for range 3 {
		var stdout, stderr bytes.Buffer
		if code := cli.Run(t.Context(), []string{"sweep", "-o", "json", "--kubeconfig", server.Kubeconfig()}, environ(server), &stdout, &stderr); code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr.String())
		}
	}
	exporter := serve(t, server, "exporter") + "/"
	page := fetch(t, exporter, "The last sweep deleted")
	if strings.Contains(page, `href="report"`) {
		t.Error("an exporter has no plan to show")
	}
	dom := openURL(t, exporter, "--dump-dom")
	for _, want := range []string{"What they did", "What the last sweep saw", "too-young", "services.bosgc"} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	lightness := takeScreenshot(t, exporter, "status-light.png", "1280,1500")
	darkness := takeScreenshot(t, exporter, "status-dark.png", "1280,1500", preferDark)
	if lightness < .8 || darkness > .3 {
		t.Errorf("brightness %.2f in light colours and %.2f in dark ones", lightness, darkness)
	}
	takeScreenshot(t, frame(t, page), "status-420.png", "500,3000")
	takeScreenshot(t, frame(t, readPage(t, planPage(t, small))), "report-420.png", "500,3000")

	serving := serve(t, server, "serve")
	fetch(t, serving+"/", `href="report"`)
	fetch(t, serving+"/report", "Sessions over time")
	if objects := pageCount(openURL(t, serving+"/report", "--dump-dom"), "objects"); objects < 50 {
		t.Errorf("the report of the last sweep shows %d objects", objects)
	}
}

func readPage(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
