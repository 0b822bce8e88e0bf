package progress

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestWhoWatchesIsToldOfEachStepAndOfTheEnd(t *testing.T) {
	var told []Update
	p := Reporter{Watch: func(far Update) { told = append(told, far) }}.StartTask("asking", 3)
	p.begun = p.begun.Add(-100 * time.Second)
	p.Step()
	p.Step()
	p.End() // one was not done
	want := []Update{{What: "asking", Of: 3}, {What: "asking", Done: 1, Of: 3, Left: 3 * time.Minute}, {What: "asking", Done: 2, Of: 3, Left: 50 * time.Second}, {What: "asking", Ended: true}}
	if !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestTheLogGetsALineNowAndThenIfNobodyWatches(t *testing.T) {
	var text bytes.Buffer
	p := Reporter{Log: slog.New(slog.NewTextHandler(&text, nil))}.StartTask("asking", 100)
	p.Step()
	if text.Len() > 0 {
		t.Errorf("at once: %s", &text)
	}
	p.logged = p.logged.Add(-logInterval)
	for range 50 {
		p.Step()
	}
	p.End()
	if strings.Count(text.String(), "\n") != 1 || !strings.Contains(text.String(), "msg=asking done=2 of=100") {
		t.Errorf("the log has: %s", &text)
	}
}

func TestStepsAreCountedFromAllSides(t *testing.T) {
	last := Update{}
	p := Reporter{Watch: func(far Update) { last = far }}.StartTask("asking", 400)
	var all sync.WaitGroup
	for range 400 {
		all.Go(p.Step)
	}
	all.Wait()
	if last.Done != 400 {
		t.Errorf("the last to be told was %v", last)
	}
	var nobody *Task
	nobody.Step()
}

func TestTheRestIsEstimated(t *testing.T) {
	for _, tt := range []struct {
		done, total int
		took, want  time.Duration
	}{
		{0, 10, time.Minute, 0},
		{5, 10, time.Minute, time.Minute},
		{12, 10, time.Minute, 0},
		{1, 1000, 10 * time.Second, 0}, // the first has waited for a connection
		{20, 1000, time.Second, 0},     // too soon
		{20, 1000, 4 * time.Second, 3 * time.Minute},
		{20, 100000, time.Minute, 0}, // more than two days
		{90, 100, 61 * time.Second, 10 * time.Second},
		{99, 100, 61 * time.Second, 10 * time.Second},
	} {
		if got := estimateLeft(tt.done, tt.total, tt.took); got != tt.want {
			t.Errorf("%d of %d in %s: %s left, want %s", tt.done, tt.total, tt.took, got, tt.want)
		}
	}
}
