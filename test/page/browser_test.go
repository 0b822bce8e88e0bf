// Package page opens the HTML report in a real browser (Debian: chromium): what a script, a stylesheet
// or a content policy really does cannot be imitated. Its screenshots are for people: they are in
// bin/screenshots, or where BOSGC_SCREENSHOTS says.
package page

import (
	"bytes"
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

// patience is how long a browser may take on a busy machine. Times that are checked are measured by
// the page.
const patience = 2 * time.Minute

func browser(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	plane.Unavailable(t, errors.New("there is no browser to open the HTML report in; Debian has one in chromium"))
	return ""
}

// open makes the browser open an address, with further arguments, and returns what it printed.
func open(t testing.TB, url string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	profile := t.TempDir()
	flags := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr", "--user-data-dir=" + profile,
	}
	var out, problem bytes.Buffer
	cmd := exec.CommandContext(ctx, browser(t), append(append(flags, args...), url)...)
	cmd.Stdout, cmd.Stderr = &out, &problem
	cmd.Env = append(os.Environ(), "HOME="+profile)
	cmd.WaitDelay = 10 * time.Second // its child processes may hold the pipes for a while
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("the browser: %v\n%s", err, problem.String())
	}
	for line := range strings.Lines(problem.String()) {
		if strings.Contains(line, "CONSOLE") && !strings.Contains(line, "sandboxed") {
			t.Errorf("the page complains: %s", line)
		}
	}
	return out.String()
}

// dom returns the page after its script has run.
func dom(t testing.TB, page, hash string, args ...string) string {
	t.Helper()
	return open(t, "file://"+page+hash, append([]string{"--dump-dom"}, args...)...)
}

// mark returns a number that the script has noted on the page; -1 if there is none.
func mark(dom, name string) int {
	found := regexp.MustCompile(`<html[^>]* data-` + name + `="(\d+)"`).FindStringSubmatch(dom)
	if found == nil {
		return -1
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

// rows returns the names of the objects that are listed.
func rows(dom string) []string {
	_, body, _ := strings.Cut(dom, `id="objects"`)
	body, _, _ = strings.Cut(body, "</table>")
	var names []string
	for _, found := range regexp.MustCompile(`<th scope="row">([^<]+)`).FindAllStringSubmatch(body, -1) {
		names = append(names, found[1])
	}
	return names
}

// pictures returns the folder for screenshots.
func pictures(t testing.TB) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	folder := filepath.Join(filepath.Dir(here), "..", "..", "bin", "screenshots")
	if named := os.Getenv("BOSGC_SCREENSHOTS"); named != "" {
		folder = named
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// photograph takes a screenshot and returns how bright it is, from 0 to 1.
func photograph(t testing.TB, url, name, size string, args ...string) float64 {
	t.Helper()
	path := filepath.Join(pictures(t), name)
	_ = os.Remove(path)
	open(t, url, append([]string{"--screenshot=" + path, "--window-size=" + size}, args...)...)
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
		t.Errorf("%s has %d colours: there is nothing on it", name, len(colours))
	}
	return sum / n
}

// planned returns the page that "bosgc plan --html" writes for a simulated system.
func planned(t testing.TB, options lab.Options, environ ...string) string {
	t.Helper()
	world, err := lab.NewWorld(options)
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.Start(world, lab.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	page := filepath.Join(t.TempDir(), "page.html")
	var out, problem bytes.Buffer
	environ = append(append(server.Env(), "BOSGC_LOG_LEVEL=error", "BOSGC_CFS_LINK=inferred"), environ...)
	code := cli.Run(t.Context(), []string{"plan", "--html", page, "--kubeconfig", server.Kubeconfig()}, environ, &out, &problem)
	if code != 0 && code != 6 { // 6: a list of so many sessions is not requested
		t.Fatalf("exit code %d: %s", code, problem.String())
	}
	return page
}
