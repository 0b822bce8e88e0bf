package report

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// printer collects text for a terminal.
type printer struct {
	View
	out           bytes.Buffer
	now           time.Time      // when the objects were judged
	sessionTotals map[string]int // how many objects a session has, shown or not
	written       bool           // something has been handed on, so that what follows is separated from it
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

// printLine cleans what it prints. Line breaks of the format are kept, and so are those of the values.
func (p *printer) printLine(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...) + "\n") {
		p.out.WriteString(Clean(strings.TrimSuffix(line, "\n")) + "\n")
	}
}

// wrap writes a text in lines that fit the width. A word that is longer than a line gets one of its own.
func (p *printer) wrap(text, indent string) { p.wrapWords(strings.Fields(Clean(text)), indent) }

// wrapWords breaks lines only between the words that it is handed.
func (p *printer) wrapWords(words []string, indent string) {
	line, length := indent, len(indent)
	for _, word := range words {
		n := utf8.RuneCountInString(word)
		if length > len(indent) && length+1+n > width {
			p.out.WriteString(line + "\n")
			line, length = indent, len(indent)
		}
		if length > len(indent) {
			line, length = line+" ", length+1
		}
		line, length = line+word, length+n
	}
	if length > len(indent) {
		p.out.WriteString(line + "\n")
	}
}

func truncateName(name string) string { return truncate(name, nameWidth) }

func truncate(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// Clean replaces everything that a terminal would act on: names and errors come from servers, and are data.
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
