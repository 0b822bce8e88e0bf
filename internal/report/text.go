package report

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

type printer struct {
	View
	b     bytes.Buffer
	now   time.Time      // when the objects were judged
	whole map[string]int // by session, how many objects there are of it in all
}

const (
	bold   = "\x1b[1m"
	red    = "\x1b[1;31m"
	yellow = "\x1b[1;33m"
	plain  = "\x1b[0m"
)

func (p *printer) styled(style, text string) string {
	if !p.Colour {
		return text
	}
	return style + text + plain
}

func shorten(name string) string { return cut(name, nameWidth) }

func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// brief is an age in one unit, as kubectl shows it.
func brief(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + brief(-d)
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// wrap writes a text in lines that fit. A word that is longer than a line gets one of its own.
func (p *printer) wrap(text, indent string) {
	line, long := indent, len(indent)
	for _, word := range strings.Fields(Clean(text)) {
		n := utf8.RuneCountInString(word)
		if long > len(indent) && long+1+n > width {
			p.b.WriteString(line + "\n")
			line, long = indent, len(indent)
		}
		if long > len(indent) {
			line, long = line+" ", long+1
		}
		line, long = line+word, long+n
	}
	if long > len(indent) {
		p.b.WriteString(line + "\n")
	}
}

// Clean replaces what a terminal would act on: names and errors come from servers, and are
// data.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		if unicode.IsSpace(r) {
			return ' '
		}
		return '?'
	}, text)
}
