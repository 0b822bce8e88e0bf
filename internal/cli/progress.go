package cli

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"bosgc/gc"
	"bosgc/internal/report"
)

// redraw is how often the line of progress changes at most.
const redraw = 100 * time.Millisecond

// estimateAfter is how long something must have gone on before the rest of it is estimated.
const estimateAfter = 3 * time.Second

// progress is a terminal whose last line says how far long work has come. What is written to it besides goes above
// that line.
type progress struct {
	file *os.File

	mu    sync.Mutex // guards what follows
	shown string     // the line as it stands; empty: there is none
	drawn time.Time
	what  string
	since time.Time // when this began
}

// watched has the line shown, unless somebody listens who wants no such thing: a program, a file, a terminal that
// cannot rewrite a line.
func (a *app) watched() {
	if f, ok := a.stderr.(*os.File); ok && a.output != "json" && isTerminal(f) && a.variable("TERM") != "dumb" {
		a.stderr = &progress{file: f}
	}
}

// watch is nil where nobody watches; the log says then how far it has come.
func (a *app) watch() func(gc.Progress) {
	if p, ok := a.stderr.(*progress); ok {
		return p.show
	}
	return nil
}

const eraseLine = "\r\x1b[K"

// Write writes above the line.
func (p *progress) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown == "" {
		return p.file.Write(text)
	}
	all := eraseLine + string(text)
	if strings.HasSuffix(all, "\n") {
		all += p.shown
	} else {
		p.shown = ""
	}
	if _, err := p.file.WriteString(all); err != nil {
		return 0, err
	}
	return len(text), nil
}

func (p *progress) show(far gc.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if far.What != p.what {
		p.what, p.since, p.drawn = far.What, now, time.Time{}
	}
	if far.What == "" {
		if p.shown != "" {
			p.shown = ""
			_, _ = p.file.WriteString(eraseLine)
		}
		return
	}
	if now.Sub(p.drawn) < redraw && far.Done < far.Of {
		return
	}
	p.drawn = now
	text := fmt.Sprintf("%s: %d of %d", far.What, far.Done, far.Of)
	if far.Left > 0 && now.Sub(p.since) >= estimateAfter {
		text += fmt.Sprintf(", about %s left", far.Left)
	}
	p.shown = p.fit(report.Clean(text))
	_, _ = p.file.WriteString(eraseLine + p.shown) // a terminal that has gone does not stop the run
}

// fit keeps a line from wrapping: what has wrapped is not erased.
func (p *progress) fit(text string) string {
	columns, _, err := term.GetSize(int(p.file.Fd()))
	if err != nil || columns <= 0 {
		columns = 80
	}
	return text[:min(len(text), columns-1)]
}
