package progress

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bosgc/internal/testterm"
)

func TestWhatIsLoggedGoesAboveTheLine(t *testing.T) {
	t.Parallel()
	tty, shown := testterm.Open(t)
	p := NewTerminal(tty)
	p.Show(Update{What: "asking", Of: 9})
	fmt.Fprintln(p, "a line of the log")
	p.Show(Update{What: "asking", Done: 9, Of: 9})
	p.Show(Update{What: "asking", Ended: true})
	fmt.Fprintln(p, "the last word")
	text := shown()
	if got := testterm.Screen(text); got != "a line of the log\nthe last word\n" {
		t.Errorf("it reads %q (%q)", got, text)
	}
	if strings.Count(text, "asking: 0 of 9") != 2 {
		t.Errorf("the line was not drawn again under the log: %q", text)
	}
}

func TestTheLineHoldsWhatIsLeftOfTheTimeAndFits(t *testing.T) {
	t.Parallel()
	tty, shown := testterm.Open(t)
	p := NewTerminal(tty)
	p.Show(Update{What: "asking", Of: 900})
	p.Show(Update{What: "asking", Done: 3, Of: 900, Left: time.Hour}) // too soon to redraw
	p.drawn = time.Time{}
	p.Show(Update{What: "asking", Done: 4, Of: 900, Left: 90 * time.Second})
	p.Show(Update{What: "reading, at the same time", Of: 7})
	p.Show(Update{What: "reading, at the same time", Ended: true})
	p.Show(Update{What: "asking", Ended: true})
	p.Show(Update{What: strings.Repeat("long ", 40), Of: 5})
	p.Show(Update{What: strings.Repeat("long ", 40), Ended: true})
	text := shown()
	if !strings.Contains(text, "asking: 4 of 900, about 90 s left") || strings.Contains(text, "3 of 900") || strings.Contains(text, "reading") {
		t.Errorf("shown: %q", text)
	}
	for part := range strings.SplitSeq(text, eraseLine) {
		if len(part) >= 80 {
			t.Errorf("%d columns wrap, and are not erased then: %q", len(part), part)
		}
	}
}
