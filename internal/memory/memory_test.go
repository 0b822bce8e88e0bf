package memory

import (
	"testing"
	"time"
)

func TestSightingsCountIfTheyAreFarEnoughApart(t *testing.T) {
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name     string
		interval time.Duration
		at       []time.Duration // of the sightings
		want     int
	}{
		{"once", 30 * time.Minute, []time.Duration{0}, 1},
		{"too early", 30 * time.Minute, []time.Duration{0, 29 * time.Minute}, 1},
		{"far enough", 30 * time.Minute, []time.Duration{0, 30 * time.Minute}, 2},
		{"what does not count does not put off what does", 30 * time.Minute, []time.Duration{0, 20 * time.Minute, 40 * time.Minute}, 2},
		{"each sweep counts", 0, []time.Duration{0, 0, time.Second}, 3},
		{"the clock was a year ahead for one sweep", time.Hour, []time.Duration{8760 * time.Hour, 0, time.Hour}, 2},
	} {
		var s Sighting
		for _, at := range tt.at {
			s = s.Again(begin.Add(at), tt.interval)
		}
		if s.Times != tt.want || !s.First.Equal(begin.Add(tt.at[0])) {
			t.Errorf("%s: %+v, want %d times", tt.name, s, tt.want)
		}
	}
}

// A state of an earlier version does not have the time of the last sighting.
func TestASightingOfAnEarlierVersionCounts(t *testing.T) {
	s := Sighting{Times: 1, First: time.Unix(0, 0)}.Again(time.Unix(7200, 0), time.Hour)
	if s.Times != 2 {
		t.Errorf("%+v", s)
	}
}
