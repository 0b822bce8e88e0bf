package page

import (
	"bytes"
	"net/http"
	"sync"
	"time"

	"bosgc/gc"
	"bosgc/internal/state"
)

// maxObjects bounds a report of which the page is kept: making it takes memory, and a Pod that grows past its limit is
// killed. The page of 36,000 objects, as 10,000 sessions have, is 4.8 MB, and takes 14 MB more while it is written.
const maxObjects = 50_000

// Pages serve what is known of the last sweeps to a browser, read only.
type Pages struct {
	Installation string
	// State returns the state as it was read last, and why it cannot be read now.
	State func() (state.State, error)
	Now   func() time.Time

	mu     sync.Mutex // guards report
	report []byte     // the page of the last plan or report; nil without one
}

// Handlers returns what answers each path.
func (p *Pages) Handlers() map[string]http.Handler {
	return map[string]http.Handler{"/{$}": http.HandlerFunc(p.serveStatus), "/report": http.HandlerFunc(p.serveReport)}
}

// Show has the page of a plan or report served, instead of the one before.
func (p *Pages) Show(d gc.Document) {
	var page bytes.Buffer
	if len(d.Objects) <= maxObjects {
		if err := Write(&page, d); err != nil {
			page.Reset() // half a page
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report = bytes.Clone(page.Bytes())
}

func (p *Pages) lastReport() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.report
}

func (p *Pages) serveStatus(w http.ResponseWriter, _ *http.Request) {
	s := Status{Installation: p.Installation, Now: p.Now(), Report: len(p.lastReport()) > 0}
	s.State, s.Err = p.State()
	var page bytes.Buffer
	if err := WriteStatus(&page, s); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writePage(w, page.Bytes())
}

func (p *Pages) serveReport(w http.ResponseWriter, _ *http.Request) {
	page := p.lastReport()
	if len(page) == 0 {
		http.Error(w, "There is no report here. \"bosgc serve\" has that of its last sweep, unless that has more than 50,000 objects; "+
			"\"bosgc plan --html FILE\" writes one.", http.StatusNotFound)
		return
	}
	writePage(w, page)
}

func writePage(w http.ResponseWriter, page []byte) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store") // it names machines and people's templates
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(page) // whoever has left needs no answer
}
