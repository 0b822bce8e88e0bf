package inventory

import (
	"strings"
	"time"
)

// Stamp is a time as a system gave it. It is in one of three states: known, unknown (the
// system gave no time) and bad (Raw holds a text that is not a time). The zero Stamp is
// unknown, so that a missing time can never pass for a very old one. Stamps can be compared
// with ==.
type Stamp struct {
	at  time.Time // in UTC; zero unless known
	Raw string    // the text as received; empty if there was none to read
}

// At returns the time in UTC; the zero time unless it is known.
func (s Stamp) At() time.Time { return s.at }

// stampLayouts are the forms that CSM writes (docs/csm.md, "Times"). Zone-less forms come
// first because they are by far the most frequent. Go accepts a fraction of a second
// after the seconds of each layout, so that the fraction Python leaves out when it is
// zero needs no layout of its own.
var stampLayouts = []string{
	"2006-01-02 15:04:05",
	"2006-01-02T15:04:05",
	time.RFC3339,
	"2006-01-02 15:04:05Z07:00",
}

// KnownStamp wraps a time that needs no parsing, as Kubernetes gives them, and so has no text. The
// zero time and the first second of 1970, which is how a missing time is written as a number, become the
// unknown Stamp.
func KnownStamp(t time.Time) Stamp {
	if t.IsZero() || t.Unix() == 0 {
		return Stamp{}
	}
	return Stamp{at: t.Round(0).UTC()}
}

// ParseStamp reads any of the forms that CSM writes. A text without a zone is UTC: all
// CSM containers run in it. Empty text is unknown. Anything else that is not a time is bad,
// also a written-out "None", and so is a year before 2000, which is some counter's zero and
// not the age of a session.
func ParseStamp(raw string) Stamp {
	text := strings.TrimSpace(raw)
	if text == "" {
		return Stamp{}
	}
	for _, layout := range stampLayouts {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil && t.Year() >= 2000 {
			return Stamp{at: t.UTC(), Raw: raw}
		}
	}
	return Stamp{Raw: raw}
}

// Known reports whether the Stamp holds a time.
func (s Stamp) Known() bool { return !s.at.IsZero() }

// Bad reports whether the system gave a text that is not a time.
func (s Stamp) Bad() bool { return s.at.IsZero() && s.Raw != "" }
