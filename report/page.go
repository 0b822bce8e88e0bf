package report

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"bosgc/gc"
)

//go:embed page
var files embed.FS

var pageTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{"n": thousands}).ParseFS(files, "page/page.html"))

// page is what the template shows: the counts as they are, and every object as data for the script.
type page struct {
	Title    string
	Document gc.Document
	Plan     bool
	Policy   template.HTML
	Style    template.CSS
	Script   template.JS
	Data     template.JS
	Tiles    []tile
	Charts   []chart
	Sources  []source
	Doubts   []string
	Facts    []fact
}

type fact struct{ Name, Value string }

type source struct {
	Name, What, Error string
	Complete          bool
	Count, Requests   int
}

// Page writes a plan or report as one HTML page that needs nothing besides: no network, no server, no file. Its times are
// UTC. Names and errors are of servers, and are data in it: none of them can become markup or script.
func Page(w io.Writer, d gc.Document) error {
	style, err := files.ReadFile("page/page.css")
	if err != nil {
		return err
	}
	script, err := files.ReadFile("page/page.js")
	if err != nil {
		return err
	}
	data, err := json.Marshal(pageData(d))
	if err != nil {
		return err
	}
	tally := count(d)
	return pageTemplate.Execute(w, page{
		Title:    "bosgc " + d.Run,
		Document: d,
		Plan:     d.Kind == "Plan",
		// Only these two, word for word: whatever else found its way into the page would not run.
		Policy: template.HTML(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '` + digest(style) + `'; script-src '` + digest(script) + `'; base-uri 'none'; form-action 'none'">`),
		Style:  template.CSS(style),
		Script: template.JS(script),
		// Marshal writes <, > and & as escapes, so that no text of it can end the element it is in.
		Data:    template.JS(data),
		Tiles:   tally.tiles(d),
		Charts:  tally.charts(d),
		Sources: sourcesOf(d),
		Doubts:  doubts(d),
		Facts:   facts(d),
	})
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// WritePage writes the page to a file that only its owner can read: it names machines and people's templates. Whoever
// reads it at that moment sees the old page or the new one.
func WritePage(path string, d gc.Document) error {
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

var sourceWords = map[string]string{
	"bos-sessions":    "sessions of BOS v1",
	"kube-jobs":       "Jobs in Kubernetes",
	"kube-configmaps": "ConfigMaps in Kubernetes",
	"kube-pods":       "Pods in Kubernetes",
	"kube-cronjobs":   "CronJobs in Kubernetes",
	"cfs-sessions":    "sessions of CFS",
	"cfs-components":  "components of CFS",
}

func sourcesOf(d gc.Document) []source {
	var all []source
	for _, s := range d.Sources {
		all = append(all, source{Name: Clean(s.Name), What: sourceWords[s.Name], Error: Clean(s.Error), Complete: s.Complete, Count: s.Count, Requests: s.Requests})
	}
	return all
}

// doubts are what a reader must know before the numbers.
func doubts(d gc.Document) []string {
	var all []string
	if d.Stopped != "" {
		all = append(all, "Stopped before its end: "+Clean(d.Stopped))
	}
	for _, s := range d.Sources {
		if !s.Complete {
			all = append(all, "Not read completely, so that what depends on it is left alone: "+Clean(s.Name+": "+s.Error))
		}
	}
	return all
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
