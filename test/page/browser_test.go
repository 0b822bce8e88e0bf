// Package page opens the HTML page of a plan in a real browser (Debian: chromium fonts-dejavu-core): what a script, a
// style sheet or a content policy really does cannot be imitated. Its screenshots are for people to look at. They are
// written to bin/screenshots, or to the folder in BOSGC_SCREENSHOTS.
package page

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"bosgc/internal/cli"
	"bosgc/internal/lab"
	"bosgc/test/plane"
)

// openTimeout is for a browser on a busy machine. How fast the page opens is measured by the page itself.
const openTimeout = 2 * time.Minute

func findBrowser(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	plane.Unavailable(t, errors.New("there is no browser to open the HTML report in; Debian has one in chromium"))
	return ""
}

// openURL opens an address in the browser with more arguments, and returns what the browser printed.
func openURL(t testing.TB, url string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), openTimeout)
	defer cancel()
	profile := t.TempDir()
	flags := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--hide-scrollbars", "--enable-logging=stderr", "--user-data-dir=" + profile,
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, findBrowser(t), append(append(flags, args...), url)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "HOME="+profile)
	cmd.WaitDelay = 10 * time.Second // its child processes may hold the pipes for a while
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("the browser: %v\n%s", err, stderr.String())
	}
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, "CONSOLE") && !strings.Contains(line, "sandboxed") {
			t.Errorf("the page complains: %s", line)
		}
	}
	return stdout.String()
}

// renderDOM returns the page as it is after its script has run.
func renderDOM(t testing.TB, page, hash string, args ...string) string {
	t.Helper()
	return openURL(t, "file://"+page+hash, append([]string{"--dump-dom"}, args...)...)
}

// pageCount returns a number that the script has noted on the page; -1 if there is none.
func pageCount(dom, name string) int {
	found := regexp.MustCompile(`<html[^>]* data-` + name + `="(\d+)"`).FindStringSubmatch(dom)
	if found == nil {
		return -1
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

// listedNames returns the names of the objects that are listed.
func listedNames(dom string) []string {
	_, body, _ := strings.Cut(dom, `id="objects"`)
	body, _, _ = strings.Cut(body, "</table>")
	var names []string
	for _, found := range regexp.MustCompile(`<th scope="row">([^<]+)`).FindAllStringSubmatch(body, -1) {
		names = append(names, found[1])
	}
	return names
}

func screenshotFolder(t testing.TB) string {
	t.Helper()
	_, thisFile, _, _ := runtime.Caller(0)
	folder := filepath.Join(filepath.Dir(thisFile), "..", "..", "bin", "screenshots")
	folder = cmp.Or(os.Getenv("BOSGC_SCREENSHOTS"), folder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// takeScreenshot returns how bright the screenshot is, from 0 to 1.
func takeScreenshot(t testing.TB, url, name, size string, args ...string) float64 {
	t.Helper()
	path := filepath.Join(screenshotFolder(t), name)
	_ = os.Remove(path)
	openURL(t, url, append([]string{"--screenshot=" + path, "--window-size=" + size}, args...)...)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	sum, n, colours := 0.0, 0.0, map[uint32]bool{}
	for y := picture.Bounds().Min.Y; y < picture.Bounds().Max.Y; y += 3 {
		for x := picture.Bounds().Min.X; x < picture.Bounds().Max.X; x += 3 {
			r, g, b, _ := picture.At(x, y).RGBA()
			sum, n = sum+float64(r+g+b)/(3*0xffff), n+1
			colours[r>>12<<8|g>>12<<4|b>>12] = true
		}
	}
	if len(colours) < 20 {
		t.Errorf("%s has %d colours: the page is empty", name, len(colours))
	}
	return sum / n
}

// startLab starts a simulated system, which is stopped with the test.
func startLab(t testing.TB, options lab.Options) *lab.Server {
	t.Helper()
	world, err := lab.NewWorld(options)
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.Start(world, lab.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// planPage returns the page that "bosgc plan --html" writes for a simulated system.
func planPage(t testing.TB, options lab.Options, environ ...string) string {
	t.Helper()
	server := startLab(t, options)
	page := filepath.Join(t.TempDir(), "page.html")
	var stdout, stderr bytes.Buffer
	environ = append(append(server.Env(), "BOSGC_LOG_LEVEL=error", "BOSGC_CFS_LINK=inferred"), environ...)
	args := []string{"plan", "--html", page, "--kubeconfig", server.Kubeconfig()}
	code := cli.Run(t.Context(), args, environ, &stdout, &stderr)
	if code != 0 && code != 6 { // 6: BOS is not asked for a list of so many sessions
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	return page
}
