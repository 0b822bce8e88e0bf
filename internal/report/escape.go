package report

import (
	"bytes"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// EscapeJSON returns JSON in which the characters that encoding/json leaves as they are, and a terminal or an editor
// acts on, are written as \uXXXX: names and errors come from servers, and people look at JSON, too. Those characters
// cannot be outside of a string.
func EscapeJSON(text []byte) []byte {
	if bytes.IndexFunc(text, acted) < 0 {
		return text
	}
	escaped := make([]byte, 0, len(text)+64)
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if acted(r) {
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		} else {
			escaped = append(escaped, rest[:size]...)
		}
		rest = rest[size:]
	}
	return escaped
}

// acted reports whether a character is a control character of the second half of Latin-1, or DEL, or changes the
// direction of text.
func acted(r rune) bool { return r >= 0x7f && r <= 0x9f || unicode.Is(unicode.Bidi_Control, r) }

// JSONLines is a Writer of whole lines of JSON, which it escapes.
type JSONLines struct{ To io.Writer }

func (l JSONLines) Write(line []byte) (int, error) {
	if _, err := l.To.Write(EscapeJSON(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
