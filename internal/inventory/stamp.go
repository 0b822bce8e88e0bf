package inventory

import (
	"strings"
	"time"
)

// Stamp is a time as a system gave it. Its three states are never mixed up:
// known, unknown (all of it is empty: the system gave no time) and bad (Raw holds a text
// that is no time). The zero Stamp is unknown, so that a missing time can never pass for a
// very old one.
type Stamp struct {
	micro int64  // since 1970, which is before there was anything of CSM; 0 unless known
	Raw   string // the text as received; empty if there was none to read
}

// At is the time in UTC, to the microsecond, more than any system gives; zero unless known.
func (s Stamp) At() time.Time {
	if s.micro == 0 {
		return time.Time{}
	}
	return time.UnixMicro(s.micro).UTC()
}

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
// zero time becomes the unknown Stamp.
func KnownStamp(t time.Time) Stamp {
	if t.IsZero() {
		return Stamp{}
	}
	return Stamp{micro: t.UnixMicro()}
}

// ParseStamp reads any of the forms that CSM writes. A text without a zone is UTC: all
// CSM containers run in it. Empty text is unknown; anything else that is no time is bad, a
// written-out "None" too, and so is a year before 2000, which is some counter's zero and
// not the age of a session.
func ParseStamp(raw string) Stamp {
	text := strings.TrimSpace(raw)
	if text == "" {
		return Stamp{}
	}
	for _, layout := range stampLayouts {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil && t.Year() >= 2000 {
			return Stamp{micro: t.UnixMicro(), Raw: raw}
		}
	}
	return Stamp{Raw: raw}
}

// Known says whether the Stamp holds a time.
func (s Stamp) Known() bool { return s.micro != 0 }

// Bad says whether the system gave a text that is no time.
func (s Stamp) Bad() bool { return s.micro == 0 && s.Raw != "" }
