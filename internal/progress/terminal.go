package progress

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	// redrawInterval is the shortest time between two changes of the line.
	redrawInterval = 100 * time.Millisecond
	eraseLine      = "\r\x1b[K"
)

// Terminal is a terminal whose last line tells how far long work has come. What else is written to it goes above that
// line.
type Terminal struct {
	file *os.File

	mu    sync.Mutex // guards what follows
	shown string     // the line as it stands; empty: there is none
	drawn time.Time
	what  string // the task whose line it is; empty: none
}

// NewTerminal returns a Terminal on a file that is one.
func NewTerminal(file *os.File) *Terminal { return &Terminal{file: file} }

// File returns the file that it writes to.
func (t *Terminal) File() *os.File { return t.file }

// Write writes above the line.
func (t *Terminal) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shown == "" {
		return t.file.Write(text)
	}
	all := eraseLine + string(text)
	if strings.HasSuffix(all, "\n") {
		all += t.shown
	} else {
		t.shown = ""
	}
	if _, err := t.file.WriteString(all); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Show shows an update of the task that has the line. Of tasks that go on at once the first one has it until it ends.
func (t *Terminal) Show(update Update) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.what == "" && !update.Ended {
		t.what, t.drawn = update.What, time.Time{}
	}
	if update.What != t.what {
		return
	}
	if update.Ended {
		t.what = ""
		if t.shown != "" {
			t.shown = ""
			_, _ = t.file.WriteString(eraseLine)
		}
		return
	}
	if now.Sub(t.drawn) < redrawInterval && update.Done < update.Of {
		return
	}
	t.drawn = now
	text := fmt.Sprintf("%s: %d of %d", update.What, update.Done, update.Of)
	if update.Left > 0 {
		text += ", about " + formatLeft(update.Left) + " left"
	}
	t.shown = t.fit(text)
	_, _ = t.file.WriteString(eraseLine + t.shown) // a terminal that has gone does not stop the run
}

// formatLeft returns "40 s" or "5 min".
func formatLeft(left time.Duration) string {
	if left < 2*time.Minute {
		return fmt.Sprintf("%d s", left/time.Second)
	}
	return fmt.Sprintf("%d min", left/time.Minute)
}

// fit keeps a line from wrapping: what has wrapped is not erased.
func (t *Terminal) fit(text string) string {
	columns, _, err := term.GetSize(int(t.file.Fd()))
	if err != nil || columns <= 0 {
		columns = 80
	}
	return text[:min(len(text), columns-1)]
}
