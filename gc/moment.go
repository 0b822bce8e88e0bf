package gc

import (
	"math"
	"time"
)

// Moment is a time of an object, in seconds since 1970. Documents show no more, and each of tens of thousands of objects
// has several. Zero is one that is not known.
type Moment uint32

// MomentOf cuts a time to the second. The zero time is not known, and neither is one before 1970. One after the last Moment,
// in 2106, becomes that: some server's year 10000 must not cost the whole report.
func MomentOf(t time.Time) Moment { return Moment(min(max(t.Unix(), 0), math.MaxUint32)) }

// Time gives it in UTC; the zero time if it is not known.
func (m Moment) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Unix(int64(m), 0).UTC()
}

// Known says whether it is.
func (m Moment) Known() bool { return m != 0 }

// MarshalText gives it as documents have it (RFC 3339).
func (m Moment) MarshalText() ([]byte, error) { return m.Time().MarshalText() }

// UnmarshalText takes what MarshalText gives.
func (m *Moment) UnmarshalText(text []byte) error {
	var t time.Time
	err := t.UnmarshalText(text)
	*m = MomentOf(t)
	return err
}
