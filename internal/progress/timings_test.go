package progress

import (
	"math"
	"testing"
	"time"
)

func TestTimingsAddUpWhatGoesOnAtOnce(t *testing.T) {
	var none *Timings
	none.Add("nothing", time.Now(), 1)
	if got := none.Phases(); got != nil {
		t.Errorf("%v", got)
	}
	timings := new(Timings)
	now := time.Now()
	timings.Add("delete", now.Add(-2*time.Second), 1)
	timings.Add("delete", now.Add(-4*time.Second), 1)
	timings.Add("read", now.Add(-10*time.Second), 7) // it began before the others, and is told of later
	want := []Timing{{"read", 0, 10, 10, 7}, {"delete", 6, 4, 6, 2}}
	got := timings.Phases()
	near := func(a, b float64) bool { return math.Abs(a-b) < 0.5 }
	for i, w := range want {
		if g := got[i]; len(got) != 2 || g.Name != w.Name || g.Count != w.Count || !near(g.Begun, w.Begun) || !near(g.Seconds, w.Seconds) || !near(g.Busy, w.Busy) {
			t.Fatalf("%+v, want %+v", got, want)
		}
	}
}
