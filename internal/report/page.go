package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bosgc/gc"
)

var (
	//go:embed page/page.html
	frame string
	//go:embed page/page.css
	style string
	//go:embed page/page.js
	script string
)

type fact struct{ name, value string }

// Page writes a plan or report as one HTML page that needs nothing besides: no network, no server, no file. Its times are
// UTC. Names and errors are of servers, and are data in it: none of them can become markup or script.
func Page(w io.Writer, d gc.Document) error {
	data, err := json.Marshal(pageData(d))
	if err != nil {
		return err
	}
	tally := count(d)
	name, lead := "plan", "This is a plan: nothing has been deleted."
	if d.Kind != "Plan" {
		name, lead = "sweep", "This is what a sweep has done."
	}
	// One pass, which does not look into what it has put in.
	_, err = strings.NewReplacer(
		"[[policy]]", policyOf(style, script),
		"[[title]]", string(text("bosgc "+d.Run)),
		"[[style]]", style,
		"[[command]]", name,
		"[[lead]]", lead,
		"[[facts]]", string(factsOf(d)),
		"[[doubts]]", string(doubts(d)),
		"[[tiles]]", string(tilesOf(tally.tiles(d))),
		"[[charts]]", string(chartsOf(tally.charts(d))),
		"[[sources]]", string(sourcesOf(d)),
		// Marshal writes <, > and & as escapes, so that no text of it can end the element it is in.
		"[[data]]", string(data),
		"[[script]]", script,
	).WriteString(w, frame)
	return err
}

// policyOf lets only these two run, word for word, whatever else found its way into the page.
func policyOf(style, script string) string {
	return "default-src 'none'; style-src '" + digest(style) + "'; script-src '" + digest(script) + "'; base-uri 'none'; form-action 'none'"
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// WritePage writes the page to a file that only its owner can read: it names machines and people's templates. Whoever
// reads it at that moment sees the old page or the new one.
func WritePage(path string, d gc.Document) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no ordinary file, and is not replaced by one", path) // as root this would replace /dev/null
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".bosgc-*") // made with 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // in the end there is nothing to remove
	err = Page(f, d)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func facts(d gc.Document) []fact {
	all := []fact{{"System", Clean(d.Cluster)}, {"Run", Clean(d.Run)}, {"Read at", minute(d.CreatedAt)}}
	if d.ExpiresAt != nil {
		all = append(all, fact{"Good until", minute(*d.ExpiresAt)})
	}
	if d.FinishedAt != nil {
		all = append(all, fact{"Ended at", minute(*d.FinishedAt)})
	}
	all = append(all, fact{"Settings", "those with the hash " + Clean(d.PolicyHash)})
	if d.List != nil && d.List.From != "" {
		all = append(all, fact{"Sessions known from", map[string]string{gc.FromBOS: "BOS's list", gc.FromEtcd: "BOS's etcd", gc.FromKubernetes: "what names them, one by one"}[d.List.From]})
	}
	return all
}

// thousands writes a number so that its size is seen.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func minute(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }
