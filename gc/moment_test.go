package gc_test

import (
	"encoding/json"
	"testing"
	"time"

	"bosgc/gc"
)

// What a server says of the time of one object never costs the report of all.
func TestAnyTimeCanBeWrittenDown(t *testing.T) {
	for _, tt := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2026, 3, 1, 13, 0, 0, 999, time.FixedZone("", 3600)), `"2026-03-01T12:00:00Z"`},
		{time.Unix(1, 0), `"1970-01-01T00:00:01Z"`},
		{time.Unix(-1, 0), ""},
		{time.Unix(1<<32-1, 0), `"2106-02-07T06:28:15Z"`},
		{time.Unix(1<<32, 0), `"2106-02-07T06:28:15Z"`},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Add(168 * time.Hour), `"2106-02-07T06:28:15Z"`},
		{time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), ""},
		{time.Time{}, ""},
	} {
		m := gc.MomentOf(tt.at)
		text, err := json.Marshal(m)
		if err != nil || tt.want != "" && string(text) != tt.want || m.Known() != (tt.want != "") {
			t.Errorf("%s is written %s (%v), known %v", tt.at, text, err, m.Known())
		}
		var back gc.Moment
		if err := json.Unmarshal(text, &back); err != nil || back != m {
			t.Errorf("%s comes back as %d (%v), and was %d", text, back, err, m)
		}
	}
}
